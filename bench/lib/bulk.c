/* bench/lib/bulk.c - see bulk.h. */
#include "bench/lib/bulk.h"

#include <sched.h>

bool bulk_open(struct bulk_load *bulk, enum bulk kind, const struct load *model, uint16_t port, int listener)
{
	for (int direction = 0; direction < DIRECTION_COUNT; direction++) {
		struct load *load = &bulk->streams[direction].load;
		bool wanted = kind == BULK_BOTH || (int)kind == BULK_UP + direction;
		if (!wanted)
			continue;
		*load = *model;
		load->direction = (enum direction)direction;
		if (!load_open(load, 1, port, listener))
			return false;
	}
	return true;
}

static void *run(void *argument)
{
	struct bulk_stream *stream = argument;
	struct sched_param none = {.sched_priority = 0};

	/* The threads of the load inherit it. */
	pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
	load_run(&stream->load, stream->seconds, &stream->result);
	return NULL;
}

void bulk_start(struct bulk_load *bulk, double seconds)
{
	for (int direction = 0; direction < DIRECTION_COUNT; direction++) {
		struct bulk_stream *stream = &bulk->streams[direction];
		if (stream->load.streams == NULL)
			continue;
		stream->seconds = seconds;
		stream->running = pthread_create(&stream->thread, NULL, run, stream) == 0;
		if (!stream->running)
			fault_set(stream->load.fault, "cannot start a thread");
	}
}

double bulk_stop(struct bulk_load *bulk)
{
	double rate = 0;

	for (int direction = 0; direction < DIRECTION_COUNT; direction++) {
		struct bulk_stream *stream = &bulk->streams[direction];
		if (!stream->running)
			continue;
		pthread_join(stream->thread, NULL);
		stream->running = false;
		if (stream->result.seconds > 0)
			rate += (double)stream->result.bytes / stream->result.seconds;
	}
	return rate;
}

bool bulk_close(struct bulk_load *bulk)
{
	bool good = true;

	for (int direction = 0; direction < DIRECTION_COUNT; direction++)
		if (bulk->streams[direction].load.streams != NULL)
			good = load_close(&bulk->streams[direction].load) && good;
	return good;
}
