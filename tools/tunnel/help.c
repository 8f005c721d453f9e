/* tools/tunnel/help.c - what --help and --version print; see commands.h. */
#include "tools/tunnel/commands.h"

#include <stdio.h>

static const char running[] =
	"      --cores N          workers, one per core (default: the CPUs this process may use)\n"
	"      --engine ENGINE    auto, io_uring or epoll (default auto)\n"
	"      --log-level LEVEL  error, warn, info, debug or trace (default info)\n"
	"      --log-format F     text or json (default text)\n"
	"      --state-dir DIR    where certificate and key are kept (default $STATE_DIRECTORY,\n"
	"                         $XDG_STATE_HOME/tunnel or ~/.local/state/tunnel)\n"
	"  -v, --verbose          more log: debug, twice trace\n"
	"  -h, --help             this text\n";

#define ASKING \
	"  -u, --url URL          stats.listen_addr as http://HOST:PORT, unix:/PATH or, with a\n" \
	"                         certificate, https://HOST:PORT?pin=sha256:... (or ?ca=FILE; the\n" \
	"                         system's authorities otherwise) (default http://127.0.0.1:9090)\n" \
	"      --token-file FILE  the token, where stats.token is set\n" \
	"      --plaintext        it may go to another machine in clear, over http://\n" \
	"  -h, --help             this text\n"

