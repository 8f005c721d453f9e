/* tests/sim/clock.c - the clocks of the C library, for every library in this process: virtual time.
 *
 * The executable exports them, so that wolfSSL's calls bind here. The wall clock begins at a fixed date.
 */
#include <sys/time.h>
#include <time.h>

#include "tests/sim/sim.h"

enum { WALL_S = 1900000000 };        /* 2030-03-17, as seen when virtual time is zero */

static struct timespec wall(void)
{
	int64_t ns = sim.now_ns + sim.wall_ns;
	return (struct timespec){.tv_sec = WALL_S + ns / 1000000000, .tv_nsec = ns % 1000000000};
}

time_t time(time_t *where)
{
	time_t now = wall().tv_sec;
	if (where)
		*where = now;
	return now;
}

int gettimeofday(struct timeval *restrict where, void *restrict zone)
{
	struct timespec now = wall();
	*where = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *where)
{
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		*where = wall();
	else
		*where =
		    (struct timespec){.tv_sec = sim.now_ns / 1000000000, .tv_nsec = sim.now_ns % 1000000000};
	return 0;
}
