/* bench/lib/options.c - see options.h. */
#include "bench/lib/options.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };
enum { CORES_LIMIT = 256, LINKS_LIMIT = 64, CONCURRENCY_LIMIT = 1024, NAMES_MAX = 32 };

static const struct option names[] = {
    {"protocol", required_argument, NULL, 'P'},
    {"cores", required_argument, NULL, 'c'},
    {"links", required_argument, NULL, 'l'},
    {"seconds", required_argument, NULL, 't'},
    {"rounds", required_argument, NULL, 'r'},
    {"engine", required_argument, NULL, 'e'},
    {"peer", required_argument, NULL, 'p'},
    {"tunnel", required_argument, NULL, 'T'},
    {"json", no_argument, NULL, 'j'},
    {"quick", no_argument, NULL, 'q'},
    {"host-network", no_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void print_help(const struct options *options, const struct options_program *program)
{
	printf("usage: %s [OPTION]...\n%s\n\n"
	       "  --protocol P      what our ends speak: tls-tunnel\n"
	       "  --cores N         workers of each end (default 1)\n"
	       "  --links N         links of our client to our gateway (default: as many as cores)\n"
	       "%s"
	       "  --seconds S       of each reading (default 1)\n"
	       "  --rounds N        readings of each figure (default 5)\n"
	       "  --engine E        of our ends: auto, io_uring or epoll (default auto)\n"
	       "  --peer NAME,...   tunnel, tunnel-http2, tunnel-wss, copy, sealed, haproxy, nginx,\n"
	       "                    stunnel, ssh, chisel, frp, linksocks, linksocks-clear,\n"
	       "                    linksocks-go (the original: by name only);\n"
	       "                    may be repeated (default: all that are installed; tunnel always is)\n"
	       "  --tunnel PATH     our program (default: beside or above this one)\n"
	       "  --json            for machines; bench/README.md has the schema\n"
	       "  --quick           1 round of 0.3 s, %s\n"
	       "  --host-network    no network namespace of its own\n",
	       options->program, program->summary, program->own_help, program->quick_help);
}

static int complain(const struct options *options, const char *what, const char *value)
{
	fprintf(stderr, "%s: %s: %s; see --help\n", options->program, what, value);
	return EXIT_USAGE;
}

static bool read_number(const char *text, uint32_t limit, uint32_t *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = (uint32_t)value;
	return end != text && *end == 0 && value >= 1 && value <= limit;
}

static bool read_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && *end == 0 && *seconds >= 0.01 && *seconds <= 3600;
}

static bool add_streams(struct options *options, char *list)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
		uint32_t number;
		if (!read_number(word, OPTIONS_STREAMS_LIMIT, &number) ||
		    options->stream_count == OPTIONS_STREAMS_MAX)
			return false;
		options->streams[options->stream_count++] = number;
	}
	return true;
}

static bool add_peers(struct options *options, char *list)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
		if (!peer_is_known(word) || options->peer_count == PEER_COUNT)
			return false;
		options->peers[options->peer_count++] = word;
	}
	return true;
}

static bool take_tunnel(struct options *options, const char *path)
{
	char *real = realpath(path, NULL);
	bool fits = real != NULL && strlen(real) < sizeof(options->tunnel);

	if (fits)
		text_copy(options->tunnel, sizeof(options->tunnel), slice_of(real));
	free(real);
	return fits;
}

static bool take(struct options *options, int letter, char *value)
{
	switch (letter) {
	case 'P':
		options->protocol = value;
		return strcmp(value, "tls-tunnel") == 0;
	case 'c':
		return read_number(value, CORES_LIMIT, &options->cores);
	case 'l':
		return read_number(value, LINKS_LIMIT, &options->links);
	case 's':
		return add_streams(options, value);
	case 'C':
		return read_number(value, CONCURRENCY_LIMIT, &options->concurrency);
	case 'I':
		return read_number(value, OPTIONS_STREAMS_LIMIT, &options->idle_streams);
	case 'L':
		return read_number(value, OPTIONS_STREAMS_LIMIT, &options->idle_links);
	case 'k':
		options->count = true;
		return true;
	case 'b':
		options->bulk = true;
		return true;
	case 't':
		return read_seconds(value, &options->seconds);
	case 'r':
		return read_number(value, SERIES_MAX, &options->rounds);
	case 'e':
		options->engine = value;
		return strcmp(value, "auto") == 0 || strcmp(value, "io_uring") == 0 ||
		       strcmp(value, "epoll") == 0;
	case 'p':
		return add_peers(options, value);
	case 'T':
		return take_tunnel(options, value);
	case 'j':
		options->json = true;
		return true;
	case 'q':
		options->quick = true;
		return true;
	case 'n':
		options->host_network = true;
		return true;
	default:
		return false;
	}
}

