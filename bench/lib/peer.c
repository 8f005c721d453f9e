/* bench/lib/peer.c - see peer.h. */
#include "bench/lib/peer.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/lib/circuit.h"
#include "bench/lib/peer_kind.h"

enum { START_SECONDS = 15, CONFIG_SIZE = 8192 };

#define SSHD_DIRECTORY "/run/sshd"

static const char *user_name(void)
{
	const struct passwd *entry = getpwuid(getuid());

	return entry != NULL ? entry->pw_name : "root";
}

/* A line of our client's configuration, or none: versions with one link do not know the key. */
static const char *links_line(const struct peer_setup *setup, char text[64])
{
	text[0] = 0;
	if (setup->links > 1)
		snprintf(text, 64, "  links: %u\n", setup->links);
	return text;
}

/* An interpreter that has the original LinkSocks: tests/e2e makes one. */
static const char *linksocks_python(void)
{
	const char *given = getenv("LINKSOCKS_PYTHON");

	return given != NULL ? given : PEER_SOURCE "/build/peers/linksocks-1.8.9/bin/python";
}

/* The value of one name in a model; numbers are written into `text`. */
static const char *value_of(const struct peer *peer, const struct peer_setup *setup, const char *name,
			    char text[64])
{
	const struct {
		const char *name, *value;
		uint32_t number;
	} values[] = {
	    {"dir", setup->directory, 0},
	    {"tunnel", setup->tunnel, 0},
	    {"self", setup->self, 0},
	    {"engine", setup->engine, 0},
	    {"level", setup->counts ? "debug" : "info", 0},
	    {"user", user_name(), 0},
	    {"near", NULL, peer->near},
	    {"far", NULL, peer->far},
	    {"origin", NULL, setup->origin},
	    {"cores", NULL, setup->cores},
	    {"master", setup->cores > 1 ? "daemon off;\n" : "daemon off;\nmaster_process off;\n", 0},
	};

	if (strcmp(name, "links") == 0)
		return links_line(setup, text);
	if (strcmp(name, "linksocks") == 0)
		return linksocks_python();
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		if (strcmp(values[i].name, name) != 0)
			continue;
		if (values[i].value != NULL)
			return values[i].value;
		snprintf(text, 64, "%u", values[i].number);
		return text;
	}
	check(!"a model names an unknown value");
	return "";
}

/* Replaces every ${name}. */
static void expand(const struct peer *peer, const struct peer_setup *setup, const char *model, char *text,
		   size_t size)
{
	size_t used = 0;

	while (*model != 0 && used + 1 < size) {
		char name[32] = "", number[64];
		if (strncmp(model, "${", 2) != 0) {
			text[used++] = *model++;
			continue;
		}
		size_t length = strcspn(model + 2, "}");
		text_copy(name, sizeof(name), (struct slice){(const uint8_t *)model + 2, length});
		model += length + 3;
		int added = snprintf(text + used, size - used, "%s", value_of(peer, setup, name, number));
		used = size_min(used + (size_t)added, size - 1);
	}
	text[used] = 0;
}

/* Splits at spaces, in place, and finds the program. False: no such program. */
static bool split(char *command, char *arguments[CHILD_ARGUMENTS_MAX], char program[CHILD_PATH_SIZE])
{
	uint32_t count = 0;
	char *rest = NULL;

	for (char *word = strtok_r(command, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		check(count + 3 < CHILD_ARGUMENTS_MAX);
		bool empty_follows = strcmp(word, "-N=") == 0;
		arguments[count++] = empty_follows ? "-N" : word;
		if (empty_follows)
			arguments[count++] = "";
	}
	arguments[count] = NULL;
	if (count == 0 || !child_find(arguments[0], program))
		return false;
	arguments[0] = program;
	return true;
}

/* Runs a command of the table to its end. */
static int run(const struct peer *peer, const struct peer_setup *setup, const char *model, char *output,
	       size_t size)
{
	char command[CONFIG_SIZE], program[CHILD_PATH_SIZE];
	char *arguments[CHILD_ARGUMENTS_MAX];

	output[0] = 0;
	expand(peer, setup, model, command, sizeof(command));
	return split(command, arguments, program) ? child_run(arguments, output, size) : 255;
}

static bool join_files(const char *directory)
{
	static const char *const parts[] = {"cert.pem", "key.pem"};
	char path[CHILD_PATH_SIZE], text[CONFIG_SIZE];

	snprintf(path, sizeof(path), "%s/both.pem", directory);
	FILE *both = fopen(path, "we");
	for (size_t i = 0; both != NULL && i < COUNT_OF(parts); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, parts[i]);
		FILE *part = fopen(path, "re");
		size_t size = part != NULL ? fread(text, 1, sizeof(text), part) : 0;
		if (part != NULL)
			fclose(part);
		fwrite(text, 1, size, both);
	}
	return both != NULL && fclose(both) == 0;
}

