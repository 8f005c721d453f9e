/* tools/tunnel/linksocks_help.c - what `tunnel linksocks` prints of itself; see linksocks_options.h. */
#include "tools/tunnel/linksocks_options.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "tools/tunnel/commands.h"

/* The version whose command line and wire this is. */
static const char original[] = "v1.8.9";

static const char general[] =
	"Usage: tunnel linksocks COMMAND [FLAGS]      or, by a link to tunnel: linksocks COMMAND [FLAGS]\n\n"
	"The command line of LinkSocks: SOCKS5 over WebSocket.\n\n"
	"  server       accepts clients; for forward tokens it is the way out, for reverse ones it listens\n"
	"  client       SOCKS5 here, the way out at the server; with -r: a provider\n"
	"  connector    the same as client: SOCKS5 here, the way out at a provider\n"
	"  provider     the way out is here: client with -r\n"
	"  version      prints the version\n"
	"  help         this text; help COMMAND: its flags\n\n"
	"LINKSOCKS_MODE (client, forward, connector, provider, reverse, server) stands for COMMAND\n"
	"where there is none. A flag wins over its variable. Exit status: 0 success, 1 failure.\n\n"
	"Example: tunnel linksocks server -t secret\n"
	"         tunnel linksocks client -t secret -u ws://server.example.com:8765\n";

static const char client[] =
	"Usage: tunnel linksocks client|connector|provider [FLAGS]\n\n"
	"  -t, --token T            token; none: anonymous (LINKSOCKS_TOKEN)\n"
	"  -u, --url URL            ws://, wss://, HOST for wss://HOST (LINKSOCKS_URL; ws://localhost:8765)\n"
	"  -r, --reverse            be a provider\n"
	"  -c, --connector-token C  provider: register this token (LINKSOCKS_CONNECTOR_TOKEN)\n"
	"  -s, --socks-host H       where SOCKS5 listens (LINKSOCKS_SOCKS_HOST; 127.0.0.1)\n"
	"  -p, --socks-port N       (LINKSOCKS_SOCKS_PORT; 9870)\n"
	"  -n, --socks-username U   with a password: users must log in (LINKSOCKS_SOCKS_USERNAME)\n"
	"  -w, --socks-password P   (LINKSOCKS_SOCKS_PASSWORD)\n"
	"  -i, --socks-no-wait      listen before the server is reached\n"
	"  -R, --no-reconnect       end when the connection does\n"
	"      --retry-auth         try again after a refused token (LINKSOCKS_RETRY_AUTH)\n"
	"  -T, --threads N          WebSockets; below 0: one for each CPU (1)\n"
	"  -x, --upstream-proxy URL provider: reach targets through socks5:// or http://\n"
	"                           (LINKSOCKS_UPSTREAM_PROXY)\n"
	"  -f, --fast-open          say success to users at once (LINKSOCKS_FASTOPEN)\n"
	"  -E, --no-env-proxy       pass over http_proxy, https_proxy and no_proxy\n"
	"      --direct-mode M      auto or relay-only: both go through the server\n"
	"      --direct-*, --stun-server  taken and passed over\n";

static const char server[] =
	"Usage: tunnel linksocks server [FLAGS]\n\n"
	"  -H, --ws-host H          where clients connect, in clear (LINKSOCKS_WEBSOCKET_HOST; 0.0.0.0)\n"
	"  -P, --ws-port N          (LINKSOCKS_WEBSOCKET_PORT; 8765)\n"
	"  -t, --token T            (LINKSOCKS_TOKEN; random)\n"
	"  -r, --reverse            the token is for providers; SOCKS5 listens here\n"
	"  -c, --connector-token C  with -r (LINKSOCKS_CONNECTOR_TOKEN; random)\n"
	"  -a, --connector-autonomy with -r: providers bring connector tokens, no SOCKS5 here\n"
	"                           (LINKSOCKS_CONNECTOR_AUTONOMY)\n"
	"  -s, --socks-host H       with -r (LINKSOCKS_SOCKS_HOST; 127.0.0.1)\n"
	"  -p, --socks-port N       with -r; 0: a free one (LINKSOCKS_SOCKS_PORT; 9870)\n"
	"  -n, --socks-username U   with a password: users must log in (LINKSOCKS_SOCKS_USERNAME)\n"
	"  -w, --socks-password P   (LINKSOCKS_SOCKS_PASSWORD)\n"
	"  -i, --socks-nowait       taken and passed over, as by the original\n"
	"  -k, --api-key K          serve the API; tokens come from there alone (LINKSOCKS_API_KEY)\n"
	"  -x, --upstream-proxy URL reach targets through socks5:// or http:// (LINKSOCKS_UPSTREAM_PROXY)\n"
	"  -f, --fast-open          say success to users at once (LINKSOCKS_FASTOPEN)\n"
	"  -b, --buffer-size N      bytes of a batch (262144)\n"
	"      --connector-wait-provider D  how long a connector waits for a provider (5s)\n"
	"      --direct-*           taken and passed over\n";

static const char both[] =
	"  -d, --debug              more log: debug, twice trace\n"
	"  -h, --help               this text\n\n"
	"Not of the original:\n"
	"      --cores N            workers, one per core (default: the CPUs this process may use)\n"
	"      --engine ENGINE      auto, io_uring or epoll (default auto)\n"
	"      --log-level LEVEL    error, warn, info, debug or trace (default info)\n"
	"      --log-format F       text or json (default text)\n"
	"      --access-deny LIST   targets that nobody may name, with commas between; \"\" denies none\n"
	"                           (169.254.169.254,fd00:ec2::254: where clouds keep credentials)\n"
	"      --access-allow LIST  the only ones that may be named (default: all)\n";

static const char *architecture(void)
{
	static struct utsname name;
	uname(&name);
	return strcmp(name.machine, "x86_64") == 0    ? "amd64"
	       : strcmp(name.machine, "aarch64") == 0 ? "arm64"
						      : name.machine;
}

int linksocks_help_command(const struct options *options)
{
	if (options->linksocks == LINKSOCKS_MODE_VERSION)
		printf("linksocks version %s linux/%s\ntunnel %s\n", original, architecture(),
		       TUNNEL_VERSION);
	else if (options->linksocks == LINKSOCKS_MODE_HELP)
		fputs(general, stdout);
	else
		printf("%s%s", options->linksocks == LINKSOCKS_MODE_SERVER ? server : client, both);
	return output_end(0);
}

static void print_secret(const char *name, const struct secret *secret)
{
	printf("  %s: %.*s\n", name, (int)secret->size, (const char *)secret->bytes);
}

void linksocks_print_configuration(const struct config *config)
{
	const struct config_linksocks *linksocks = &config->gateway.linksocks;
	const struct config_token *token = linksocks->token_count ? &linksocks->tokens[0] : NULL;
	printf("Configuration:\n");
	if (!token) {
		printf("  Mode: API\n");
	} else {
		printf("  Mode: %s\n", token->type == TOKEN_REVERSE ? "reverse" : "forward");
		print_secret("Token", &token->token);
	}
	if (token && token->socks && token->socks_addr.port)
		printf("  SOCKS5 port: %u\n", token->socks_addr.port);
	else if (token && token->socks)
		printf("  SOCKS5 port: a free one\n");
	if (token && token->connector_count)
		print_secret("Connector Token", &token->connector_tokens[0]);
	if (token && token->autonomy)
		printf("  Connector autonomy: enabled\n");
	fflush(stdout);
}
