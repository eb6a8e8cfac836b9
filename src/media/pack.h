/* pack.h - a new archive, written as its members are read: nothing of it stands in memory. The same members give the
 * same bytes, unless there is a password, which needs salt. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct pack_how {
    bool zip;             /* else tar */
    bool gzip;            /* the tar */
    int level;            /* 0 stores, 9 is the smallest */
    const char *password; /* ZIP with AES-256; NULL: none */
};

struct pack;
/* Begin the archive at path. *out: the caller's. Errors: ERR_IO, ERR_NOSPACE, ERR_COMMAND. */
MUST_CHECK int pack_open(struct pack **out, const char *path, const struct pack_how *how, struct err *err);
/* The file as the member name (UTF-8, archive_name.h), of size bytes, last changed at mtime_s. read: told of bytes as
 * they are read. Errors: as above, ERR_INPUT: it has not that many bytes. */
MUST_CHECK int pack_add(struct pack *p, const char *name, const char *file, int64_t size, int64_t mtime_s,
                        void (*read)(void *ctx, int64_t bytes), void *ctx, struct err *err);
/* Write the end. */
MUST_CHECK int pack_finish(struct pack *p, struct err *err);
void pack_free(struct pack *p);
DEFINE_AUTO(struct pack *, pack_free)
