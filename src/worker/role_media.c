/* workcell-media: Robots that parse hostile bytes. */
#include "media/faces.h"
#include "media/mime.h"
#include "media/probe.h"
#include "media/tool.h"
#include "robot/robot.h"
#include "worker/role.h"

#include <ftw.h>
#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

/* What reads no file of anybody's and starts no thread is loaded once, and all workers have it. Most of what a worker's
 * start took was libvips' plug-ins: their libraries have tens of thousands of names to be looked up. */
static void media_preload(void)
{
    uint8_t blank[80 * 80] = {0};
    struct face none[1];
    struct err err;

    faces_find(none, 1, blank, 80, 80);
    /* one that can't says so when it is asked for something */
    (void)!media_init(&err);
    (void)!mime_init(&err);
}

/* The first decode, scaling and encode of a process cost about 10 ms more than the next ones: they are done here, on
 * a blank picture, before a job waits for them. */
static void media_warm(void)
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

static int media_probe(struct probe_result *out, const char *path, const char *name, const struct probe_how *how,
                             struct err *err)
{
    struct probe_want want = {media_limits(how->settings), how->output_meta, how->derived, how->early,
                              how->early_ctx};

    return probe_file(&out->meta, out->mime, out->ext, path, name, &want, err);
}

/* ---- for doctor ---- */

static json_t *tool(const char *name, const char *flag)
{
    const char *const argv[] = {name, flag, NULL};
    AUTO(str_done) struct str out = {0};
    struct err err;

    if (tool_text(&out, argv, 10000, 64 * 1024, &err) < 0)
        return json_pack("{s:b,s:o}", "works", 0, "text", jstring(err.msg));
    return json_pack("{s:b,s:o}", "works", 1, "text",
                     json_stringn(out.s ? out.s : "", out.s ? strcspn(out.s, "\n") : 0));
}

/* A picture through the encoder and back says more than a list of what libvips was built with. */
static bool codec_works(const char *suffix)
{
    VipsImage *blank = NULL, *back = NULL;
    void *buf = NULL;
    size_t len;
    double mean;
    bool ok = vips_black(&blank, 32, 32, "bands", 3, NULL) == 0 &&
              vips_image_write_to_buffer(blank, suffix, &buf, &len, NULL) == 0 &&
              (back = vips_image_new_from_buffer(buf, len, "", NULL)) && vips_avg(back, &mean, NULL) == 0;

    if (blank)
        g_object_unref(blank);
    if (back)
        g_object_unref(back);
    g_free(buf);
    vips_error_clear();
    return ok;
}

/* Formats that are only read: a small file each. */
static bool reads(const char *text)
{
    VipsSource *source = vips_source_new_from_memory(text, strlen(text));
    VipsImage *image = source ? vips_image_new_from_source(source, "", NULL) : NULL;
    double mean;
    bool ok = image && vips_avg(image, &mean, NULL) == 0;

    if (image)
        g_object_unref(image);
    if (source)
        g_object_unref(source);
    vips_error_clear();
    return ok;
}

static int fonts;

static int count_font(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    fonts += kind == FTW_F && (str_ends(path, ".ttf") || str_ends(path, ".otf") || str_ends(path, ".ttc") ||
                               str_ends(path, ".pfb"));
    return 0;
}

static void media_describe(json_t *out)
{
    static const struct {
        const char *name, *argument;
    } tools[] = {{"ffprobe", "-version"},   {"pdfinfo", "-v"},     {"optipng", "-v"},     {"gifsicle", "--version"},
                 {"pngquant", "--version"}, {"cwebp", "-version"}, {"scour", "--version"},
                 {"mutool", "-v"},          {"7zz", "--help"},    {"qpdf", "--version"}, {"gs", "--version"},
                 {"tesseract", "--version"}, {"rsvg-convert", "--version"}};
    static const char *const suffixes[] = {".jpg", ".png", ".webp", ".gif", ".avif", ".tiff", ".jp2", ".jxl", NULL};
    static const char svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><circle r='4'/></svg>";
    json_t *codecs = json_object(), *loads = json_object(), *works = json_object();
    struct face none[1];
    uint8_t blank[80 * 80] = {0};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(tools); i++)
        json_object_set_new(works, tools[i].name, tool(tools[i].name, tools[i].argument));
    json_object_set_new(out, "tools", works);
    if (media_init(&err) < 0) {
        json_object_set_new(out, "libvips_error", jstring(err.msg));
    } else {
        json_object_set_new(out, "libvips", json_string(vips_version_string()));
        for (const char *const *s = suffixes; *s; s++)
            json_object_set_new(codecs, *s + 1, json_boolean(codec_works(*s)));
        json_object_set_new(loads, "svg", json_boolean(reads(svg)));
        json_object_set_new(loads, "ppm", json_boolean(reads("P2 2 1 9 3 4\n")));
    }
    json_object_set_new(out, "codecs", codecs);
    json_object_set_new(out, "loaders", loads);
    json_object_set_new(out, "faces", json_boolean(faces_find(none, 1, blank, 80, 80) >= 0));
    nftw("/usr/share/fonts", count_font, 16, FTW_PHYS);
    nftw("/usr/local/share/fonts", count_font, 16, FTW_PHYS);
    json_object_set_new(out, "fonts", json_integer(fonts));
}

const struct role_program role_program = {
    .role = ROLE_MEDIA, .preload = media_preload, .warm = media_warm, .probe = media_probe, .stuck = tool_is_stuck, .describe = media_describe};
