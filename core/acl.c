/* core/acl.c - see acl.h. */
#include "core/acl.h"

#include "core/log.h"

const char *const acl_default[] = {
	"127.0.0.0/8", "::1", "169.254.0.0/16", "fe80::/10", "0.0.0.0/8", "::", "224.0.0.0/4",
	"255.255.255.255", "ff00::/8", NULL,
};

/* ---- rules ---- */

/* Lower case and without final dots, as names are compared. False: empty, or too long to be a name. */
static bool name_fold(char folded[HOST_SIZE], const char *name)
{
	size_t size = strlen(name);
	while (size && name[size - 1] == '.')
		size--;
	if (!size || size >= HOST_SIZE)
		return false;
	for (size_t i = 0; i < size; i++)
		folded[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
	folded[size] = 0;
	return true;
}

/* As the last label of a name that some resolvers take for an address: "127.1", "0x7f000001". */
static bool label_is_number(const char *label)
{
	bool hex = label[0] == '0' && label[1] == 'x';
	return !label[strspn(label, hex ? "0123456789abcdefx" : "0123456789")];
}

/* Labels of printable characters that mean nothing else here. A name that ends in a number is an address that
 * was misspelt: such a rule would never match. */
static bool name_is_good(const char *name)
{
	const char *label = name;
	for (const char *at = name;; at++) {
		if (*at && *at != '.') {
			if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("/:*[]\\%", *at))
				return false;
			continue;
		}
		if (at == label || at - label > 63)
			return false;
		if (!*at)
			return !label_is_number(label);
		label = at + 1;
	}
}

static bool port_parse(uint16_t *port, const char *text)
{
	struct port_range range;
	if (!port_range_parse(&range, text) || range.first != range.last || strchr(text, '-'))
		return false;
	*port = range.first;
	return true;
}

/* "[V6]", "[V6/BITS]" or "[V6]/BITS", each perhaps with ":PORT". */
static bool bracketed_parse(struct acl_rule *rule, const char *text)
{
	char range[HOST_SIZE];
	const char *end = strchr(text, ']');
	size_t size = end ? (size_t)(end - text - 1) : 0;
	if (!end || size >= sizeof range)
		return false;
	text_copy(range, sizeof range, (struct slice){(const uint8_t *)text + 1, size});
	end++;
	if (*end == '/' && !strchr(range, '/')) {
		size_t bits = strcspn(end, ":");
		if (size + bits >= sizeof range)
			return false;
		text_copy(range + size, sizeof range - size, (struct slice){(const uint8_t *)end, bits});
		end += bits;
	}
	rule->kind = ACL_CIDR;
	if (!strchr(range, ':') || !cidr_parse(&rule->cidr, range))
		return false;
	return !*end || (*end == ':' && port_parse(&rule->port, end + 1));
}

static bool regex_parse(struct acl_rule *rule, const char *expression)
{
	rule->kind = ACL_REGEX;
	return *expression && regcomp(&rule->regex, expression, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
}

/* Without brackets: an address or a range of IPv4, perhaps with a port; of IPv6 without; or a name. */
static bool bare_parse(struct acl_rule *rule, const char *text)
{
	char host[HOST_SIZE];
	if (strlen(text) >= sizeof host)
		return false;
	text_copy(host, sizeof host, slice_of(text));
	rule->kind = ACL_CIDR;
	if (cidr_parse(&rule->cidr, host))
		return true;
	char *colon = strrchr(host, ':');
	if (colon) {
		*colon = 0;
		if (!port_parse(&rule->port, colon + 1))
			return false;
		if (!strchr(host, ':') && cidr_parse(&rule->cidr, host))
			return true;
	}
	bool suffix = strncmp(host, "*.", 2) == 0;
	rule->kind = suffix ? ACL_SUFFIX : ACL_HOST;
	rule->host[0] = '.';
	return name_fold(rule->host + suffix, host + (suffix ? 2 : 0)) && name_is_good(rule->host + suffix);
}

bool acl_rule_parse(struct acl_rule *rule, const char *text)
{
	memset(rule, 0, sizeof *rule);
	if (strncmp(text, "re:", 3) == 0)
		return regex_parse(rule, text + 3);
	return *text == '[' ? bracketed_parse(rule, text) : bare_parse(rule, text);
}

void acl_rule_fini(struct acl_rule *rule)
{
	if (rule->kind == ACL_REGEX)
		regfree(&rule->regex);
	memset(rule, 0, sizeof *rule);
}

/* ---- questions ---- */

static bool rule_has_name(const struct acl_rule *rule, const char *name, uint16_t port)
{
	size_t size = strlen(name), suffix = strlen(rule->host);
	if (rule->port && rule->port != port)
		return false;
	switch (rule->kind) {
	case ACL_HOST:
		return strcmp(rule->host, name) == 0;
	case ACL_SUFFIX:
		return size > suffix && strcmp(name + size - suffix, rule->host) == 0;
	case ACL_REGEX:
		return regexec(&rule->regex, name, 0, NULL, 0) == 0;
	default:
		return false;
	}
}

static bool rules_have_name(const struct acl_rule *rules, size_t count, const char *name, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (rule_has_name(&rules[i], name, port))
			return true;
	return false;
}

static bool rules_have_address(const struct acl_rule *rules, size_t count, const struct address *address)
{
	for (size_t i = 0; i < count; i++) {
		bool port = !rules[i].port || rules[i].port == address->port;
		if (rules[i].kind == ACL_CIDR && port && cidr_has(&rules[i].cidr, address))
			return true;
	}
	return false;
}

/* A translator on the way may make of an IPv6 address the IPv4 one that is written in it: NAT64
 * (64:ff9b::/96), 6to4 (2002::/16), and the old compatible form (::/96). */
static bool inner_address(const struct address *address, struct address *inner)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b}, compatible[12];
	const uint8_t *bytes = address->bytes, *found = NULL;
	if (address->family != ADDRESS_IPV6)
		return false;
	if (bytes[0] == 0x20 && bytes[1] == 0x02)
		found = bytes + 2;
	else if (memcmp(bytes, nat64, sizeof nat64) == 0)
		found = bytes + sizeof nat64;
	else if (memcmp(bytes, compatible, sizeof compatible) == 0 && get32(bytes + 12) > 1)
		found = bytes + sizeof compatible;
	*inner = (struct address){.family = ADDRESS_IPV4, .port = address->port};
	if (found)
		memcpy(inner->bytes, found, 4);
	return found != NULL;
}

