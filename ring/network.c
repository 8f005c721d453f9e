/* ring/network.c - see network.h. */
#include "ring/network.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

int network_watch(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK,
				      .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
						   RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Routes come and go all the time; a default route does not. */
static bool matters(const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	switch (message->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return true;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route->rtm_dst_len == 0 && route->rtm_type == RTN_UNICAST;
	default:
		return false;
	}
}

bool network_changed(int fd)
{
	_Alignas(struct nlmsghdr) char bytes[16384];
	bool changed = false;
	for (ssize_t size; (size = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
		int left = (int)size;
		for (struct nlmsghdr *message = (void *)bytes; left > 0 && NLMSG_OK(message, (unsigned)left);
		     message = NLMSG_NEXT(message, left))
			changed |= matters(message);
	}
	return changed;
}