/* build/bench/NAME and build/tunnel; installed, both are in one directory. */
static void find_tunnel(struct options *options)
{
	static const char *const places[] = {"tunnel", "../tunnel"};
	char own[CHILD_PATH_SIZE], path[PATH_MAX];

	snprintf(own, sizeof(own), "%s", options->self);
	const char *directory = dirname(own);
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, places[i]);
		char *real = realpath(path, NULL);
		text_copy(options->tunnel, sizeof(options->tunnel), slice_of(real != NULL ? real : path));
		free(real);
		if (access(options->tunnel, X_OK) == 0)
			return;
	}
}

static void default_to(uint32_t *number, uint32_t value)
{
	if (*number == 0)
		*number = value;
}

static void set_defaults(struct options *options, const struct options_program *program)
{
	const struct options_numbers *numbers = options->quick ? &program->quick : &program->usual;

	if (options->stream_count == 0) {
		memcpy(options->streams, numbers->streams, sizeof(numbers->streams));
		options->stream_count = numbers->stream_count;
	}
	if (options->links == 0)
		options->links = options->cores < LINKS_LIMIT ? options->cores : LINKS_LIMIT;
	default_to(&options->concurrency, numbers->concurrency);
	default_to(&options->idle_streams, numbers->idle_streams);
	default_to(&options->idle_links, numbers->idle_links);
	default_to(&options->rounds, options->quick ? 1 : 5);
	if (options->seconds == 0)
		options->seconds = options->quick ? 0.3 : 1;
	if (options->tunnel[0] == 0)
		find_tunnel(options);
}

/* The program's own names behind those in common; the last one is empty. */
static void join_names(struct option all[NAMES_MAX], const struct options_program *program)
{
	size_t count = COUNT_OF(names) - 1;

	memcpy(all, names, sizeof(names));
	for (const struct option *own = program->own; own->name != NULL; own++) {
		check(count + 1 < NAMES_MAX);
		all[count++] = *own;
	}
}

int options_parse(struct options *options, const struct options_program *program, int count, char **arguments)
{
	struct option all[NAMES_MAX] = {{NULL, 0, NULL, 0}};

	*options =
	    (struct options){.program = arguments[0], .protocol = "tls-tunnel", .engine = "auto", .cores = 1};
	join_names(all, program);
	ssize_t size = readlink("/proc/self/exe", options->self, sizeof(options->self) - 1);
	options->self[size > 0 ? size : 0] = 0;
	for (;;) {
		int place = 0;
		int letter = getopt_long(count, arguments, "", all, &place);
		if (letter == -1)
			break;
		if (letter == 'h') {
			print_help(options, program);
			return EXIT_SUCCESS;
		}
		if (letter == '?')
			return EXIT_USAGE;
		char given[128];
		snprintf(given, sizeof(given), "--%s %s", all[place].name, optarg != NULL ? optarg : "");
		if (!take(options, letter, optarg))
			return complain(options, "not possible", given);
	}
	if (optind < count)
		return complain(options, "what is this", arguments[optind]);
	set_defaults(options, program);
	return -1;
}

bool options_wants(const struct options *options, const char *peer)
{
	if (strcmp(peer, "tunnel") == 0 || (options->peer_count == 0 && !peer_is_by_name(peer)))
		return true;
	for (uint32_t i = 0; i < options->peer_count; i++)
		if (strcmp(options->peers[i], peer) == 0)
			return true;
	return false;
}
