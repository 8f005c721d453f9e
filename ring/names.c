/* ring/names.c - see names.h. */
#include "ring/names.h"

#include "ring/process.h"

struct name_question {
	struct resolve_job job;
	struct name *name;               /* NULL: nobody wants to know any more */
};

void names_init(struct names *names, struct worker *worker, void (*answered)(struct names *names))
{
	*names = (struct names){.worker = worker, .answered = answered};
	list_init(&names->list);
}

static void name_destroy(struct name *name)
{
	struct names *names = name->names;
	if (name->question)
		name->question->name = NULL;
	link_remove(&name->names_link);
	names->count--;
	memory_release(&names->worker->hub.memory, name, sizeof *name);
}

void names_fini(struct names *names)
{
	while (!list_is_empty(&names->list))
		name_destroy(OWNER(names->list.next, struct name, names_link));
}

static void resolved(struct hub *to, struct mail *mail)
{
	struct name_question *question = OWNER(mail, struct name_question, job.mail);
	const struct resolve_job *job = &question->job;
	struct name *name = question->name;
	if (name) {
		name->question = NULL;
		bool found = job->reason == REASON_OK;
		name->count = found ? (uint32_t)size_min(job->count, NAME_ADDRESSES_MAX) : 0;
		memcpy(name->addresses, job->addresses, name->count * sizeof *name->addresses);
		name->until =
		    instant_after(to->now, found ? DURATION_S(NAME_KEEP_S) : DURATION_S(NAME_FAILED_S));
		name->names->answered(name->names);
	}
	mail_free(mail);
}

static bool ask(struct name *name)
{
	struct worker *worker = name->names->worker;
	struct name_question *question = mail_create(sizeof *question);
	if (!question)
		return false;
	question->job.mail.deliver = resolved;
	question->job.mail.to = worker->hub.index;
	question->job.timeout = DURATION_S(NAME_TIMEOUT_S);
	text_copy(question->job.host, sizeof question->job.host, slice_of(name->host));
	question->name = name;
	name->question = question;
	worker->process->resolve(worker->process, &question->job);
	return true;
}

static struct name *search(const struct names *names, const char *host)
{
	for (struct link *link = names->list.next; link != &names->list; link = link->next) {
		struct name *name = OWNER(link, struct name, names_link);
		if (strcmp(name->host, host) == 0)
			return name;
	}
	return NULL;
}

/* The place of the one that was used least recently, unless somebody waits for it. */
static bool make_room(struct names *names)
{
	if (names->count < NAMES_MAX)
		return true;
	for (struct link *link = names->list.next; link != &names->list; link = link->next) {
		struct name *name = OWNER(link, struct name, names_link);
		if (name->question)
			continue;
		name_destroy(name);
		return true;
	}
	return false;
}

static struct name *name_create(struct names *names, const char *host)
{
	struct name *name =
	    make_room(names) ? memory_acquire(&names->worker->hub.memory, sizeof *name) : NULL;
	if (!name)
		return NULL;
	name->names = names;
	text_copy(name->host, sizeof name->host, slice_of(host));
	list_push(&names->list, &name->names_link);
	names->count++;
	return name;
}

enum status names_find(struct names *names, const char *host, const struct name **found)
{
	struct name *name = search(names, host);
	if (!name && !(name = name_create(names, host)))
		return STATUS_FULL;
	link_remove(&name->names_link);
	list_push(&names->list, &name->names_link);
	if (name->question)
		return STATUS_MORE;
	if (instant_before(names->worker->hub.now, name->until)) {
		*found = name;
		return STATUS_OK;
	}
	if (ask(name))
		return STATUS_MORE;
	name_destroy(name);
	return STATUS_FULL;
}
