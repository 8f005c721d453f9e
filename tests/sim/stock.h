/* tests/sim/stock.h - a client that does not show that it is this program: it is taken for the original. */
#ifndef TESTS_SIM_STOCK_H
#define TESTS_SIM_STOCK_H

#include "core/role.h"

/* A service of client_create, before it starts. */
void client_become_stock(struct service *service);

#endif
