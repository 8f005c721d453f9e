/* protocols/linksocks/client_connector.c - a provider asks for its connector token, each time that its first
 * link has logged in.
 *
 * A stock server keeps the token for a link that is gone and refuses the same token to the next one ("already
 * exists"): then it is removed and added again, once. At the first login anything else is fatal, because
 * connectors could never arrive; later the link is kept, since it still serves.
 */
#include <stdio.h>

#include "core/hub.h"
#include "core/log.h"
#include "protocols/linksocks/client_inside.h"

enum { ANSWER_S = 10 };

static void ask(struct client_link *link, enum connector_state state)
{
	struct hub *hub = link->client->service.hub;
	link->connector_state = state;
	link->request = (struct token_request){
	    .remove = state == CONNECTOR_REMOVES,
	    .token = secret_slice(&link->client->settings->config->linksocks.connector_token)};
	hub_secret_bytes(hub, link->request.id, sizeof link->request.id);
	session_say(link->session, EVENT_REQUEST);
	timer_arm(&hub->wheel, &link->answer, instant_after(hub->now, DURATION_S(ANSWER_S)));
}

static void fail(struct client_link *link, const char *why)
{
	char text[WHY_TEXT_SIZE + 64];
	linksocks_connector_stop(link);
	if (link->client->registered) {
		log_warn("the connector token was not added", TEXT("gateway", link->session->peer),
			 TEXT("reason", why));
		return;
	}
	snprintf(text, sizeof text, "cannot add the connector token: %s", why);
	linksocks_client_give_up(link->client, text);
}

void linksocks_connector_answered(struct client_link *link, const struct event *event)
{
	const struct token_request *answered = event->token;
	bool ours = answered && link->connector_state != CONNECTOR_QUIET &&
		    !memcmp(answered->id, link->request.id, sizeof answered->id);
	if (!ours)
		return;
	enum connector_state was = link->connector_state;
	linksocks_connector_stop(link);
	if (was == CONNECTOR_REMOVES) {
		ask(link, CONNECTOR_ADDS_AGAIN);
	} else if (event->reason == REASON_OK) {
		link->client->registered = true;
		log_info("connector token added", TEXT("gateway", link->session->peer));
	} else if (was == CONNECTOR_ADDS && slice_is(event->text, "connector token already exists")) {
		ask(link, CONNECTOR_REMOVES);
	} else {
		char why[WHY_TEXT_SIZE];
		text_copy(why, sizeof why, event->text);
		fail(link, why);
	}
}

static void unanswered(struct timer *timer)
{
	fail(OWNER(timer, struct client_link, answer), "the server does not answer");
}

void linksocks_connector_init(struct client_link *link) { link->answer.expired = unanswered; }

void linksocks_connector_start(struct client_link *link)
{
	const struct config_linksocks_client *config = &link->client->settings->config->linksocks;
	if (link->number == 0 && config->reverse && secret_is_set(&config->connector_token))
		ask(link, CONNECTOR_ADDS);
}

void linksocks_connector_stop(struct client_link *link)
{
	timer_disarm(&link->answer);
	link->connector_state = CONNECTOR_QUIET;
}
