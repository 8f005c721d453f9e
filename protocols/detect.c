/* protocols/detect.c - what a new connection on the gateway's port speaks; see detect.h. */
#include "protocols/detect.h"

#include "protocols/codecs/http1.h"
#include "protocols/codecs/yamux.h"

enum { TLS_HANDSHAKE_RECORD = 22 };

static enum status refuse(struct detect_answer *answer, const char *refusal)
{
	*answer = (struct detect_answer){.refusal = refusal};
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

/* ---- HTTP ---- */

static enum status serve(struct detect_answer *answer, const struct carrier *carrier, const struct wire *wire,
			 const struct role *role, uint32_t service)
{
	*answer = (struct detect_answer){.carrier = carrier, .wire = wire, .role = role, .service = service};
	return STATUS_OK;
}

static enum status not_found(const struct gateway_detector *gateway, struct detect_answer *answer)
{
	return serve(answer, &carrier_raw, gateway->http_wire, gateway->not_found_role, 0);
}

static bool is_foreign(const struct gateway_detector *gateway, const struct head *head)
{
	struct slice origin = http1_field(head, "origin");
	for (size_t i = 0; i < gateway->allow_origin_count; i++)
		if (strcmp(gateway->allow_origins[i], "*") == 0 ||
		    slice_is(origin, gateway->allow_origins[i]))
			return false;
	return origin.at != NULL;
}

/* A path that LinkSocks names, or on the TLS port any other upgrade: message authentication. */
static enum status detect_head(const struct gateway_detector *gateway, const struct head *head,
			       struct detect_answer *answer)
{
	bool upgrade = http1_is_websocket_upgrade(head);
	const struct role *role =
	    gateway->linksocks
		? gateway->linksocks_route(gateway->linksocks, head->path, upgrade, gateway->own)
		: NULL;
	if (!role && upgrade && gateway->linksocks && !gateway->own)
		role = gateway->linksocks_role;
	if (!role)
		return not_found(gateway, answer);
	if (upgrade && is_foreign(gateway, head))
		return serve(answer, &carrier_raw, gateway->http_wire, gateway->forbidden_role, 0);
	bool link = role == gateway->linksocks_role;
	return serve(answer, link ? &carrier_websocket : &carrier_raw,
		     link ? gateway->linksocks_wire : gateway->http_wire, role, *gateway->linksocks_service);
}

/* Nothing is parsed before the head has ended, so that a slow one costs no more than a fast one. */
static enum status detect_request(const struct gateway_detector *gateway, struct slice first,
				  struct detect_answer *answer)
{
	struct slice bytes = {first.at, size_min(first.size, HTTP1_HEAD_MAX)};
	struct head head;
	size_t used;
	unsigned refusal;
	const char *why;
	bool ended =
	    memmem(bytes.at, bytes.size, "\r\n\r\n", 4) || memmem(bytes.at, bytes.size, "\n\n", 2);
	if (!ended && bytes.size < HTTP1_HEAD_MAX)
		return STATUS_MORE;
	enum status status = http1_parse_head(bytes, &head, &used, &refusal, &why);
	if (status == STATUS_OK && !head.status)
		return detect_head(gateway, &head, answer);
	return not_found(gateway, answer);       /* the wire will say what is wrong with it */
}

static enum status detect_http(const struct gateway_detector *gateway, struct slice first,
			       struct detect_answer *answer)
{
	static const char *const methods[] = {"GET ",	"HEAD ",    "POST ",	"PUT ",	 "DELETE ",
					      "PATCH ", "OPTIONS ", "CONNECT ", "TRACE "};
	bool undecided = false;
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		enum status status = begins_with(first, methods[i]);
		if (status == STATUS_OK)
			return detect_request(gateway, first, answer);
		undecided = undecided || status == STATUS_MORE;
	}
	enum status status = begins_with(first, "PRI * ");
	if (status == STATUS_OK)
		return refuse(answer, "HTTP/2 transport is not in this version");
	if (undecided || status == STATUS_MORE)
		return STATUS_MORE;
	if (first.at[0] == TLS_HANDSHAKE_RECORD)
		return refuse(answer, "TLS where none is spoken: a client with wss:// for ws://");
	return refuse(answer, "not a protocol of this port");
}

/* ---- TLS Tunnel ---- */

/* TLS Tunnel begins with yamux (generation 1.5) or with the length of a key (1.4 and older): byte 1 is the
 * frame's type or part of that length, bytes 2 and 3 are flags, of which four exist, or the rest of the
 * length, at least 16. */
static enum status detect_tls_tunnel(const struct gateway_detector *gateway, struct slice first,
				     struct detect_answer *answer)
{
	if (first.size < 2 || (first.at[1] == 0 && first.size < 4))
		return STATUS_MORE;
	if (first.at[1] == 0 && get16(first.at + 2) > YAMUX_FLAGS_KNOWN)
		return refuse(answer,
			      "TLS Tunnel generation 1.4 or older, which this version does not speak");
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
		return refuse(answer, "HTTP/2 transport is not in this version");
	if (!first.size)
		return STATUS_MORE;
	if (first.at[0] == 0 && gateway->tls_tunnel_wire)
		return detect_tls_tunnel(gateway, first, answer);
	if (first.at[0] == 0)
		return refuse(answer, "TLS Tunnel, which needs gateway.tls_tunnel, or a stranger");
	if (first.at[0] == 5)
		return refuse(answer, "SOCKS5 is not allowed on this port");
	return detect_http(gateway, first, answer);
}
