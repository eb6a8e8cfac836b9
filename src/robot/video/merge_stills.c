#include "base/str.h"
#include "media/vips.h"
#include "robot/values.h"
#include "robot/video/merge.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUALITY 96 /* of JPEG: hardly to be seen in a film */

static int still_open(struct image **out, struct merge *m, const struct merge_item *item,
                      struct err *err)
{
    const struct robot_input *in = robot_input(m->job, item->input);
    const struct image_load how = {
        .limits = media_limits(robot_settings(m->job)), .strict = true, .frame = 1};
    struct err why = {0};

    if (in->size > 0 && image_open(out, in->path, &how, &why) == 0)
        return 0;
    if (why.code == ERR_TIMEOUT)
        *err = why;
    else
        err_set(err, ERR_COMMAND, "'%s': %s", in->name,
                in->size > 0 ? why.msg : "the file is empty");
    return -1;
}

int merge_still_look(struct merge *m, struct merge_item *item, struct err *err)
{
    AUTO(image_free) struct image *img = NULL;

    if (still_open(&img, m, item, err) < 0)
        return -1;
    bool turned = image_orientation(img) >= 5;
    item->w = turned ? image_height(img) : image_width(img);
    item->h = turned ? image_width(img) : image_height(img);
    return 0;
}

const char *merge_still_path(const struct merge *m, int n)
{
    const char *mark = strstr(m->stills, "%05d");

    return arena_printf(robot_arena(m->job), "%.*s%05d%s", (int)(mark - m->stills), m->stills, n,
                        mark + 4);
}

void merge_stills_remove(const struct merge *m)
{
    for (int i = 0; m->stills && i < m->still_count; i++)
        (void)unlink(merge_still_path(m, i));
}

/* Into w x h, with the background around and behind it. */
static int still_shape(struct image *img, const struct merge *m, int64_t w, int64_t h,
                       struct err *err)
{
    struct color bg = value_rgba(m->o->background);

    bg.a = 255; /* films show what is behind as it is */
    if (image_autorotate(img, err) < 0 || image_to_srgb(img, err) < 0 ||
        (image_has_alpha(img) && image_flatten(img, bg, err) < 0))
        return -1;
    struct fit f = fit_plan(h ? m->join.box.strategy : FIT_FIT, image_width(img), image_height(img),
                            w, h, true, GRAVITY_CENTER);
    if (!h)
        f = fit_plan(FIT_STRETCH, image_width(img), image_height(img), w,
                     f.out_h < 2 ? 2 : f.out_h & ~INT64_C(1), true, GRAVITY_CENTER);
    return image_scale(img, f.scaled_w, f.scaled_h, false, err) < 0 ||
                   image_crop(img, &f.cut, err) < 0 ||
                   image_pad(img, f.pad_x, f.pad_y, f.out_w, f.out_h, bg, err) < 0
               ? -1
               : 0;
}

int merge_stills_write(struct merge *m, int64_t w, int64_t h, struct err *err)
{
    int n = 0;

    if (!m->still_count)
        return 0;
    m->stills = arena_printf(robot_arena(m->job), "%s.%%05d.jpg", robot_out_path(m->job, "still"));
    for (int i = 0; i < m->picture_count; i++) {
        AUTO(image_free) struct image *img = NULL;

        if (!m->pictures[i].still)
            continue;
        if (still_open(&img, m, &m->pictures[i], err) < 0 || still_shape(img, m, w, h, err) < 0 ||
            image_save(img, merge_still_path(m, n),
                       &(struct image_save){.format = "jpg", .quality = QUALITY, .strip = true},
                       err) < 0)
            return -1;
        n++;
    }
    return 0;
}

/* A tree of questions: at most ten for a thousand pictures. */
static void add_times(struct str *s, const double *at, int from, int to)
{
    int middle = from + (to - from) / 2;

    if (to - from == 1) {
        str_addf(s, "%.6f", at[from]);
        return;
    }
    str_addf(s, "if(lt(ld(0),%d),", middle);
    add_times(s, at, from, middle);
    str_putc(s, ',');
    add_times(s, at, middle, to);
    str_putc(s, ')');
}

const char *merge_still_times(const struct merge *m)
{
    AUTO(str_done) struct str s = {0};
    double *at = arena_alloc(robot_arena(m->job), (size_t)m->still_count * sizeof *at), all = 0;

    for (int i = 0; i < m->still_count; i++) {
        at[i] = all;
        all += m->pictures[i].shown;
    }
    str_addf(&s, "st(0,mod(N,%d))*0+floor(N/%d)*%.6f+", m->still_count, m->still_count, all);
    add_times(&s, at, 0, m->still_count);
    return arena_strdup(robot_arena(m->job), s.s);
}
