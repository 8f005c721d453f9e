/* core/probe.c - is the far end of a link still there? See probe.h. */
#include "core/probe.h"

#include "core/hub.h"
#include "core/session.h"

static void time_is_over(struct timer *timer)
{
	const struct probe *probe = OWNER(timer, struct probe, timer);
	if (!instant_before(probe->asked_at, probe->session->heard_at))
		session_end(probe->session, REASON_SILENT, "no sign of life after the network has changed",
			    false);
}

bool probe_arm(struct probe *probe, struct session *session)
{
	struct hub *hub = session->hub;
	if (timer_is_armed(&probe->timer))
		return false;
	*probe = (struct probe){.timer = {.expired = time_is_over}, .session = session, .asked_at = hub->now};
	timer_arm(&hub->wheel, &probe->timer, instant_after(hub->now, DURATION_S(PROBE_S)));
	return true;
}

void probe_disarm(struct probe *probe) { timer_disarm(&probe->timer); }
