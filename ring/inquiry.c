/* ring/inquiry.c - see inquiry.h. */
#include "ring/inquiry.h"

#include "ring/process.h"

struct inquiry_question {
	struct resolve_job job;
	struct inquiry *inquiry;         /* NULL: nobody wants to know any more */
};

static void resolved(struct hub *to, struct mail *mail)
{
	struct inquiry_question *question = OWNER(mail, struct inquiry_question, job.mail);
	const struct resolve_job *job = &question->job;
	struct inquiry *inquiry = question->inquiry;
	if (inquiry) {
		inquiry->asker = NULL;
		inquiry->asked = false;
		inquiry->answered(inquiry, job->addresses, job->reason == REASON_OK ? job->count : 0);
	}
	mail_free(mail);
}

void inquiry_start(struct worker *worker, struct inquiry *inquiry)
{
	struct inquiry_question *question = mail_create(sizeof *question);
	if (!question) {
		inquiry->asked = false;
		inquiry->answered(inquiry, NULL, 0);
		return;
	}
	question->inquiry = inquiry;
	question->job.mail.deliver = resolved;
	question->job.mail.to = worker->hub.index;
	question->job.timeout = inquiry->timeout;
	text_copy(question->job.host, sizeof question->job.host, slice_of(inquiry->host));
	inquiry->asker = &question->inquiry;
	worker->process->resolve(worker->process, &question->job);
}
