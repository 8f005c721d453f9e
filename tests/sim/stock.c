/* tests/sim/stock.c - see stock.h. The client's service is private to its file, so that file is compiled here
 * once more, and the linker takes this one.
 */
#include "protocols/tls_tunnel/client.c"

#include "tests/sim/stock.h"

void client_become_stock(struct service *service) { client_of(service)->credentials.features = 0; }
