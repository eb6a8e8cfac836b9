/* /image/facedetect: find faces; report them or cut them out. */
#include "base/filetype.h"
#include "media/faces.h"
#include "media/image_emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FACES 1000
#define LONG_SIDE 1600 /* px the detector gets to see at most */

struct facedetect_opts {
    const char *provider; /* whose model: ours, whatever is asked for */
    bool crop;
    const char *crop_padding; /* "5px" or "10%" */
    int format;               /* enum image_type */
    int64_t min_confidence;   /* percent; a face must be above it */
    json_t *faces;            /* "each"..., or an index */
    json_t *output_meta;      /* shared by all Robots, but here we make the meta ourselves */
};

static const struct opt_choice formats[] = {
    {"preserve", IMAGE_AS_INPUT}, {"jpg", IMAGE_JPG}, {"png", IMAGE_PNG}, {"tiff", IMAGE_TIFF}, {0}};

static const struct option options[] = {
    OPT_STR(struct facedetect_opts, provider, .pattern = "^(auto|aws|gcp|replicate|fal|transloadit)$",
            .example = "\"aws\"", .idle = "faces are found on this server",
            .help = "Accepted and ignored: faces are found on this server."),
    OPT_BOOL(struct facedetect_opts, crop,
             .help = "One image per chosen face, instead of the input with meta.faces."),
    OPT_STR(struct facedetect_opts, crop_padding, .def_str = "5px", .pattern = "^[0-9]+(px|%)$", .example = "\"10%\"",
            .help = "Margin around each cut-out face, in pixels or percent of the face."),
    OPT_ENUM(struct facedetect_opts, format, formats, .def = IMAGE_AS_INPUT,
             .help = "Format of the cut-out faces."),
    OPT_INT(struct facedetect_opts, min_confidence, .min = 0, .max = 100, .def = 70,
            .help = "Percent that a face's confidence must exceed."),
    OPT_JSON(struct facedetect_opts, faces, .def_str = "\"each\"", .example = "\"group\"",
             .help = "each, max-confidence, max-size, group, or the index of one face from 0."),
    OPT_JSON(struct facedetect_opts, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

enum pick { PICK_EACH, PICK_CONFIDENCE, PICK_SIZE, PICK_GROUP, PICK_INDEX };

static int read_faces(enum pick *out, int64_t *index, const json_t *v, struct err *err)
{
    static const char *const names[] = {"each", "max-confidence", "max-size", "group"};
    const char *s = json_string_value(v);

    for (size_t i = 0; s && i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], s)) {
            *out = (enum pick)i;
            return 0;
        }
    *out = PICK_INDEX;
    /* As wherever a whole number is asked for: 3, 3.0 and "3". One that no face has is no mistake.
     */
    if (json_is_number(v) && floor(json_number_value(v)) == json_number_value(v))
        *index = (int64_t)fmax(fmin(json_number_value(v), MAX_FACES), -1);
    else if (s && *s && strspn(s, "0123456789") == strlen(s))
        *index = (int64_t)fmin(strtod(s, NULL), MAX_FACES);
    else
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'faces' must be one of \"each\", \"max-confidence\", \"max-size\", "
                       "\"group\", or an index from 0");
    return 0;
}

static int facedetect_check(const void *opts, bool partial, struct err *err)
{
    const struct facedetect_opts *o = opts;
    int64_t index;
    enum pick p;

    return read_faces(&p, &index, o->faces, err);
}

struct found {
    int64_t x, y, w, h; /* px of the turned input */
    double confidence;  /* percent */
};

