/* protocols/tls_tunnel/forward_name.c - see forward_name.h. */
#include "protocols/tls_tunnel/forward_name.h"

#include <stdio.h>
#include <strings.h>

enum { GROUP_COLONS = 7 };

static const char prefix[] = "@forward:";
static const char denied[] = "Access denied: cannot forward to local or private address '";
static const char failed[] = "Failed to connect to ";
const char forward_off_text[] = "Forward feature is not enabled on server";

/* ---- targets ---- */

/* HOST:PORT, IPv6 in brackets; the length that it has or would have. */
static size_t target_write(char *text, size_t room, const struct target *target)
{
	bool bare6 = strchr(target->host, ':') && target->host[0] != '[';
	if (!target->port)
		return (size_t)snprintf(text, room, "%s", target->host);
	return (size_t)snprintf(text, room, bare6 ? "[%s]:%u" : "%s:%u", target->host, target->port);
}

bool forward_name_write(char name[HOST_SIZE], const struct target *target)
{
	size_t used = sizeof prefix - 1;
	memcpy(name, prefix, sizeof prefix);
	return target->port && target_write(name + used, HOST_SIZE - used, target) < HOST_SIZE - used;
}

/* Eight groups and a port, with nothing that tells them apart but their number. */
static bool groups_read(const char *text, char host[HOST_SIZE], uint16_t *port)
{
	struct address address;
	char bracketed[HOST_SIZE + 2];
	const char *last = strrchr(text, ':');
	unsigned colons = 0;
	for (const char *at = text; at < last; at++)
		colons += *at == ':';
	if (colons != GROUP_COLONS || strstr(text, "::"))
		return false;
	snprintf(bracketed, sizeof bracketed, "[%.*s]%s", (int)(last - text), text, last);
	return endpoint_parse(bracketed, host, port) && address_of_literal(&address, host, *port);
}

bool forward_name_read(struct target *target)
{
	char text[HOST_SIZE];
	if (target->port || strncmp(target->host, prefix, sizeof prefix - 1) != 0)
		return false;
	text_copy(text, sizeof text, slice_of(target->host + sizeof prefix - 1));
	target->published = false;
	if (!endpoint_parse(text, target->host, &target->port) &&
	    !groups_read(text, target->host, &target->port))
		text_copy(target->host, sizeof target->host, slice_of(text));
	return true;
}

/* ---- refusals ---- */

void forward_refusal_write(char text[CHANNEL_TEXT_SIZE], enum reason reason, const struct target *target)
{
	char where[HOST_SIZE + 8];
	target_write(where, sizeof where, target);
	if (reason == REASON_FORBIDDEN)
		snprintf(text, CHANNEL_TEXT_SIZE, "%s%s'", denied, where);
	else
		snprintf(text, CHANNEL_TEXT_SIZE, "%s%s: %s", failed, where,
			 target->port ? reason_text(reason) : "invalid socket address");
}

/* Words of the original's operating systems and resolver, and of core/reason.h. */
static const struct {
	const char *words;
	enum reason reason;
} causes[] = {
	{"refused", REASON_REFUSED},        {"timed out", REASON_TIMEOUT},
	{"unreachable", REASON_UNREACHABLE}, {"no route", REASON_UNREACHABLE},
	{"lookup", REASON_NAME},            {"not resolve", REASON_NAME},
	{"invalid socket address", REASON_NAME}, {"limit", REASON_LIMIT},
	{"memory", REASON_MEMORY},          {"stopping", REASON_STOPPING},
};

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

bool forward_refusal_read(struct slice text, enum reason *reason)
{
	char line[CHANNEL_TEXT_SIZE];
	text_copy(line, sizeof line, text);
	if (begins(line, forward_off_text) || begins(line, denied)) {
		*reason = REASON_FORBIDDEN;
		return true;
	}
	if (!begins(line, failed))
		return false;
	const char *why = strstr(line, ": ");    /* no target has a blank */
	*reason = REASON_OTHER;
	for (size_t i = 0; why && i < COUNT_OF(causes); i++) {
		if (!strcasestr(why, causes[i].words))
			continue;
		*reason = causes[i].reason;
		break;
	}
	return true;
}
