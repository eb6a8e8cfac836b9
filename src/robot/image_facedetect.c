/* /image/facedetect: find frontal faces; return the picture with their boxes, or one cut-out per face.
 * The box arithmetic is deduced from a published status, see the contract's robots page. */
#include "media/faces.h"
#include "media/fit.h"
#include "media/mime.h"
#include "media/vips.h"
#include "robot/robot.h"

#include <math.h>
#include <string.h>

#define MAX_FACES 512
#define DETECT_SIDE 1600 /* px: the longer side is scaled to this, at most ENLARGE times up */
#define ENLARGE 3.2
#define JPEG_QUALITY 92

enum format { FORMAT_PRESERVE, FORMAT_JPG, FORMAT_PNG, FORMAT_TIFF };
enum pick { PICK_EACH, PICK_GROUP, PICK_CONFIDENCE, PICK_SIZE, PICK_INDEX };

struct facedetect_opts {
    bool crop;
    const char *crop_padding, *provider;
    int format;             /* enum format */
    int64_t min_confidence; /* percent; a face must exceed it */
    json_t *faces;
};

static const struct opt_choice formats[] = {
    {"preserve", FORMAT_PRESERVE}, {"jpg", FORMAT_JPG}, {"png", FORMAT_PNG}, {"tiff", FORMAT_TIFF}, {0}};

static const struct option options[] = {
    OPT_BOOL(struct facedetect_opts, crop, .help = "Return one cut-out per face, not the picture with its boxes."),
    OPT_STR(struct facedetect_opts, crop_padding, .def_str = "5px", .pattern = "^[0-9]{1,6}(px|%)$",
            .help = "Margin around each cut-out: pixels, or percent of the face's side."),
    OPT_ENUM(struct facedetect_opts, format, formats, .def = FORMAT_PRESERVE,
             .help = "Format of the cut-outs."),
    OPT_INT(struct facedetect_opts, min_confidence, .max = 100, .def = 70, .unit = "percent",
            .help = "A face must exceed this confidence."),
    OPT_JSON(struct facedetect_opts, faces, .def_str = "\"each\"",
             .help = "\"each\", \"group\", \"max-confidence\", \"max-size\", or the index of one face from 0."),
    OPT_STR(struct facedetect_opts, provider, .pattern = "^(aws|gcp|replicate|fal|transloadit)$",
            .help = "Accepted and ignored: detection runs here."),
    OPT_END,
};

struct box {
    int64_t x, y, w, h; /* px of the input */
    double confidence;  /* percent, two decimals */
};

static int parse_pick(enum pick *pick, int64_t *index, const json_t *v, struct err *err)
{
    static const struct {
        const char *name;
        enum pick pick;
    } names[] = {{"each", PICK_EACH},
                 {"group", PICK_GROUP},
                 {"max-confidence", PICK_CONFIDENCE},
                 {"max-size", PICK_SIZE}};
    const char *s = json_string_value(v);

    for (size_t i = 0; s && i < ARRAY_LEN(names); i++)
        if (!strcmp(s, names[i].name)) {
            *pick = names[i].pick;
            return 0;
        }
    *pick = PICK_INDEX;
    if (json_is_integer(v) && json_integer_value(v) >= 0) {
        *index = json_integer_value(v);
        return 0;
    }
    if (s && *s && strlen(s) < 9 && strspn(s, "0123456789") == strlen(s)) {
        *index = atoll(s);
        return 0;
    }
    return err_set(err, ERR_ROBOT_VALIDATION,
                   "'faces' must be each, group, max-confidence, max-size or an index from 0");
}

static int facedetect_check(const void *opts, bool partial, struct err *err)
{
    const struct facedetect_opts *o = opts;
    enum pick pick;
    int64_t index;

    (void)partial;
    return parse_pick(&pick, &index, o->faces, err);
}

