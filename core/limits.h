/* core/limits.h - every limit by its name, with its default: the values of one process.
 *
 * Owner: the process, made from the configuration before workers start, read-only afterwards. What a
 * limit stopped is counted (core/stats.h). Sizes in bytes.
 */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include "core/instant.h"

enum {
	CHANNEL_QUEUE_MAX = 1000,          /* messages per channel and direction, as the protocols say */
	CHANNELS_STOCK_MAX = 500,          /* channels of a link whose peer is not ours */
	REFUSALS_MAX = 64,                 /* refusals without a channel that wait to be sent */
	LINK_WINDOW = 256 * 1024,          /* first window of a channel with credit */
	STREAM_OUT_MAX = 256 * 1024,       /* one gathered send */
	HALF_OPEN_MAX = 1024,              /* connections in a handshake, per worker */
};

struct limits {
	size_t channel_bytes;              /* high watermark of a flow; low is half of it */
	size_t channel_bytes_no_credit;    /* the same, from a peer without flow control */
	size_t session_bytes;              /* waiting to be sent on one session */
	size_t process_memory;             /* 0: auto, half of what the cgroup or the machine has */
	size_t exchange_bytes;
	uint32_t http2_window;             /* of a link over HTTP/2; 0: the carrier's own */
	uint32_t channels_per_session;
	uint32_t connections_per_source;
	uint32_t opens_per_second;         /* 0: no limit */
	struct duration channel_idle, http_idle, udp_idle;
	struct duration handshake;         /* TLS, first bytes, authentication: each at most so long */
};

#define LIMITS_DEFAULT \
	((struct limits){ \
		.channel_bytes = 256 * 1024, \
		.channel_bytes_no_credit = 16 * 1024 * 1024, \
		.session_bytes = 16 * 1024 * 1024, \
		.exchange_bytes = 64 * 1024 * 1024, \
		.channels_per_session = 10000, \
		.connections_per_source = 256, \
		.channel_idle = DURATION_S(12 * 3600), \
		.http_idle = DURATION_S(300), \
		.udp_idle = DURATION_S(60), \
		.handshake = DURATION_S(10), \
	})

#endif