static int by_corner(const void *a, const void *b)
{
    const struct found *f = a, *g = b;

    return f->y != g->y ? (f->y > g->y) - (f->y < g->y) : (f->x > g->x) - (f->x < g->x);
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* All faces above min_confidence, by top left corner. Returns how many, or -1. */
static int find(struct found *out, const struct image *img, int64_t min_confidence, struct err *err)
{
    AUTO(mem_free) char *gray = NULL;
    struct face faces[MAX_FACES];
    int64_t w = image_width(img), h = image_height(img), longest = w > h ? w : h;
    /* The detector's smallest face has 80 px. Small pictures are doubled, as it was trained. */
    double scale = longest > LONG_SIDE        ? (double)LONG_SIDE / (double)longest
                   : longest * 2 <= LONG_SIDE ? 2
                                              : (double)LONG_SIDE / (double)longest;
    int64_t sw = fit_round((double)w * scale), sh = fit_round((double)h * scale);
    int n, kept = 0;

    if (image_gray((uint8_t **)&gray, img, sw, sh, err) < 0)
        return -1;
    if ((n = faces_find(faces, MAX_FACES, (const uint8_t *)gray, (int)sw, (int)sh)) < 0)
        return err_set(err, ERR_COMMAND, "the face detector failed");
    for (int i = 0; i < n; i++) {
        double percent = floor(faces_confidence(faces[i].score) * 100 + 0.5) / 100;
        int64_t x1 = clamp(llround(faces[i].x / scale), 0, w - 1);
        int64_t y1 = clamp(llround(faces[i].y / scale), 0, h - 1);
        int64_t x2 = clamp(llround((faces[i].x + faces[i].w) / scale), x1 + 1, w);
        int64_t y2 = clamp(llround((faces[i].y + faces[i].h) / scale), y1 + 1, h);

        if (percent > (double)min_confidence)
            out[kept++] = (struct found){x1, y1, x2 - x1, y2 - y1, percent};
    }
    qsort(out, (size_t)kept, sizeof *out, by_corner);
    return kept;
}

/* Leave only the wanted ones in f; returns how many. */
static int pick(struct found *f, int n, enum pick how, int64_t index)
{
    int best = 0;

    if (n == 0 || how == PICK_EACH)
        return n;
    if (how == PICK_GROUP) {
        struct found g = f[0];

        for (int i = 1; i < n; i++) {
            int64_t x2 = g.x + g.w, y2 = g.y + g.h;

            x2 = f[i].x + f[i].w > x2 ? f[i].x + f[i].w : x2;
            y2 = f[i].y + f[i].h > y2 ? f[i].y + f[i].h : y2;
            g.x = f[i].x < g.x ? f[i].x : g.x;
            g.y = f[i].y < g.y ? f[i].y : g.y;
            g.w = x2 - g.x;
            g.h = y2 - g.y;
            g.confidence = f[i].confidence > g.confidence ? f[i].confidence : g.confidence;
        }
        f[0] = g;
        return 1;
    }
    if (how == PICK_INDEX) {
        if (index < 0 || index >= n)
            return 0;
        best = (int)index;
    } else {
        for (int i = 1; i < n; i++)
            if (how == PICK_SIZE ? f[i].w * f[i].h > f[best].w * f[best].h
                                 : f[i].confidence > f[best].confidence)
                best = i;
    }
    f[0] = f[best];
    return 1;
}

static json_t *entry(double confidence, int64_t x1, int64_t y1, int64_t x2, int64_t y2, int64_t w,
                     int64_t h)
{
    return json_pack("{s:f,s:I,s:I,s:I,s:I,s:I,s:I}", "confidence", confidence, "height",
                     (json_int_t)h, "width", (json_int_t)w, "x1", (json_int_t)x1, "x2",
                     (json_int_t)x2, "y1", (json_int_t)y1, "y2", (json_int_t)y2);
}

/* "10%" of side, or "5px". No picture is larger than the most that this can be. */
static int64_t padding(const char *text, int64_t side)
{
    double n = strtod(text, NULL);

    return (int64_t)fmin(strchr(text, '%') ? floor(n * (double)side / 100 + 0.5) : n, INT32_MAX);
}

/* The face with its padding, as much of it as there is in the picture. */
static struct rect padded(const struct found *f, const struct image *img, const char *text)
{
    int64_t px = padding(text, f->w), py = padding(text, f->h), w = image_width(img),
            h = image_height(img);
    int64_t left = clamp(f->x - px, 0, w), top = clamp(f->y - py, 0, h);
    int64_t right = clamp(f->x + f->w + px, 0, w), bottom = clamp(f->y + f->h + py, 0, h);

    return (struct rect){left, top, right - left, bottom - top};
}

/* Many faces, each with all of the picture around it, would be many pictures: the limit for one
 * holds for all together. */
static int check_crops(const struct found *f, int n, const struct image *img,
                       const char *padding_text, int64_t max_pixels, struct err *err)
{
    int64_t all = 0;

    for (int i = 0; i < n; i++) {
        const struct rect r = padded(&f[i], img, padding_text);

        all += r.w * r.h;
    }
    return all <= max_pixels ? 0
                             : err_set(err, ERR_COMMAND,
                                       "the %d faces with their padding have %lld pixels, the "
                                       "limit is %lld (setting max_pixels)",
                                       n, (long long)all, (long long)max_pixels);
}

static int emit_crop(struct robot_job *job, const struct image *img, const struct found *f,
                     const struct facedetect_opts *o, struct err *err)
{
    AUTO(image_free) struct image *face = NULL;
    const struct rect cut = padded(f, img, o->crop_padding);
    struct image_emit how = {.asked = (enum image_type)o->format,
                             .output_meta = o->output_meta,
                             .told = 1,
                             .save = {.format = image_emit_format(img, (enum image_type)o->format, "png"), .quality = 92}};

    if (image_copy(&face, img, err) < 0 || image_crop(face, &cut, err) < 0 ||
        (!image_keeps_alpha(how.save.format) && image_flatten(face, (struct color){255, 255, 255, 255}, err) < 0))
        return -1;
    /* The far corner stays that of the bare face: what the contract's published status shows. */
    how.meta = json_pack("{s:[o]}", "faces", entry(f->confidence, cut.x, cut.y, f->x + f->w, f->y + f->h, cut.w, cut.h));
    return image_emit(job, face, &how, err);
}

static int facedetect_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct facedetect_opts *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    const struct image_load how = {.limits = media_limits(robot_settings(job)), .strict = true};
    AUTO(image_free) struct image *img = NULL;
    struct found found[MAX_FACES];
    int64_t index = 0;
    enum pick wanted;
    int n;

    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    if (read_faces(&wanted, &index, o->faces, err) < 0 || image_open(&img, in->path, &how, err) < 0)
        return -1;
    image_watch(img, image_tell_job, job, 0, 0.3);
    if (image_autorotate(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    image_watch(img, NULL, NULL, 0, 0);
    if ((n = find(found, img, o->min_confidence, err)) < 0)
        return -1;
    n = pick(found, n, wanted, index);
    robot_progress(job, 0.8);

    if (o->crop) {
        if (check_crops(found, n, img, o->crop_padding, how.limits.max_pixels, err) < 0)
            return -1;
        for (int i = 0; i < n; i++)
            if (emit_crop(job, img, &found[i], o, err) < 0)
                return -1;
        return 0;
    }
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const struct found *f = &found[i];

        json_array_append_new(
            list, entry(f->confidence, f->x, f->y, f->x + f->w, f->y + f->h, f->w, f->h));
    }
    return robot_emit_same(job, 0, json_pack("{s:o}", "faces", list), err);
}

const struct robot robot_image_facedetect = {
    .name = "/image/facedetect",
    .summary = "Find faces",
    .accepts = filetype_pictures,
    .nothing = "no face was found",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .min_charge = 5242880,
    .opts_size = sizeof(struct facedetect_opts),
    .slots = 20,
    .options = options,
    .check = facedetect_check,
    .run = IN_WORKER(facedetect_run),
};
