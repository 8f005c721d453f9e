/* protocols/linksocks/exit.c - see exit.h. */
#include "protocols/linksocks/exit.h"

#include <stdio.h>

#include "core/hub.h"
#include "protocols/frontends/dial.h"

enum { EXIT_TEXT_SIZE = 160 };

static void refuse(struct channel *channel, enum reason reason, const char *why)
{
	const struct target *target = &channel->target;
	char text[EXIT_TEXT_SIZE];
	if (target->network == NETWORK_TCP)
		snprintf(text, sizeof text, "%.100s:%u: %s", target->host, target->port, why);
	else
		snprintf(text, sizeof text, "%s", why);
	channel_refuse(channel, reason, text);
}

/* A name that goes to a resolver, a proxy and a log: no blank, no control character, no path of a socket. */
static bool is_plain(const char *host)
{
	for (const char *at = host; *at; at++)
		if ((uint8_t)*at <= ' ' || *at == 0x7f || *at == '/')
			return false;
	return true;
}

/* "[::1]" means what "::1" means. */
static void unbracket(char host[HOST_SIZE], const char *text)
{
	size_t size = strlen(text);
	bool bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
	struct slice inner = {(const uint8_t *)text + bracketed, size - 2 * bracketed};
	text_copy(host, HOST_SIZE, inner);
}

static void open_tcp(const struct linksocks_exit *exit, struct channel *channel)
{
	const struct target *target = &channel->target;
	char host[HOST_SIZE];
	unbracket(host, target->host);
	if (!host[0] || !is_plain(host)) {
		refuse(channel, REASON_NAME, host[0] ? "not a host name" : "the host name is empty");
	} else if (!target->port) {
		refuse(channel, REASON_FORBIDDEN, "port 0 is not a port");
	} else {
		struct dial_options options = {
		    .acl = exit->access, .via = exit->via, .timeout = exit->timeout};
		if (!pair_dial(channel->pair, host, target->port, &options))
			refuse(channel, REASON_LIMIT, reason_text(REASON_LIMIT));
	}
}

void linksocks_exit_open(const struct linksocks_exit *exit, const struct event *open)
{
	struct channel *channel = open->channel;
	switch (channel->target.network) {
	case NETWORK_TCP:
		open_tcp(exit, channel);
		break;
	case NETWORK_UDP:
		if (!pair_associate(channel->pair, exit->access))
			refuse(channel, REASON_LIMIT, reason_text(REASON_LIMIT));
		break;
	default:
		refuse(channel, REASON_FORBIDDEN, "neither TCP nor UDP");
	}
}
