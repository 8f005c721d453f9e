/* protocols/management/collect.c - a question goes to a worker, and comes home with what that one knows. */
#include <stdlib.h>

#include "core/log.h"
#include "protocols/management/inside.h"
#include "protocols/management/page.h"

struct collector {
	struct published_sink sink;
	struct part *part;
};

void collect_free(struct hub *hub, struct part *part)
{
	if (part->charged)
		budget_give(&hub->budget, part->charged);
	free(part->text);
	free(part->rows);
	mail_free(&part->mail);
}

/* ---- on the worker that is asked ---- */

static void take_row(struct published_sink *sink, const struct published_row *row)
{
	struct part *part = OWNER(sink, struct collector, sink)->part;
	if (part->row_count == MANAGEMENT_ROWS_MAX) {
		part->omitted += row->whole;
		return;
	}
	if (part->row_count == part->row_room) {
		size_t room = part->row_room ? 2 * part->row_room : 16;
		struct published_row *rows = realloc(part->rows, room * sizeof *rows);
		part->failed = part->failed || !rows;
		if (!rows)
			return;
		part->rows = rows;
		part->row_room = room;
	}
	part->rows[part->row_count++] = *row;
}

static void collect_published(struct hub *hub, struct part *part)
{
	struct collector collector = {.sink = {.add = take_row}, .part = part};
	tallies_look(hub);
	for (uint32_t i = 0; i < hub->service_count; i++) {
		struct service *service = hub->services[i];
		if (service->table->published)
			service->table->published(service, &collector.sink);
	}
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
	part->size = rows.text.buf ? rows.text.buf->used : 0;
	part->text = malloc(part->size + 1);
	part->failed = rows.text.failed || !part->text;
	if (!part->failed && part->size)
		memcpy(part->text, rows.text.buf->bytes, part->size);
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
		collect_published(hub, part);
		break;
	case MANAGEMENT_PAGE:
		collect_published(hub, part);
		collect_rows(management, part);
		break;
	default:
		collect_rows(management, part);
		break;
	}
}

/* ---- there and back ---- */

static void part_home(struct hub *to, struct mail *mail)
{
	struct part *part = OWNER(mail, struct part, mail);
	struct management *management = management_at(to, part->service);
	size_t size = part->size + part->row_room * sizeof *part->rows;
	if (!management) {
		collect_free(to, part);
		return;
	}
	if (budget_has(&to->budget, size)) {
		budget_take(&to->budget, size);
		part->charged = size;
	} else {
		part->failed = true;
	}
	conn_part_came(management, part);
}

static void part_run(struct hub *to, struct mail *mail)
{
	struct part *part = OWNER(mail, struct part, mail);
	struct management *management = management_at(to, part->service);
	if (!management) {
		collect_free(to, part);
		return;
	}
	collect_run(management, part);
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
	part->session_id = session->id;
	part->call = *call;
	hub_post(session->hub, &part->mail);
	return true;
}
