/* private.h - what the files of this room share. */
#pragma once
#include "base/id.h"
#include "base/map.h"
#include "blob/blob.h"

#include <pthread.h>
#include <stdatomic.h>

struct blob_store {
    int dir_fd, tmp_fd;
    atomic_int good_calls; /* for tests; -1: never fails */
    bool names_later; /* files may begin without a name */
    pthread_mutex_t lock;
    struct map held; /* ids, guarded by lock */
};

/* A name for the file that is open, whatever it was opened by. errno is linkat()'s. */
int blob_link_fd(int fd, int dir, const char *name);
MUST_CHECK int blob_begin_call(struct blob_store *bs, const char *id, struct err *err);
void blob_hold(struct blob_store *bs, const char *id);
/* The directory of a blob. */
MUST_CHECK int blob_shelf_open(int *out, struct blob_store *bs, const char *id, struct err *err);
/* Of who has made the file fd his own: the MD5 of its first *done bytes, to be gone on with and freed. NULL: it was
 * another file, or they are not those that were summed. */
struct evp_md_ctx_st *blob_follow_end(int64_t *done, struct blob_follow *f, int fd);
MUST_CHECK int blob_flush_dir(int fd, const char *name, struct err *err);
