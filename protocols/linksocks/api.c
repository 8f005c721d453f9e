/* protocols/linksocks/api.c - a request as a call; see api.h. */
#include "protocols/linksocks/api.h"

#include <strings.h>

static const char json_body[] = "application/json", text_body[] = "text/plain; charset=utf-8";

static void answer(struct api_call *call, unsigned status, const char *content_type, const char *body)
{
	call->action = API_ANSWER;
	call->status = status;
	call->content_type = content_type;
	call->body = body;
}

void api_wipe(struct api_call *call)
{
	secret_wipe(&call->token, sizeof call->token);
	secret_wipe(&call->username, sizeof call->username);
	secret_wipe(&call->password, sizeof call->password);
	secret_wipe(&call->reverse_token, sizeof call->reverse_token);
}

/* ---- JSON, as leniently as the original reads it ---- */

static const json_t *member(json_t *object, const char *name)
{
	const char *key;
	json_t *value, *found = json_object_get(object, name);
	if (!found) {
		json_object_foreach(object, key, value) {
			if (strcasecmp(key, name) == 0)
				found = value;
		}
	}
	return json_is_null(found) ? NULL : found;
}

/* False: it is there and no string, or too long for anything. */
static bool read_text(json_t *object, const char *name, struct api_text *text)
{
	const json_t *value = member(object, name);
	if (!value)
		return true;
	if (!json_is_string(value) || json_string_length(value) > API_TEXT_MAX)
		return false;
	text->size = json_string_length(value);
	memcpy(text->text, json_string_value(value), text->size + 1);
	return true;
}

static bool read_rest(json_t *object, struct api_call *call)
{
	const json_t *port = member(object, "port"), *manages = member(object, "allow_manage_connector");
	if ((port && !json_is_integer(port)) || (manages && !json_is_boolean(manages)))
		return false;
	call->port = port ? json_integer_value(port) : 0;
	call->autonomy = json_is_true(manages);
	return read_text(object, "token", &call->token) && read_text(object, "username", &call->username) &&
	       read_text(object, "password", &call->password) &&
	       read_text(object, "reverse_token", &call->reverse_token);
}

static bool read_type(json_t *object, struct api_call *call, bool *known)
{
	static const char *const names[] = {
	    [API_FORWARD] = "forward", [API_REVERSE] = "reverse", [API_CONNECTOR] = "connector"};
	struct api_text type = {0};
	*known = false;
	if (!read_text(object, "type", &type))
		return false;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(type.text, names[i]) != 0)
			continue;
		call->type = (enum api_type)i;
		*known = true;
	}
	return true;
}

static void wipe_texts(json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value) {
		json_wipe_text(value);
	}
}

static void read_add(struct slice body, struct api_call *call)
{
	const char *fault;
	bool known = false;
	json_t *object = json_parse(body, body.size, &fault);
	bool well = json_is_object(object) && read_type(object, call, &known) && read_rest(object, call);
	wipe_texts(object);
	json_decref(object);
	if (!well)
		answer(call, 400, json_body, "{\"success\":false,\"error\":\"invalid request body\"}\n");
	else if (!known)
		answer(call, 400, json_body, "{\"success\":false,\"error\":\"invalid token type\"}\n");
	else
		call->action = API_ADD;
}

/* ---- the token of a removal ---- */

static void decode_percent(struct slice path, struct api_text *text)
{
	for (size_t at = 0; at < path.size && text->size < API_TEXT_MAX; at++) {
		uint8_t byte = path.at[at];
		int high = byte == '%' && path.size - at > 2 ? hex_digit(path.at[at + 1]) : -1;
		int low = high >= 0 ? hex_digit(path.at[at + 2]) : -1;
		if (low >= 0) {
			byte = (uint8_t)(high << 4 | low);
			at += 2;
		}
		text->text[text->size++] = (char)byte;
	}
	text->text[text->size] = 0;
}

static void read_remove(struct slice rest, struct slice body, struct api_call *call)
{
	const char *fault;
	decode_percent(rest, &call->token);
	if (!call->token.size) {
		json_t *object = json_parse(body, body.size, &fault);
		if (!json_is_object(object) || !read_text(object, "token", &call->token))
			call->token = (struct api_text){0};
		wipe_texts(object);
		json_decref(object);
	}
	if (call->token.size)
		call->action = API_REMOVE;
	else
		answer(call, 200, json_body, "{\"success\":false,\"error\":\"token not specified\"}\n");
}

/* ---- the request ---- */

static bool starts_with(struct slice text, const char *prefix)
{
	size_t size = strlen(prefix);
	return text.size >= size && memcmp(text.at, prefix, size) == 0;
}

static void read_token(const struct http_exchange *request, struct api_call *call)
{
	static const char prefix[] = "/api/token/";
	struct slice rest = {0};
	if (starts_with(request->path, prefix))
		rest = (struct slice){request->path.at + strlen(prefix), request->path.size - strlen(prefix)};
	if (slice_is(request->method, "POST"))
		read_add(request->body, call);
	else if (slice_is(request->method, "DELETE"))
		read_remove(rest, request->body, call);
	else
		answer(call, 405, json_body, "");
}

void api_read(const struct http_exchange *request, const struct secret *key, bool own, struct api_call *call)
{
	struct slice path = request->path;
	bool enabled = secret_is_set(key);
	bool status = slice_is(path, "/api/status");
	bool token = slice_is(path, "/api/token") || starts_with(path, "/api/token/");
	*call = (struct api_call){0};
	call->wrong_key = enabled && !secret_is_equal(key, request->api_key);
	if (own && slice_is(path, "/")) {
		call->wrong_key = false;
		answer(call, 200, text_body,
		       enabled ? "LinkSocks " API_VERSION " is running. API endpoints available at /api/*\n"
			       : "LinkSocks " API_VERSION " is running but API is not enabled.\n");
	} else if (!enabled || (!status && !token)) {
		call->wrong_key = false;
		answer(call, 404, text_body, "404 page not found\n");
	} else if (call->wrong_key) {
		answer(call, 401, token ? json_body : text_body,
		       "{\"success\":false,\"error\":\"invalid API key\"}\n");
	} else if (token) {
		read_token(request, call);
	} else if (slice_is(request->method, "GET")) {
		call->action = API_STATUS;
	} else {
		answer(call, 405, NULL, "");
	}
}
