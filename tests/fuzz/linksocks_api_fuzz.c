/* tests/fuzz/linksocks_api_fuzz.c - any method, path and body as a call of the admin API: an answer is
 * whole, a call's texts end where they say, and nothing is done without the key.
 */
#include "protocols/linksocks/api.h"
#include "tests/fuzz/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void text_is_whole(const struct api_text *text)
{
	check(text->size <= API_TEXT_MAX && text->text[text->size] == 0);
}

static void call_is_whole(const struct api_call *call, bool key)
{
	text_is_whole(&call->token);
	text_is_whole(&call->username);
	text_is_whole(&call->password);
	text_is_whole(&call->reverse_token);
	if (call->action != API_ANSWER) {
		check(key && !call->wrong_key);
		check(call->action != API_REMOVE || call->token.size);
		return;
	}
	check(call->body && call->status >= 200 && call->status < 500);
	check(call->content_type || !call->body[0]);
	check(!call->wrong_key || call->status == 401);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const keys[] = {"the key", "the kez", ""};
	static struct secret key;
	if (!secret_is_set(&key))
		check(secret_set(&key, slice_of(keys[0])));
	struct slice rest = {bytes, size};
	struct http_exchange request = {.method = line(&rest), .path = line(&rest)};
	request.body = rest;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		struct api_call call;
		request.api_key = slice_of(keys[i]);
		api_read(&request, &key, i == 0, &call);
		call_is_whole(&call, i == 0);
		api_wipe(&call);
	}
	return 0;
}
