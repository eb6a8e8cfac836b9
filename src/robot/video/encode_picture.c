/* What the pictures of a film go through: turned, cut, scaled, laid over. */
#include "media/vips.h"
#include "robot/crop.h"
#include "robot/values.h"
#include "robot/video/encode.h"

#include <string.h>

bool encode_makes_gif(const struct av_profile *p)
{
    const char *codec = av_profile_get(p, "c:v");

    return p->makes & AV_VIDEO && !strcmp(p->muxer, "gif") && (!codec || !strcmp(codec, "gif"));
}

static bool keeps_alpha(const struct av_profile *p)
{
    static const char *const forms[] = {"yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8"};
    const char *form = av_profile_get(p, "pix_fmt");

    for (size_t i = 0; form && i < ARRAY_LEN(forms); i++)
        if (strstr(form, forms[i]))
            return true;
    return encode_makes_gif(p);
}

/* One more filter, or several, behind those that there are. */
static void then(struct film *f, const char *filters)
{
    if (*filters)
        f->chain =
            f->chain ? arena_printf(robot_arena(f->job), "%s,%s", f->chain, filters) : filters;
}

/* As it is seen: w and h are changed. */
static void turn(struct film *f, int64_t *w, int64_t *h)
{
    int64_t side = *w;
    bool lies = f->o->rotate == 90 || f->o->rotate == 270 ||
                (f->o->rotate == ENCODE_TURN_NEVER && f->info.orientation > 4);

    if (f->o->rotate > 0)
        then(f, f->o->rotate == 90    ? "transpose=clock"
                : f->o->rotate == 270 ? "transpose=cclock"
                                      : "hflip,vflip");
    if (lies) {
        *w = *h;
        *h = side;
    }
}

static int cut(struct film *f, int64_t *w, int64_t *h, struct err *err)
{
    struct arena *a = robot_arena(f->job);
    struct rect r;

    if (crop_read(&r, f->o->crop, *w, *h, err) < 0)
        return -1;
    then(f,
         arena_printf(a, "scale=%lld:%lld:flags=bicubic,setsar=1,crop=%lld:%lld:%lld:%lld:exact=1",
                      (long long)*w, (long long)*h, (long long)r.w, (long long)r.h, (long long)r.x,
                      (long long)r.y));
    *w = r.w;
    *h = r.h;
    return 0;
}

/* What is seen through, on the background's colour. */
static const char *flattened(struct film *f)
{
    struct color c = value_rgba(f->o->background);

    return arena_printf(
        robot_arena(f->job),
        "format=yuva444p,split[through][behind];[behind]drawbox=w=iw:h=ih:t=fill:color=0x%02x%02x"
        "%02x,format=yuv444p[ground];[ground][through]overlay=format=auto",
        (int)c.r, (int)c.g, (int)c.b);
}

/* ---- the watermark ---- */

/* Written as a file of exactly the size that it will have. */
static int write_mark(struct film *f, const struct robot_input *in, int64_t on_w, int64_t on_h,
                      struct err *err)
{
    const struct image_load how = {.limits = f->limits, .strict = true};
    AUTO(image_free) struct image *img = NULL;
    int64_t w, h;

    if (image_open(&img, in->path, &how, err) < 0 || image_autorotate(img, err) < 0 ||
        image_to_srgb(img, err) < 0) {
        AUTO(mem_free) char *why = mem_strdup(err->msg);

        return err_set(err, err->code, "the watermark '%.100s': %.300s", in->name, why);
    }
    w = image_width(img);
    h = image_height(img);
    watermark_size(&w, &h, &f->o->watermark, on_w, on_h);
    if (w > f->limits.max_pixels / h)
        return err_set(
            err, ERR_COMMAND,
            "the watermark would have %lldx%lld pixels, the limit is %lld (setting max_pixels)",
            (long long)w, (long long)h, (long long)f->limits.max_pixels);
    watermark_place(&f->mark_x, &f->mark_y, &f->o->watermark, f->in->id,
                    &(struct rect){0, 0, on_w, on_h}, w, h);
    f->mark = robot_out_path(f->job, "png");
    return image_scale(img, w, h, false, err) < 0
               ? -1
               : image_save(img, f->mark, &(struct image_save){.format = "png", .strip = true},
                            err);
}

static const char *laid_over(const struct film *f)
{
    const struct encode_opts *o = f->o;
    double from = o->watermark_start_time, lasts = o->watermark_duration;
    const struct av_mark mark = {.path = f->mark,
                                 .x = f->mark_x,
                                 .y = f->mark_y,
                                 .opacity = o->watermark.watermark_opacity,
                                 .from = from,
                                 .to = lasts < 0 ? -1 : from + lasts,
                                 .matrix = av_tones(f->p, &f->info) ? "bt709" : f->info.matrix,
                                 .deep = av_profile_is_deep(f->p)};

    return av_mark(robot_arena(f->job), &mark);
}

/* ---- all of it ---- */

/* The client's own size goes before the Step's, and that before the preset's. */
static void choose_box(struct av_box *box, const struct film *f)
{
    bool own = av_opt(&f->o->av, robot_arena(f->job), "s") ||
               av_opt(&f->o->av, robot_arena(f->job), "s:v");

    box->width = f->o->width && !own ? f->o->width : f->p->width;
    box->height = f->o->height && !own ? f->o->height : f->p->height;
    if (f->o->crop)
        box->width = box->height = 0;
}

int encode_picture(struct film *f, struct err *err)
{
    const struct encode_opts *o = f->o;
    struct arena *a = robot_arena(f->job);
    const struct robot_input *mark = robot_input_as(f->job, "watermark", 0);
    int64_t w = f->info.width, h = f->info.height, out_w, out_h;
    struct av_box box = {.strategy = (enum fit_strategy)o->resize_strategy,
                         .zoom = o->zoom,
                         .background = o->background,
                         .alpha = keeps_alpha(f->p),
                         .tone = av_tones(f->p, &f->info)};

    choose_box(&box, f);
    turn(f, &w, &h);
    if ((o->crop && cut(f, &w, &h, err) < 0) || av_box_check(f->job, &box, w, h, err) < 0)
        return -1;
    then(f, av_box(a, &box, w, h));
    if (f->info.has_alpha && !box.alpha)
        then(f, flattened(f));
    av_box_size(&out_w, &out_h, &box, w, h);
    if (mark) {
        if (write_mark(f, mark, out_w, out_h, err) < 0)
            return -1;
        then(f, laid_over(f));
    }
    if (f->p->vf)
        then(f, f->p->vf);
    return 0;
}
