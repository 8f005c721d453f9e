/* core/list.h - intrusive circular list.
 *
 * Owner: whoever holds the head. Memory: none of its own. A link that is on no list is zero; that is
 * checked on insert, and removal makes it so again. The name of a link says its list (ready_link).
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include "core/base.h"

struct link {
	struct link *next, *prev;
};

static inline void list_init(struct link *list) { list->next = list->prev = list; }
static inline bool list_is_empty(const struct link *list) { return list->next == list; }
static inline bool link_is_linked(const struct link *link) { return link->next != NULL; }

/* Appends; the link must be on no list. */
static inline void list_push(struct link *list, struct link *link)
{
	check(!link->next && !link->prev);
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

/* The same at the front. */
static inline void list_push_first(struct link *list, struct link *link) { list_push(list->next, link); }

/* Takes a link off its list; nothing happens when it is on none. */
static inline void link_remove(struct link *link)
{
	if (!link->next)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

/* The first link, taken off, or NULL. */
static inline struct link *list_pull(struct link *list)
{
	struct link *first = list->next;
	if (first == list)
		return NULL;
	link_remove(first);
	return first;
}

/* Moves everything from one list to the end of another. */
static inline void list_join(struct link *to, struct link *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	from->prev->next = to;
	to->prev->next = from->next;
	to->prev = from->prev;
	list_init(from);
}

#endif
