/* mime.h - what a file is, judged by its bytes; the name only decides inside one container family
 * (a zip called .docx). Also the tables between MIME types, kinds and extensions. */
#pragma once
#include "base/err.h"

#define MIME_LEN 128

/* The MIME type of the file at path. name: what the client called it, may be NULL. An empty file is
 * "inode/x-empty", unknown bytes are "application/octet-stream".
 * Errors: ERR_IO. Blocks on disk only. */
MUST_CHECK int mime_detect(char out[static MIME_LEN], const char *path, const char *name,
                           struct err *err);
const char *mime_kind(const char *mime);  /* "image", "video", "audio" or "" */
const char *mime_ext(const char *mime);   /* preferred extension, NULL: unknown */
const char *mime_by_ext(const char *ext); /* any case, without the dot; NULL: unknown */
