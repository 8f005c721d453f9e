/* tools/tunnel/state.h - what outlives the process, and the files that the configuration names.
 *
 * Owner:  main. Thread: main, before workers start. tls_library_start() comes first.
 * Files:  in state_dir of the configuration, else $STATE_DIRECTORY, else $XDG_STATE_HOME/tunnel, else
 *         ~/.local/state/tunnel (made with mode 0700): `gateway.pem`, a self-signed certificate and its key,
 *         and `auth_key`; both mode 0600, written whole or not at all, never overwritten.
 * Never:  takes a key file that others may write to. One that others may read is warned about.
 */
#ifndef TOOLS_TUNNEL_STATE_H
#define TOOLS_TUNNEL_STATE_H

#include "core/config.h"

enum { STATE_WHY_SIZE = 512, STATE_LINE_SIZE = 4096, STATE_PATH_SIZE = 4096 };

/* The bundle of authorities that the system trusts. */
extern const char state_system_roots[];

/* Fills in every ..._pem of the configuration, and the gateway's auth_key where TLS Tunnel is spoken and
 * neither it nor `clients` is given. Nothing is made unless it is needed. False: one line in `why`. */
bool state_load(struct config *config, char *why, size_t size);
/* The same for `tunnel demo`: certificate and key are made in memory, nothing is kept. */
bool state_load_temporary(struct config *config, char *why, size_t size);
/* The directory that would be used; false: there is none ($HOME is not set). */
bool state_directory(const struct config *config, char path[STATE_PATH_SIZE]);
/* "tunnel client 'tls-tunnel://KEY@HOST:PORT?pin=sha256:...'", quoted for a shell. It holds the key: wipe it.
 * `host` may be NULL: the listener's address, else this machine's name. `port` is the one listened on. */
bool state_client_line(const struct config *config, const char *host, uint16_t port,
		       char line[STATE_LINE_SIZE]);

#endif
