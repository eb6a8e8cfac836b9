/* /video/adaptive: the playlists, from what was written. */
#include "robot/video/adaptive.h"
#include "base/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HLS_TYPE "application/vnd.apple.mpegurl"
#define DASH_TYPE "application/dash+xml"

static json_t *meta_of(const char *folder) { return json_pack("{s:s}", "relative_path", folder); }

static int by_rate(const void *x, const void *y)
{
    const struct rendition *a = *(struct rendition *const *)x, *b = *(struct rendition *const *)y;
    int64_t p = rendition_mean(a), q = rendition_mean(b);

    return a->has_video != b->has_video ? b->has_video - a->has_video
           : p != q                     ? (p > q) - (p < q)
                                        : strcmp(a->folder, b->folder);
}

static int emit_list(struct adapting *w, const struct str *text, const char *name, const char *type,
                     json_t *meta, int input, struct err *err)
{
    const char *dot = strrchr(name, '.'), *path = robot_out_path(w->job, "txt");

    if (file_make(path, text->s, text->len, err) < 0) {
        json_decref(meta);
        return -1;
    }
    return robot_emit(w->job,
                      &(struct robot_output){.path = path,
                                             .name = name,
                                             .ext = dot ? dot + 1 : "",
                                             .mime = type,
                                             .meta = meta,
                                             .meta_complete = true,
                                             .input = input},
                      err);
}

static json_t *meta_of_list(struct adapting *w, const struct rendition *r)
{
    json_t *meta = meta_of(r->folder);

    if (r->has_video)
        json_object_set_new(meta, "resolution",
                            json_sprintf("%" PRId64 "x%" PRId64, r->width, r->height));
    json_object_set_new(meta, "bandwidth", json_integer(rendition_peak(r)));
    json_object_set_new(meta, "codecs", json_string(rendition_codecs(robot_arena(w->job), r)));
    json_object_set_new(meta, "closed_captions", json_boolean(r->captions));
    return meta;
}

static int emit_hls(struct adapting *w, const char *name, struct err *err)
{
    struct rendition **lists[] = {w->out, w->sounds};
    int counts[] = {w->out_count, w->sound_count};
    AUTO(str_done) struct str top = {0};

    for (int k = 0; k < 2; k++)
        for (int i = 0; i < counts[k]; i++) {
            AUTO(str_done) struct str text = {0};

            playlist_hls_pieces(&text, lists[k][i]);
            if (emit_list(w, &text, ADAPTIVE_LIST, HLS_TYPE, meta_of_list(w, lists[k][i]), 0, err) <
                0)
                return -1;
        }
    playlist_hls_top(&top,
                     &(struct playlist_hls){.variants = (const struct rendition *const *)w->out,
                                            .variant_count = w->out_count,
                                            .sounds = (const struct rendition *const *)w->sounds,
                                            .sound_count = w->sound_count,
                                            .no_captions = !w->o->closed_captions,
                                            .list_name = ADAPTIVE_LIST});
    return emit_list(w, &top, name, HLS_TYPE, meta_of("."), 0, err);
}

static int emit_dash(struct adapting *w, const char *name, struct err *err)
{
    AUTO(str_done) struct str top = {0};
    int n = 0;
    const struct rendition **all =
        arena_alloc(robot_arena(w->job), (size_t)(w->out_count + w->sound_count) * sizeof *all);

    for (int i = 0; i < w->out_count; i++)
        all[n++] = w->out[i];
    for (int i = 0; i < w->sound_count; i++)
        all[n++] = w->sounds[i];
    playlist_dash(&top, all, n);
    return emit_list(w, &top, name, DASH_TYPE, meta_of("."), 0, err);
}

int adaptive_list_all(struct adapting *w, struct err *err)
{
    const struct adaptive_opts *o = w->o;
    bool hls = o->technique == TECHNIQUE_HLS;
    const char *name = str_given(o->playlist_name) ? o->playlist_name
                       : hls                       ? ADAPTIVE_LIST
                                                   : "playlist.mpd";
    const char *second = str_given(o->hls_playlist_name) ? o->hls_playlist_name : ADAPTIVE_LIST;

    qsort(w->out, (size_t)w->out_count, sizeof *w->out, by_rate);
    qsort(w->sounds, (size_t)w->sound_count, sizeof *w->sounds, by_rate);
    if (!hls && emit_dash(w, name, err) < 0)
        return -1;
    return o->technique == TECHNIQUE_DASH ? 0 : emit_hls(w, hls ? name : second, err);
}
