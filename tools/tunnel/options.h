/* tools/tunnel/options.h - the command line, as values.
 *
 * Owner:  main. Thread: main, before any other. Texts point into argv or into the options' own memory.
 * Rules:  what the options say becomes settings of core/config_read.h, so that they are read, checked and
 *         complained about like a file. A URL is copied and wiped from argv before anything else is looked
 * at. Limits: the enum below. Never:  shows a key in a message; opens a file.
 */
#ifndef TOOLS_TUNNEL_OPTIONS_H
#define TOOLS_TUNNEL_OPTIONS_H

#include "core/config_read.h"

enum {
	OPTIONS_WHY_SIZE = 512,
	OPTIONS_HOSTS_MAX = 64,
	OPTIONS_LIST_MAX = 256,              /* --publish and --visit, each */
	OPTIONS_REMARKS_MAX = 8,
	OPTIONS_RULES_MAX = 64,              /* --access-allow and --access-deny, each */
	OPTIONS_SETTINGS_MAX = 48 + 2 * OPTIONS_RULES_MAX + 8 * OPTIONS_LIST_MAX,
	OPTIONS_TEXT_SIZE = 64 * 1024,       /* copies, made from argv */
};

enum command {
	COMMAND_RUN,                         /* what the file says; without a file, a gateway */
	COMMAND_GATEWAY,
	COMMAND_CLIENT,
	COMMAND_DEMO,
	COMMAND_CHECK,
	COMMAND_CERT,
	COMMAND_TOKEN,
	COMMAND_DOCTOR,
	COMMAND_IMPORT,
	COMMAND_STATUS,
	COMMAND_TOP,
	COMMAND_HEALTH,
	COMMAND_LINKSOCKS,                   /* the original's program: linksocks_options.h */
	COMMAND_VERSION,
	COMMAND_HELP,
	COMMAND_COUNT
};

/* What a call of the original's program asks for. */
enum linksocks_mode {
	LINKSOCKS_MODE_HELP,
	LINKSOCKS_MODE_VERSION,
	LINKSOCKS_MODE_SERVER,
	LINKSOCKS_MODE_CLIENT,
	LINKSOCKS_MODE_CONNECTOR,
	LINKSOCKS_MODE_PROVIDER,
};

struct options {
	enum command command;
	enum command topic;                  /* COMMAND_HELP: of what; COMMAND_RUN: of all */
	const char *config_file;             /* --config, or the file of `check` and `import`; NULL: none */
	const char *hosts[OPTIONS_HOSTS_MAX]; /* --host */
	size_t host_count;
	const char *out_dir;                 /* cert; "." */
	unsigned days;                       /* cert; 3650 */
	const char *url;                     /* of the management listener; NULL: the default */
	const char *token_file;              /* NULL: no token */
	bool plaintext;                      /* the token may go to another machine in clear */
	unsigned interval_s;                 /* top; 2 */
	bool json;                           /* status */
	unsigned verbose;                    /* how often -v was given */
	size_t publish_count, visit_count;
	enum linksocks_mode linksocks;       /* COMMAND_LINKSOCKS; with `help`: of which mode */
	bool linksocks_help;
	const char *remarks[OPTIONS_REMARKS_MAX]; /* to be told on stderr before it runs */
	size_t remark_count;
	struct config_setting settings[OPTIONS_SETTINGS_MAX];
	size_t setting_count;
	char text[OPTIONS_TEXT_SIZE];
	size_t text_size;
	char *why;                           /* where the first complaint goes, while parsing */
};

/* False: one line in `why`, with what to do; the exit status is 2. Afterwards options_fini in any case. */
bool options_parse(struct options *options, int argc, char **argv, char why[OPTIONS_WHY_SIZE]);
/* Wipes what was copied. */
void options_fini(struct options *options);
const char *command_name(enum command command);   /* "gateway"; "" for COMMAND_RUN */

#endif
