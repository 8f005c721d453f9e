/* protocols/linksocks/autonomy.c - see autonomy.h; how a request gets to worker 0 and its answer back. */
#include "protocols/linksocks/autonomy.h"

#include "core/log.h"
#include "protocols/linksocks/ledger.h"

enum { SWEEP_S = 60 };

static const char unauthorized[] = "Unauthorized connector management attempt";

/* ---- the rules ---- */

static struct wish refuse(const char *refusal)
{
	return (struct wish){.action = WISH_REFUSE, .refusal = refusal};
}

static bool is_shown(const uint8_t instance[INSTANCE_SIZE])
{
	static const uint8_t none[INSTANCE_SIZE];
	return memcmp(instance, none, INSTANCE_SIZE) != 0;
}

/* Another link of the same client is as good as this one: the older may be dead without our knowing. */
static bool may_take(struct linksocks_server *server, const struct token *token,
		     const uint8_t instance[INSTANCE_SIZE])
{
	bool same = is_shown(instance) && memcmp(instance, token->instance, INSTANCE_SIZE) == 0;
	return token->owner && (same || !owner_find(server, token->owner));
}

static struct wish decide_add(struct linksocks_server *server, const struct token *reverse, uint64_t link_id,
			      const uint8_t instance[INSTANCE_SIZE], struct slice text)
{
	const struct owner *owner = owner_find(server, link_id);
	struct token *token = text.size ? tokens_find(&server->tokens, text) : NULL;
	if (slice_is(text, "anonymous"))
		return refuse("'anonymous' is reserved and cannot be used as a connector token");
	bool mine = token && token->kind == TOKEN_IS_CONNECTOR && token->reverse_serial == reverse->serial;
	if (mine && token->owner == link_id)
		return (struct wish){.action = WISH_NOTHING, .token = token};
	if (token && (!mine || !may_take(server, token, instance)))
		return refuse("connector token already exists");
	if (!owner || owner->owned >= OWNED_MAX)
		return refuse("too many connector tokens");
	return (struct wish){.action = token ? WISH_TAKE : WISH_ADD, .token = token};
}

/* A token that there is not counts as removed, as in the original. */
static struct wish decide_remove(struct linksocks_server *server, const struct token *reverse,
				 uint64_t link_id, const uint8_t instance[INSTANCE_SIZE], struct slice text)
{
	struct token *token = tokens_find(&server->tokens, text);
	if (!token)
		return (struct wish){.action = WISH_NOTHING};
	bool mine = token->kind == TOKEN_IS_CONNECTOR && token->reverse_serial == reverse->serial;
	if (mine && (token->owner == link_id || may_take(server, token, instance)))
		return (struct wish){.action = WISH_REMOVE, .token = token};
	return refuse(unauthorized);
}

struct wish autonomy_decide(struct linksocks_server *server, const struct token *reverse, uint64_t link_id,
			    const uint8_t instance[INSTANCE_SIZE], const struct token_request *request)
{
	if (!reverse)
		return refuse("reverse token does not exist");
	if (reverse->kind != TOKEN_IS_AUTONOMY)
		return refuse(unauthorized);
	return request->remove ? decide_remove(server, reverse, link_id, instance, request->token)
			       : decide_add(server, reverse, link_id, instance, request->token);
}

/* ---- worker 0 ---- */

/* A request on its way to worker 0, and its answer on the way back. */
struct plea {
	struct mail mail;
	struct link answers_link;
	uint32_t service, worker;
	uint64_t link_id, serial;
	uint8_t instance[INSTANCE_SIZE];
	struct token_request request;    /* its token is text[] */
	const char *refusal;             /* the answer; NULL: it was done */
	char text[TOKEN_TEXT_MAX + 1];
};

static const char *add(struct linksocks_server *server, struct plea *plea)
{
	char made[17];
	if (!plea->text[0]) {
		ledger_make_text(server, made);
		text_copy(plea->text, sizeof plea->text, slice_of(made));
	}
	struct token *token = token_create(TOKEN_IS_CONNECTOR, slice_of(plea->text));
	if (!token)
		return "out of memory";
	token->reverse_serial = plea->serial;
	token->owner = plea->link_id;
	memcpy(token->instance, plea->instance, INSTANCE_SIZE);
	if (!ledger_add(server, token))
		return "too many tokens";
	owner_find(server, plea->link_id)->owned++;
	return NULL;
}

