/* core/cidr.h - ranges of addresses and of ports: parsed, asked.
 *
 * Owner: nobody, values only. Thread: any. An IPv4 address inside IPv6 (::ffff:1.2.3.4) is asked as the
 * IPv4 address that it is.
 */
#ifndef CORE_CIDR_H
#define CORE_CIDR_H

#include "core/address.h"

struct cidr {
	enum address_family family; /* ADDRESS_IPV4 or ADDRESS_IPV6 */
	uint8_t prefix;             /* bits */
	uint8_t bytes[16];          /* zero behind the prefix */
};

struct port_range {
	uint16_t first, last;
};

/* "10.0.0.0/8", "::1", "fe80::/10". False when malformed or when bits behind the prefix are set. */
bool cidr_parse(struct cidr *cidr, const char *text);
bool cidr_has(const struct cidr *cidr, const struct address *address);
bool cidrs_have(const struct cidr *cidrs, size_t count, const struct address *address);
/* "8000-8999" or "8000"; no port 0, first <= last. */
bool port_range_parse(struct port_range *range, const char *text);
bool port_ranges_have(const struct port_range *ranges, size_t count, uint16_t port);

#endif
