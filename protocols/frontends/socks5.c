/* protocols/frontends/socks5.c - the steps of the dialogue, then a relay or an association; see socks5.h. */
#include "protocols/frontends/socks5.h"

#include "core/request.h"
#include "core/secret.h"
#include "core/writer.h"
#include "protocols/frontends/asker.h"
#include "protocols/frontends/plain.h"
#include "protocols/frontends/socks5_association.h"
#include "protocols/frontends/socks5_dialogue.h"

enum { SOCKS5_CHUNK_MAX = 65536, REPLY_HEAD = 3 };

enum step { GREETING, LOGIN, LOGGING_IN, REQUEST, OPENING, RELAY, ASSOCIATED };
enum farewell { FAREWELL_NONE, FAREWELL_REPLY, FAREWELL_LOGIN };

/* The beginning of a step that came in pieces; a login, until the role has judged it. */
struct pending {
	uint16_t size;
	struct credentials credentials;
	uint8_t bytes[SOCKS5_STEP_MAX];
};

struct socks5 {
	const struct socks5_policy *policy;    /* NULL: no password, no UDP */
	enum step step;
	enum farewell farewell;                /* owed before the session ends */
	uint8_t reply;                         /* of FAREWELL_REPLY */
	bool owes_method;
	uint8_t method;
	bool associates;                       /* the request was UDP ASSOCIATE */
	uint16_t expected_port;                /* of datagrams; 0: any */
	struct pending *pending;               /* NULL: none */
	struct association *association;       /* from OPENED on, of UDP */
	struct instant until;                  /* of this step */
};

void socks5_set_policy(struct session *session, const struct socks5_policy *policy)
{
	struct socks5 *socks5 = session->wire_state;
	socks5->policy = policy;
}

/* ---- replies ---- */

static uint8_t reply_of(const struct socks5 *socks5, enum reason reason)
{
	if (socks5->policy && socks5->policy->reply && reason != REASON_OK)
		return socks5->policy->reply(reason);
	switch (reason) {
	case REASON_OK:
		return SOCKS5_SUCCEEDED;
	case REASON_FORBIDDEN:
		return SOCKS5_FORBIDDEN;
	case REASON_UNREACHABLE:
	case REASON_NOT_FOUND:
	case REASON_NAME:
		return SOCKS5_HOST_UNREACHABLE;
	case REASON_REFUSED:
		return SOCKS5_REFUSED;
	case REASON_TIMEOUT:
		return SOCKS5_EXPIRED;
	default:
		return SOCKS5_FAILED;
	}
}

static size_t put_reply(uint8_t *bytes, uint8_t reply, const struct address *address)
{
	char host[HOST_SIZE] = "0.0.0.0";
	memcpy(bytes, (uint8_t[]){SOCKS5_VERSION, reply, 0}, REPLY_HEAD);
	if (address)
		address_host(address, host);
	return REPLY_HEAD + socks5_write_address(bytes + REPLY_HEAD, host, address ? address->port : 0);
}

/* What is owed from steps that are over, in front of `size` bytes more. */
static enum status say(struct socks5 *socks5, struct writer *writer, const uint8_t *bytes, size_t size)
{
	writer_begin(writer, CHUNK_BYTES);
	if (socks5->owes_method)
		writer_copy(writer, (struct slice){(uint8_t[]){SOCKS5_VERSION, socks5->method}, 2});
	writer_copy(writer, (struct slice){bytes, size});
	enum status status = writer_end(writer);
	if (status == STATUS_OK)
		socks5->owes_method = false;
	return status;
}

static enum status say_reply(struct socks5 *socks5, struct writer *writer, uint8_t reply,
			     const struct address *address)
{
	uint8_t bytes[REPLY_HEAD + SOCKS5_ADDRESS_MAX];
	return say(socks5, writer, bytes, put_reply(bytes, reply, address));
}

/* The last word of a session that is about to end. */
static void bid_farewell(struct session *session, struct socks5 *socks5, enum farewell farewell,
			 uint8_t reply)
{
	socks5->farewell = farewell;
	socks5->reply = reply;
	session_owes(session);
}

