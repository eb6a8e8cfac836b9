/* space.h - is there room on the disk? A full disk is a state and no accident: new work is refused while a reserve is
 * left, so that what was accepted can be finished, canceled and deleted. */
#pragma once
#include "base/err.h"

#include <pthread.h>
#include <stdint.h>

#define SPACE_PATHS 4

/* What the volumes said last, for all who ask. A figure is good for a tenth of a second, less what was asked for since,
 * and only while there is plenty: near the end each question is a new one. */
struct space_memory {
    pthread_mutex_t lock;
    struct {
        int64_t asked_us, above; /* monotonic; 0: never */
    } of[SPACE_PATHS];
};
#define SPACE_MEMORY {.lock = PTHREAD_MUTEX_INITIALIZER}

/* A few volumes, or the same one several times. */
struct space {
    const char *paths[SPACE_PATHS]; /* directories; NULL: unused */
    int64_t reserve;                /* bytes that must stay free on each; of a small volume at most 5 % */
    struct space_memory *memory;    /* NULL: ask each time */
};

/* Room for need more bytes (and a few files) on every volume? Errors: ERR_NOSPACE. A volume that can't be asked
 * counts as one with room: the write will tell. */
MUST_CHECK int space_check(const struct space *s, int64_t need, struct err *err);
/* Bytes that the volume of path has above its reserve; negative when it is short. */
int64_t space_above(const char *path, int64_t reserve);
/* Is more than half of the reserve gone, too? Of paths[0]. */
bool space_is_used_up(const struct space *s);
