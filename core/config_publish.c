/* core/config_publish.c - what a client publishes and visits, and what may not be there twice; see
 * config_reader.h. */
#include "core/config_sections.h"

#include <strings.h>

#define FIELD(type, name) offsetof(struct type, name)

static void read_type(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const types[] = {"tcp", "http/1.1", "http/2.0", "ssh", "http", "socks5", NULL};
	int type = config_choice(reader, node, types);
	if (type >= 0)
		*(const char **)field = types[type];
}

void config_check_type(struct config_reader *reader, const struct config_node *node)
{
	const struct config_node *twin = config_node_find(node, "proxy_type");
	if (twin && config_node_find(node, "type"))
		config_fail_key(reader, twin, "give type or proxy_type, not both");
}

static void read_header(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const headers[] = {"off", "v1", "v2", NULL};
	int header = config_choice(reader, node, headers);
	if (header >= 0)
		*(enum config_proxy_header *)field = (enum config_proxy_header)header;
}

void config_read_proxy(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"name", config_read_name, FIELD(config_proxy, name), true},
		{"type", read_type, FIELD(config_proxy, type), false},
		{"proxy_type", read_type, FIELD(config_proxy, type), false},
		{"publish_addr", config_read_host, FIELD(config_proxy, publish_addr), false},
		{"publish_port", config_read_port, FIELD(config_proxy, publish_port), true},
		{"local_addr", config_read_host, FIELD(config_proxy, local.host), false},
		{"local_port", config_read_port, FIELD(config_proxy, local.port), true},
		{"proxy_protocol", read_header, FIELD(config_proxy, proxy_protocol), false},
	};
	static const struct config_table table = {.name = "proxies", .keys = keys, .count = COUNT_OF(keys)};
	struct config_proxy *proxy = field;
	*proxy =
	    (struct config_proxy){.type = "tcp", .publish_addr = "0.0.0.0", .local = {.host = "127.0.0.1"}};
	config_read_mapping(reader, node, &table, proxy);
	config_check_type(reader, node);
}

static bool is_same_text(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

static void check_proxy_pair(struct config_reader *reader, const struct config_node *node,
			     const struct config_proxy *proxy, const struct config_proxy *before)
{
	if (is_same_text(proxy->name, before->name))
		config_fail(reader, node, "the proxy name %.100s is given twice", proxy->name);
	if (!proxy->publish_port || proxy->publish_port != before->publish_port)
		return;
	if (strcasecmp(proxy->publish_addr, before->publish_addr) == 0)
		config_fail(reader, node, "%.100s port %u is published twice", proxy->publish_addr,
			    proxy->publish_port);
	else if (strcmp(proxy->local.host, before->local.host) != 0 ||
		 proxy->local.port != before->local.port)
		config_warn(reader, node,
			    "publish_port %u is used twice: the protocol tells only the port, so all its "
			    "connections go to the first of them, %.100s",
			    proxy->publish_port, before->name ? before->name : "");
}

void config_check_proxies(struct config_reader *reader, const struct config_node *node,
			  const struct config_client *client)
{
	const struct config_node *entry = node->first;
	for (size_t i = 0; i < client->proxy_count && entry; i++, entry = entry->next)
		for (size_t j = 0; j < i; j++)
			check_proxy_pair(reader, entry, &client->proxies[i], &client->proxies[j]);
}

bool config_make_bind(struct config_reader *reader, const struct config_node *node,
		      const struct config_bind *bind, struct address *address)
{
	const char *addr = strcmp(bind->addr, "localhost") == 0 ? "127.0.0.1" : bind->addr;
	const struct config_node *place = config_node_find(node, "bind_addr");
	if (address_of_literal(address, addr, bind->port))
		return true;
	config_fail(reader, place ? place : node, "bind_addr must be an address of this machine, not %.60s",
		    addr);
	return false;
}

struct visitor_fields {
	struct config_visitor visitor;
	struct config_bind bind;
};

void config_read_visitor(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"name", config_read_name, FIELD(visitor_fields, visitor.name), true},
		{"type", read_type, FIELD(visitor_fields, visitor.type), false},
		{"proxy_type", read_type, FIELD(visitor_fields, visitor.type), false},
		{"publish_port", config_read_port, FIELD(visitor_fields, visitor.publish_port), true},
		{"bind_addr", config_read_host, FIELD(visitor_fields, bind.addr), false},
		{"bind_port", config_read_port, FIELD(visitor_fields, bind.port), true},
	};
	static const struct config_table table = {.name = "visitors", .keys = keys, .count = COUNT_OF(keys)};
	struct visitor_fields fields = {.visitor = {.type = "tcp"}, .bind = {.addr = "127.0.0.1"}};
	config_read_mapping(reader, node, &table, &fields);
	config_check_type(reader, node);
	config_make_bind(reader, node, &fields.bind, &fields.visitor.bind);
	*(struct config_visitor *)field = fields.visitor;
}

void config_check_visitors(struct config_reader *reader, const struct config_node *node,
			   const struct config_client *client)
{
	const struct config_node *entry = node->first;
	for (size_t i = 0; i < client->visitor_count && entry; i++, entry = entry->next)
		for (size_t j = 0; j < i; j++)
			if (is_same_text(client->visitors[i].name, client->visitors[j].name))
				config_fail(reader, entry, "the visitor name %.100s is given twice",
					    client->visitors[i].name);
}

/* One listener of this process, and where the file asks for it. */
struct binding {
	const struct address *address;
	const struct config_node *node;
};

static size_t collect(const struct config_node *node, const struct config_client *client,
		      struct binding *bindings)
{
	const struct config_node *list = config_node_find(node, "visitors");
	const struct config_node *entry = list ? list->first : NULL;
	size_t count = 0;
	if (client->protocol == PROTOCOL_LINKSOCKS && !client->linksocks.reverse)
		bindings[count++] = (struct binding){&client->linksocks.socks_addr, node};
	for (size_t i = 0; i < client->visitor_count && entry; i++, entry = entry->next)
		bindings[count++] = (struct binding){&client->visitors[i].bind, entry};
	list = config_node_find(node, "forwarders");
	entry = list ? list->first : NULL;
	for (size_t i = 0; i < client->forwarder_count && entry; i++, entry = entry->next)
		bindings[count++] = (struct binding){&client->forwarders[i].bind, entry};
	return count;
}

void config_check_clients(struct config_reader *reader, const struct config_node *node)
{
	const struct config *config = reader->config;
	size_t count = 0, total = 0;
	for (size_t i = 0; i < config->client_count; i++)
		total += config->clients[i].visitor_count + config->clients[i].forwarder_count + 1;
	if (!total || total > 2 * CONFIG_LIST_MAX)
		return;
	struct binding *bindings = config_alloc(&reader->blocks, total * sizeof *bindings);
	if (!bindings) {
		reader->no_memory = true;
		return;
	}
	const struct config_node *entry = node->kind == CONFIG_LIST ? node->first : node;
	for (size_t i = 0; i < config->client_count && entry; i++, entry = entry->next)
		count += collect(entry, &config->clients[i], bindings + count);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (bindings[i].address->port &&
			    address_is_equal(bindings[i].address, bindings[j].address))
				config_fail(reader, bindings[i].node,
					    "two visitors, forwarders or SOCKS5 listeners are on port %u "
					    "of the same address",
					    bindings[i].address->port);
}
