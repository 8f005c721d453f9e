/* protocols/tls_tunnel/gather.c - see gather.h. */
#include "protocols/tls_tunnel/gather.h"

#include "core/secret.h"

enum { TEXT_FIRST = 1024 };

bool gather_add(struct bufpool *pool, struct buf **text, struct slice bytes)
{
	struct buf *old = *text;
	size_t used = old ? old->used : 0;
	if (!old || old->size - used < bytes.size) {
		struct buf *bigger =
		    buf_acquire(pool, size_max(size_max(used * 2, used + bytes.size), TEXT_FIRST));
		if (!bigger)
			return false;
		if (used)
			memcpy(bigger->bytes, old->bytes, used);
		bigger->used = (uint32_t)used;
		gather_release(text);
		*text = bigger;
	}
	memcpy((*text)->bytes + used, bytes.at, bytes.size);
	(*text)->used += (uint32_t)bytes.size;
	return true;
}

void gather_release(struct buf **text)
{
	if (*text && (*text)->refs == 1)
		secret_wipe((*text)->bytes, (*text)->used);
	buf_unref(*text);
	*text = NULL;
}
