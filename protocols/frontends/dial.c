/* protocols/frontends/dial.c - see dial.h. */
#include "protocols/frontends/dial.h"

#include "core/request.h"
#include "protocols/frontends/plain.h"
#include "protocols/frontends/udp.h"
#include "protocols/frontends/via.h"
#include "protocols/frontends/via_dialogue.h"

static bool is_permitted(const struct dial_options *options, const char *host, uint16_t port, bool proxied)
{
	if (proxied)
		return acl_allows_host(options->acl, host, port);
	return acl_ask_host(options->acl, host, port) != ACL_DENIED;
}

static const struct wire *wire_of(const struct dial_options *options)
{
	return options->preface.size ? &wire_plain_preface : &wire_plain;
}

bool pair_dial(struct pair *pair, const char *host, uint16_t port, const struct dial_options *options)
{
	const struct config_via *via = options->via;
	bool proxied = via && via->kind != VIA_NOTHING;
	const struct wire *wire = !proxied                ? wire_of(options)
				  : via->kind == VIA_HTTP ? &wire_via_http
							  : &wire_via_socks5;
	check(!proxied || !options->preface.size);
	if (!is_permitted(options, host, port, proxied)) {
		char text[ACL_TEXT_SIZE];
		if (hub_may_log(pair->hub))
			acl_log_refusal(host, port);
		channel_refuse(pair->side[0], REASON_FORBIDDEN, acl_refusal(text, host));
		return true;
	}
	if (proxied && !via_host_is_good(host)) {
		channel_refuse(pair->side[0], REASON_NAME, "no host name that a proxy can be told");
		return true;
	}
	struct session *session = session_create(pair->hub, &(struct session_options){
		.wire = wire, .carrier = &carrier_raw, .service = pair->service, .client = true});
	if (!session)
		return false;
	if (options->preface.size)
		plain_set_preface(session, options->preface);
	struct target target = {.port = port};
	text_copy(target.host, sizeof target.host, slice_of(host));
	if (!channel_open(session, pair, &target)) {
		session_end(session, REASON_LIMIT, NULL, false);
		return false;
	}
	if (proxied) {
		via_set(session, via, options->timeout);
		return hub_dial(session, via->at.host, via->at.port, NULL, options->timeout);
	}
	if (!hub_dial(session, host, port, NULL, options->timeout))
		return false;
	session->dial->acl = options->acl;
	return true;
}

bool pair_associate(struct pair *pair, const struct acl *acl)
{
	struct session *session = session_create(pair->hub, &(struct session_options){
		.wire = &wire_udp, .carrier = &carrier_raw, .service = pair->service, .client = true});
	struct target target = {.network = NETWORK_UDP};
	if (!session)
		return false;
	if (!channel_open(session, pair, &target)) {
		session_end(session, REASON_LIMIT, NULL, false);
		return false;
	}
	if (!hub_bind(session, false, acl))      /* side 0 hears of it as of any refusal */
		session_end(session, REASON_MEMORY, NULL, false);
	return true;
}
