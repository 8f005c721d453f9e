/* protocols/tls_tunnel/control_words.c - words of the control messages; see control.h. */
#include "core/log.h"
#include "protocols/tls_tunnel/control.h"

const struct feature_word feature_words[4] = {
    {"half-close", FEATURE_OURS},
    {"source", FEATURE_SOURCE},
    {"verdict", FEATURE_VERDICT},
    {"links", FEATURE_LINKS},
};

const char *level_word(uint8_t level)
{
	return level == LOG_ERROR ? "error" : level == LOG_WARN ? "warning" : "info";
}

uint8_t level_of_word(const char *word)
{
	if (word && strcmp(word, "error") == 0)
		return LOG_ERROR;
	return word && strcmp(word, "warning") == 0 ? LOG_WARN : LOG_INFO;
}

static const char *const note_words[] = {
    [NOTE_BIND_RETRY] = "PROXY_BIND_RETRY",
    [NOTE_BIND_FAILED] = "PROXY_BIND_FAILED",
    [NOTE_PARTIAL] = "PARTIAL_CONFIG_REJECTION",
    [NOTE_ALL_REFUSED] = "ALL_PROXIES_REJECTED",
};

const char *note_word(enum note_kind kind)
{
	return (size_t)kind < COUNT_OF(note_words) ? note_words[kind] : NULL;
}

enum note_kind note_of_word(const char *word)
{
	for (size_t i = 0; word && i < COUNT_OF(note_words); i++)
		if (note_words[i] && strcmp(note_words[i], word) == 0)
			return (enum note_kind)i;
	return NOTE_TEXT;
}
