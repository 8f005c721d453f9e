/* tests/fuzz/management_fuzz.c - any request to the management listener: without the token nothing but a
 * refusal, from a foreign page nothing but a refusal, and every answer is whole.
 */
#include "protocols/management/request.h"
#include "tests/fuzz/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void call_is_whole(const struct management_call *call)
{
	if (call->action != MANAGEMENT_ANSWER)
		return;
	size_t size = strlen(call->fields);
	check(call->status >= 400 && call->status < 500 && call->body[0] && call->content_type);
	check(size > 2 && strcmp(call->fields + size - 2, "\r\n") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct secret token, none;
	if (!secret_is_set(&token))
		check(secret_set(&token, slice_of("0123456789abcdef0123456789abcdef")));
	struct slice rest = {bytes, size};
	struct http_exchange request = {.method = line(&rest), .path = line(&rest), .host = line(&rest)};
	request.origin = line(&rest);
	request.authorization = line(&rest);
	for (unsigned i = 0; i < 8; i++) {
		bool asks = i & 1, tls = i & 2, local = i & 4;
		struct management_call call;
		management_read(&request,
				&(struct management_access){
				    .token = asks ? &token : &none, .tls = tls, .local = local},
				&call);
		call_is_whole(&call);
		bool refused = call.action == MANAGEMENT_ANSWER;
		check(refused || !asks || request.authorization.size == 7 + 32);
		check(refused || !request.origin.size || request.origin.size > request.host.size);
	}
	return 0;
}
