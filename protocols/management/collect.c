/* protocols/management/collect.c - a question goes to a worker, and comes home with what that one knows. */
#include <stdlib.h>

#include "core/log.h"
#include "protocols/management/inside.h"
#include "protocols/management/page.h"

struct collector {
	struct published_sink sink;
	struct management *management;   /* of the worker that is asked */
	struct part *part;
};

/* Of the process and of this worker, before it is allocated. */
static bool charge(struct management *management, struct part *part, size_t size)
{
	struct budget *budget = &management->service.hub->budget;
	if (!budget_has(budget, size) || !management_take(management, size))
		return false;
	budget_take(budget, size);
	part->held += size;
	return true;
}

/* What was collected, if it was charged here. */
static void drop(struct management *management, struct part *part)
{
	budget_give(&management->service.hub->budget, part->held);
	management_give(management, part->held);
	free(part->text);
	free(part->rows);
	part->text = NULL;
	part->rows = NULL;
	part->held = part->size = part->row_count = part->row_room = part->count = 0;
}

void collect_free(struct management *management)
{
	while (management->parts) {
		struct part *part = management->parts;
		management->parts = part->next;
		drop(management, part);
		mail_free(&part->mail);
	}
}

/* ---- on the worker that is asked ---- */

static bool make_room(struct management *management, struct part *part)
{
	size_t wanted = part->row_room ? 2 * part->row_room : 16;
	size_t room = size_min(wanted, MANAGEMENT_ROWS_MAX);
	if (!charge(management, part, (room - part->row_room) * sizeof *part->rows))
		return false;
	struct published_row *rows = realloc(part->rows, room * sizeof *rows);
	if (!rows)
		return false;
	part->rows = rows;
	part->row_room = room;
	return true;
}

static void take_row(struct published_sink *sink, const struct published_row *row)
{
	struct collector *collector = OWNER(sink, struct collector, sink);
	struct part *part = collector->part;
	if (part->row_count == MANAGEMENT_ROWS_MAX) {
		part->omitted += row->whole;
		return;
	}
	if (part->failed)
		return;
	if (part->row_count == part->row_room && !make_room(collector->management, part)) {
		part->failed = true;
		return;
	}
	part->rows[part->row_count++] = *row;
}

static void collect_published(struct management *management, struct part *part)
{
	struct hub *hub = management->service.hub;
	struct collector collector = {.sink = {.add = take_row}, .management = management, .part = part};
	tallies_look(hub);
	for (uint32_t i = 0; i < hub->service_count; i++) {
		struct service *service = hub->services[i];
		if (service->table->published)
			service->table->published(service, &collector.sink);
	}
}

/* Out of the worker's pool, which it could not leave. */
static bool keep_text(struct management *management, struct part *part, const struct json_text *text)
{
	size_t size = text->buf ? text->buf->used : 0;
	if (text->failed || !charge(management, part, size + 1) || !(part->text = malloc(size + 1)))
		return false;
	if (size)
		memcpy(part->text, text->buf->bytes, size);
	part->size = size;
	return true;
}

static void collect_rows(struct management *management, struct part *part)
{
	struct hub *hub = management->service.hub;
	bool page = part->call.action == MANAGEMENT_PAGE;
	struct rows rows = {.wall_offset_ns = management->settings->wall_offset_ns,
			    .max = page ? PAGE_ROWS_MAX : MANAGEMENT_ROWS_MAX};
	json_text_init(&rows.text, &hub->bufs);
	if (page)
		page_links(&rows, hub);
	else if (part->call.action == MANAGEMENT_SESSIONS)
		rows_sessions(&rows, hub);
	else if (part->call.action == MANAGEMENT_CHANNELS)
		rows_channels(&rows, hub);
	else
		rows_worker(&rows, hub, management->started);
	part->count = rows.count;
	part->omitted = rows.omitted;
	part->failed = part->failed || !keep_text(management, part, &rows.text);
	json_text_fini(&rows.text);
}

static bool end_session(struct hub *hub, uint64_t id)
{
	for (struct link *link = hub->sessions.next; link != &hub->sessions; link = link->next) {
		struct session *session = OWNER(link, struct session, hub_link);
		if (session->id != id || !session_is_shown(session))
			continue;
		log_info("link closed by the administrator", TEXT("peer", session->peer));
		session_end(session, REASON_ADMINISTRATOR, NULL, true);
		return true;
	}
	return false;
}

/* Either side of a pair is its channel. */
static bool end_channel(struct hub *hub, uint64_t id)
{
	for (struct link *link = hub->pairs.next; link != &hub->pairs; link = link->next) {
		struct pair *pair = OWNER(link, struct pair, hub_link);
		const struct channel *channel = pair->side[id & 1];
		if (pair->id != (id & ~1ull) || !channel || !session_is_shown(channel->session))
			continue;
		log_info("channel closed by the administrator", TEXT("peer", channel->session->peer),
			 TEXT("target", channel->target.host), NUMBER("port", channel->target.port));
		pair_reset(pair, REASON_ADMINISTRATOR);
		return true;
	}
	return false;
}

static void collect_run(struct management *management, struct part *part)
{
	struct hub *hub = management->service.hub;
	switch (part->call.action) {
	case MANAGEMENT_END_SESSION:
		part->found = end_session(hub, part->call.id);
		break;
	case MANAGEMENT_END_CHANNEL:
		part->found = end_channel(hub, part->call.id);
		break;
	case MANAGEMENT_PUBLISHED:
		collect_published(management, part);
		break;
	case MANAGEMENT_PAGE:
		collect_published(management, part);
		collect_rows(management, part);
		break;
	default:
		collect_rows(management, part);
		break;
	}
}

/* ---- there and back ---- */

/* Its worker has stopped, and with it all that counts. */
static void part_lost(struct part *part)
{
	free(part->text);
	free(part->rows);
	mail_free(&part->mail);
}

static void part_home(struct hub *to, struct mail *mail)
{
	struct part *part = OWNER(mail, struct part, mail);
	struct management *management = management_at(to, part->service);
	if (!management) {
		part_lost(part);
		return;
	}
	bool fits = budget_has(&to->budget, part->held);
	budget_take(&to->budget, part->held);
	if (!fits)
		drop(management, part);
	part->failed = part->failed || !fits;
	conn_part_came(management, part);
}

static void part_run(struct hub *to, struct mail *mail)
{
	struct part *part = OWNER(mail, struct part, mail);
	struct management *management = management_at(to, part->service);
	if (!management) {
		part_lost(part);
		return;
	}
	collect_run(management, part);
	if (part->failed)
		drop(management, part);
	budget_give(&to->budget, part->held); /* while it is under way it counts for the process alone */
	mail->deliver = part_home;
	mail->to = 0;
	mail->next = NULL;
	hub_post(to, mail);
}

bool collect_ask(struct session *session, uint32_t worker, const struct management_call *call)
{
	struct part *part = mail_create(sizeof *part);
	if (!part)
		return false;
	part->mail = (struct mail){.deliver = part_run, .to = worker};
	part->service = session->service->index;
	part->worker = worker;
	part->call = *call;
	hub_post(session->hub, &part->mail);
	return true;
}