bool peer_certify(const struct peer_setup *setup, char why[PEER_TEXT_SIZE])
{
	static const char *const commands[] = {
	    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
	    " -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
	    " -keyout ${dir}/key.pem -out ${dir}/cert.pem",
	    "${tunnel} cert --host localhost --host 127.0.0.1 --out-dir ${dir}",
	};
	struct peer nobody = {0};

	snprintf(why, PEER_TEXT_SIZE, "neither openssl nor tunnel is there to make a certificate");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (run(&nobody, setup, commands[i], why, PEER_TEXT_SIZE) == 0)
			return join_files(setup->directory);
	return false;
}

bool peer_is_known(const char *name)
{
	for (size_t i = 0; i < PEER_COUNT; i++)
		if (strcmp(peer_kinds[i].name, name) == 0)
			return true;
	return false;
}

bool peer_is_by_name(const char *name)
{
	for (size_t i = 0; i < PEER_COUNT; i++)
		if (strcmp(peer_kinds[i].name, name) == 0)
			return peer_kinds[i].by_name;
	return false;
}

static void read_version(struct peer *peer, const struct peer_setup *setup)
{
	const struct peer_kind *kind = peer->kind;
	char output[2048];

	snprintf(peer->version, sizeof(peer->version), "%s",
		 kind->version == NULL ? TUNNEL_VERSION : "unknown");
	if (kind->version == NULL || run(peer, setup, kind->version, output, sizeof(output)) == 255)
		return;
	const char *at = strstr(output, kind->version_after);
	if (at == NULL)
		return;
	at += strlen(kind->version_after);
	text_copy(peer->version, sizeof(peer->version),
		  (struct slice){(const uint8_t *)at, strcspn(at, " ,\n")});
}

bool peer_find(struct peer *peer, uint32_t index, const struct peer_setup *setup)
{
	const struct peer_kind *kind = &peer_kinds[index];

	*peer = (struct peer){.kind = kind, .name = kind->name, .tls = kind->tls};
	for (size_t i = 0; i < COUNT_OF(kind->programs) && kind->programs[i] != NULL; i++) {
		char name[CHILD_PATH_SIZE], path[CHILD_PATH_SIZE];
		expand(peer, setup, kind->programs[i], name, sizeof(name));
		if (child_find(name, path))
			continue;
		snprintf(peer->why, sizeof(peer->why), "not installed: no %.400s", name);
		return false;
	}
	if (kind->needs_file != NULL && access(kind->needs_file, R_OK) != 0) {
		snprintf(peer->why, sizeof(peer->why), "not installed: no %.400s", kind->needs_file);
		return false;
	}
	read_version(peer, setup);
	return true;
}

static bool write_files(struct peer *peer, const struct peer_setup *setup)
{
	const struct peer_kind *kind = peer->kind;

	for (size_t i = 0; i < PEER_FILES_MAX && kind->files[i].name != NULL; i++) {
		char path[CHILD_PATH_SIZE], text[CONFIG_SIZE];
		snprintf(path, sizeof(path), "%s/%s", setup->directory, kind->files[i].name);
		expand(peer, setup, kind->files[i].text, text, sizeof(text));
		FILE *file = fopen(path, "we");
		bool written = file != NULL && fputs(text, file) >= 0;
		if (file == NULL || fclose(file) != 0 || !written) {
			snprintf(peer->why, sizeof(peer->why), "cannot write %.400s", path);
			return false;
		}
	}
	return true;
}

static bool prepare(struct peer *peer, const struct peer_setup *setup)
{
	/* sshd as root wants its directory, which its service unit would have made. */
	if (strcmp(peer->name, "ssh") == 0 && getuid() == 0)
		mkdir(SSHD_DIRECTORY, 0755);
	for (size_t i = 0; i < COUNT_OF(peer->kind->prepare) && peer->kind->prepare[i] != NULL; i++)
		if (run(peer, setup, peer->kind->prepare[i], peer->why, sizeof(peer->why)) != 0)
			return false;
	return true;
}

static void log_path(const struct peer *peer, const struct peer_setup *setup, char path[CHILD_PATH_SIZE])
{
	snprintf(path, CHILD_PATH_SIZE, "%s/%s.log", setup->directory, peer->name);
}

