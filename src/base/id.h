/* id.h - ids: 128 bits as 32 lower-case hex digits (api.md section 1). */
#pragma once
#include <stdbool.h>

#define ID_LEN 32
typedef char id_t32[ID_LEN + 1];

void id_new(char out[static ID_LEN + 1]);
/* The same, in the order of their making: 48 bits of time (ms) before 80 random ones, which are enough for an id that
 * is a permission. For what a database keeps many of: neighbours in time are neighbours in its index, so a turn with a
 * hundred new ones writes a few pages and not a hundred. */
void id_new_ordered(char out[static ID_LEN + 1]);
bool id_valid(const char *s); /* exactly 32 lower-case hex digits */
