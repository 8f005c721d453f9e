/* core/config_forward.c - forwarders: a client's local proxies, and where their targets leave; see
 * config_sections.h. */
#include "core/config_sections.h"

#define FIELD(type, name) offsetof(struct type, name)

/* "*.x", ".x" or a whole name. */
static void read_domain(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (!text)
		return;
	bool good = strlen(text) < HOST_SIZE && strcmp(text, ".") != 0 && strcmp(text, "*.") != 0;
	const char *rest = text + (strncmp(text, "*.", 2) == 0 ? 2 : 0);
	struct address literal;
	good = good && (!strchr(rest, ':') || address_of_literal(&literal, rest, 1));
	for (; good && *rest; rest++)
		good = (uint8_t)*rest > 0x20 && *rest != 0x7f && !strchr("*/?#@[]\"'\\,", *rest);
	if (good)
		*(const char **)field = config_text(reader, text);
	else
		config_fail(reader, node,
			    "%s must be names, .name for one and all below it, or *.name, not %.60s",
			    node->key, text);
}

static void read_strategy(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const strategies[] = {"proxy", "direct", "reject", NULL};
	int strategy = config_choice(reader, node, strategies);
	if (strategy >= 0)
		*(enum config_strategy *)field = (enum config_strategy)strategy;
}

static void read_direct_domains(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_routing *routing = field;
	routing->direct_domains = config_read_list(reader, node, sizeof(const char *), read_domain, false,
						   &routing->direct_domain_count);
}

static void read_proxy_domains(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_routing *routing = field;
	routing->proxy_domains = config_read_list(reader, node, sizeof(const char *), read_domain, false,
						  &routing->proxy_domain_count);
}

static void read_direct_ips(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_routing *routing = field;
	routing->direct_ips = config_read_list(reader, node, sizeof(struct cidr), config_read_cidr, false,
					       &routing->direct_ip_count);
}

static void read_proxy_ips(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_routing *routing = field;
	routing->proxy_ips = config_read_list(reader, node, sizeof(struct cidr), config_read_cidr, false,
					      &routing->proxy_ip_count);
}

static void read_routing(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"direct_domains", read_direct_domains, 0, false},
		{"proxy_domains", read_proxy_domains, 0, false},
		{"direct_ips", read_direct_ips, 0, false},
		{"proxy_ips", read_proxy_ips, 0, false},
		{"default_strategy", read_strategy, FIELD(config_routing, default_strategy), false},
	};
	static const struct config_table table = {.name = "routing", .keys = keys, .count = COUNT_OF(keys)};
	struct config_forwarder *forwarder = field;
	forwarder->routed = node->kind == CONFIG_MAPPING;
	config_read_mapping(reader, node, &table, &forwarder->routing);
}

static void read_type(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const types[] = {"http", "socks5", NULL};
	int type = config_choice(reader, node, types);
	if (type >= 0)
		*(enum config_forwarder_type *)field = (enum config_forwarder_type)type;
}

struct forwarder_fields {
	struct config_forwarder forwarder;
	struct config_bind bind;
};

void config_read_forwarder(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"name", config_read_name, FIELD(forwarder_fields, forwarder.name), true},
		{"type", read_type, FIELD(forwarder_fields, forwarder.type), false},
		{"proxy_type", read_type, FIELD(forwarder_fields, forwarder.type), false},
		{"bind_addr", config_read_host, FIELD(forwarder_fields, bind.addr), false},
		{"bind_port", config_read_port, FIELD(forwarder_fields, bind.port), true},
		{"routing", read_routing, FIELD(forwarder_fields, forwarder), false},
	};
	static const struct config_table table = {
	    .name = "forwarders", .keys = keys, .count = COUNT_OF(keys)};
	struct forwarder_fields fields = {.bind = {.addr = "127.0.0.1"}};
	config_read_mapping(reader, node, &table, &fields);
	if (node->kind == CONFIG_MAPPING && !config_node_find(node, "type") &&
	    !config_node_find(node, "proxy_type"))
		config_fail(reader, node, "type is missing in forwarders: http or socks5");
	config_check_type(reader, node);
	struct address *bind = &fields.forwarder.bind;
	if (config_make_bind(reader, node, &fields.bind, bind) && bind->port && !address_is_loopback(bind))
		config_warn(reader, node, "anybody who reaches bind_addr may use the forwarder %.100s",
			    fields.forwarder.name ? fields.forwarder.name : "");
	*(struct config_forwarder *)field = fields.forwarder;
}

void config_check_forwarders(struct config_reader *reader, const struct config_node *node,
			     const struct config_client *client)
{
	const struct config_node *entry = node->first;
	for (size_t i = 0; i < client->forwarder_count && entry; i++, entry = entry->next)
		for (size_t j = 0; j < i; j++) {
			const char *name = client->forwarders[i].name, *other = client->forwarders[j].name;
			if (name && other && strcmp(name, other) == 0)
				config_fail(reader, entry, "the forwarder name %.100s is given twice", name);
		}
}
