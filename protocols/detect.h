/* protocols/detect.h - the gateway's port: what this version serves behind it, told from the first bytes.
 */
#ifndef PROTOCOLS_DETECT_H
#define PROTOCOLS_DETECT_H

#include "core/detect.h"

struct gateway_detector {
	struct detector detector;      /* .detect = gateway_detect */
	const struct wire *tls_tunnel_wire;
	const struct role *tls_tunnel_role;
	uint32_t tls_tunnel_service;   /* index in hub->services */
};

enum status gateway_detect(const struct detector *detector, const char *alpn, struct slice first,
			   struct detect_answer *answer);

#endif