static enum status refuse(struct session *session, struct socks5 *socks5, uint8_t reply, const char *text)
{
	bid_farewell(session, socks5, FAREWELL_REPLY, reply);
	return session_fault(session, text);
}

/* ---- steps ---- */

static void enter(struct session *session, struct socks5 *socks5, enum step step)
{
	socks5->step = step;
	socks5->until = instant_after(session->hub->now, session->hub->limits->handshake);
	if (step < OPENING)
		session_tick_at(session, socks5->until);
}

static enum status socks5_start(struct session *session, void *state)
{
	enter(session, state, GREETING);
	return STATUS_OK;
}

static bool pending_have(struct session *session, struct socks5 *socks5)
{
	if (!socks5->pending)
		socks5->pending = memory_acquire(&session->hub->memory, sizeof *socks5->pending);
	return socks5->pending != NULL;
}

static void pending_drop(struct session *session, struct socks5 *socks5)
{
	if (!socks5->pending)
		return;
	secret_wipe(socks5->pending, sizeof *socks5->pending);   /* it may be a password */
	memory_release(&session->hub->memory, socks5->pending, sizeof *socks5->pending);
	socks5->pending = NULL;
}

static enum status greeted(struct session *session, struct socks5 *socks5, struct slice bytes, size_t *used)
{
	struct socks5_greeting greeting;
	const struct socks5_policy *policy = socks5->policy;
	enum status status = socks5_parse_greeting(bytes, &greeting, used);
	if (status == STATUS_PROTOCOL)
		return refuse(session, socks5, SOCKS5_FAILED, "does not speak SOCKS5");
	if (status != STATUS_OK)
		return status;
	bool password = policy && policy->password;
	bool offered = password ? greeting.offers_password
				: greeting.offers_none || (policy && policy->any_method);
	socks5->method = !offered ? SOCKS5_METHOD_REFUSED
			 : password ? SOCKS5_METHOD_PASSWORD
				    : SOCKS5_METHOD_NONE;
	socks5->owes_method = true;
	session_owes(session);
	if (!offered) {
		session_fault(session, password ? "offers no login by password" : "offers no known login");
		return STATUS_AUTH;
	}
	enter(session, socks5, password ? LOGIN : REQUEST);
	return STATUS_OK;
}

static enum status logged_in(struct session *session, struct socks5 *socks5, struct slice bytes,
			     size_t *used)
{
	struct socks5_login login;
	enum status status = socks5_parse_login(bytes, &login, used);
	if (status == STATUS_PROTOCOL) {
		bid_farewell(session, socks5, FAREWELL_LOGIN, 0);
		session_fault(session, "speaks another login");
		return STATUS_AUTH;
	}
	if (status != STATUS_OK)
		return status;
	if (!pending_have(session, socks5))
		return STATUS_IO;
	struct credentials *credentials = &socks5->pending->credentials;
	*credentials = (struct credentials){.user = login.user, .secret = login.password};
	enter(session, socks5, LOGGING_IN);
	session_hold(session);
	return session_deliver(session, &(struct event){.kind = EVENT_AUTH, .credentials = credentials});
}

static enum status deliver_open(struct session *session, struct socks5 *socks5,
				const struct socks5_request *request)
{
	struct target target = {.network = socks5->associates ? NETWORK_UDP : NETWORK_TCP};
	if (!socks5->associates) {
		target.port = request->port;
		memcpy(target.host, request->host, sizeof target.host);
	}
	pending_drop(session, socks5);           /* it does not move */
	enter(session, socks5, OPENING);
	enum status status = asker_open(session, &target);
	if (status != STATUS_FULL)
		return status;
	bid_farewell(session, socks5, FAREWELL_REPLY, reply_of(socks5, REASON_LIMIT));
	return STATUS_OK;
}

