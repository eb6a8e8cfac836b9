/* workcell-media: Robots that parse hostile bytes. */
#include "media/faces.h"
#include "media/probe.h"
#include "robot/robot.h"
#include "worker/role.h"

#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

static void preload(void)
{
    uint8_t blank[80 * 80] = {0};
    struct face none[1];

    /* the detector is plain arithmetic, without threads: loaded once, shared by all workers */
    faces_find(none, 1, blank, 80, 80);
}

/* The first decode, scaling and encode of a process cost about 10 ms more than the next ones: they are done here, on
 * a blank picture, before a job waits for them. */
static void warm(void)
{
    struct err err;
    VipsImage *blank = NULL, *small = NULL;

    if (media_init(&err) < 0)
        return;
    if (vips_black(&blank, 64, 64, "bands", 3, NULL) == 0 &&
        vips_jpegsave(blank, "out/warm.jpg", NULL) == 0 &&
        vips_thumbnail("out/warm.jpg", &small, 16, NULL) == 0)
        (void)!vips_jpegsave(small, "out/warm.jpg", NULL);
    if (blank)
        g_object_unref(blank);
    if (small)
        g_object_unref(small);
    unlink("out/warm.jpg");
    vips_error_clear();
}

static int probe(struct probe_result *out, const char *path, const char *name, const struct probe_how *how,
                 struct err *err)
{
    struct probe_want want = {media_limits(how->settings), how->output_meta, how->derived, how->early,
                              how->early_ctx};

    return probe_file(&out->meta, out->mime, out->ext, path, name, &want, err);
}

const struct role_program role_program = {
    .role = ROLE_MEDIA, .preload = preload, .warm = warm, .probe = probe};
