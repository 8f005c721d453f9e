/* bench/lib/memory.c - see memory.h. */
#include "bench/lib/memory.h"

#include <stdio.h>

#include "bench/lib/child.h"

#define PATIENCE_SECONDS 10
enum { FAMILY_MAX = 4096 };
#define PAUSE_SECONDS 0.05

static bool add_process(pid_t pid, struct memory *memory)
{
	static const char *const own[] = {"Private_Dirty:", "Swap:"};
	char path[64], line[256], name[64];
	double kib;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	bool found = false;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%63s %lf kB", name, &kib) != 2)
			continue;
		for (size_t i = 0; i < COUNT_OF(own); i++)
			memory->private_kib += strcmp(name, own[i]) == 0 ? kib : 0;
		memory->pss_kib += strcmp(name, "Pss:") == 0 ? kib : 0;
		found = true;
	}
	fclose(file);
	return found;
}

/* A descendant that has just ended has none. */
static bool read_all(const pid_t *roots, uint32_t root_count, struct memory *memory)
{
	pid_t pids[FAMILY_MAX];
	uint32_t count = 0;

	*memory = (struct memory){0};
	uint32_t found = child_family(roots, root_count, pids, FAMILY_MAX);
	for (uint32_t i = 0; i < found; i++)
		count += add_process(pids[i], memory) ? 1 : 0;
	return count >= root_count;
}

bool memory_settled(const pid_t *roots, uint32_t root_count, double seconds, struct memory *memory)
{
	double start = child_now(), changed = start;

	if (!read_all(roots, root_count, memory))
		return false;
	while (child_now() < changed + seconds && child_now() < start + PATIENCE_SECONDS) {
		struct memory before = *memory;
		child_sleep(PAUSE_SECONDS, NULL);
		if (child_is_interrupted() || !read_all(roots, root_count, memory))
			return false;
		if (memory->private_kib != before.private_kib)
			changed = child_now();
	}
	return true;
}
