/* users.h - which user ids a process may become. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Every id from first on, so many? In a container only some are. */
bool users_are_mapped(int64_t first, int count);
