/* core/constant.h - comparison of credentials in a time that tells nothing about the right one.
 *
 * Owner:  nobody, values only. Thread: any.
 * Limits: secrets up to CONSTANT_SPAN bytes all take the same time, whatever their length; a longer one shows
 *         its length in steps of CONSTANT_SPAN. What is offered may be of any length and shows only its own.
 * Never:  allocates, keeps a copy, or returns early.
 */
#ifndef CORE_CONSTANT_H
#define CORE_CONSTANT_H

#include "core/base.h"

enum { CONSTANT_SPAN = 1024 };

/* The same bytes, and as many of them. Two empty slices are equal: whether an empty secret admits anybody is
 * the caller's decision. To judge a user and a password, compare both and join the answers with &, not with
 * &&. */
bool secret_equal(struct slice a, struct slice b);

#endif
