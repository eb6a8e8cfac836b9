/* spool.h - bytes on their way in: appended to a file, hashed as they come, a blob in the end. Not
 * thread-safe: the owner guards it. */
#pragma once
#include "base/err.h"
#include "blob/blob.h"

struct spool {
    char *path;
    int fd;        /* -1: not open */
    void *md5;     /* EVP_MD_CTX of the first `size` bytes; NULL: not known yet (after a restart) */
    int64_t size;  /* bytes */
    int64_t begun; /* so many of them are on their way to the disk: blob_write_back() */
    bool doubtful; /* a flush failed: what is in the file may never reach the disk */
    bool unnamed;  /* nothing is at path yet: the file goes with fd */
};

/* A new, empty file. Errors: ERR_IO, ERR_NOSPACE. */
MUST_CHECK int spool_create(struct spool *s, const char *path, struct err *err);
/* One without a name so far, which becomes the blob id with less work; where there are no such files, as
 * spool_create(). For what comes in one go: after a kill nothing of it is left. Errors: ERR_IO, ERR_NOSPACE. */
MUST_CHECK int spool_begin(struct spool *s, const char *path, struct blob_store *bs, const char *id, struct err *err);
/* It is at path from here on, if it was nowhere. After an error it is as it was. */
MUST_CHECK int spool_name(struct spool *s, struct err *err);
/* An existing one; its size is what is there. The hash is made when it is needed. */
MUST_CHECK int spool_open(struct spool *s, const char *path, struct err *err);
MUST_CHECK int spool_write(struct spool *s, const void *data, size_t len, struct err *err);
/* Forget what came after size (bytes that a checksum refused). */
MUST_CHECK int spool_truncate(struct spool *s, int64_t size, struct err *err);
/* Its bytes and its name outlive a power failure from here on. On failure it is doubtful. */
MUST_CHECK int spool_flush(struct spool *s, struct err *err);
/* A new file or directory at path is found there after a power failure. Errors: ERR_IO. */
MUST_CHECK int name_flush(const char *path, struct err *err);
/* Make it the blob id (of one that is unnamed: that of its begin); md5 gets 32 hex digits. The file is closed. sync:
 * flush it to the disk first. */
MUST_CHECK int spool_commit(struct spool *s, char md5[33], struct blob_store *bs, const char *id, bool sync,
                            struct err *err);
/* Close; remove the file when `remove`. Returns its size if it was removed. */
int64_t spool_close(struct spool *s, bool remove);
