/* protocols/linksocks/message.h - the messages of LinkSocks 0.1 as values: parsed and written, nothing kept.
 *
 * Byte 0 is the version, of which only the high nibble must fit; byte 1 the type; integers are big-endian; a
 * UUID is 16 bytes. Surplus bytes at the end are passed over. What the original accepts is accepted, what it
 * calls an error is STATUS_PROTOCOL (protocol document, acceptance table).
 *
 * Owner: nobody, values only; slices point into the bytes that were parsed.
 */
#ifndef PROTOCOLS_LINKSOCKS_MESSAGE_H
#define PROTOCOLS_LINKSOCKS_MESSAGE_H

#include "core/event.h"

enum linksocks_type {
	LINKSOCKS_AUTH = 1,
	LINKSOCKS_AUTH_RESPONSE,
	LINKSOCKS_CONNECT,
	LINKSOCKS_DATA,
	LINKSOCKS_CONNECT_RESPONSE,
	LINKSOCKS_DISCONNECT,
	LINKSOCKS_CONNECTOR,
	LINKSOCKS_CONNECTOR_RESPONSE,
	LINKSOCKS_LOG,
	LINKSOCKS_PARTNERS,
	LINKSOCKS_DIRECT_CAPABILITIES,
	LINKSOCKS_DIRECT_RENDEZVOUS,
	LINKSOCKS_DIRECT_STATUS,
	LINKSOCKS_CREDIT = 0x40,        /* between ends that have shown `credit`: channel[16] bytes u32 */
	LINKSOCKS_EOF,                  /* between ends that have shown `half-close`: channel[16] */
};

enum { LINKSOCKS_TCP = 1, LINKSOCKS_UDP = 2 };
enum { LINKSOCKS_PLAIN = 0, LINKSOCKS_GZIP = 1, LINKSOCKS_LZ4 = 2 };
enum { LINKSOCKS_ADD = 1, LINKSOCKS_REMOVE = 2 };
enum {
	LINKSOCKS_VERSION = 0x01,
	LINKSOCKS_UUID_SIZE = 16,
	/* version, type, protocol, channel, compression, length */
	LINKSOCKS_DATA_HEAD_SIZE = 2 + 1 + 16 + 1 + 4,
	LINKSOCKS_TEXT_MAX = 255,
};

struct linksocks_message {
	uint8_t type;
	uint8_t network;                /* CONNECT, DATA: as on the wire; 0: neither */
	uint8_t compression;            /* DATA */
	uint8_t operation;              /* CONNECTOR */
	bool success;                   /* the three responses */
	bool reverse;                   /* AUTH */
	uint8_t id[LINKSOCKS_UUID_SIZE];/* channel, request, or AUTH's instance */
	uint16_t port;                  /* CONNECT */
	uint32_t amount;                /* CREDIT */
	struct slice text;              /* error, token, address of CONNECT, JSON */
	struct slice payload;           /* DATA: as on the wire, perhaps compressed */
	struct slice source, target;    /* DATA of UDP: hosts */
	uint16_t source_port, target_port;
	bool one_block;                 /* DATA of UDP: only one address block was there; it is in `source` */
};

/* A whole message. OK; MORE never; PROTOCOL with one line in `why`. A type that nobody knows is OK. */
enum status linksocks_parse(struct slice bytes, struct linksocks_message *message, const char **why);
/* The head of a TCP Data message whose payload is still coming: OK with `payload` = what of it is there and
 * `*payload_size` = all of it; MORE: the head is not complete; PROTOCOL. For type Data and network TCP
 * only. */
enum status linksocks_parse_data_head(struct slice bytes, struct linksocks_message *message,
				      size_t *payload_size, const char **why);
/* Everything but a payload of DATA; the size, at most `room` (0: it does not fit). Texts are cut to 255 bytes
 * where their length has one byte. Of DATA: the head in front of the payload (linksocks_write_tail
 * follows). */
size_t linksocks_write(const struct linksocks_message *message, uint8_t *at, size_t room);
/* DATA of UDP: the two address blocks behind the payload. */
size_t linksocks_write_tail(const struct linksocks_message *message, uint8_t *at, size_t room);

/* The JSON of LOG and PARTNERS: a new reference (jansson), or NULL with one line in `why`. */
struct json_t;
struct json_t *linksocks_json(struct slice text, const char **why);

/* "xxxxxxxx-xxxx-..." and back; false: not a UUID. */
enum { UUID_TEXT_SIZE = 37 };
void uuid_format(const uint8_t id[LINKSOCKS_UUID_SIZE], char text[UUID_TEXT_SIZE]);
bool uuid_parse(struct slice text, uint8_t id[LINKSOCKS_UUID_SIZE]);

#endif
