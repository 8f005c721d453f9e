/* bench/lib/fault.c - see fault.h. */
#include "bench/lib/fault.h"

#include <stdarg.h>
#include <stdio.h>

void fault_set(struct fault *fault, const char *format, ...)
{
	va_list arguments;

	if (atomic_exchange(&fault->is_set, true))
		return;
	va_start(arguments, format);
	vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
}

bool fault_is_set(const struct fault *fault) { return atomic_load(&fault->is_set); }
