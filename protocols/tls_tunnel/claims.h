/* protocols/tls_tunnel/claims.h - which links hold which (name, port): decided on worker 0, told to all.
 *
 * Owner:  the gateway's service on worker 0; claim.c carries the letters. A claim that meets a holder waits
 *         until that one is gone or has shown a sign of life. What decides is who the holder is (kinship):
 *         another link of the same client is joined; the same link from before is told to go; a stranger is
 *         asked for a sign of life.
 * Order:  the mailboxes keep it between two workers: nobody hears of an answer before the registry behind it,
 *         and the answer opens the ports. An entry whose last holder is gone stays until its port is closed,
 *         and who wants it waits, so that whoever takes it over can bind at once.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_CLAIMS_H
#define PROTOCOLS_TLS_TUNNEL_CLAIMS_H

#include "protocols/tls_tunnel/inside.h"

struct wanted {
	char name[HOST_SIZE], addr[ADDRESS_PATH_SIZE];
	uint16_t port;
	bool refused;
	bool listens;                    /* ANSWER: its port is to be opened where the link lives */
};

enum claim_kind {
	CLAIM_ASK,                       /* to worker 0, which keeps it until it is the answer */
	CLAIM_ANSWER,
	CLAIM_PROBE,                     /* to a holder */
	CLAIM_SURVIVES,                  /* from it */
	CLAIM_RELEASE,                   /* to worker 0: the link has ended */
	CLAIM_ENTRY,                     /* to all: `party` holds wanted[0] */
	CLAIM_GONE,                      /* to all: it holds nothing any more */
	CLAIM_CLOSE,                     /* to the worker that listens for wanted[0] */
	CLAIM_CLOSED,                    /* from it */
};

/* One letter for everything that is said between workers about claims. */
struct claim {
	struct mail mail;
	enum claim_kind kind;
	uint32_t service;                /* index */
	struct party party;              /* who asks, or whom it is about */
	bool evict;                      /* PROBE: do not ask, it has been replaced */
	struct link waiting_link;        /* worker 0: gateway->claims */
	bool looked;                     /* worker 0: holders were asked */
	bool replaced;                   /* worker 0: that link has come back and claims again */
	struct awaited {
		uint64_t link_id;
		bool evicted;            /* only its end counts */
		bool settled;            /* gone, or alive */
	} *awaited;                      /* worker 0: holders that were told or asked */
	uint32_t awaited_count;
	uint32_t count;
	struct wanted wanted[];
};

/* What that holder is to the one who asks. */
enum kinship party_kinship(const struct party *asks, const struct party *holds);

/* With a reference of the party's burden. NULL: no memory. */
struct claim *claim_create(struct gateway *gateway, enum claim_kind kind, uint32_t to,
			   const struct party *party, uint32_t count);
void claim_free(struct claim *claim);

/* ---- on worker 0 ---- */
/* Takes over the claim. */
void claims_asked(struct gateway *gateway, struct claim *claim);
void claims_survived(struct gateway *gateway, uint64_t link_id);
void claims_released(struct gateway *gateway, const struct party *party);
void claims_port_closed(struct gateway *gateway, const char *name, uint16_t port);
void claims_fini(struct gateway *gateway);

#endif
