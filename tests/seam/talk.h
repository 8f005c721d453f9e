/* tests/seam/talk.h - users and the service that they reach: every byte says where it belongs.
 *
 * Owner:  the test. Thread: main; nothing here blocks but for poll().
 * A talk: a user connects to a visitor's port and says who it is (4 bytes), then its pattern; the service
 * says another one. Each ends its direction when it has said all.
 * Oracle: what arrives is a prefix of what was said, and a clean end comes behind all of it; anything else
 * fails the test at once. Resets are kept, for the test to judge.
 */
#ifndef TESTS_SEAM_TALK_H
#define TESTS_SEAM_TALK_H

#include "core/base.h"

enum { TALKS_MAX = 64 };

struct side {
	int fd;                      /* -1: not there (yet) */
	bool waits;                  /* says nothing before the other one has ended */
	bool shut;                   /* has said all, and that */
	bool ended;                  /* has heard the other's end */
	int error;                   /* of its socket: it is over */
	uint64_t size, said, heard;
};

enum { USER, SERVICE };

struct talk {
	struct side side[2];
};

/* Sizes and who waits; the user connects to 127.0.0.1. */
struct talk_options {
	uint16_t port;
	uint64_t size[2];
	bool waits[2];
};

/* The service listens at 127.0.0.1: its port. */
uint16_t talks_begin(void);
void talks_end(void);
struct talk *talk_start(const struct talk_options *options);
/* Moves bytes until `is_so` of every talk. Fails when nothing moves for long. */
void talks_run(bool (*is_so)(const struct talk *talk));
/* That side leaves with a reset. */
void talk_cut(struct talk *talk, int at);
/* Both have said all and heard all. */
bool talk_is_whole(const struct talk *talk);
/* Every side that is there has heard an end or an error. */
bool talk_is_over(const struct talk *talk);

#endif
