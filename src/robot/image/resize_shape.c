/* The shape of /image/resize's result. */
#include "robot/crop.h"
#include "robot/image/resize.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define invalid(err, ...) err_set(err, ERR_ROBOT_VALIDATION, __VA_ARGS__)

/* The picture, and what goes the same way. */
struct pair {
    struct image *img, *mask;       /* mask may be NULL */
    const struct resize_look *look; /* may be NULL */
};

static const struct color black = {0, 0, 0, 255};

static int pair_show(const struct pair *p, struct err *err)
{
    return p->look ? p->look->see(p->look->ctx, p->img, err) : 0;
}

static int pair_crop(const struct pair *p, const struct rect *r, struct err *err)
{
    return image_crop(p->img, r, err) < 0 ? -1 : p->mask ? image_crop(p->mask, r, err) : 0;
}

static int pair_scale(const struct pair *p, int64_t w, int64_t h, bool linear, struct err *err)
{
    return image_scale(p->img, w, h, linear, err) < 0 ? -1
           : p->mask                                  ? image_scale(p->mask, w, h, false, err)
                                                      : 0;
}

static int pair_autorotate(const struct pair *p, struct err *err)
{
    return image_autorotate(p->img, err) < 0 ? -1 : p->mask ? image_autorotate(p->mask, err) : 0;
}

/* A small file may ask for a huge result: the limit for what comes in holds for that as well. */
static int check_size(const struct fit *f, const struct image *img, const struct media_limits *lim,
                      struct err *err)
{
    int64_t w = f->scaled_w > f->out_w ? f->scaled_w : f->out_w;
    int64_t h = f->scaled_h > f->out_h ? f->scaled_h : f->out_h;

    if (w > lim->max_pixels / h / image_frames(img))
        return err_set(err, ERR_COMMAND,
                       "the result would have %" PRId64 "x%" PRId64
                       " pixels in %d frame(s), the limit is %" PRId64 " (setting max_pixels)",
                       w, h, image_frames(img), lim->max_pixels);
    return 0;
}

/* The window of a fillcrop or crop, where the picture itself says where it is to be. Of an
 * animation the first frame does. */
static int find_window(struct rect *cut, const struct pair *p, int gravity, struct err *err)
{
    if (cut->w == image_width(p->img) && cut->h == image_height(p->img))
        return 0;
    return image_find_interest(cut, p->img, gravity == GRAVITY_ENTROPY, err);
}

static int scale_to(const struct pair *p, const struct fit *f, const struct resize_opts *o,
                    struct color bg, struct err *err)
{
    struct rect cut = f->cut;

    if (pair_scale(p, f->scaled_w, f->scaled_h, o->correct_gamma, err) < 0 ||
        (o->gravity > GRAVITY_BOTTOM_RIGHT && find_window(&cut, p, o->gravity, err) < 0) ||
        pair_crop(p, &cut, err) < 0)
        return -1;
    if (f->out_w == f->cut.w && f->out_h == f->cut.h)
        return 0;
    if (bg.a && image_flatten(p->img, bg, err) < 0) /* or the padding would differ from the rest */
        return -1;
    if (p->mask && image_pad(p->mask, f->pad_x, f->pad_y, f->out_w, f->out_h, black, err) < 0)
        return -1;
    return image_pad(p->img, f->pad_x, f->pad_y, f->out_w, f->out_h, bg, err);
}

static struct fit plan(const struct resize_opts *o, int64_t w, int64_t h)
{
    return fit_plan((enum fit_strategy)o->resize_strategy, w, h, o->width, o->height, o->zoom,
                    o->gravity > GRAVITY_BOTTOM_RIGHT ? GRAVITY_CENTER : (enum gravity)o->gravity);
}

static int shave(const struct pair *p, const char *text, struct err *err)
{
    int64_t w = atoll(text), h = strchr(text, 'x') ? atoll(strchr(text, 'x') + 1) : w;
    const struct rect r = {w, h, image_width(p->img) - 2 * w, image_height(p->img) - 2 * h};

    if (r.w < 1 || r.h < 1)
        return invalid(err,
                       "'shave' %s leaves nothing of an image of %" PRId64 "x%" PRId64 " pixels",
                       text, image_width(p->img), image_height(p->img));
    return pair_crop(p, &r, err);
}

/* The whole picture to a size: what the file's decoder can do of that, it does. */
static int shape_at_once(const struct pair *p, const struct resize_opts *o, bool exif,
                         struct color bg, const struct media_limits *lim, struct err *err)
{
    struct image *img = p->img;
    bool swap = exif && image_orientation(img) >= 5;
    int64_t w = swap ? image_height(img) : image_width(img);
    int64_t h = swap ? image_width(img) : image_height(img);
    const struct fit f = plan(o, w, h);
    int64_t stored_w = swap ? f.scaled_h : f.scaled_w, stored_h = swap ? f.scaled_w : f.scaled_h;

    if (check_size(&f, img, lim, err) < 0 || image_shrink_on_load(img, stored_w, stored_h, err) < 0 ||
        pair_show(p, err) < 0)
        return -1;
    /* Turning needs the whole image in memory: make it small first. */
    if (exif && pair_scale(p, stored_w, stored_h, o->correct_gamma, err) < 0)
        return -1;
    return exif && pair_autorotate(p, err) < 0 ? -1 : scale_to(p, &f, o, bg, err);
}

static int shape_in_steps(const struct pair *p, const struct resize_opts *o, bool exif,
                          struct color bg, const struct media_limits *lim, struct err *err)
{
    struct image *img = p->img;
    struct rect r;

    if (pair_show(p, err) < 0 || (exif && pair_autorotate(p, err) < 0))
        return -1;
    if (o->trim_whitespace && (image_find_trim(&r, img, err) < 0 || pair_crop(p, &r, err) < 0))
        return -1;
    if (o->shave && shave(p, o->shave, err) < 0)
        return -1;
    if (o->crop)
        return crop_read(&r, o->crop, image_width(img), image_height(img), err) < 0
                   ? -1
                   : pair_crop(p, &r, err);
    if (!o->width && !o->height)
        return 0;
    const struct fit f = plan(o, image_width(img), image_height(img));
    return check_size(&f, img, lim, err) < 0 ? -1 : scale_to(p, &f, o, bg, err);
}

int resize_shape(struct image *img, struct image *mask, const struct resize_opts *o,
                 struct color bg, const struct media_limits *limits, const struct resize_look *look,
                 struct err *err)
{
    const struct pair p = {img, mask, look};
    double degrees;
    enum turn how;

    if (resize_turn(&how, &degrees, o->rotation, err) < 0)
        return -1;
    bool exif = how == TURN_EXIF && image_orientation(img) > 1;
    bool at_once = !o->crop && (o->width || o->height) && !o->trim_whitespace && !o->shave;
    if ((at_once ? shape_at_once : shape_in_steps)(&p, o, exif, bg, limits, err) < 0)
        return -1;
    if (how != TURN_DEGREES)
        return 0;
    image_forget_orientation(img);
    /* Quarter turns have no corners to fill, so they leave transparency to what comes later. */
    if (image_to_srgb(img, err) < 0 ||
        (bg.a && fmod(degrees, 90) != 0 && image_flatten(img, bg, err) < 0))
        return -1;
    return image_rotate(img, degrees, bg, err) < 0 ? -1
           : mask                                  ? image_rotate(mask, degrees, black, err)
                                                   : 0;
}
