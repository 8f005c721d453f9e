/* protocols/tls_tunnel/inside.h - what the files of the gateway role share. Not for others.
 *
 * A link's offering says what it wants to publish; a claim asks worker 0 for it; an entry of the registry
 * says who holds it; a port is where users come in, one for each entry, however many links hold that.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_INSIDE_H
#define PROTOCOLS_TLS_TUNNEL_INSIDE_H

#include "protocols/tls_tunnel/gateway.h"

enum { OFFERS_MAX = 1024, BIND_TRIES_MAX = 10, OFFER_TEXT_SIZE = 256, OFFER_TYPE_SIZE = 16 };

struct gateway {
	struct service service;
	struct gateway_settings *settings;
	struct listening public;                 /* worker 0 */
	struct registry registry;                /* replica */
	struct link offerings, ports;
	struct link claims;                      /* worker 0: those that wait for an answer */
	struct link parties;                     /* worker 0: links whose claim was decided */
};

static inline struct gateway *gateway_of(struct service *service)
{
	return OWNER(service, struct gateway, service);
}
/* For a mail: NULL when the worker has stopped. */
static inline struct gateway *gateway_at(const struct hub *hub, uint32_t index)
{
	struct service *service = hub_service(hub, index);
	return service ? gateway_of(service) : NULL;
}

/* A link, as one that wants or holds something. */
struct party {
	uint64_t link_id;
	uint32_t worker;
	uint8_t instance[INSTANCE_SIZE];         /* its client; zero: not shown */
	bool shares;                             /* FEATURE_LINKS */
	uint32_t number;                         /* which of its client's links */
	struct burden *burden;                   /* a reference */
};

enum kinship {
	KINSHIP_NONE,                            /* of somebody else */
	KINSHIP_OLDER,                           /* the same link of the same client, before it came back */
	KINSHIP_BESIDE,                          /* another link of the same client: they share */
};

/* ---- offering.c: what one link offers; it lives as long as the link ---- */

struct offer {
	char name[HOST_SIZE], addr[ADDRESS_PATH_SIZE], type[OFFER_TYPE_SIZE];
	uint16_t port, local_port;
	bool refused;
	uint8_t tries;                           /* note: tries to bind so far */
	enum note_kind note;                     /* NOTE_TEXT: none is pending */
	int error;                               /* note */
};

struct offering {
	struct link gateway_link;
	struct gateway *gateway;
	struct session *session;
	struct party party;
	uint32_t features;
	struct timer probe; /* a newer link wants what this one has: is it still there? */
	struct instant probed_at;
	bool probing;
	uint32_t count;
	struct offer offers[];
};

/* NULL: no memory. */
struct offering *offering_create(struct gateway *gateway, struct session *session,
				 const struct credentials *shown, const struct publication *publications,
				 uint32_t count);
/* NULL: that link has ended, or is another worker's. */
struct offering *offering_find(struct gateway *gateway, uint64_t link_id);
/* NULL: it offers no such thing, or that was refused. `offering` may be NULL. */
struct offer *offering_offer(struct offering *offering, const char *name, uint16_t port);
/* Asks the link for a sign of life; none within a second (5 s where the peer is not ours) ends it. */
void offering_probe(struct offering *offering);
/* Its peer has answered a ping. */
void offering_answered(struct offering *offering);
/* The port of that name could not be bound: if one of its holders is here, its client is told. */
void offering_bind_failed(struct gateway *gateway, const char *name, uint16_t port, uint8_t tries, int error);
/* Seconds from that try to bind (1..) to the next; 0: it was the last. */
uint32_t bind_delay_s(uint8_t tries);
/* The link has ended. */
void offering_free(struct offering *offering);
/* Fills the next note that waits, if any. */
bool offering_note(struct offering *offering, struct note *note, struct publication *about,
		   char text[OFFER_TEXT_SIZE]);
void offering_noted(struct offering *offering);

/* ---- port.c: a published address on one worker ---- */

/* `peer`: the first holder's, for the log. */
void port_open(struct gateway *gateway, const char *name, const char *addr, uint16_t port, const char *peer);
/* Stops listening; users that are connected stay. claim_port_closed follows. */
void port_close(struct gateway *gateway, const char *name, uint16_t port);
/* The worker drains: all of them stop listening. */
void ports_drain(struct gateway *gateway);
void ports_fini(struct gateway *gateway);

/* ---- claim.c: what workers say to each other about claims ---- */

/* Asks for everything in the offering; the answer is link_claimed(). False: no memory. */
bool claim_ask(struct offering *offering);
/* Everything that this link holds or has asked for is free again. */
void claim_release(struct offering *offering);
/* What a probe of offering_probe found: alive. (Death shows as a release.) */
void claim_survives(struct offering *offering);
void claim_port_closed(struct gateway *gateway, const char *name, uint16_t port);

/* ---- link.c ---- */

/* The claim was decided: offers are marked refused or not. */
void link_claimed(struct offering *offering);
/* NULL: it has published nothing yet. */
struct offering *link_offering(const struct session *session);
/* Who has logged in; "": nobody known by name. */
const char *link_identity(const struct session *session);

/* ---- user.c ---- */

/* A visitor's link has said OPEN: its channel is joined to a link that holds the target, perhaps over a
 * ferry. OK, or why not: NOT_FOUND, LIMIT. */
enum reason user_visit(struct gateway *gateway, const struct event *event);
/* The same at the other end of the ferry; refuses by itself. */
void user_ferried(struct gateway *gateway, const struct event *event);

/* ---- forward.c ---- */

/* A link has said OPEN of a target that is not published: it is dialled from here, or refused. */
void forward_open(struct gateway *gateway, const struct event *event);
/* That dial has failed: side 0 hears it as the protocol words it. */
void forward_refused(struct pair *pair, enum reason reason);

/* ---- published.c ---- */

/* Somebody has reached what is published so: its bytes count there. */
void published_count(struct gateway *gateway, const struct target *target, struct pair *pair, bool visitor);
void gateway_published(struct service *service, struct published_sink *sink);

#endif