static enum status requested(struct session *session, struct socks5 *socks5, struct slice bytes,
			     size_t *used)
{
	struct socks5_request request;
	enum status status = socks5_parse_request(bytes, &request, used);
	if (status == STATUS_PROTOCOL)
		return refuse(session, socks5, request.reply, "asks for no address that is known");
	if (status != STATUS_OK)
		return status;
	bool udp = socks5->policy && socks5->policy->udp;
	if (request.command != SOCKS5_CONNECT && !(udp && request.command == SOCKS5_ASSOCIATE))
		return refuse(session, socks5, SOCKS5_COMMAND_UNKNOWN, "asks for no command that is served");
	if (request.command == SOCKS5_ASSOCIATE) {
		socks5->associates = true;
		socks5->expected_port = association_port(session, request.host, request.port);
	} else if (request.odd_name) {
		return refuse(session, socks5, reply_of(socks5, REASON_NAME), "asks for a name that is none");
	}
	return deliver_open(session, socks5, &request);
}

static enum status step(struct session *session, struct socks5 *socks5, struct slice bytes, size_t *used)
{
	switch (socks5->step) {
	case GREETING:
		return greeted(session, socks5, bytes, used);
	case LOGIN:
		return logged_in(session, socks5, bytes, used);
	default:
		return requested(session, socks5, bytes, used);
	}
}

/* ---- hearing ---- */

/* Behind the beginning of its step, which came earlier. */
static enum status step_pending(struct session *session, struct socks5 *socks5, struct slice bytes,
				size_t *used)
{
	struct pending *pending = socks5->pending;
	size_t before = pending->size, taken = size_min(bytes.size, SOCKS5_STEP_MAX - before);
	memcpy(pending->bytes + before, bytes.at, taken);
	enum status status = step(session, socks5, (struct slice){pending->bytes, before + taken}, used);
	if (status == STATUS_MORE) {
		pending->size = (uint16_t)(before + taken);
		*used = taken;
		return STATUS_OK;
	}
	*used = status == STATUS_OK ? *used - before : taken;
	if (socks5->step != LOGGING_IN)          /* the role looks at it first */
		pending_drop(session, socks5);
	return status;
}

static enum status hear_step(struct session *session, struct socks5 *socks5, struct slice bytes,
			     size_t *consumed)
{
	if (socks5->pending)
		return step_pending(session, socks5, bytes, consumed);
	enum status status = step(session, socks5, bytes, consumed);
	if (status != STATUS_MORE)
		return status;
	if (!bytes.size)
		return STATUS_OK;
	if (!pending_have(session, socks5))
		return STATUS_IO;
	memcpy(socks5->pending->bytes, bytes.at, bytes.size);
	socks5->pending->size = (uint16_t)bytes.size;
	*consumed = bytes.size;
	return STATUS_OK;
}

/* Anything but silence ends an association, and so does its end. */
static enum status hear_associated(struct session *session, const struct chunk *chunk, size_t *consumed)
{
	struct event event = {.kind = EVENT_CLOSE, .channel = session_only_channel(session)};
	*consumed = chunk->piece.bytes.size;
	if (event.channel && (*consumed || chunk->kind == CHUNK_END))
		session_deliver(session, &event);
	return STATUS_OK;
}

static enum status socks5_decode(struct session *session, void *state, const struct chunk *chunk,
				 size_t *consumed)
{
	struct socks5 *socks5 = state;
	bool waits = socks5->step == OPENING && !socks5->associates;
	if (chunk->kind == CHUNK_END && waits && asker_hangs_up(session)) {
		session_end(session, REASON_LOST, "left before its target was reached", false);
		return STATUS_OK;
	}
	if (socks5->step >= OPENING)
		return socks5->associates ? hear_associated(session, chunk, consumed)
					  : wire_plain.decode(session, NULL, chunk, consumed);
	if (chunk->kind != CHUNK_END)
		return hear_step(session, socks5, chunk->piece.bytes, consumed);
	/* a port that is only looked at is no fault */
	bool silent = socks5->step == GREETING && !socks5->pending;
	session_end(session, silent ? REASON_OK : REASON_LOST, silent ? NULL : "left in its dialogue", false);
	return STATUS_OK;
}

/* ---- datagrams ---- */

static void socks5_bound(struct session *session, void *state, const struct address *local, int error)
{
	struct socks5 *socks5 = state;
	if (error) {
		bid_farewell(session, socks5, FAREWELL_REPLY, SOCKS5_FAILED);
		session_end(session, reason_of_errno(error), "no socket for datagrams", true);
		return;
	}
	socks5->association->local = *local;
	socks5->association->bound = true;
	session_wake(session);
}

