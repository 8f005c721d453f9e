/* ring/mailbox.c - see mailbox.h. */
#include "ring/mailbox.h"

bool mailbox_push(struct mailbox *mailbox, struct mail *mail)
{
	struct mail *top = atomic_load_explicit(&mailbox->top, memory_order_relaxed);
	do
		mail->next = top;
	while (!atomic_compare_exchange_weak_explicit(&mailbox->top, &top, mail, memory_order_release,
						      memory_order_relaxed));
	return top == NULL;
}

struct mail *mailbox_take(struct mailbox *mailbox)
{
	struct mail *mail = atomic_exchange_explicit(&mailbox->top, NULL, memory_order_acquire);
	struct mail *oldest = NULL;
	while (mail) {
		struct mail *next = mail->next;
		mail->next = oldest;
		oldest = mail;
		mail = next;
	}
	return oldest;
}