static const struct topic {
	const char *text;
	bool runs;                   /* the options of a running program follow */
	const char *example;
} topics[COMMAND_COUNT] = {
    [COMMAND_RUN] =
	{"Usage: tunnel [--config FILE] [OPTIONS]     run what the file describes; without one, a gateway\n"
	 "       tunnel gateway [OPTIONS]             a gateway without a file\n"
	 "       tunnel client URL [OPTIONS]          a client without a file\n"
	 "       tunnel demo                          gateway, client and an origin on loopback: see it "
	 "work\n"
	 "       tunnel linksocks COMMAND             the command line of LinkSocks\n"
	 "       tunnel check FILE                    validate a file\n"
	 "       tunnel import FILE.toml              a file of TLS Tunnel as a configuration of ours\n"
	 "       tunnel cert --host NAME              make a self-signed certificate\n"
	 "       tunnel status | top | health         what runs: a table, a screen, ready or not\n"
	 "       tunnel token                         print a random secret\n"
	 "       tunnel doctor                        what this machine offers, and what would help\n"
	 "       tunnel --version | --help | COMMAND --help\n\n"
	 "Carries TCP between networks over a few long-lived encrypted links.\n\n"
	 "  -c, --config FILE      the configuration, YAML\n"
	 "      --stats ADDR       where tunnel status, top and health ask (default: off)\n",
	 true,
	 "Signals: SIGTERM and SIGINT drain and stop, a second one stops at once.\n"
	 "Exit status: 0 success, 1 failure, 2 usage.\n\n"
	 "Example: tunnel --config /etc/tunnel.yaml --cores 4\n"},
    [COMMAND_GATEWAY] =
	{"Usage: tunnel gateway [OPTIONS]\n\n"
	 "Listens for clients, publishes what they offer, and prints the line to paste on their\n"
	 "machines. Certificate and key are made once and kept in the state directory.\n\n"
	 "      --listen ADDR      :PORT, ADDRESS:PORT or unix:/PATH (default :8443)\n"
	 "      --host NAME        this machine's name in the printed line (default: its own)\n"
	 "      --auth-key-file F  the secret that clients show, 16 bytes or more (default: kept)\n"
	 "      --tls-cert FILE    certificate chain, PEM, with --tls-key (default: self-signed)\n"
	 "      --tls-key FILE     its private key, PEM\n"
	 "      --tls-client-ca F  clients must show a certificate of this authority\n"
	 "      --allow-forward    clients with --socks or --http may dial targets from here\n"
	 "      --stats ADDR       where tunnel status, top and health ask (default: off)\n",
	 true, "Example: tunnel gateway --listen :8443 --host gateway.example.com\n"},
    [COMMAND_CLIENT] =
	{"Usage: tunnel client URL [OPTIONS]\n\n"
	 "Connects to a gateway, publishes local services there, and opens local ports that lead to\n"
	 "what other clients publish. URL is tls-tunnel://KEY@HOST:PORT?pin=sha256:...&ca=FILE, as the\n"
	 "gateway prints it; the key is wiped from the command line at once. Where only HTTP gets through:\n"
	 "tls-tunnel+wss://KEY@HOST:PORT[/PATH] (WebSocket), tls-tunnel+http2://KEY@HOST:PORT. With\n"
	 "linksocks://TOKEN@HOST:PORT[/PATH]?pin=...&ca=... (linksocks+ws:// in clear) it is a LinkSocks\n"
	 "client: SOCKS5 here, or with --reverse the way out.\n\n"
	 "      --publish NAME=PORT:HOST:PORT   the gateway's PORT leads to HOST:PORT here; repeatable\n"
	 "      --visit NAME:PORT=HOST:PORT     HOST:PORT here leads to what is published as NAME and\n"
	 "                                      PORT; repeatable\n"
	 "      --links N          parallel links, one per core of both ends (1-64, default 1); a gateway\n"
	 "                         that takes one link gets one\n"
	 "      --auth-key-file F  the key, when it is not part of the URL\n"
	 "      --socks ADDR       where SOCKS5 listens: its targets are reached from the gateway\n"
	 "                         (linksocks: default 127.0.0.1:9870)\n"
	 "      --http ADDR        the same for an HTTP proxy (tls-tunnel); the gateway needs\n"
	 "                         --allow-forward for both\n"
	 "      --stats ADDR       where tunnel status, top and health ask (default: off)\n"
	 "      --reverse          linksocks: targets are reached from here\n"
	 "      --connector-token C  with --reverse: register this token at the server\n"
	 "      --token-file F     linksocks: the token, when it is not part of the URL\n"
	 "      --threads N        linksocks: WebSockets (default 1)\n"
	 "      --client-cert FILE certificate for a gateway that asks for one, with --client-key\n"
	 "      --client-key FILE  its private key\n",
	 true,
	 "Example: tunnel client 'tls-tunnel://KEY@gateway.example.com:8443?pin=sha256:...' \\\n"
	 "             --publish web=8080:127.0.0.1:3000\n"},
    [COMMAND_LINKSOCKS] =
	{"Usage: tunnel linksocks server|client|connector|provider|version|help [FLAGS]\n\n"
	 "The flags and variables of LinkSocks; tunnel linksocks help COMMAND names them.\n\n",
	 false, "Example: tunnel linksocks server -t secret\n"},
    [COMMAND_DEMO] = {"Usage: tunnel demo [OPTIONS]\n\n"
		      "Runs a gateway, a client and a small origin in one process on loopback, sends bytes\n"
		      "through them, says how fast, and ends.\n\n"
		      "      --transport T      tls, wss (WebSocket) or http2 (default tls)\n",
		      true, "Example: tunnel demo --transport wss --cores 2\n"},
    [COMMAND_CHECK] =
	{"Usage: tunnel check FILE\n\n"
	 "Validates a configuration and prints every error as FILE:LINE:COLUMN: message. Exit status 1\n"
	 "when there is one. Environment variables and files that hold secrets are read.\n\n"
	 "  -h, --help             this text\n",
	 false, "Example: tunnel check /etc/tunnel.yaml\n"},
    [COMMAND_STATUS] =
	{"Usage: tunnel status [OPTIONS]\n\n"
	 "Prints what a running gateway or client publishes, and its links. TLS Tunnel's own server can\n"
	 "be asked too.\n\n"
	 "      --json             the same as JSON: {\"stats\": [...], \"sessions\": [...]}, with all keys\n"
	 ASKING,
	 false, "Example: tunnel status --url unix:/run/tunnel/stats.sock\n"},
    [COMMAND_TOP] =
	{"Usage: tunnel top [OPTIONS]\n\n"
	 "Shows what is published, the links and their channels, with rates and what holds them back,\n"
	 "again and again. Tab: the next table; n, c, R, <, > and others sort; r asks at once; q or Escape\n"
	 "ends it. Without a terminal: two looks, then the tables as text.\n\n"
	 "  -i, --interval N       seconds between two looks (default 2)\n" ASKING,
	 false, "Example: tunnel top --url http://127.0.0.1:9091 --interval 5\n"},
    [COMMAND_HEALTH] =
	{"Usage: tunnel health [OPTIONS]\n\n"
	 "Exit status 0 when the process is ready: it listens, and a client has a link. Else 1, and why.\n\n"
	 ASKING,
	 false, "Example: tunnel health || systemctl restart tunnel\n"},
    [COMMAND_IMPORT] =
	{"Usage: tunnel import FILE.toml\n\n"
	 "Prints what TLS Tunnel's server or client file says as a configuration of this program. What\n"
	 "does not carry over is a warning here and a comment there; with an error nothing is printed.\n"
	 "A client's TLS_TUNNEL_... variables count, so run it with the environment of the service.\n\n"
	 "  -h, --help             this text\n",
	 false, "Example: (umask 077; tunnel import /etc/tls-tunnel/client.toml > /etc/tunnel.yaml)\n"},
    [COMMAND_CERT] =
	{"Usage: tunnel cert --host NAME [--host NAME]... [OPTIONS]\n\n"
	 "Makes a self-signed ECDSA P-256 certificate, cert.pem, and its key, key.pem, and prints the\n"
	 "pin by which a client knows it. Files that are there are left alone.\n\n"
	 "      --host NAME        name or address that it stands for; repeatable\n"
	 "      --out-dir DIR      where the files go (default .)\n"
	 "      --days N           how long it is valid (default 3650)\n"
	 "  -h, --help             this text\n",
	 false, "Example: tunnel cert --host gateway.example.com --host 192.0.2.1 --out-dir /etc/tunnel\n"},
    [COMMAND_TOKEN] = {"Usage: tunnel token\n\n"
		       "Prints a random secret of 32 bytes as base64url, for an auth_key.\n\n"
		       "  -h, --help             this text\n",
		       false, "Example: (umask 077; tunnel token > auth_key)\n"},
    [COMMAND_DOCTOR] =
	{"Usage: tunnel doctor [--state-dir DIR]\n\n"
	 "Shows the kernel's features, the engine that will be used and why, limits, the libraries,\n"
	 "and for each what would help. Exit status 1 when something stands in the way.\n\n"
	 "  -h, --help             this text\n",
	 false, "Example: tunnel doctor\n"},
};

int help_command(const struct options *options)
{
	if (options->command == COMMAND_VERSION || options->topic == COMMAND_VERSION) {
		printf("tunnel %s\n", TUNNEL_VERSION);
		return output_end(0);
	}
	const struct topic *topic = &topics[options->topic == COMMAND_HELP ? COMMAND_RUN : options->topic];
	printf("%s%s\n%s", topic->text, topic->runs ? running : "", topic->example);
	return output_end(0);
}