void peer_log_tail(const struct peer *peer, const struct peer_setup *setup, char *text, size_t size)
{
	char path[CHILD_PATH_SIZE];

	log_path(peer, setup, path);
	text[0] = 0;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fseek(file, -(long)(size - 1), SEEK_END) != 0)
		rewind(file);
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
}

bool peer_counter(const struct peer *peer, const struct peer_setup *setup, const char *name, uint64_t *sum)
{
	static const char line[] = " counters ";
	char tail[8192], fact[64];
	uint32_t ends = 0;

	*sum = 0;
	snprintf(fact, sizeof(fact), " %s=", name);
	peer_log_tail(peer, setup, tail, sizeof(tail));
	for (size_t at = strlen(tail); at-- > 0 && ends < PEER_PROCESS_COUNT;) {
		if (strncmp(tail + at, line, strlen(line)) != 0)
			continue;
		const char *end = tail + at + strcspn(tail + at, "\n"), *found = strstr(tail + at, fact);
		if (found != NULL && found < end)
			*sum += strtoull(found + strlen(fact), NULL, 10);
		ends++;
	}
	return ends == PEER_PROCESS_COUNT;
}

static bool start_end(struct peer *peer, const struct peer_setup *setup, uint32_t index)
{
	char command[CONFIG_SIZE], program[CHILD_PATH_SIZE], log[CHILD_PATH_SIZE];
	char *arguments[CHILD_ARGUMENTS_MAX];

	log_path(peer, setup, log);
	expand(peer, setup, peer->kind->start[index], command, sizeof(command));
	if (split(command, arguments, program))
		peer->pids[index] = child_start(arguments, log);
	if (peer->pids[index] > 0)
		return true;
	snprintf(peer->why, sizeof(peer->why), "cannot start %.400s", command);
	return false;
}

static bool has_died(const struct peer *peer)
{
	for (size_t i = 0; i < PEER_PROCESS_COUNT; i++)
		if (peer->pids[i] > 0 && child_is_gone(peer->pids[i]))
			return true;
	return false;
}

/* Until the first end listens, or a user gets through. */
static bool await(struct peer *peer, const struct peer_setup *setup, bool through)
{
	double end = child_now() + START_SECONDS;
	uint64_t name = 0x7265616479000000;

	snprintf(peer->why, sizeof(peer->why), "127.0.0.1:%u does not answer", peer->far);
	while (child_now() < end && !has_died(peer) && !child_is_interrupted()) {
		struct circuit circuit;
		if (!through && circuit_port_answers(peer->far))
			return true;
		if (through && circuit_open(&circuit, peer->near, setup->listener, name++, peer->why)) {
			circuit_close(&circuit);
			return true;
		}
		child_sleep(0.02, NULL);
	}
	if (has_died(peer))
		snprintf(peer->why, sizeof(peer->why), "it ended at once");
	return false;
}

static bool start(struct peer *peer, const struct peer_setup *setup, bool prepared)
{
	peer->near = circuit_port_free();
	do {
		peer->far = circuit_port_free();
	} while (peer->far == peer->near && peer->far != 0);
	if (peer->kind->socks)
		circuit_is_socks(peer->near, setup->origin);
	if (write_files(peer, setup) && (prepared || prepare(peer, setup)) && start_end(peer, setup, 0) &&
	    await(peer, setup, false) && start_end(peer, setup, 1) && await(peer, setup, true))
		return true;
	peer_stop(peer);
	return false;
}

bool peer_start(struct peer *peer, const struct peer_setup *setup) { return start(peer, setup, false); }

bool peer_restart(struct peer *peer, const struct peer_setup *setup)
{
	peer_stop(peer);
	return start(peer, setup, true);
}

void peer_stop(struct peer *peer)
{
	for (size_t i = PEER_PROCESS_COUNT; i-- > 0;) {
		if (peer->pids[i] > 0)
			child_stop(peer->pids[i]);
		peer->pids[i] = 0;
	}
}

bool peer_is_tls(const struct peer *peer) { return peer->kind->far_is_tls; }

static uint32_t end_count(enum peer_part part) { return part == PEER_LISTENING_END ? 1 : PEER_PROCESS_COUNT; }

double peer_part_cpu_seconds(const struct peer *peer, enum peer_part part)
{
	uint32_t count;

	return has_died(peer) ? -1 : child_cpu_seconds(peer->pids, end_count(part), &count);
}

double peer_cpu_seconds(const struct peer *peer) { return peer_part_cpu_seconds(peer, PEER_BOTH_ENDS); }

bool peer_memory(const struct peer *peer, enum peer_part part, double seconds, struct memory *memory)
{
	return !has_died(peer) && memory_settled(peer->pids, end_count(part), seconds, memory);
}
