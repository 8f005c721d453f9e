/* tests/sim/stock.c - see stock.h. */
#include "tests/sim/stock.h"

#include "protocols/tls_tunnel/client_inside.h"

void client_become_stock(struct service *service) { client_of(service)->credentials.features = 0; }
