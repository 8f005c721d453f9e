/* tests/sim/peer.h - users and origins that talk through the tunnel, and judge what they hear.
 *
 * A talk is one connection of a user, and the connection that it becomes at an origin. Every byte says which
 * talk, which direction and which place it is, so a wrong one tells whether bytes were lost, doubled, mixed
 * up or damaged.
 * Judged: at every moment what was received is a prefix of what was sent; a clean end comes only behind all
 *         of it, from one who said a clean end.
 * Except: the process that held the socket was killed, and its kernel said the end; or a link counts as one
 *         to an original (`stock`), where an abort cannot be told from an end.
 */
#ifndef TESTS_SIM_PEER_H
#define TESTS_SIM_PEER_H

#include "tests/sim/net.h"
#include "tests/sim/words.h"

enum { TALK_HEADER = 24, TALKS_MAX = 1024 };

enum user_kind {
	USER_POLITE,     /* sends all, reads to the end, closes */
	USER_ENDS_FIRST, /* says its end as soon as all is sent, reads to the end */
	USER_ABORTS,     /* a reset at a random point */
	USER_LEAVES,     /* a close at a random point */
	USER_DEAD,       /* never reads until it is woken, then leaves */
	USER_KIND_COUNT,
};

enum origin_kind {
	ORIGIN_POLITE,   /* sends while it reads; ends when it has both */
	ORIGIN_ANSWERS,  /* sends when it has seen the end of the question (only for USER_ENDS_FIRST) */
	ORIGIN_ENDS,     /* says its end without waiting for the rest of what it is told, which it reads */
	ORIGIN_LEAVES,   /* closes when all is sent, whatever comes */
	ORIGIN_ABORTS,
	ORIGIN_DEAD,
	ORIGIN_KIND_COUNT,
};

enum peer_state { PEER_IDLE, PEER_CONNECTING, PEER_TALKING, PEER_DONE };

struct talk;

struct peer {
	struct link due_link, all_link;
	struct talk *talk;               /* an origin's is NULL until its header is complete */
	bool is_user;
	enum peer_state state;
	struct net_socket *socket;
	uint64_t sent, total, received;  /* header included */
	uint8_t header[TALK_HEADER];
	bool said_end, said_abort, saw_end, saw_reset, refused, excused;
	bool write_failed;
	bool ended_early;                /* an origin: said its end before it had heard all */
	uint64_t leave_after;            /* bytes both ways, for those that leave or abort */
	size_t read_max, write_max;
	int64_t read_pause_ns, write_pause_ns, read_at_ns, write_at_ns;
	int64_t retry_until_ns;          /* a refused connect is tried again */
	struct words front, answer;      /* said first; must come first */
};

struct talk {
	uint32_t id;
	enum user_kind user_kind;
	enum origin_kind origin_kind;
	uint64_t up, down;
	struct net_host *host;           /* the user's */
	struct address address;
	bool stock;                      /* one of the links has no half-close, and RST means close there */
	bool (*agrees)(const uint8_t *answer); /* is the user's `answer` a yes? */
	bool asks;                       /* a request of HTTP with a whole URL */
	bool mute;                       /* its origin closes without an answer, and the user hears 502 */
	bool strict;                     /* nothing happened that excuses a failure */
	bool must_fail;                  /* nobody can answer it */
	struct peer user, *origin;
};

struct peers {
	struct link due, origins;
	struct talk talks[TALKS_MAX];
	uint32_t talk_count, open_count; /* open: peers that are not done */
	bool awake;                      /* the dead are to leave */
	bool strict;                     /* new talks are */
	uint64_t size_max;
	int64_t late_ns;                 /* so long at most an origin takes to answer */
	uint64_t checked_bytes, clean_talks, broken_talks, refused_talks;
};

extern struct peers peers;

void peers_start(void);
void peers_end(void);

/* A user that connects at `at_ns`. NULL: there are too many. */
struct talk *talk_create(struct net_host *host, struct address address, enum user_kind user,
			 enum origin_kind origin, int64_t at_ns);
/* Kinds and sizes by the seed. */
struct talk *talk_draw(struct net_host *host, struct address address, bool rude, int64_t at_ns);
/* Accepts what comes to a listener: each connection is an origin. */
void origin_accepts(struct net_socket *listener);

/* Runs one that is due. False: none is. */
bool peers_step(void);
bool peers_are_due(void);
/* The dead leave. */
void peers_wake_all(void);
/* After all are done: does every talk add up? */
void talks_check(void);
/* For a run that does not end: who is still there. */
void peers_trace(void);

#endif
