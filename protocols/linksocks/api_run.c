/* protocols/linksocks/api_run.c - a call as a change, and what it is answered with; see api.h. */
#include <inttypes.h>
#include <stdio.h>

#include "core/log.h"
#include "protocols/linksocks/api.h"
#include "protocols/linksocks/ledger.h"

enum { FAULT_SIZE = 96, ESCAPED_MAX = 6 /* bytes of one byte */ };

/* ---- writing ---- */

/* Bytes of a line or paragraph separator, which are escaped as well. */
static bool is_separator(struct slice text)
{
	return text.size >= 3 && text.at[0] == 0xe2 && text.at[1] == 0x80 && (text.at[2] & 0xfe) == 0xa8;
}

/* A string as the original writes it: what could matter in HTML is escaped. */
static void put_string(struct json_text *body, struct slice text)
{
	char plain[API_TEXT_MAX + 1];
	size_t used = 0;
	json_put(body, "\"");
	for (size_t i = 0; i < text.size && used < sizeof plain - 1; i++) {
		uint8_t byte = text.at[i];
		bool separator = is_separator((struct slice){text.at + i, text.size - i});
		if (byte != '<' && byte != '>' && byte != '&' && !separator) {
			plain[used++] = (char)byte;
			continue;
		}
		char escape[ESCAPED_MAX + 1];
		unsigned point = separator ? 0x2000u + (text.at[i + 2] & 0x3f) : byte;
		snprintf(escape, sizeof escape, "\\u%04x", point);
		json_put_inside(body, (struct slice){(const uint8_t *)plain, used});
		json_put(body, escape);
		used = 0;
		i += separator ? 2 : 0;
	}
	json_put_inside(body, (struct slice){(const uint8_t *)plain, used});
	json_put(body, "\"");
}

static void put_failure(struct json_text *body, const char *fault)
{
	json_put(body, "{\"success\":false,\"error\":");
	put_string(body, slice_of(fault));
	json_put(body, "}\n");
}

static void put_success(struct json_text *body, struct slice token, const int32_t *port)
{
	json_put(body, "{\"success\":true,\"token\":");
	put_string(body, token);
	if (port) {
		json_put(body, ",\"port\":");
		json_put_number(body, *port);
	}
	json_put(body, "}\n");
}

/* ---- the status ---- */

static int32_t port_of(const struct token *token)
{
	return token->kind == TOKEN_IS_AUTONOMY ? -1 : token->socks_addr.port;
}

static void put_token(struct json_text *body, const struct token *token)
{
	bool reverse = token_is_reverse(token);
	json_put(body, "{\"token\":");
	put_string(body, slice_of(token->text));
	json_put(body, reverse ? ",\"type\":\"reverse\",\"clients_count\":"
			       : ",\"type\":\"forward\",\"clients_count\":");
	json_put_number(body, token->clients);
	if (reverse) {
		json_put(body, ",\"port\":");
		json_put_number(body, port_of(token));
	}
	const char *between = ",\"connector_tokens\":[";
	for (struct link *link = token->connectors.next; link != &token->connectors; link = link->next) {
		json_put(body, between);
		put_string(body, slice_of(OWNER(link, struct token, reverse_link)->text));
		between = ",";
	}
	json_put(body, list_is_empty(&token->connectors) ? "}" : "]}");
}

/* Reverse tokens, then forward tokens. Connector tokens show at what they lead to, also in autonomy. */
static void put_status(struct linksocks_server *server, struct json_text *body)
{
	const char *between = "";
	json_put(body, "{\"version\":\"" API_VERSION "\",\"tokens\":[");
	for (int forward = 0; forward < 2; forward++) {
		struct link *link = server->tokens.all.next;
		for (; link != &server->tokens.all; link = link->next) {
			const struct token *token = OWNER(link, struct token, all_link);
			if (forward ? token->kind != TOKEN_IS_FORWARD : !token_is_reverse(token))
				continue;
			json_put(body, between);
			put_token(body, token);
			between = ",";
		}
	}
	json_put(body, "],\"direct\":{\"enabled\":false}}\n");
}

/* ---- changes ---- */

static struct slice slice_of_text(const struct api_text *text)
{
	return (struct slice){(const uint8_t *)text->text, text->size};
}

static const char *text_fault(const struct api_call *call)
{
	if (call->token.size > TOKEN_TEXT_MAX)
		return "a token has at most 255 bytes";
	if (call->username.size > TOKEN_TEXT_MAX || call->password.size > TOKEN_TEXT_MAX)
		return "username and password have at most 255 bytes";
	return NULL;
}

