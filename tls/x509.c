/* tls/x509.c - reads names and dates of a certificate; see x509.h. */
#include "tls/x509.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <time.h>

enum {
	DER_BOOLEAN = 0x01,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_VERSION = 0xa0,
	DER_EXTENSIONS = 0xa3,
	NAME_DNS = 0x82,
	NAME_ADDRESS = 0x87,
};

/* Takes one element off the front: its tag and its content. */
static bool next(struct slice *from, uint8_t *tag, struct slice *content)
{
	if (from->size < 2)
		return false;
	size_t length = from->at[1], header = 2;
	if (length & 0x80) {
		size_t count = length & 0x7f;
		if (count < 1 || count > 3 || from->size < 2 + count)
			return false;
		length = 0;
		for (size_t i = 0; i < count; i++)
			length = length << 8 | from->at[2 + i];
		header += count;
	}
	if (length > from->size - header)
		return false;
	*tag = from->at[0];
	*content = (struct slice){from->at + header, length};
	*from = (struct slice){from->at + header + length, from->size - header - length};
	return true;
}

static bool expect(struct slice *from, uint8_t wanted, struct slice *content)
{
	uint8_t tag;
	return next(from, &tag, content) && tag == wanted;
}

static bool two_digits(const uint8_t *at, int *value)
{
	if (!isdigit(at[0]) || !isdigit(at[1]))
		return false;
	*value = (at[0] - '0') * 10 + at[1] - '0';
	return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t shifted = month <= 2 ? year - 1 : year;
	int64_t era = shifted / 400;
	int64_t year_of_era = shifted - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ" */
static bool time_of(uint8_t tag, struct slice text, int64_t *seconds)
{
	int century = 0, field[6];
	const uint8_t *at = text.at;

	if (text.size != (tag == DER_TIME ? 15u : 13u) || text.at[text.size - 1] != 'Z')
		return false;
	if (tag == DER_TIME) {
		if (!two_digits(at, &century))
			return false;
		at += 2;
	}
	for (int i = 0; i < 6; i++, at += 2)
		if (!two_digits(at, &field[i]))
			return false;
	if (field[1] < 1 || field[1] > 12 || field[2] < 1 || field[2] > 31)
		return false;
	int64_t year = tag == DER_TIME ? century * 100 + field[0] : field[0] + (field[0] < 50 ? 2000 : 1900);
	*seconds = days_of(year, field[1], field[2]) * 86400 + field[3] * 3600 + field[4] * 60 + field[5];
	return true;
}

static bool read_time(struct slice *from, int64_t *seconds)
{
	struct slice text;
	uint8_t tag;
	return next(from, &tag, &text) && (tag == DER_UTC_TIME || tag == DER_TIME) &&
	       time_of(tag, text, seconds);
}

static bool read_extension(struct slice extension, struct x509_view *view)
{
	static const uint8_t names_oid[] = {0x55, 0x1d, 0x11}, constraints_oid[] = {0x55, 0x1d, 0x13};
	struct slice oid, value, content;
	uint8_t tag;

	if (!expect(&extension, DER_OID, &oid) || !next(&extension, &tag, &value))
		return false;
	if (tag == DER_BOOLEAN && !next(&extension, &tag, &value))
		return false;
	if (tag != DER_OCTETS || oid.size != 3)
		return tag == DER_OCTETS;
	if (memcmp(oid.at, names_oid, 3) == 0)
		return expect(&value, DER_SEQUENCE, &view->names);
	if (memcmp(oid.at, constraints_oid, 3) == 0) {
		if (!expect(&value, DER_SEQUENCE, &content))
			return false;
		struct slice flag;
		view->is_ca = expect(&content, DER_BOOLEAN, &flag) && flag.size == 1 && flag.at[0];
	}
	return true;
}

static bool read_extensions(struct slice wrapped, struct x509_view *view)
{
	struct slice all, one;

	if (!expect(&wrapped, DER_SEQUENCE, &all))
		return false;
	while (all.size)
		if (!expect(&all, DER_SEQUENCE, &one) || !read_extension(one, view))
			return false;
	return true;
}

bool x509_view(struct x509_view *view, struct slice der)
{
	struct slice certificate, body, validity, field;
	uint8_t tag;

	*view = (struct x509_view){.is_ca = false};
	if (!expect(&der, DER_SEQUENCE, &certificate) || !expect(&certificate, DER_SEQUENCE, &body))
		return false;
	if (!next(&body, &tag, &field)) /* version, or without it the serial */
		return false;
	if (tag == DER_VERSION && !next(&body, &tag, &field))
		return false;
	if (!next(&body, &tag, &field) || !next(&body, &tag, &field)) /* algorithm, issuer */
		return false;
	if (!expect(&body, DER_SEQUENCE, &validity) || !read_time(&validity, &view->not_before) ||
	    !read_time(&validity, &view->not_after))
		return false;
	if (!next(&body, &tag, &field) ||
	    !expect(&body, DER_SEQUENCE, &view->public_key)) /* subject, public key */
		return false;
	while (next(&body, &tag, &field))
		if (tag == DER_EXTENSIONS)
			return read_extensions(field, view);
	return true;
}

size_t x509_address_of(const char *host, uint8_t bytes[16])
{
	char inner[64];
	size_t length = strlen(host);

	if (inet_pton(AF_INET, host, bytes) == 1)
		return 4;
	if (length > 2 && host[0] == '[' && host[length - 1] == ']' && length - 2 < sizeof inner) {
		memcpy(inner, host + 1, length - 2);
		inner[length - 2] = 0;
		host = inner;
	}
	return inet_pton(AF_INET6, host, bytes) == 1 ? 16 : 0;
}

static bool is_host_character(uint8_t c) { return isalnum(c) || c == '-' || c == '_' || c == '.'; }

static bool is_equal(struct slice pattern, struct slice host)
{
	if (pattern.size != host.size || !pattern.size)
		return false;
	for (size_t i = 0; i < pattern.size; i++)
		if (!is_host_character(pattern.at[i]) || tolower(pattern.at[i]) != tolower(host.at[i]))
			return false;
	return true;
}

static struct slice after_label(struct slice name)
{
	const uint8_t *dot = name.size ? memchr(name.at, '.', name.size) : NULL;
	if (!dot || dot == name.at)
		return (struct slice){NULL, 0};
	return (struct slice){dot + 1, name.size - (size_t)(dot + 1 - name.at)};
}

static bool matches(struct slice pattern, struct slice host)
{
	if (pattern.size < 3 || pattern.at[0] != '*' || pattern.at[1] != '.')
		return is_equal(pattern, host);
	struct slice rest = {pattern.at + 2, pattern.size - 2};
	return after_label(rest).size && is_equal(rest, after_label(host));
}

bool x509_has_name(const struct x509_view *view, const char *host)
{
	uint8_t address[16];
	size_t address_size = x509_address_of(host, address);
	struct slice wanted = slice_of(host), names = view->names, name;
	uint8_t tag;

	if (wanted.size && wanted.at[wanted.size - 1] == '.')
		wanted.size--;
	while (next(&names, &tag, &name)) {
		if (address_size && tag == NAME_ADDRESS && name.size == address_size &&
		    memcmp(name.at, address, address_size) == 0)
			return true;
		if (!address_size && tag == NAME_DNS && matches(name, wanted))
			return true;
	}
	return false;
}

static size_t format_name(uint8_t tag, struct slice name, char text[256])
{
	text[0] = 0;
	if (tag == NAME_ADDRESS && (name.size == 4 || name.size == 16)) {
		inet_ntop(name.size == 4 ? AF_INET : AF_INET6, name.at, text, 256);
	} else if (tag == NAME_DNS) {
		size_t length = size_min(name.size, 255);
		for (size_t i = 0; i < length; i++)
			text[i] = is_host_character(name.at[i]) || name.at[i] == '*' ? (char)name.at[i] : '?';
		text[length] = 0;
	}
	return strlen(text);
}

void x509_list_names(const struct x509_view *view, char *text, size_t size)
{
	struct slice names = view->names, name;
	size_t used = 0;
	uint8_t tag;

	text_copy(text, size, slice_of("no names"));
	while (next(&names, &tag, &name)) {
		char one[256];
		size_t length = format_name(tag, name, one);
		if (!length)
			continue;
		if (used + length + 7 > size) {
			if (used && used + 6 <= size)
				memcpy(text + used, ", ...", 6);
			return;
		}
		if (used) {
			memcpy(text + used, ", ", 2);
			used += 2;
		}
		memcpy(text + used, one, length + 1);
		used += length;
	}
}

void x509_format_time(int64_t unix_seconds, char text[24])
{
	time_t seconds = (time_t)unix_seconds;
	struct tm parts;

	if (!gmtime_r(&seconds, &parts) || strftime(text, 24, "%Y-%m-%d %H:%M UTC", &parts) == 0)
		text_copy(text, 24, slice_of("an unknown time"));
}
