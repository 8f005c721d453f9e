/* protocols/frontends/via.h - a target reached through a proxy: SOCKS5 or HTTP CONNECT, client side.
 *
 * A conn that was dialled to the proxy; its dialogue comes first, then the channel's bytes. OPENED tells the
 * proxy's answer as a reason and a text. Made by pair_dial (dial.h).
 * Limits: VIA_HEAD_MAX bytes of an HTTP answer (via_dialogue.h); `timeout` from via_set on, over the dial and
 *         the dialogue together.
 * Never:  sends data before the proxy has agreed; loses what came behind its answer.
 */
#ifndef PROTOCOLS_FRONTENDS_VIA_H
#define PROTOCOLS_FRONTENDS_VIA_H

#include "core/config.h"
#include "core/session.h"

extern const struct wire wire_via_socks5, wire_via_http;

struct dial;
/* Right after hub_dial: any session by way of this proxy, TLS and all behind it. VIA_NOTHING: directly. */
void via_dial(struct dial *dial, const struct config_via *via);
/* Before it is dialled: whom it is for. */
void via_set(struct session *session, const struct config_via *via, struct duration timeout);

#endif
