/* protocols/management/management.c - the service on one worker, and the listener; see management.h. */
#include "protocols/management/management.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "protocols/frontends/http.h"
#include "protocols/management/inside.h"

/* Under TLS: whatever comes is HTTP. */
static enum status detect(const struct detector *detector, const struct detect_question *question,
			  struct detect_answer *answer)
{
	const struct management *management =
	    (const struct management *)(const void *)((const char *)detector -
						      offsetof(struct management, detector));
	*answer = (struct detect_answer){.carrier = &carrier_raw,
					 .wire = &wire_http,
					 .role = &role_management,
					 .service = management->service.index};
	return STATUS_OK;
}

static void opened(struct listening *listening, int error)
{
	struct management *management = OWNER(listening, struct management, listening);
	if (management->settings->listens)
		management->settings->listens(&listening->address, error);
}

static void closed(struct listening *listening) {}

/* It stays open while the program drains: that is when people look. */
static void management_start(struct service *service)
{
	struct management *management = management_of(service);
	const struct management_settings *settings = management->settings;
	if (service->hub->index != 0)
		return;
	management->listening = (struct listening){.address = settings->config->listen_addr,
						   .wire = &wire_http,
						   .carrier = &carrier_raw,
						   .role = &role_management,
						   .service = service,
						   .detector = settings->tls ? &management->detector : NULL,
						   .tls = settings->tls,
						   .guarded = true,
						   .opened = opened,
						   .closed = closed};
	hub_listen(service->hub, &management->listening);
}

static void management_destroy(struct service *service)
{
	struct management *management = management_of(service);
	collect_free(management);
	free(management);
}

bool management_take(struct management *management, size_t size)
{
	_Atomic size_t *held = management->settings->held;
	size_t max = management->service.hub->limits->exchange_bytes;
	size_t before = atomic_fetch_add_explicit(held, size, memory_order_relaxed);
	if (size <= max && before <= max - size)
		return true;
	atomic_fetch_sub_explicit(held, size, memory_order_relaxed);
	return false;
}

void management_give(struct management *management, size_t size)
{
	atomic_fetch_sub_explicit(management->settings->held, size, memory_order_relaxed);
}

static const struct service_table table = {
    .name = "management", .start = management_start, .destroy = management_destroy};

struct service *management_create(struct hub *hub, const struct management_settings *settings)
{
	struct management *management = calloc(1, sizeof *management);
	if (!management)
		return NULL;
	management->service = (struct service){.table = &table, .hub = hub, .index = hub->service_count};
	management->settings = settings;
	management->detector.detect = detect;
	management->started = hub->now;
	list_init(&management->waiting);
	hub_add_service(hub, &management->service);
	return &management->service;
}
