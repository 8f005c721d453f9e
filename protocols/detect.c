/* protocols/detect.c - what a new connection on the gateway's port speaks; see detect.h. */
#include "protocols/detect.h"

#include "protocols/codecs/yamux.h"

static enum status refuse(struct detect_answer *answer, const char *refusal, const char *reply)
{
	*answer = (struct detect_answer){.refusal = refusal, .reply = slice_of(reply)};
	return STATUS_PROTOCOL;
}

/* OK: the bytes begin with `text`; MORE: they may yet; PROTOCOL: they do not. */
static enum status begins_with(struct slice bytes, const char *text)
{
	size_t size = strlen(text);
	if (memcmp(bytes.at, text, size_min(size, bytes.size)) != 0)
		return STATUS_PROTOCOL;
	return bytes.size < size ? STATUS_MORE : STATUS_OK;
}

static enum status detect_http(struct slice first, struct detect_answer *answer)
{
	static const char not_found[] =
	    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	static const char *const methods[] = {"GET ",	"HEAD ",    "POST ",	"PUT ",	 "DELETE ",
					      "PATCH ", "OPTIONS ", "CONNECT ", "TRACE "};
	bool undecided = false;
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		enum status status = begins_with(first, methods[i]);
		if (status == STATUS_OK)
			return refuse(answer, "an HTTP request; nothing is served over HTTP here", not_found);
		undecided = undecided || status == STATUS_MORE;
	}
	enum status status = begins_with(first, "PRI * ");
	if (status == STATUS_OK)
		return refuse(answer, "HTTP/2 transport is not in this version", "");
	if (undecided || status == STATUS_MORE)
		return STATUS_MORE;
	return refuse(answer, "not a protocol of this gateway", "");
}

/* TLS Tunnel begins with yamux (generation 1.5) or with the length of a key (1.4 and older): byte 1 is the
 * frame's type or part of that length, bytes 2 and 3 are flags, of which four exist, or the rest of the
 * length, at least 16. */
static enum status detect_tls_tunnel(const struct gateway_detector *gateway, struct slice first,
				     struct detect_answer *answer)
{
	if (first.size < 2 || (first.at[1] == 0 && first.size < 4))
		return STATUS_MORE;
	if (first.at[1] == 0 && get16(first.at + 2) > YAMUX_FLAGS_KNOWN)
		return refuse(answer, "TLS Tunnel generation 1.4 or older, which this version does not speak",
			      "");
	*answer = (struct detect_answer){.carrier = &carrier_raw,
					 .wire = gateway->tls_tunnel_wire,
					 .role = gateway->tls_tunnel_role,
					 .service = gateway->tls_tunnel_service};
	return STATUS_OK;
}

enum status gateway_detect(const struct detector *detector, const char *alpn, struct slice first,
			   struct detect_answer *answer)
{
	const struct gateway_detector *gateway = OWNER(detector, const struct gateway_detector, detector);
	if (alpn && strcmp(alpn, "h2") == 0)
		return refuse(answer, "HTTP/2 transport is not in this version", "");
	if (!first.size)
		return STATUS_MORE;
	if (first.at[0] == 0)
		return detect_tls_tunnel(gateway, first, answer);
	if (first.at[0] == 5)
		return refuse(answer, "SOCKS5 is not allowed on this port", "");
	return detect_http(first, answer);
}
