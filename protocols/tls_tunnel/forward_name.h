/* protocols/tls_tunnel/forward_name.h - a forward in TLS Tunnel's words: a stream's name, a refusal's text.
 *
 * A client that wants a target dialled opens a stream as a visitor does, with the name "@forward:TARGET" and
 * port 0. TARGET is name:port, v4:port, [v6]:port, or eight groups of IPv6 without brackets and :port; with
 * the name's 255 bytes it has 246 at most. Pure; texts are those of TLS Tunnel 1.5.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_FORWARD_NAME_H
#define PROTOCOLS_TLS_TUNNEL_FORWARD_NAME_H

#include "core/channel.h"

/* What a refused forward was told when the gateway's forwarding is off. */
extern const char forward_off_text[];

/* The name of a stream to a target that is not published. False: there is none, it would be too long. */
bool forward_name_write(char name[HOST_SIZE], const struct target *target);
/* The name and port of a stream, which are in `target`, become what they ask for. False: it is no forward.
 * A TARGET that cannot be read stays `host` as it came, and the port is 0. */
bool forward_name_read(struct target *target);

/* Why that target was refused: FORBIDDEN is the access rules' word, anything else the connect's. */
void forward_refusal_write(char text[CHANNEL_TEXT_SIZE], enum reason reason, const struct target *target);
/* What such a text means. False: it is none of these. */
bool forward_refusal_read(struct slice text, enum reason *reason);

#endif
