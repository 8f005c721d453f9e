/* tools/tunnel/token.h - a random secret that can be typed, pasted and put into a URL.
 *
 * Owner: the caller, who wipes it. Thread: any. 256 bits from the source that TLS uses.
 */
#ifndef TOOLS_TUNNEL_TOKEN_H
#define TOOLS_TUNNEL_TOKEN_H

enum { TOKEN_BYTES = 32, TOKEN_SIZE = 44 };

/* base64url without padding, terminated. */
void token_make(char text[TOKEN_SIZE]);

#endif
