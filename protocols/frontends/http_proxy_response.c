/* protocols/frontends/http_proxy_response.c - see http_proxy_response.h. */
#include "protocols/frontends/http_proxy_response.h"

enum { SWITCHING_PROTOCOLS = 101 };

static enum response_step behind_front(const struct http_proxy_response *response)
{
	if (response->status / 100 != 1)
		return RESPONSE_LINE;
	return response->status == SWITCHING_PROTOCOLS ? RESPONSE_PASSED : RESPONSE_INTERIM;
}

static void take_front(struct http_proxy_response *response, uint8_t byte)
{
	static const char front[] = "HTTP/1.# ###";   /* # is a digit */
	char expected = front[response->at++];
	bool digit = byte >= '0' && byte <= '9';
	if (expected == '#' ? !digit : byte != expected) {
		response->step = RESPONSE_PASSED;
		return;
	}
	if (expected == '#' && response->at > 8)
		response->status = (uint16_t)(10 * response->status + (byte - '0'));
	if (!front[response->at]) {
		response->step = behind_front(response);
		response->filled = true;
	}
}

static void take_interim(struct http_proxy_response *response, uint8_t byte)
{
	if (byte == '\n' && !response->filled)
		*response = (struct http_proxy_response){0};   /* the next one begins */
	else if (byte != '\r')
		response->filled = byte != '\n';
}

size_t http_proxy_response_find(struct http_proxy_response *response, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size && response->step != RESPONSE_PASSED; i++) {
		uint8_t byte = bytes.at[i];
		if (response->step == RESPONSE_FRONT) {
			take_front(response, byte);
		} else if (response->step == RESPONSE_INTERIM) {
			take_interim(response, byte);
		} else if (byte == '\n') {
			response->step = RESPONSE_PASSED;
			return i + 1;
		}
	}
	return SIZE_MAX;
}
