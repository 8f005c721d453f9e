/* core/target.c - see target.h. */
#include "core/target.h"

struct user_address user_address_of(const struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct user_address user = {.port = address->port};
	bool inside = address->family == ADDRESS_IPV6 && memcmp(address->bytes, mapped, sizeof mapped) == 0;
	if (address->family != ADDRESS_IPV4 && address->family != ADDRESS_IPV6)
		return (struct user_address){0};
	user.family = address->family == ADDRESS_IPV4 || inside ? 4 : 6;
	memcpy(user.bytes, address->bytes + (inside ? sizeof mapped : 0), user.family == 4 ? 4 : 16);
	return user;
}

struct address user_address_to(const struct user_address *user)
{
	struct address address = {.family = user->family == 4   ? ADDRESS_IPV4
					    : user->family == 6 ? ADDRESS_IPV6
								: ADDRESS_NONE,
				  .port = user->port};
	memcpy(address.bytes, user->bytes, user->family == 4 ? 4 : user->family == 6 ? 16 : 0);
	return address;
}
