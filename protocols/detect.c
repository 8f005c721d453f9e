/* protocols/detect.c - what a new connection on the gateway's port speaks; see detect.h. */
#include "protocols/detect.h"

#include "protocols/carriers/websocket.h"
#include "protocols/codecs/http1.h"

enum { TLS_HANDSHAKE_RECORD = 22, FIRST_MESSAGE_S = 1 };

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

static enum status serve(struct detect_answer *answer, const struct carrier *carrier, const struct wire *wire,
			 const struct role *role, uint32_t service)
{
	answer->carrier = carrier;
	answer->wire = wire;
	answer->role = role;
	answer->service = service;
	return STATUS_OK;
}

/* ---- TLS Tunnel ---- */

static bool has_transport(const struct gateway_detector *gateway, enum config_transport transport)
{
	return gateway->tls_tunnel_wire && gateway->transports & 1u << transport;
}

static enum status serve_tls_tunnel(const struct gateway_detector *gateway, const struct carrier *carrier,
				    struct detect_answer *answer)
{
	return serve(answer, carrier, gateway->tls_tunnel_wire, gateway->tls_tunnel_role,
		     gateway->tls_tunnel_service);
}

/* Its wire tells the generations apart. */
static enum status detect_tls_tunnel(const struct gateway_detector *gateway, struct detect_answer *answer)
{
	if (!gateway->tls_tunnel_wire)
		return refuse(answer, "TLS Tunnel, which needs gateway.tls_tunnel, or a stranger");
	if (gateway->clear)
		return refuse(answer, "TLS Tunnel's transport tls needs TLS, which a proxy has taken away: "
				      "clients behind one use wss or http2");
	if (!has_transport(gateway, TRANSPORT_TLS))
		return refuse(answer,
			      "TLS Tunnel's transport tls, which is not among its transports here");
	return serve_tls_tunnel(gateway, &carrier_raw, answer);
}

static enum status detect_http2(const struct gateway_detector *gateway, struct detect_answer *answer)
{
	if (!has_transport(gateway, TRANSPORT_HTTP2))
		return refuse(answer, "HTTP/2, which is not among TLS Tunnel's transports here");
	return serve_tls_tunnel(gateway, &carrier_http2, answer);
}

/* ---- HTTP ---- */

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

static enum status serve_linksocks(const struct gateway_detector *gateway, const struct role *role,
				   struct detect_answer *answer)
{
	bool link = role == gateway->linksocks_role;
	return serve(answer, link ? &carrier_websocket : &carrier_raw,
		     link ? gateway->linksocks_wire : gateway->http_wire, role, *gateway->linksocks_service);
}

/* The head is answered from here, before it is known for whom: the first message tells. */
static enum status detect_first_message(const struct gateway_detector *gateway, const struct head *head,
					size_t head_size, const struct detect_question *question,
					struct detect_answer *answer)
{
	static const uint8_t broken[] = {0x88, 2, WEBSOCKET_BROKEN >> 8, WEBSOCKET_BROKEN & 0xff};
	struct slice frames = {question->first.at + head_size, question->first.size - head_size};
	if (!question->answered) {
		char accept[WEBSOCKET_ACCEPT_SIZE];
		websocket_accept(http1_field(head, "sec-websocket-key"), accept);
		websocket_answer(accept, answer->room);
		answer->reply = slice_of(answer->room);
		answer->wait = DURATION_S(FIRST_MESSAGE_S);
		return STATUS_MORE;
	}
	enum first_message message = first_message_of(frames);
	answer->head_answered = true;
	if (message == MESSAGE_LINKSOCKS)
		return serve_linksocks(gateway, gateway->linksocks_role, answer);
	if (message == MESSAGE_TLS_TUNNEL || (message == MESSAGE_NONE && question->expired))
		return serve_tls_tunnel(gateway, &carrier_websocket_bytes, answer);
	if (message != MESSAGE_STRANGE)
		return STATUS_MORE;
	refuse(answer, "a WebSocket whose first message is neither LinkSocks nor TLS Tunnel");
	answer->reply = (struct slice){broken, sizeof broken};
	return STATUS_PROTOCOL;
}

/* An upgrade whose path says nothing. Clients of LinkSocks that are this program show themselves. */
static enum status detect_upgrade(const struct gateway_detector *gateway, const struct head *head,
				  size_t head_size, const struct detect_question *question,
				  struct detect_answer *answer)
{
	bool tunnel = has_transport(gateway, TRANSPORT_WSS) && !gateway->own;
	bool socks = gateway->linksocks && !gateway->own;
	if (!tunnel && !socks)
		return not_found(gateway, answer);
	if (is_foreign(gateway, head))
		return serve(answer, &carrier_raw, gateway->http_wire, gateway->forbidden_role, 0);
	if (!tunnel || (socks && http1_field(head, "x-tunnel-features").at))
		return serve_linksocks(gateway, gateway->linksocks_role, answer);
	if (!socks)
		return serve_tls_tunnel(gateway, &carrier_websocket_bytes, answer);
	return detect_first_message(gateway, head, head_size, question, answer);
}

