/* probe.h - what the status says about a file: MIME type, extension, meta (file-meta.md). For
 * uploads and for the results of Robots. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "media/mime.h"
#include "media/vips.h"

struct probe_want {
    struct media_limits limits;
    const json_t *output_meta; /* the step's value; false: no meta at all; NULL: the usual */
    bool derived;              /* a Robot's result: date_file_created as well */
    /* Called before pixels are looked at when that will take a while: everything that is known by then; measures: the
     * rest could be found by image_measure(). May be NULL. meta is lent. 1: somebody else finds the rest, and the
     * probe is over. -1 ends it with its err. */
    int (*early)(void *ctx, const json_t *meta, const char *mime, const char *ext_hint, bool measures,
                 struct err *err);
    void *early_ctx;
};

/* Look at the file at path. name: what the client called it, may be NULL.
 * *meta: an object, the caller's. mime: detected. ext_hint: the extension that goes with it, ""
 * when unknown. mime and ext_hint are also set when the answer is ERR_META, so that a caller who
 * ignores that error can go on. Errors: ERR_META: the file claims to be an image, video... but
 * cannot be read, or is over a limit; ERR_TIMEOUT; ERR_IO. Blocks for at most limits.timeout_s per
 * tool. */
MUST_CHECK int probe_file(json_t **meta, char mime[static MIME_LEN], char ext_hint[static 16],
                          const char *path, const char *name, const struct probe_want *want,
                          struct err *err);