static void answer(struct linksocks_server *server, struct plea *plea)
{
	const struct token *reverse = tokens_find_serial(&server->tokens, plea->serial);
	plea->request.token = slice_of(plea->text);
	struct wish wish =
	    autonomy_decide(server, reverse, plea->link_id, plea->instance, &plea->request);
	plea->refusal = wish.refusal;
	if (wish.action == WISH_ADD)
		plea->refusal = add(server, plea);
	else if (wish.action == WISH_TAKE)
		ledger_set_owner(server, wish.token, plea->link_id, plea->instance);
	else if (wish.action == WISH_REMOVE)
		ledger_remove(server, wish.token);
}

/* ---- the link's worker ---- */

static void plea_answered(struct hub *to, struct mail *mail)
{
	struct plea *plea = OWNER(mail, struct plea, mail);
	struct linksocks_server *server = server_at(to, plea->service);
	struct server_link *link = server ? server_link_find(server, plea->link_id) : NULL;
	if (!link || link->session->state != SESSION_OPEN) {
		mail_free(mail);
		return;
	}
	if (plea->refusal && hub_may_log(to))
		log_info("connector token refused", TEXT("peer", link->session->peer),
			 TEXT("reason", plea->refusal));
	list_push(&link->answers, &plea->answers_link);
	session_say(link->session, EVENT_RESPONSE);
}

static void plea_deliver(struct hub *to, struct mail *mail)
{
	struct plea *plea = OWNER(mail, struct plea, mail);
	struct linksocks_server *server = server_at(to, plea->service);
	if (!server) {
		mail_free(mail);
		return;
	}
	answer(server, plea);
	mail->deliver = plea_answered;
	mail->to = plea->worker;
	mail->next = NULL;
	hub_post(to, mail);
}

void autonomy_ask(struct server_link *link, const struct token_request *request)
{
	struct session *session = link->session;
	struct hub *hub = session->hub;
	if (link->member.party == PARTY_CONNECTOR)
		return;                  /* the original does not answer them either */
	struct plea *plea = link->asked < ASKED_MAX ? mail_create(sizeof *plea) : NULL;
	if (!plea) {
		session_end(session, REASON_LIMIT, "too many requests for connector tokens", false);
		return;
	}
	link->asked++;
	plea->mail = (struct mail){.deliver = plea_deliver, .to = 0};
	plea->service = session->service->index;
	plea->worker = hub->index;
	plea->link_id = session->id;
	plea->serial = link->member.serial;
	memcpy(plea->instance, link->member.instance, INSTANCE_SIZE);
	plea->request = *request;
	plea->request.token = (struct slice){0};
	text_copy(plea->text, sizeof plea->text, request->token);
	hub_post(hub, &plea->mail);
}

static struct plea *first_answer(const struct server_link *link)
{
	return list_is_empty(&link->answers) ? NULL : OWNER(link->answers.next, struct plea, answers_link);
}

const struct token_request *autonomy_answer(struct server_link *link, enum reason *reason, struct slice *text)
{
	const struct plea *plea = first_answer(link);
	if (!plea)
		return NULL;
	bool gives = !plea->refusal && !plea->request.remove;
	link->answer = plea->request;
	link->answer.token = slice_of(gives ? plea->text : "");
	*reason = plea->refusal ? REASON_FORBIDDEN : REASON_OK;
	*text = slice_of(plea->refusal ? plea->refusal : "");
	return &link->answer;
}

void autonomy_answered(struct server_link *link)
{
	struct plea *plea = first_answer(link);
	if (!plea)
		return;
	link_remove(&plea->answers_link);
	mail_free(&plea->mail);
	link->asked--;
	if (!list_is_empty(&link->answers))
		session_say(link->session, EVENT_RESPONSE);
}

void autonomy_forget(struct server_link *link)
{
	while (!list_is_empty(&link->answers))
		mail_free(&OWNER(list_pull(&link->answers), struct plea, answers_link)->mail);
}

/* ---- orphans ---- */

static void sweep(struct timer *timer)
{
	struct linksocks_server *server = OWNER(timer, struct linksocks_server, sweep);
	struct instant now = server->service.hub->now;
	for (struct link *at = server->tokens.all.next, *next; at != &server->tokens.all; at = next) {
		struct token *token = OWNER(at, struct token, all_link);
		next = at->next;
		if (!token->owner || owner_find(server, token->owner))
			continue;
		if (!instant_is_set(token->orphan_since))
			token->orphan_since = now;
		else if (!instant_before(now, instant_after(token->orphan_since, DURATION_S(ORPHAN_S))))
			ledger_remove(server, token);
	}
	timer_arm(&server->service.hub->wheel, timer, instant_after(now, DURATION_S(SWEEP_S)));
}

void autonomy_start(struct linksocks_server *server)
{
	struct hub *hub = server->service.hub;
	server->sweep.expired = sweep;
	timer_arm(&hub->wheel, &server->sweep, instant_after(hub->now, DURATION_S(SWEEP_S)));
}
