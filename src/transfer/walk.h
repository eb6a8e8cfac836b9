/* walk.h - the files in directories of another server, whose names are anybody's: what is asked for
 * next is made of them, so each passes here. Bounded in depth, number and bytes.
 *
 * A name is bytes; a place of remote.h is text. Bytes that are no UTF-8 stand in it as characters
 * of the private area (U+F780 to U+F7FF), as do the bytes of such a character itself: each place is
 * one path, and back. */
#pragma once
#include "transfer/remote.h"

#define WALK_PATH_MOST 4096 /* bytes */
#define WALK_DEPTH_MOST 64

enum walk_kind {
    WALK_FILE,
    WALK_DIRECTORY,
    WALK_OTHER
}; /* other: a link, a device, a socket: passed by */

struct walk {
    struct robot_job *job;
    const char *host;
    bool recursive;
    char **dirs; /* paths with a slash at the end that are to be listed yet */
    size_t count, cap;
    size_t seen, bytes; /* entries, and what is kept of them */
    int64_t page;
};

void walk_done(struct walk *w);
/* import_service.list: a page is a directory, with what is known of more of them its next. read() lists dir, by
 * walk_add(); it is called again while it fails and sets *again, and what it had added is forgotten. */
typedef int walk_read(void *ctx, const char *dir, struct remote_page *page, bool *again, struct err *err);
MUST_CHECK int walk_list(struct walk *w, struct remote_page *page, walk_read *read, void *ctx, struct err *err);
/* One entry of dir. "." and ".." are nothing. Errors: the name holds a slash or a NUL; more than is
 * allowed. */
MUST_CHECK int walk_add(struct walk *w, struct remote_page *page, const char *dir, const char *name,
                        size_t len, enum walk_kind kind, struct err *err);
/* The bytes of a place, and the place of bytes. The caller frees. */
char *walk_path(const char *place);
char *walk_place(const char *path, size_t len);
/* The last part of a path; lent. */
const char *walk_name(const char *path);