static void socks5_datagram(struct session *session, void *state, const struct address *from,
			    struct piece piece)
{
	struct socks5 *socks5 = state;
	association_hear(socks5->association, session, from, piece);
}

/* ---- speaking ---- */

/* The last word is said once. */
static enum status say_owed(struct socks5 *socks5, struct writer *writer)
{
	enum status status = STATUS_OK;
	if (socks5->farewell == FAREWELL_REPLY)
		status = say_reply(socks5, writer, socks5->reply, NULL);
	else if (socks5->farewell == FAREWELL_LOGIN)
		status = say(socks5, writer, (uint8_t[]){1, 1}, 2);
	else if (socks5->owes_method)
		status = say(socks5, writer, NULL, 0);
	if (status == STATUS_OK)
		socks5->farewell = FAREWELL_NONE;
	return status;
}

static enum status say_authed(struct session *session, struct socks5 *socks5, const struct event *event,
			      struct writer *writer)
{
	bool good = event->reason == REASON_OK;
	enum status status = say(socks5, writer, (uint8_t[]){1, !good}, 2);
	if (status != STATUS_OK)
		return status;
	pending_drop(session, socks5);
	if (good) {
		enter(session, socks5, REQUEST);
		session_unhold(session);
	}
	return STATUS_OK;
}

static bool association_begin(struct session *session, struct socks5 *socks5)
{
	struct association *association =
	    memory_acquire(&session->hub->memory, sizeof *socks5->association);
	if (!association)
		return false;
	association_init(association, session, socks5->expected_port);
	socks5->association = association;
	return hub_bind(session, true, NULL);
}

static enum status say_opened(struct session *session, struct socks5 *socks5, const struct event *event,
			      struct writer *writer)
{
	bool good = event->reason == REASON_OK;
	const struct address *address = NULL;
	if (good && socks5->associates) {
		if (!socks5->association && !association_begin(session, socks5))
			return STATUS_IO;
		if (!socks5->association->bound)
			return STATUS_MORE;
		address = &socks5->association->local;
	}
	enum status status = say_reply(socks5, writer, reply_of(socks5, event->reason), address);
	if (status == STATUS_OK && good)
		enter(session, socks5, socks5->associates ? ASSOCIATED : RELAY);
	return status;
}

static enum status socks5_encode(struct session *session, void *state, const struct event *event,
				 struct writer *writer)
{
	struct socks5 *socks5 = state;
	switch (event->kind) {
	case EVENT_OWED:
		return say_owed(socks5, writer);
	case EVENT_AUTHED:
		return say_authed(session, socks5, event, writer);
	case EVENT_OPENED:
		return say_opened(session, socks5, event, writer);
	case EVENT_DATAGRAM:
		return association_say(socks5->association, session, event);
	default:
		return wire_plain.encode(session, NULL, event, writer);
	}
}

static struct instant socks5_tick(struct session *session, void *state, struct instant now)
{
	const struct socks5 *socks5 = state;
	if (socks5->step >= OPENING)
		return INSTANT_NEVER;
	if (instant_before(now, socks5->until))
		return socks5->until;
	session_end(session, REASON_TIMEOUT, "did not finish its dialogue in time", false);
	return INSTANT_NEVER;
}

static void socks5_stop(struct session *session, void *state)
{
	struct socks5 *socks5 = state;
	pending_drop(session, socks5);
	memory_release(&session->hub->memory, socks5->association, sizeof *socks5->association);
}

const struct wire wire_socks5 = {
	.name = "socks5",
	.traits = TRAIT_CONN | TRAIT_HALF_CLOSE,
	.session_size = sizeof(struct socks5),
	.chunk_max = SOCKS5_CHUNK_MAX,
	.start = socks5_start,
	.decode = socks5_decode,
	.encode = socks5_encode,
	.tick = socks5_tick,
	.stop = socks5_stop,
	.bound = socks5_bound,
	.datagram = socks5_datagram,
};
