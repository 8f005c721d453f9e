/* protocols/tls_tunnel/forward.c - the gateway dials what a client's forwarder asks for; see inside.h.
 *
 * The answer is said only once the connect has succeeded; a refusal in the original's words. The rules are
 * asked for the name and for each address that it leads to; our own listeners are never a target (the dial).
 */
#include "core/log.h"
#include "protocols/frontends/dial.h"
#include "protocols/tls_tunnel/forward_name.h"
#include "protocols/tls_tunnel/inside.h"

enum { CONNECT_S = 10 };

/* What stays closed while nobody has said what is open: all that is somebody's own network, and what a
 * translator there makes of an IPv4 address (64:ff9b:1::/48 of RFC 8215, ::ffff:0:0:0/96 of RFC 2765), where
 * the length of its prefix, and so that address, cannot be known. */
static const char *const private_ranges[] = {
	"127.0.0.0/8",  "10.0.0.0/8",    "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
	"0.0.0.0/8",    "100.64.0.0/10", "192.0.0.0/24",  "198.18.0.0/15",  "240.0.0.0/4",
	"::1",          "::",            "fc00::/7",      "fe80::/10",      "fec0::/10",
	"64:ff9b:1::/48", "::ffff:0:0:0/96", NULL,
};

static void deny(struct forward_access *access, const char *const *rules)
{
	for (; *rules; rules++) {
		check(access->acl.deny_count < FORWARD_RULES_MAX);
		check(acl_rule_parse(&access->rules[access->acl.deny_count++], *rules));
	}
}

void forward_access_init(struct forward_access *access, const struct config *config)
{
	access->acl = config->access;
	if (config->access_given)
		return;
	access->acl = (struct acl){.deny = access->rules};
	deny(access, acl_default);
	deny(access, private_ranges);
}

static void refuse(struct channel *channel, enum reason reason, const char *why, const char *text)
{
	const struct target *target = &channel->target;
	const struct session *session = channel->session;
	char own[CHANNEL_TEXT_SIZE];
	if (!text)
		forward_refusal_write(own, reason, target);
	hub_count(session->hub, COUNTER_forwards_refused, 1);
	if (hub_may_log(session->hub))
		log_info("forward refused", TEXT("peer", session->peer), TEXT("target", target->host),
			 NUMBER("port", target->port), TEXT("reason", why));
	channel_refuse(channel, reason, text ? text : own);
}

void forward_open(struct gateway *gateway, const struct event *event)
{
	const struct gateway_settings *settings = gateway->settings;
	struct channel *channel = event->channel;
	const struct target *target = event->target;
	const struct dial_options options = {.acl = &settings->forward.acl,
					     .timeout = DURATION_S(CONNECT_S)};
	if (!settings->config->allow_forward)
		refuse(channel, REASON_FORBIDDEN, "gateway.tls_tunnel.allow_forward is off",
		       forward_off_text);
	else if (!target->port)
		refuse(channel, REASON_NAME, "not a target", NULL);
	else if (gateway->service.hub->draining)
		refuse(channel, REASON_LIMIT, "draining", NULL);
	else if (acl_ask_host(options.acl, target->host, target->port) == ACL_DENIED)
		refuse(channel, REASON_FORBIDDEN, "denied by access", NULL);
	else if (!pair_dial(channel->pair, target->host, target->port, &options))
		refuse(channel, REASON_LIMIT, reason_text(REASON_LIMIT), NULL);
	else
		hub_count(gateway->service.hub, COUNTER_forwards, 1);
}

void forward_refused(struct pair *pair, enum reason reason)
{
	bool denied = reason == REASON_FORBIDDEN;
	refuse(pair->side[0], reason, denied ? "denied by access" : reason_text(reason), NULL);
}
