/* id.h - ids: 128 random bits as 32 lower-case hex digits (api.md section 1). */
#pragma once
#include <stdbool.h>

#define ID_LEN 32
typedef char id_t32[ID_LEN + 1];

void id_new(char out[static ID_LEN + 1]);
bool id_valid(const char *s); /* exactly 32 lower-case hex digits */
