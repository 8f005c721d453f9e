/* tests/fuzz/detect_fuzz.c - the first bytes of a connection: once decided, more bytes change nothing. */
#include "protocols/detect.h"
#include "protocols/frontends/http.h"
#include "protocols/linksocks/server.h"
#include "protocols/linksocks/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct role role = {.name = "gateway"};
	static const struct config_linksocks linksocks = {.enabled = true};
	static const struct linksocks_server_settings settings = {.config = &linksocks};
	static const struct wire wire = {.name = "tls_tunnel"};
	static const struct gateway_detector gateway = {
	    .detector = {gateway_detect}, .tls_tunnel_wire = &wire, .tls_tunnel_role = &role,
	    .http_wire = &wire_http, .not_found_role = &role_http_not_found,
	    .forbidden_role = &role_http_forbidden, .linksocks = &settings,
	    .linksocks_wire = &wire_linksocks, .linksocks_role = &role_linksocks_link,
	    .linksocks_route = linksocks_route, .linksocks_service = &settings.service};
	const struct role *decided = NULL;
	enum status last = STATUS_MORE;
	const char *refusal = NULL;
	for (size_t part = 0; part <= size; part++) {
		struct detect_answer answer = {0};
		enum status status =
		    gateway.detector.detect(&gateway.detector, NULL, (struct slice){bytes, part}, &answer);
		check(status == STATUS_OK || status == STATUS_MORE || status == STATUS_PROTOCOL);
		check(last == STATUS_MORE || (status == last && answer.refusal == refusal));
		check(last == STATUS_MORE || answer.role == decided);
		check((status == STATUS_PROTOCOL) == (answer.refusal != NULL));
		check((status == STATUS_OK) == (answer.wire != NULL));
		check(part < DETECT_BYTES_MAX || status != STATUS_MORE);
		last = status;
		refusal = answer.refusal;
		decided = answer.role;
	}
	return 0;
}