static enum status detect_head(const struct gateway_detector *gateway, const struct head *head,
			       size_t head_size, const struct detect_question *question,
			       struct detect_answer *answer)
{
	bool upgrade = http1_is_websocket_upgrade(head);
	const struct role *role =
	    gateway->linksocks
		? gateway->linksocks_route(gateway->linksocks, head->path, upgrade, gateway->own)
		: NULL;
	if (!role && upgrade)
		return detect_upgrade(gateway, head, head_size, question, answer);
	if (!role)
		return not_found(gateway, answer);
	if (upgrade && is_foreign(gateway, head))
		return serve(answer, &carrier_raw, gateway->http_wire, gateway->forbidden_role, 0);
	return serve_linksocks(gateway, role, answer);
}

/* Whom a proxy in front speaks for: what it has added itself, at the end of the list. */
static struct slice source_of(const struct gateway_detector *gateway, const struct head *head,
			      const struct address *proxy)
{
	char text[ADDRESS_TEXT_SIZE];
	struct address address;
	bool trusted = cidrs_have(gateway->trusted_proxies, gateway->trusted_proxy_count, proxy) ||
		       (gateway->clear && address_is_loopback(proxy));
	struct slice hop = trusted ? http1_last_hop(head) : (struct slice){NULL, 0};
	if (hop.size >= sizeof text)
		return (struct slice){NULL, 0};
	text_copy(text, sizeof text, hop);
	return address_of_literal(&address, text, 0) ? hop : (struct slice){NULL, 0};
}

/* Nothing is parsed before the head has ended, so that a slow one costs no more than a fast one. */
static enum status detect_request(const struct gateway_detector *gateway,
				  const struct detect_question *question, struct detect_answer *answer)
{
	struct slice bytes = {question->first.at, size_min(question->first.size, HTTP1_HEAD_MAX)};
	struct head head;
	size_t used;
	unsigned refusal;
	const char *why;
	bool ended =
	    memmem(bytes.at, bytes.size, "\r\n\r\n", 4) || memmem(bytes.at, bytes.size, "\n\n", 2);
	if (!ended && bytes.size < HTTP1_HEAD_MAX)
		return STATUS_MORE;
	enum status status = http1_parse_head(bytes, &head, &used, &refusal, &why);
	if (status != STATUS_OK || head.status)
		return not_found(gateway, answer);       /* the wire will say what is wrong with it */
	status = detect_head(gateway, &head, used, question, answer);
	if (status == STATUS_OK)
		answer->source = source_of(gateway, &head, question->peer);
	return status;
}

static enum status detect_http(const struct gateway_detector *gateway, const struct detect_question *question,
			       struct detect_answer *answer)
{
	static const char *const methods[] = {"GET ",	"HEAD ",    "POST ",	"PUT ",	 "DELETE ",
					      "PATCH ", "OPTIONS ", "CONNECT ", "TRACE "};
	struct slice first = question->first;
	bool undecided = false;
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		enum status status = begins_with(first, methods[i]);
		if (status == STATUS_OK)
			return detect_request(gateway, question, answer);
		undecided = undecided || status == STATUS_MORE;
	}
	enum status status = begins_with(first, "PRI * ");
	if (status == STATUS_OK)
		return detect_http2(gateway, answer);
	if (undecided || status == STATUS_MORE)
		return STATUS_MORE;
	if (first.at[0] == TLS_HANDSHAKE_RECORD)
		return refuse(answer, "TLS where none is spoken: a client with wss:// for ws://");
	return refuse(answer, "not a protocol of this port");
}

enum status gateway_detect(const struct detector *detector, const struct detect_question *question,
			   struct detect_answer *answer)
{
	const struct gateway_detector *gateway = OWNER(detector, const struct gateway_detector, detector);
	struct slice first = question->first;
	if (question->alpn && strcmp(question->alpn, "h2") == 0)
		return detect_http2(gateway, answer);
	if (!first.size)
		return STATUS_MORE;
	if (first.at[0] == 0)
		return detect_tls_tunnel(gateway, answer);
	if (first.at[0] == 5)
		return refuse(answer, "SOCKS5 is not allowed on this port");
	return detect_http(gateway, question, answer);
}
