/* protocols/frontends/dial.c - see dial.h. */
#include "protocols/frontends/dial.h"

#include "core/request.h"
#include "protocols/frontends/plain.h"

bool pair_dial(struct pair *pair, const char *host, uint16_t port, const struct dial_options *options)
{
	if (acl_ask_host(options->acl, host, port) == ACL_DENIED) {
		char text[ACL_TEXT_SIZE];
		channel_refuse(pair->side[0], REASON_FORBIDDEN, acl_refusal(text, host));
		return true;
	}
	struct session *session = session_create(pair->hub, &(struct session_options){
		.wire = &wire_plain, .carrier = &carrier_raw, .service = pair->service, .client = true});
	if (!session)
		return false;
	struct target target = {.port = port};
	text_copy(target.host, sizeof target.host, slice_of(host));
	if (!channel_open(session, pair, &target)) {
		session_end(session, REASON_LIMIT, NULL, false);
		return false;
	}
	if (!hub_dial(session, host, port, NULL, options->timeout))
		return false;
	session->dial->acl = options->acl;
	return true;
}
