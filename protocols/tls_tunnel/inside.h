/* protocols/tls_tunnel/inside.h - what the files of the gateway role share. Not for others.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_INSIDE_H
#define PROTOCOLS_TLS_TUNNEL_INSIDE_H

#include "protocols/tls_tunnel/gateway.h"

enum { OFFERS_MAX = 1024, BIND_TRIES_MAX = 10, OFFER_TEXT_SIZE = 256 };

struct gateway {
	struct service service;
	struct gateway_settings *settings;
	struct listening public;                 /* worker 0 */
	struct registry registry;                /* replica */
	struct link offerings;
	struct link claims;                      /* worker 0: those that wait for an answer */
	struct link holders;                     /* worker 0: links that hold something */
};

static inline struct gateway *gateway_of(struct service *service)
{
	return OWNER(service, struct gateway, service);
}
static inline struct gateway *gateway_at(struct hub *hub, uint32_t index)
{
	return gateway_of(hub->services[index]);
}

/* ---- offering.c: what one link offers, and its listeners; outlives the link until they are closed ---- */

struct offer {
	struct offering *offering;
	struct listening listening;
	struct timer retry;
	char name[HOST_SIZE], addr[ADDRESS_PATH_SIZE];
	uint16_t port, local_port;
	bool refused, listens;
	uint8_t tries;
	enum note_kind note;                     /* NOTE_TEXT: none is pending */
	int error;
};

struct offering {
	struct link gateway_link;
	struct gateway *gateway;
	struct session *session;                 /* NULL: it has ended */
	uint64_t link_id;
	uint8_t instance[INSTANCE_SIZE];
	uint32_t features;
	struct timer probe; /* a newer link wants what this one has: is it still there? */
	struct instant probed_at;
	bool probing, claimed, released;
	uint32_t count, listeners;               /* offers; of them with a listener that is not closed */
	struct offer offers[];
};

/* NULL: no memory. */
struct offering *offering_create(struct gateway *gateway, struct session *session,
				 const struct credentials *shown, const struct publication *publications,
				 uint32_t count);
/* Listens on what was not refused. */
void offering_listen(struct offering *offering);
/* Stops listening; users that are connected stay. */
void offering_close(struct offering *offering);
/* Asks the link for a sign of life; none within a second (5 s where the peer is not ours) ends it. */
void offering_probe(struct offering *offering);
/* Its peer has answered a ping. */
void offering_answered(struct offering *offering);
void offering_free(struct offering *offering);
/* The link has ended: closes, then releases the claim. */
void offering_end(struct offering *offering);
/* Fills the next note that waits, if any. */
bool offering_note(struct offering *offering, struct note *note, struct publication *about,
		   char text[OFFER_TEXT_SIZE]);
void offering_noted(struct offering *offering);

/* ---- claims.c: worker 0 decides ---- */

/* Asks for everything in the offering; the answer is link_claimed(). False: no memory. */
bool claim_ask(struct offering *offering);
/* Everything that this link held is free again. */
void claim_release(struct offering *offering);
/* What a probe of offering_probe found: alive. (Death shows as a release.) */
void claim_survives(struct offering *offering);
/* On worker 0. */
void claims_fini(struct gateway *gateway);

/* ---- link.c ---- */

/* The claim was decided: offers are marked refused or not. */
void link_claimed(struct offering *offering);

#endif