static int by_corner(const void *x, const void *y)
{
    const struct box *a = x, *b = y;

    return a->y != b->y ? (a->y < b->y ? -1 : 1) : a->x < b->x ? -1 : a->x > b->x;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* All faces above the limit, sorted by their top left corner. */
static int detect(struct box *out, int *count, const struct image *img, int64_t min_confidence,
                  struct err *err)
{
    int64_t w = image_width(img), h = image_height(img), longer = w > h ? w : h;
    double scale = fmin((double)DETECT_SIDE / (double)longer, ENLARGE);
    int64_t sw = fit_round((double)w * scale), sh = fit_round((double)h * scale);
    AUTO(mem_free) char *gray = NULL;
    uint8_t *pixels = NULL;
    struct face found[MAX_FACES];
    int n, kept = 0;

    if (image_gray(&pixels, img, sw, sh, err) < 0)
        return -1;
    gray = (char *)pixels;
    if ((n = faces_find(found, MAX_FACES, pixels, (int)sw, (int)sh)) < 0)
        return err_set(err, ERR_COMMAND, "the face detector ran out of memory");
    for (int i = 0; i < n; i++) {
        double percent = floor(faces_confidence(found[i].score) * 100 + 0.5) / 100;
        int64_t x1 = clamp((int64_t)floor(found[i].x / scale + 0.5), 0, w - 1);
        int64_t y1 = clamp((int64_t)floor(found[i].y / scale + 0.5), 0, h - 1);
        int64_t x2 = clamp((int64_t)floor((found[i].x + found[i].w) / scale + 0.5), x1 + 1, w);
        int64_t y2 = clamp((int64_t)floor((found[i].y + found[i].h) / scale + 0.5), y1 + 1, h);

        if (percent > (double)min_confidence)
            out[kept++] = (struct box){x1, y1, x2 - x1, y2 - y1, percent};
    }
    qsort(out, (size_t)kept, sizeof *out, by_corner);
    *count = kept;
    return 0;
}

/* Leaves the chosen faces at the front of b. Ties go to the first in order. */
static int choose(struct box *b, int n, enum pick pick, int64_t index)
{
    int best = 0;

    if (pick == PICK_EACH || !n)
        return n;
    if (pick == PICK_INDEX) {
        if (index >= n)
            return 0;
        b[0] = b[index];
        return 1;
    }
    if (pick == PICK_GROUP) {
        int64_t x2 = 0, y2 = 0;
        struct box all = b[0];

        for (int i = 0; i < n; i++) {
            all.x = b[i].x < all.x ? b[i].x : all.x;
            all.y = b[i].y < all.y ? b[i].y : all.y;
            x2 = b[i].x + b[i].w > x2 ? b[i].x + b[i].w : x2;
            y2 = b[i].y + b[i].h > y2 ? b[i].y + b[i].h : y2;
            all.confidence = fmax(all.confidence, b[i].confidence);
        }
        all.w = x2 - all.x;
        all.h = y2 - all.y;
        b[0] = all;
        return 1;
    }
    for (int i = 1; i < n; i++)
        if (pick == PICK_CONFIDENCE ? b[i].confidence > b[best].confidence
                                    : b[i].w * b[i].h > b[best].w * b[best].h)
            best = i;
    b[0] = b[best];
    return 1;
}

static json_t *entry(double confidence, int64_t x1, int64_t y1, int64_t x2, int64_t y2, int64_t w, int64_t h)
{
    return json_pack("{s:f,s:I,s:I,s:I,s:I,s:I,s:I}", "confidence", confidence, "height", (json_int_t)h, "width",
                     (json_int_t)w, "x1", (json_int_t)x1, "x2", (json_int_t)x2, "y1", (json_int_t)y1, "y2",
                     (json_int_t)y2);
}

/* The margin on each side: percent of that side of the face, or pixels. */
static int64_t padding(const char *text, int64_t side)
{
    double n = atof(text);

    return strchr(text, '%') ? (int64_t)floor(n * (double)side / 100 + 0.5) : (int64_t)n;
}

static int cut_out(struct robot_job *job, const struct image *img, const struct box *b,
                   const struct facedetect_opts *o, const char *format, struct err *err)
{
    AUTO(image_free) struct image *face = NULL;
    AUTO(json_unref) json_t *meta = json_object();
    int64_t px = padding(o->crop_padding, b->w), py = padding(o->crop_padding, b->h);
    int64_t x1 = b->x - px, y1 = b->y - py, x2 = b->x + b->w + px, y2 = b->y + b->h + py;
    struct image_save save = {.format = format, .quality = JPEG_QUALITY};
    const char *path = robot_out_path(job, format);

    x1 = clamp(x1, 0, image_width(img) - 1);
    y1 = clamp(y1, 0, image_height(img) - 1);
    x2 = clamp(x2, x1 + 1, image_width(img));
    y2 = clamp(y2, y1 + 1, image_height(img));
    struct rect r = {x1, y1, x2 - x1, y2 - y1};
    if (image_copy(&face, img, err) < 0 || image_crop(face, &r, err) < 0 || image_render(face, err) < 0 ||
        image_save(face, path, &save, err) < 0 || image_meta(meta, face, NULL, err) < 0 ||
        meta_add_dates(meta, path, true, err) < 0)
        return -1;
    /* x2 and y2 are still the far corner of the bare face: what the hosted service reports */
    json_object_set_new(meta, "faces",
                        json_pack("[o]", entry(b->confidence, x1, y1, b->x + b->w, b->y + b->h, r.w, r.h)));
    struct robot_output out = {.path = path,
                               .ext = format,
                               .mime = mime_by_ext(format),
                               .meta = json_incref(meta),
                               .meta_complete = true,
                               .input = 0};
    return robot_emit(job, &out, err);
}

static int facedetect_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const char *const names[] = {NULL, "jpg", "png", "tiff"};
    const struct facedetect_opts *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(image_free) struct image *img = NULL;
    struct image_load how = {.limits = media_limits(robot_settings(job))};
    struct box boxes[MAX_FACES];
    enum pick pick;
    int64_t index = 0;
    int n = 0;

    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file is empty");
    if (parse_pick(&pick, &index, o->faces, err) < 0 || image_open(&img, in->path, &how, err) < 0 ||
        image_autorotate(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    robot_progress(job, 0.2);
    if (detect(boxes, &n, img, o->min_confidence, err) < 0)
        return -1;
    robot_progress(job, 0.8);
    n = choose(boxes, n, pick, index);
    if (!o->crop) {
        json_t *faces = json_array();

        for (int i = 0; i < n; i++)
            json_array_append_new(faces, entry(boxes[i].confidence, boxes[i].x, boxes[i].y,
                                               boxes[i].x + boxes[i].w, boxes[i].y + boxes[i].h, boxes[i].w,
                                               boxes[i].h));
        return robot_emit_same(job, 0, json_pack("{s:o}", "faces", faces), err);
    }
    const char *format = names[o->format];
    if (!format) /* the extension stays as it was, when it says what we write */
        format = image_can_write(in->ext) && !strcmp(image_canonical(in->ext), image_format(img)) ? in->ext
                 : image_can_write(image_format(img))                                            ? image_format(img)
                                                                                                 : "png";
    for (int i = 0; i < n; i++)
        if (cut_out(job, img, &boxes[i], o, format, err) < 0)
            return -1;
    return 0;
}

const struct robot robot_image_facedetect = {
    .name = "/image/facedetect",
    .summary = "Find faces in images",
    .validation_code = "IMAGE_FACEDETECT_VALIDATION",
    .accepts = "image/",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .min_charge = 5242880,
    .opts_size = sizeof(struct facedetect_opts),
    .options = options,
    .check = facedetect_check,
    .run = IN_WORKER(facedetect_run),
};