static bool is_denied(const struct acl *acl, const struct address *address)
{
	struct address inner;
	if (address->family != ADDRESS_IPV4 && address->family != ADDRESS_IPV6)
		return true;
	if (inner_address(address, &inner) && rules_have_address(acl->deny, acl->deny_count, &inner))
		return true;
	return rules_have_address(acl->deny, acl->deny_count, address);
}

/* True: `host` is a literal. */
static bool literal_parse(struct address *address, const char *host, uint16_t port)
{
	char bare[HOST_SIZE];
	size_t size = strlen(host);
	if (*host != '[')
		return address_of_literal(address, host, port);
	if (size < 2 || size >= sizeof bare || host[size - 1] != ']')
		return false;
	text_copy(bare, sizeof bare, (struct slice){(const uint8_t *)host + 1, size - 2});
	return strchr(bare, ':') && address_of_literal(address, bare, port);
}

enum acl_verdict acl_ask_host(const struct acl *acl, const char *host, uint16_t port)
{
	struct address literal;
	char name[HOST_SIZE];
	if (!acl)
		return ACL_ALLOWED;
	if (literal_parse(&literal, host, port))
		return acl_allows(acl, NULL, &literal) ? ACL_ALLOWED : ACL_DENIED;
	if (*host == '/' || !name_fold(name, host) ||
	    rules_have_name(acl->deny, acl->deny_count, name, port))
		return ACL_DENIED;
	if (!acl->allow_count || rules_have_name(acl->allow, acl->allow_count, name, port))
		return ACL_ASK_ADDRESSES;
	for (size_t i = 0; i < acl->allow_count; i++) {
		const struct acl_rule *rule = &acl->allow[i];
		if (rule->kind == ACL_CIDR && (!rule->port || rule->port == port))
			return ACL_ASK_ADDRESSES;        /* it may lead to one of these */
	}
	return ACL_DENIED;
}

bool acl_allows(const struct acl *acl, const char *host, const struct address *address)
{
	struct address literal;
	char name[HOST_SIZE];
	if (!acl)
		return true;
	if (is_denied(acl, address))
		return false;
	bool named = host && !literal_parse(&literal, host, address->port) && name_fold(name, host);
	if (named && rules_have_name(acl->deny, acl->deny_count, name, address->port))
		return false;
	return !acl->allow_count || rules_have_address(acl->allow, acl->allow_count, address) ||
	       (named && rules_have_name(acl->allow, acl->allow_count, name, address->port));
}

bool acl_allows_host(const struct acl *acl, const char *host, uint16_t port)
{
	char name[HOST_SIZE];
	enum acl_verdict verdict = acl_ask_host(acl, host, port);
	if (verdict != ACL_ASK_ADDRESSES || !acl->allow_count)
		return verdict != ACL_DENIED;
	return name_fold(name, host) && rules_have_name(acl->allow, acl->allow_count, name, port);
}

const char *acl_refusal(char text[ACL_TEXT_SIZE], const char *host)
{
	static const char why[] = "not permitted by access.allow and access.deny: ";
	_Static_assert(sizeof why + HOST_SIZE <= ACL_TEXT_SIZE, "every host fits");
	text_copy(text, ACL_TEXT_SIZE, slice_of(why));
	text_copy(text + sizeof why - 1, ACL_TEXT_SIZE - (sizeof why - 1), slice_of(host));
	return text;
}

void acl_log_refusal(const char *host, uint16_t port)
{
	log_info("target not permitted", TEXT("host", host), NUMBER("port", port),
		 TEXT("keys", "access.allow, access.deny"));
}
