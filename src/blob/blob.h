/* blob.h - where file contents live: a local directory (later S3), or a faulty one for tests.
 * A blob appears whole or not at all. Its id is the file id: 32 hex digits, unguessable.
 * Thread-safe. All calls may block on the disk: not for the conductor thread, which uses its pool.
 */
#pragma once
#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct blob_store;
struct blob_follow;

/* dir is created. Blobs are DIR/ab/<id>, read-only files. Removes what an unclean end left in
 * DIR/tmp, so one process a directory. */
MUST_CHECK int blob_store_open(struct blob_store **out, const char *dir, struct err *err);
/* The same without making or removing anything: to look at it. */
MUST_CHECK int blob_store_open_as_is(struct blob_store **out, const char *dir, struct err *err);
void blob_store_close(struct blob_store *bs);
DEFINE_AUTO(struct blob_store *, blob_store_close)
/* For tests: let good_calls calls succeed, then fail with ERR_IO (for good). */
void blob_store_break(struct blob_store *bs, int good_calls);

/* Make the complete, regular, once-linked file at path the blob id: flush, rename, flush the
 * directory. Durable when it returns 0; path is gone then. Idempotent: when path is missing and the
 * blob exists, success. Errors: ERR_IO, ERR_NOSPACE. synced: the file's data is already flushed.
 * path is not trusted: a link, a device or a file with a second name is refused. After an error the
 * contents must be written anew, not adopted again: a flush that failed once succeeds the next time
 * and the data are lost all the same. */
MUST_CHECK int blob_adopt(struct blob_store *bs, const char *id, const char *path, bool synced,
                          struct err *err);
/* A new, empty file of ours without a name, on the shelf of the blob id that it is to be; it goes with its descriptor.
 * *fd is -1 and the result 0 where the file system has no such files. Errors: ERR_IO, ERR_NOSPACE. */
MUST_CHECK int blob_begin(int *fd, struct blob_store *bs, const char *id, struct err *err);
/* It becomes that blob: named, flushed (its bytes only if `flush`), and its directory as well. Durable when it returns
 * 0. After an error *lost says whether the file is good for nothing now; otherwise this may be tried again. */
MUST_CHECK int blob_finish(struct blob_store *bs, const char *id, int fd, bool flush, bool *lost, struct err *err);
/* Of a process that is gone, which did not commit the blob's row: it is there, and whole. One that was begun without a
 * name may not be, and is removed. */
bool blob_was_left(struct blob_store *bs, const char *id);
/* It gets the name path instead, in the same file system; may be done once. Not flushed. Errors: ERR_IO,
 * ERR_NOSPACE. */
MUST_CHECK int blob_name(int fd, const char *path, struct err *err);
/* The same as blob_adopt() for the file name in the directory dir, which a process that is not trusted wrote and may
 * still have open: what is measured here is what the blob stays. The file itself becomes the blob when it can be made
 * ours alone: of our user, mode and times ours, no further attributes, and nobody has it open for writing. Else its
 * bytes are copied. max_size: more is refused. beside: what was summed of it already, or of another file, which is
 * found out; may be NULL, and is good for nothing afterwards. stop: may become true at any time, when nobody wants the
 * blob any more; then it is not read to its end and not flushed. The texts of errors name it as label. Errors:
 * ERR_WORKER (no regular file of one name, too large, kept from us), ERR_BUSY (stopped), ERR_IO, ERR_NOSPACE. */
struct blob_taken {
    int64_t size;
    char md5[33];
    bool copied;
};
MUST_CHECK int blob_take(struct blob_taken *out, struct blob_store *bs, const char *id, int dir, const char *name,
                         const char *label, int64_t max_size, struct blob_follow *beside, const atomic_bool *stop,
                         struct err *err);
/* Of a file that grows to size: the disk has something to do meanwhile, and the flush in the end waits for the rest
 * only. *begun: how far that is said already, 0 at first. A hint, whose failure says nothing. */
void blob_write_back(int fd, int64_t *begun, int64_t size);
/* A file is summed while such a process still writes it: what is left for blob_take() then takes a fraction of the
 * time. Only that depends on it: bytes that were changed after they were summed are noticed, and all is summed again.
 * NULL: there is no such regular file. */
struct blob_follow *blob_follow_new(int dir, const char *name);
struct blob_follow *blob_follow_ref(struct blob_follow *f); /* for another thread */
void blob_follow_unref(struct blob_follow *f);              /* NULL is fine */
/* Sums what has come, at most so many bytes more. Returns how many it did; 0 when there is nothing, or it is taken. */
int64_t blob_follow_step(struct blob_follow *f, int64_t most);
/* A blob that was adopted or cloned is held, until blob_release() says that its row is committed or will never be, or
 * it is deleted: the scrub must not take it in between. Only in memory: what is not named after a
 * restart is nobody's. */
void blob_release(struct blob_store *bs, const char *id);
bool blob_is_held(struct blob_store *bs, const char *id);
/* Read-only descriptor and size. Errors: ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK int blob_open(int *fd, int64_t *size, struct blob_store *bs, const char *id,
                         struct err *err);
/* Make the blob readable at path (hard link; a copy across file systems). Nothing may be at path.
 * Not durable. Errors: ERR_NOT_FOUND, ERR_IO, ERR_NOSPACE. */
MUST_CHECK int blob_link(struct blob_store *bs, const char *id, const char *path, struct err *err);
/* Same contents under a second id. Durable. Idempotent. Errors: ERR_NOT_FOUND, ERR_IO, ERR_NOSPACE,
 * ERR_EXISTS (new_id has other contents). */
MUST_CHECK int blob_clone(struct blob_store *bs, const char *id, const char *new_id,
                          struct err *err);
/* Missing is fine. Returns bytes freed (0 while a clone or link has the contents), or -1. Not
 * flushed: after a power cut the blob may be back. */
int64_t blob_delete(struct blob_store *bs, const char *id, struct err *err);
/* Every blob of one of the 256 shelves, and what else lies there (its id is no file id then). changed_us: when it
 * came, or was linked last. cb returns 0 to go on, -1 to stop. */
#define BLOB_SHELVES 256
MUST_CHECK int blob_each(struct blob_store *bs, int shelf,
                         int (*cb)(void *ctx, const char *id, int64_t size, int64_t changed_us), void *ctx,
                         struct err *err);
