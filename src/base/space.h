/* space.h - is there room on the disk? A full disk is a state and no accident: new work is refused while a reserve is
 * left, so that what was accepted can be finished, canceled and deleted. */
#pragma once
#include "base/err.h"

#include <stdint.h>

#define SPACE_PATHS 4

/* A few volumes, or the same one several times. */
struct space {
    const char *paths[SPACE_PATHS]; /* directories; NULL: unused */
    int64_t reserve;                /* bytes that must stay free on each; of a small volume at most 5 % */
};

/* Room for need more bytes (and a few files) on every volume? Errors: ERR_NOSPACE. A volume that can't be asked
 * counts as one with room: the write will tell. */
MUST_CHECK int space_check(const struct space *s, int64_t need, struct err *err);
/* Bytes that the volume of path has above its reserve; negative when it is short. */
int64_t space_above(const char *path, int64_t reserve);
bool space_is_used_up(const char *path, int64_t reserve); /* more than half of the reserve is gone, too */
