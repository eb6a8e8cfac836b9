/* unpack.h - the members of an archive of anybody's, one by one, within bounds. Nothing is created under a name that
 * the archive says: contents go where the caller wants them, links and devices nowhere. What a member is called is
 * text that leads down (archive_name.h), or the archive is refused as a whole. Archives inside archives stay closed.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

/* Settings of the same names, max_archive_ before them. */
struct unpack_limits {
    int64_t files; /* members, directories and links among them */
    int64_t bytes; /* of all contents */
    int64_t ratio; /* contents to archive, once there are UNPACK_RATIO_FROM of them */
    int64_t depth; /* directories of a member, and itself */
    int timeout_ms;
    const char *scratch; /* a name for a file that an encrypted 7z archive needs for a while; NULL: those are refused */
};
#define UNPACK_RATIO_FROM (64 << 20) /* bytes */
struct unpack_limits unpack_limits(const json_t *settings);

/* Why it went no further. What the err says is for people. */
enum unpack_fault {
    UNPACK_FINE,
    UNPACK_FAILED, /* this machine did; err has the code */
    UNPACK_NO_ARCHIVE,
    UNPACK_BROKEN,
    UNPACK_LIMIT,
    UNPACK_MALICIOUS, /* it would lead out of the directory it is unpacked in */
    UNPACK_NEEDS_PASSWORD,
    UNPACK_WRONG_PASSWORD,
};

struct unpack_member {
    const char *path; /* clean; lent until the next call */
    const char *name; /* its last part */
    int depth;
    const char *same_as; /* a hard link: the clean path of what it is, and no contents here; NULL: contents */
};

struct unpack;
/* The archive at path; name: what it was called. password NULL: none. *out: the caller's, to
 * be asked for its fault after a failure, too. */
MUST_CHECK int unpack_open(struct unpack **out, const char *path, const char *name, const char *password,
                           const struct unpack_limits *limits, struct err *err);
/* The next regular file or hard link. 1: *m; 0: that was all; -1: see unpack_fault(). */
MUST_CHECK int unpack_next(struct unpack_member *m, struct unpack *u, struct err *err);
/* The contents of that member into fd, an empty file. Once. progress: told at each block, may be NULL. -1: as above.
 */
MUST_CHECK int unpack_contents(struct unpack *u, int fd, void (*progress)(void *ctx, double fraction), void *ctx,
                               struct err *err);
/* So many more bytes come of it (a copy). -1: that is too much. */
MUST_CHECK int unpack_spend(struct unpack *u, int64_t bytes, struct err *err);
/* From the begin; what was spent stays spent. */
MUST_CHECK int unpack_again(struct unpack *u, struct err *err);
enum unpack_fault unpack_fault(const struct unpack *u);
void unpack_free(struct unpack *u);
DEFINE_AUTO(struct unpack *, unpack_free)
