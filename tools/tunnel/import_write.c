/* tools/tunnel/import_write.c - the YAML that an import makes; see import.h. */
#include "tools/tunnel/import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/secret.h"

/* A key is in it: what is left behind is wiped. */
static bool make_room(struct import *import, struct import_text *text, size_t more)
{
	if (text->room - text->size > more)
		return true;
	size_t room = 2 * text->room + more + 4096;
	char *bytes = malloc(room);
	if (bytes && text->size)
		memcpy(bytes, text->bytes, text->size);
	if (text->bytes)
		secret_wipe(text->bytes, text->size);
	free(text->bytes);
	*text = (struct import_text){bytes, bytes ? text->size : 0, bytes ? room : 0};
	import->no_memory |= !bytes;
	return bytes;
}

void import_put(struct import *import, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int size = vsnprintf(NULL, 0, format, arguments);
	struct import_text *body = &import->body;
	if (size > 0 && make_room(import, body, (size_t)size)) {
		vsnprintf(body->bytes + body->size, body->room - body->size, format, again);
		body->size += (size_t)size;
	}
	va_end(again);
	va_end(arguments);
}

void import_put_text(struct import *import, const char *text)
{
	import_put(import, "\"");
	for (const char *at = text; *at; at++) {
		if (*at == '"' || *at == '\\')
			import_put(import, "\\%c", *at);
		else if ((uint8_t)*at < 0x20 || *at == 0x7f)
			import_put(import, "\\x%02X", (uint8_t)*at);
		else if (strncmp(at, "${", 2) == 0)
			import_put(import, "$$");
		else
			import_put(import, "%c", *at);
	}
	import_put(import, "\"");
}

void import_put_line(struct import *import, const char *name, const char *text, const char *remark)
{
	if (!text)
		return;
	import_put(import, "  %s: ", name);
	import_put_text(import, text);
	import_put(import, "%s%s\n", remark ? "   # " : "", remark ? remark : "");
}

void import_put_path(struct import *import, const char *name, const struct toml_node *node)
{
	const char *text = import_text_of(import, node);
	const char *home = import->variable("HOME");
	if (!text)
		return;
	bool short_home = text[0] == '~' && (!text[1] || text[1] == '/');
	if (!short_home) {
		import_put_line(import, name, text,
				text[0] == '/' ? NULL : "relative to where the program runs");
		return;
	}
	if (!home || !*home) {
		toml_fail(&import->toml, node, "~ in %s cannot be expanded: $HOME is not set", node->key);
		return;
	}
	char *path = malloc(strlen(home) + strlen(text));
	if (path) {
		snprintf(path, strlen(home) + strlen(text), "%s%s", home, text + 1);
		import_put_line(import, name, path, NULL);
	}
	import->no_memory |= !path;
	free(path);
}

void import_put_stats(struct import *import, const struct toml_node *port_node, const struct toml_node *addr,
		      const char *host)
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	uint16_t port = import_port(import, port_node);
	if (addr && !import_text_of(import, addr))
		return;
	if (!port || !import_address(import, addr, host, port, &address))
		return;
	if (!address_is_loopback(&address)) {
		toml_warn(&import->toml, addr ? addr : port_node,
			  "statistics were on %s for everybody; here they are on loopback. For more, "
			  "stats takes token_file, tls_cert and tls_key",
			  address_format(&address, text));
		address_of_literal(&address, address.family == ADDRESS_IPV6 ? "::1" : "127.0.0.1", port);
	}
	import_put(import, "stats: {listen_addr: ");
	import_put_text(import, address_format(&address, text));
	import_put(import, "}\n");
}
