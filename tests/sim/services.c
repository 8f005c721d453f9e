/* tests/sim/services.c - a local service that is down for a while: three tries, and no fourth. */
#include "tests/sim/tally.h"
#include "tests/sim/world.h"

static void come_back(void *object) { service_up(object); }

/* One user comes to a service that is down, and `back` later is not any more. */
static void try_service(struct port *port, struct duration back, bool comes)
{
	struct local_service *service = port->service;
	service_down(service);
	net.watched_host = service->host;
	net.watched_port = service->address.port;
	net.refused = 0;
	struct talk *talk = world_talk(port, false, sim.now_ns);
	if (!talk)
		return;
	talk->user_kind = USER_POLITE;
	talk->origin_kind = ORIGIN_POLITE;
	talk->strict = comes;
	talk->must_fail = !comes;
	sim_after(back, come_back, service);
	world_run(world_talks_are_over, DURATION_S(60));
	uint64_t tries = net.refused;
	/* an original gateway cannot tell a refusal from an end */
	bool refused = talk->user.saw_reset || (world.knobs.stock && talk->user.saw_end);
	if (!comes && (!refused || talk->user.received))
		sim_fail("a service is down for good, and its user was not reset");
	if (!comes && tries != 3)
		sim_fail("a service that is down was tried %llu times", (unsigned long long)tries);
	if (tries > 1)
		tally(TALLY_dials_retried);
	/* a name may have an address at which nobody answers, and that one is tried first */
	if (comes && tries == 0 && service->host->index != HOST_REMOTE)
		sim_fail("a service that is down was not tried");
	service_up(service);
}

void services_try(void)
{
	for (int i = 0; i < 3; i++) {
		struct port *port = &world.ports[sim_below(world.port_count)];
		bool comes = sim_below(2);
		try_service(port, comes ? DURATION_MS(500 + sim_below(1200)) : DURATION_S(30), comes);
	}
}
