/* ring/route.c - see route.h. */
#include "ring/route.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_usable(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, address, sizeof in);
		return ntohl(in.sin_addr.s_addr) >> 24 != 127;
	}
	if (address->sa_family != AF_INET6)
		return false;
	struct sockaddr_in6 in6;
	memcpy(&in6, address, sizeof in6);
	return !IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) && !IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr);
}

enum address_family route_families(void)
{
	struct ifaddrs *all;
	if (getifaddrs(&all))
		return ADDRESS_ANY;
	bool ipv4 = false, ipv6 = false;
	for (struct ifaddrs *each = all; each; each = each->ifa_next) {
		if (!each->ifa_addr || !is_usable(each->ifa_addr))
			continue;
		ipv4 |= each->ifa_addr->sa_family == AF_INET;
		ipv6 |= each->ifa_addr->sa_family == AF_INET6;
	}
	freeifaddrs(all);
	return ipv4 == ipv6 ? ADDRESS_ANY : ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
}

static socklen_t fill(const struct address *address, struct sockaddr_storage *storage)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(address->port), .sin6_scope_id = address->scope,
	};
	if (address->family == ADDRESS_IPV4) {
		memcpy(&in.sin_addr, address->bytes, 4);
		memcpy(storage, &in, sizeof in);
		return sizeof in;
	}
	memcpy(&in6.sin6_addr, address->bytes, 16);
	memcpy(storage, &in6, sizeof in6);
	return sizeof in6;
}

bool route_exists(const struct address *address)
{
	struct sockaddr_storage storage;
	socklen_t size = fill(address, &storage);
	/* Connecting a datagram socket asks the routing table and sends nothing. */
	int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno != EAFNOSUPPORT;
	bool found = connect(fd, (struct sockaddr *)&storage, size) == 0 ||
		     (errno != ENETUNREACH && errno != EHOSTUNREACH && errno != EADDRNOTAVAIL);
	close(fd);
	return found;
}

static bool is_listed(const struct address *addresses, uint32_t count, const struct address *address)
{
	for (uint32_t i = 0; i < count; i++)
		if (address_is_equal(&addresses[i], address))
			return true;
	return false;
}

static uint32_t keep_once(struct address *addresses, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++)
		if (!is_listed(addresses, kept, &addresses[i]))
			addresses[kept++] = addresses[i];
	return kept;
}

static uint32_t keep_routed(struct address *addresses, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++)
		if (route_exists(&addresses[i]))
			addresses[kept++] = addresses[i];
	return kept ? kept : count;
}

/* At each place: if the family is that of the place before, the next of the other family moves up. */
static void alternate(struct address *addresses, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		uint32_t other = i;
		while (other < count && addresses[other].family == addresses[i - 1].family)
			other++;
		if (other == i)
			continue;
		if (other == count)
			return;
		struct address moved = addresses[other];
		memmove(&addresses[i + 1], &addresses[i], (other - i) * sizeof *addresses);
		addresses[i] = moved;
	}
}

uint32_t route_order(struct address *addresses, uint32_t count)
{
	count = keep_once(addresses, count);
	count = keep_routed(addresses, count);
	alternate(addresses, count);
	return count;
}
