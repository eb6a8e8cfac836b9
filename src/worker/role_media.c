/* workcell-media: Robots that parse hostile bytes. */
#include "media/faces.h"
#include "media/probe.h"
#include "robot/robot.h"
#include "worker/role.h"

#include <string.h>

static void preload(void)
{
    uint8_t blank[80 * 80] = {0};
    struct face none[1];

    /* the detector is plain arithmetic, without threads: loaded once, shared by all workers */
    faces_find(none, 1, blank, 80, 80);
}

static void warm(void)
{
    struct err err;

    (void)!media_init(&err);
}

static int probe(struct probe_result *out, const char *path, const char *name, const json_t *output_meta,
                 const json_t *settings, bool derived, struct err *err)
{
    struct probe_want want = {media_limits(settings), output_meta, derived};

    return probe_file(&out->meta, out->mime, out->ext, path, name, &want, err);
}

const struct role_program role_program = {
    .role = ROLE_MEDIA, .preload = preload, .warm = warm, .probe = probe};
