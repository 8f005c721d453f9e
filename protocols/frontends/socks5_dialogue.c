/* protocols/frontends/socks5_dialogue.c - see socks5_dialogue.h. */
#include "protocols/frontends/socks5_dialogue.h"

enum { ATYP_IPV4 = 1, ATYP_NAME = 3, ATYP_IPV6 = 4, LOGIN_VERSION = 1, REQUEST_HEAD = 3 };

enum status socks5_parse_greeting(struct slice bytes, struct socks5_greeting *greeting, size_t *used)
{
	if (bytes.size && bytes.at[0] != SOCKS5_VERSION)
		return STATUS_PROTOCOL;
	if (bytes.size < 2)
		return STATUS_MORE;
	size_t count = bytes.at[1];
	if (!count)
		return STATUS_PROTOCOL;
	if (bytes.size < 2 + count)
		return STATUS_MORE;
	*greeting = (struct socks5_greeting){
		.offers_none = memchr(bytes.at + 2, SOCKS5_METHOD_NONE, count) != NULL,
		.offers_password = memchr(bytes.at + 2, SOCKS5_METHOD_PASSWORD, count) != NULL,
	};
	*used = 2 + count;
	return STATUS_OK;
}

enum status socks5_parse_login(struct slice bytes, struct socks5_login *login, size_t *used)
{
	if (bytes.size && bytes.at[0] != LOGIN_VERSION)
		return STATUS_PROTOCOL;
	if (bytes.size < 2)
		return STATUS_MORE;
	size_t user = bytes.at[1];
	if (bytes.size < 2 + user + 1)
		return STATUS_MORE;
	size_t password = bytes.at[2 + user];
	if (bytes.size < 2 + user + 1 + password)
		return STATUS_MORE;
	login->user = (struct slice){bytes.at + 2, user};
	login->password = (struct slice){bytes.at + 2 + user + 1, password};
	*used = 2 + user + 1 + password;
	return STATUS_OK;
}

/* As it came. What follows a zero is lost, so such a name is odd, as one with a blank is. */
static bool name_take(char host[HOST_SIZE], struct slice name)
{
	bool odd = !name.size;
	for (size_t i = 0; i < name.size; i++)
		odd = odd || name.at[i] <= ' ' || name.at[i] == 0x7f;
	text_copy(host, HOST_SIZE, name);
	return odd;
}

enum status socks5_parse_address(struct slice bytes, char host[HOST_SIZE], uint16_t *port, bool *odd_name,
				 size_t *used)
{
	if (!bytes.size)
		return STATUS_MORE;
	uint8_t kind = bytes.at[0];
	if (kind != ATYP_IPV4 && kind != ATYP_NAME && kind != ATYP_IPV6)
		return STATUS_PROTOCOL;
	if (bytes.size < 2)
		return STATUS_MORE;
	size_t start = kind == ATYP_NAME ? 2 : 1;
	size_t size = kind == ATYP_NAME ? bytes.at[1] : kind == ATYP_IPV4 ? 4 : 16;
	if (bytes.size < start + size + 2)
		return STATUS_MORE;
	*odd_name = false;
	if (kind == ATYP_NAME) {
		*odd_name = name_take(host, (struct slice){bytes.at + start, size});
	} else {
		struct address address = {.family = kind == ATYP_IPV4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
		memcpy(address.bytes, bytes.at + start, size);
		address_host(&address, host);
	}
	*port = get16(bytes.at + start + size);
	*used = start + size + 2;
	return STATUS_OK;
}

enum status socks5_parse_request(struct slice bytes, struct socks5_request *request, size_t *used)
{
	size_t size = 0;
	request->reply = SOCKS5_FAILED;
	if (bytes.size && bytes.at[0] != SOCKS5_VERSION)
		return STATUS_PROTOCOL;
	if (bytes.size <= REQUEST_HEAD)
		return STATUS_MORE;
	request->command = bytes.at[1];
	struct slice address = {bytes.at + REQUEST_HEAD, bytes.size - REQUEST_HEAD};
	enum status status =
	    socks5_parse_address(address, request->host, &request->port, &request->odd_name, &size);
	if (status == STATUS_PROTOCOL)
		request->reply = SOCKS5_ADDRESS_UNKNOWN;
	*used = REQUEST_HEAD + size;
	return status;
}

size_t socks5_write_address(uint8_t bytes[SOCKS5_ADDRESS_MAX], const char *host, uint16_t port)
{
	struct address literal;
	size_t size = 1;
	if (address_of_literal(&literal, host, port)) {
		size_t width = literal.family == ADDRESS_IPV4 ? 4 : 16;
		bytes[0] = literal.family == ADDRESS_IPV4 ? ATYP_IPV4 : ATYP_IPV6;
		memcpy(bytes + size, literal.bytes, width);
		size += width;
	} else {
		size_t length = size_min(strlen(host), UINT8_MAX);
		bytes[0] = ATYP_NAME;
		bytes[1] = (uint8_t)length;
		memcpy(bytes + 2, host, length);
		size = 2 + length;
	}
	put16(bytes + size, port);
	return size + 2;
}
