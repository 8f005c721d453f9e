/* protocols/tls_tunnel/published.c - what the gateway's users and visitors come to, counted and told. */
#include "core/published.h"

#include "core/hub.h"
#include "protocols/tls_tunnel/inside.h"

void published_count(struct gateway *gateway, const struct target *target, struct pair *pair, bool visitor)
{
	struct registry_entry *entry = registry_find(&gateway->registry, target->host, target->port);
	if (!entry)
		return;
	struct tally **tally = visitor ? &entry->visitors : &entry->users;
	if (!*tally)
		*tally = tally_create();
	tally_add(*tally, pair);
}

/* A holder that lives here tells what it has announced. */
static void take_offer(const struct registry_entry *entry, struct published_row *row)
{
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next) {
		const struct registry_holder *holder = OWNER(link, struct registry_holder, entry_link);
		row->links++;
		if (!holder->session || row->whole)
			continue;
		const struct offer *offer = offering_offer(link_offering(holder->session),
							   registry_name(entry), entry->port);
		if (!offer)
			continue;
		row->whole = true;
		row->local_port = offer->local_port;
		text_copy(row->type, sizeof row->type, slice_of(offer->type));
		text_copy(row->publish_addr, sizeof row->publish_addr, slice_of(offer->addr));
		text_copy(row->identity, sizeof row->identity, slice_of(link_identity(holder->session)));
		text_copy(row->peer, sizeof row->peer, slice_of(holder->session->peer));
	}
}

void gateway_published(struct service *service, struct published_sink *sink)
{
	const struct registry *registry = &gateway_of(service)->registry;
	for (struct link *link = registry->all.next; link != &registry->all; link = link->next) {
		const struct registry_entry *entry = OWNER(link, struct registry_entry, all_link);
		struct published_row row = {
		    .service = service->index, .publish_port = entry->port, .since = entry->since};
		text_copy(row.name, sizeof row.name, slice_of(registry_name(entry)));
		published_take(&row.users, entry->users, 0);
		published_take(&row.visitors, entry->visitors, 0);
		take_offer(entry, &row);
		sink->add(sink, &row);
	}
}
