/* protocols/frontends/kept.c - see kept.h. */
#include "protocols/frontends/kept.h"

#include "core/secret.h"

enum { GROW_MIN = 1024 };

bool kept_add(struct bufpool *bufs, struct buf **kept, struct slice bytes)
{
	struct buf *old = *kept;
	size_t used = old ? old->used : 0, size = used + bytes.size;
	if (!old || old->size < size) {
		struct buf *grown = buf_acquire(bufs, size_max(GROW_MIN, size + used));
		if (!grown)
			return false;
		if (used)
			memcpy(grown->bytes, old->bytes, used);
		grown->used = (uint32_t)used;
		kept_drop(kept);
		*kept = grown;
	}
	if (bytes.size)
		memcpy((*kept)->bytes + used, bytes.at, bytes.size);
	(*kept)->used = (uint32_t)size;
	return true;
}

void kept_cut(struct buf *kept, size_t size)
{
	secret_wipe(kept->bytes + size, kept->used - size);
	kept->used = (uint32_t)size;
}

void kept_drop(struct buf **kept)
{
	if (*kept)
		secret_wipe((*kept)->bytes, (*kept)->size);
	buf_unref(*kept);
	*kept = NULL;
}
