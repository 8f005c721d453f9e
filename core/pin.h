/* core/pin.h - a certificate's digest as text: sha256:... as people copy it.
 *
 * Owner: nobody, values only. Written in base64url without padding; read in both alphabets of base64, with
 * padding or without, and in hex.
 */
#ifndef CORE_PIN_H
#define CORE_PIN_H

#include "core/base.h"

enum {
	PIN_SIZE = 32,                   /* SHA-256 of the certificate in DER */
	PIN_TEXT_SIZE = 51,              /* "sha256:" and 43 letters, terminated */
};

void pin_format(const uint8_t pin[PIN_SIZE], char text[PIN_TEXT_SIZE]);
/* False: it is none, and the pin is unchanged. */
bool pin_parse(const char *text, uint8_t pin[PIN_SIZE]);

#endif
