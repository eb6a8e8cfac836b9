/* mime.h - what a file is, judged by its bytes. The name is a second witness only where bytes do not decide: inside one
 * container family (a zip called .docx) and for formats without a signature. Whoever opens a file asks here, and no
 * library's own guess: the type in the status and the loader that is used can't differ. */
#pragma once
#include "base/err.h"

#include <stdint.h>

#define MIME_LEN 128

/* Loads what knows the marks of files, which the first question does else. Errors: ERR_INTERNAL. */
MUST_CHECK int mime_init(struct err *err);
/* The MIME type of the file at path. name: what the client called it, may be NULL. An empty file is
 * "inode/x-empty", unknown bytes are "application/octet-stream".
 * Errors: ERR_IO. Blocks on disk only. */
MUST_CHECK int mime_detect(char out[static MIME_LEN], const char *path, const char *name,
                           struct err *err);

/* Is it gzipped? */
bool gzip_begins(const void *head, size_t len);
/* The contents of the gzipped file fd, at most max bytes of them; whole: more than max, or a broken stream, is no answer
 * (else what could be had). All members, one behind the other. NULL: not to be had. The caller frees. */
uint8_t *gzip_inflate(size_t *len, int fd, size_t max, bool whole);

/* ---- for mime.c alone ---- */

#define MIME_HEAD 4096 /* bytes of a file, enough for every mark */
/* fd: a file that begins with head[n]; ext: of the client's name, "". NULL: no such picture. */
const char *mime_picture(int fd, const unsigned char *head, size_t n, const char *ext);
