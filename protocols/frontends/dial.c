/* protocols/frontends/dial.c - see dial.h. */
#include "protocols/frontends/dial.h"

#include "core/request.h"
#include "protocols/frontends/plain.h"

bool pair_dial(struct pair *pair, const char *host, uint16_t port, const struct dial_options *options)
{
	struct hub *hub = pair->hub;
	struct session *session = session_create(hub, &(struct session_options){
		.wire = &wire_plain, .carrier = &carrier_raw, .service = pair->service, .client = true});
	if (!session)
		return false;
	struct target target = {.port = port};
	text_copy(target.host, sizeof target.host, slice_of(host));
	if (channel_open(session, pair, &target))
		return hub_dial(session, host, port, NULL, options->timeout);
	session_end(session, REASON_LIMIT, NULL, false);
	return false;
}
