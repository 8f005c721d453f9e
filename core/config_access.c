/* core/config_access.c - `access`: which targets peers and users may name; see config_sections.h, acl.h. */
#include "core/config_sections.h"

static void read_rule(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (!text || acl_rule_parse(field, text))
		return;
	*(struct acl_rule *)field = (struct acl_rule){0};   /* half a rule is none */
	config_fail(reader, node,
		    "%s must be CIDR[:PORT], HOST[:PORT], *.SUFFIX[:PORT] or re:EXPRESSION, not %.60s",
		    node->key, text);
}

static void rules_fini(struct acl_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		acl_rule_fini(&rules[i]);
}

static void read_allow(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct acl *access = field;
	access->allow = config_read_list(reader, node, sizeof(struct acl_rule), read_rule, false,
					 &access->allow_count);
}

/* Given, even as an empty list, it is all that is denied. */
static void read_deny(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct acl *access = field;
	rules_fini(access->deny, access->deny_count);
	access->deny = config_read_list(reader, node, sizeof(struct acl_rule), read_rule, false,
					&access->deny_count);
	/* In a file that is a slip; a setting has no other way to write []. */
	if (config_node_is_empty(node) && !node->origin)
		config_fail(reader, node, "deny has no value: write [] to deny nothing");
}

void config_read_access(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {{"allow", read_allow, 0, false},
						 {"deny", read_deny, 0, false}};
	static const struct config_table table = {.name = "access", .keys = keys, .count = COUNT_OF(keys)};
	config_read_mapping(reader, node, &table, field);
}

bool config_access_default(struct config *config)
{
	size_t count = 0;
	while (acl_default[count])
		count++;
	struct acl_rule *rules = config_alloc(&config->blocks, count * sizeof *rules);
	if (!rules)
		return false;
	config->access = (struct acl){.deny = rules, .deny_count = count};
	for (size_t i = 0; i < count; i++)
		check(acl_rule_parse(&rules[i], acl_default[i]));
	return true;
}

void config_access_fini(struct acl *access)
{
	rules_fini(access->allow, access->allow_count);
	rules_fini(access->deny, access->deny_count);
	*access = (struct acl){0};
}
