/* tests/fuzz/detect_fuzz.c - the first bytes of a connection: once decided, more bytes change nothing, and
 * the reply that may come before a decision is asked for once.
 *
 * The first byte of the input chooses what the gateway serves.
 */
#include "protocols/detect.h"
#include "protocols/frontends/http.h"
#include "protocols/linksocks/server.h"
#include "protocols/linksocks/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct role role = {.name = "gateway"};
static const struct config_linksocks linksocks = {.enabled = true};
static const struct linksocks_server_settings settings = {.config = &linksocks};
static const struct wire wire = {.name = "tls_tunnel"};

static struct gateway_detector gateway_of(uint8_t choice)
{
	return (struct gateway_detector){
	    .detector = {gateway_detect}, .tls_tunnel_wire = choice & 8 ? NULL : &wire,
	    .tls_tunnel_role = &role,
	    .transports = choice & 7, .clear = choice & 32, .own = choice & 64,
	    .http_wire = &wire_http, .not_found_role = &role_http_not_found,
	    .forbidden_role = &role_http_forbidden, .linksocks = choice & 128 ? NULL : &settings,
	    .linksocks_wire = &wire_linksocks, .linksocks_role = &role_linksocks_link,
	    .linksocks_route = linksocks_route, .linksocks_service = &settings.service};
}

/* What is true of every answer. */
static void check_answer(enum status status, const struct detect_question *question,
			 const struct detect_answer *answer)
{
	check(status == STATUS_OK || status == STATUS_MORE || status == STATUS_PROTOCOL);
	check((status == STATUS_PROTOCOL) == (answer->refusal != NULL));
	check((status == STATUS_OK) == (answer->wire != NULL));
	check(!answer->head_answered || question->answered);
	check(!(status == STATUS_OK && answer->reply.size));
	check(!(status == STATUS_MORE && answer->reply.size && question->answered));
	check((status == STATUS_MORE && answer->reply.size) == (answer->wait.ns > 0));
	check(question->first.size < DETECT_BYTES_MAX || status != STATUS_MORE || answer->reply.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct address peer = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};
	const struct gateway_detector gateway = gateway_of(size ? bytes[0] : 0);
	struct detect_question question = {.peer = &peer, .first = {size ? bytes + 1 : bytes, 0}};
	const struct role *decided = NULL;
	enum status last = STATUS_MORE;
	const char *refusal = NULL;
	size_t whole = size ? size - 1 : 0;
	while (question.first.size <= whole) {
		struct detect_answer answer = {0};
		enum status status = gateway.detector.detect(&gateway.detector, &question, &answer);
		check_answer(status, &question, &answer);
		check(last == STATUS_MORE || (status == last && answer.refusal == refusal));
		check(last == STATUS_MORE || answer.role == decided);
		last = status;
		refusal = answer.refusal;
		decided = answer.role;
		if (status == STATUS_MORE && answer.reply.size)
			question.answered = true;
		else
			question.first.size++;
	}
	return 0;
}