/* The original takes ports that there are not; nobody could ever use them. */
static bool choose_port(struct linksocks_server *server, const struct api_call *call, struct token *token,
			char fault[FAULT_SIZE])
{
	bool any = call->port == 0;
	bool valid = call->port > 0 && call->port <= UINT16_MAX;
	uint16_t port = any ? ledger_free_port(server) : valid ? (uint16_t)call->port : 0;
	snprintf(fault, FAULT_SIZE, "cannot allocate port: %" PRId64, call->port);
	if (!port || (!any && ledger_has_port(server, port)))
		return false;
	token->socks_addr = server->settings->config->socks_host;
	if (token->socks_addr.family == ADDRESS_NONE)
		address_of_literal(&token->socks_addr, "127.0.0.1", 0);
	token->socks_addr.port = port;
	token->any_port = any;
	return true;
}

/* NULL with a fault: it is refused. */
static struct token *make_token(struct linksocks_server *server, const struct api_call *call,
				struct slice text, char fault[FAULT_SIZE])
{
	static const enum token_kind kinds[] = {[API_FORWARD] = TOKEN_IS_FORWARD,
						[API_REVERSE] = TOKEN_IS_REVERSE,
						[API_CONNECTOR] = TOKEN_IS_CONNECTOR};
	bool autonomy = call->type == API_REVERSE && call->autonomy;
	struct token *token = token_create(autonomy ? TOKEN_IS_AUTONOMY : kinds[call->type], text);
	if (!token || !secret_set(&token->username, slice_of_text(&call->username)) ||
	    !secret_set(&token->password, slice_of_text(&call->password))) {
		snprintf(fault, FAULT_SIZE, "out of memory");
	} else if (token->kind != TOKEN_IS_REVERSE || choose_port(server, call, token, fault)) {
		return token;
	}
	if (token)
		token_free(token);
	return NULL;
}

static const char *connector_fault(struct linksocks_server *server, const struct api_call *call,
				   const struct token *existing, const struct token **reverse)
{
	if (!call->reverse_token.size)
		return "reverse_token is required for connector token";
	if (slice_is(slice_of_text(&call->token), "anonymous"))
		return "'anonymous' is reserved and cannot be used as a connector token";
	*reverse = tokens_find(&server->tokens, slice_of_text(&call->reverse_token));
	if (!*reverse || !token_is_reverse(*reverse))
		return "reverse token does not exist";
	bool same = existing && existing->kind == TOKEN_IS_CONNECTOR &&
		    existing->reverse_serial == (*reverse)->serial;
	return existing && !same ? "connector token already exists" : NULL;
}

static const char *plain_fault(const struct api_call *call, const struct token *existing)
{
	if (slice_is(slice_of_text(&call->token), "anonymous"))
		return "'anonymous' is reserved and cannot be used as a token";
	return existing ? "token already exists" : NULL;
}

static void run_add(struct linksocks_server *server, const struct api_call *call, struct json_text *body)
{
	char made[17], refused[FAULT_SIZE];
	struct slice text = slice_of_text(&call->token);
	const struct token *reverse = NULL;
	const struct token *existing = text.size ? tokens_find(&server->tokens, text) : NULL;
	const char *fault = text_fault(call);
	if (!fault)
		fault = call->type == API_CONNECTOR ? connector_fault(server, call, existing, &reverse)
						    : plain_fault(call, existing);
	if (fault || existing) {                 /* a connector token that is as wanted already */
		fault ? put_failure(body, fault) : put_success(body, text, NULL);
		return;
	}
	if (!text.size) {
		ledger_make_text(server, made);
		text = slice_of(made);
	}
	struct token *token = make_token(server, call, text, refused);
	if (!token) {
		put_failure(body, refused);
		return;
	}
	token->reverse_serial = reverse ? reverse->serial : 0;
	int32_t port = port_of(token);
	if (!ledger_add(server, token)) {
		put_failure(body, "too many tokens");
		return;
	}
	log_info("token added over the API", NUMBER("tokens", server->tokens.count));
	put_success(body, text, call->type == API_REVERSE ? &port : NULL);
}

static void run_remove(struct linksocks_server *server, const struct api_call *call, struct json_text *body)
{
	struct token *token = tokens_find(&server->tokens, slice_of_text(&call->token));
	if (token) {
		ledger_remove(server, token);
		log_info("token removed over the API", NUMBER("tokens", server->tokens.count));
	}
	put_success(body, slice_of_text(&call->token), NULL);
}

void api_run(struct linksocks_server *server, const struct api_call *call, struct json_text *body)
{
	if (call->action == API_ADD)
		run_add(server, call, body);
	else if (call->action == API_REMOVE)
		run_remove(server, call, body);
	else
		put_status(server, body);
}
