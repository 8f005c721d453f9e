/* tests/unit/table_test.c - the table of ids, and mailboxes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/idtable.h"
#include "core/request.h"
#include "ring/mailbox.h"

/* ---- ids ---- */

enum { IDS = 5000 };
static struct idtable_link links[IDS];

static void insert(struct idtable *table, uint32_t id) { idtable_insert(table, &links[id], &id, sizeof id); }
static bool has(const struct idtable *table, uint32_t id)
{
	return idtable_find(table, &id, sizeof id) == &links[id];
}

static void ids_grow_and_shrink(void **state)
{
	struct idtable table = {.seed = 7};
	memset(links, 0, sizeof links);
	for (uint32_t id = 0; id < IDS; id++)
		insert(&table, id);
	assert_true(table.bucket_count >= IDS / 2);
	for (uint32_t id = 0; id < IDS; id++)
		assert_true(has(&table, id));
	for (uint32_t id = 0; id < IDS; id += 1 + id % 2)
		idtable_remove(&table, &links[id]);
	for (uint32_t id = 1; id < IDS; id++) {
		assert_true(has(&table, id) == (links[id].id != NULL));
		idtable_remove(&table, &links[id]);
		idtable_remove(&table, &links[id]); /* nothing */
	}
	assert_int_equal(table.count, 0);
	assert_true(table.bucket_count < 200);
	idtable_fini(&table);
}

static void ids_of_any_size(void **state)
{
	static const char long_id[] = "an id that does not fit into the link itself", prefix[] = "an id";
	struct idtable table = {.seed = 7};
	struct idtable_link one = {0}, other = {0};
	assert_null(idtable_find(&table, "x", 1));
	idtable_insert(&table, &one, long_id, sizeof long_id);
	idtable_insert(&table, &other, prefix, 5);
	assert_ptr_equal(idtable_find(&table, long_id, sizeof long_id), &one);
	assert_ptr_equal(idtable_find(&table, long_id, 5), &other);
	assert_null(idtable_find(&table, long_id, 6));
	idtable_remove(&table, &one);
	idtable_remove(&table, &other);
	idtable_fini(&table);
}

/* Without memory for its buckets a table is one list, and becomes a table when there is some. */
static void ids_without_memory(void **state)
{
	struct idtable table = {.seed = 7};
	memset(links, 0, sizeof links);
	insert(&table, 1);
	struct idtable poor = {.seed = 7, .only = &links[1], .count = 1};
	links[1].next = NULL;
	free(table.buckets);
	assert_true(has(&poor, 1));
	assert_null(idtable_find(&poor, "xxxx", 4));
	insert(&poor, 2);
	assert_true(poor.bucket_count > 0 && has(&poor, 1) && has(&poor, 2));
	idtable_remove(&poor, &links[1]);
	idtable_remove(&poor, &links[2]);
	idtable_fini(&poor);
}

/* ---- mail ---- */

enum { MAILS = 20000, SENDERS = 3 };
struct letter {
	struct mail mail;
	uint32_t serial;
};
static struct mailbox mailbox;
static struct letter letters[SENDERS][MAILS];

static void *send_all(void *argument)
{
	struct letter *mine = argument;
	for (uint32_t i = 0; i < MAILS; i++) {
		mine[i].serial = i;
		mine[i].mail.to = (uint32_t)(mine - letters[0]) / MAILS;
		mailbox_push(&mailbox, &mine[i].mail);
	}
	return NULL;
}

/* Nothing is lost and each sender's order is kept. */
static void mail_keeps_order(void **state)
{
	pthread_t threads[SENDERS];
	uint32_t next[SENDERS] = {0}, count = 0;
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_all, letters[i]);
	while (count < SENDERS * MAILS) {
		for (struct mail *mail = mailbox_take(&mailbox); mail; mail = mail->next, count++)
			assert_int_equal(OWNER(mail, struct letter, mail)->serial, next[mail->to]++);
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_null(mailbox_take(&mailbox));
}

static void first_mail_wakes(void **state)
{
	struct mail one = {0}, two = {0};
	assert_true(mailbox_push(&mailbox, &one));
	assert_false(mailbox_push(&mailbox, &two));
	assert_ptr_equal(mailbox_take(&mailbox), &one);
	assert_ptr_equal(one.next, &two);
	assert_null(two.next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids_grow_and_shrink), cmocka_unit_test(ids_of_any_size),
	    cmocka_unit_test(ids_without_memory),  cmocka_unit_test(mail_keeps_order),
	    cmocka_unit_test(first_mail_wakes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
