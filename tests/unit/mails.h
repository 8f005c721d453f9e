/* tests/unit/mails.h - mail between the workers of a test, without threads: `hubs` are all, by index. */
#ifndef TESTS_UNIT_MAILS_H
#define TESTS_UNIT_MAILS_H

#include "core/hub.h"
#include "core/request.h"

/* Delivers what that worker has posted, with what it posts to itself meanwhile. False: there was nothing. */
static inline bool mails_deliver(struct hub *hubs, uint32_t from)
{
	struct hub *hub = &hubs[from];
	bool any = false;
	for (struct mail *mail; (mail = hub->outgoing) != NULL; any = true) {
		if (!(hub->outgoing = mail->next))
			hub->outgoing_last = NULL;
		mail->next = NULL;
		mail->deliver(&hubs[mail->to], mail);
	}
	return any;
}

#endif
