#include "media/cover.h"
#include "base/filetype.h"
#include "media/av/encode.h"
#include "media/mime.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PICTURE_MAX = 64 << 20,      /* bytes of a picture that is put in */
    FLAC_PICTURE_MAX = 16000000, /* its length has 24 bits */
    QUALITY = 92,
};

/* ---- out ---- */

static int write_bytes(const char *path, const void *bytes, size_t n, struct err *err)
{
    FILE *f = fopen(path, "we");

    if (!f)
        return err_errno(err, "create '%s'", path);
    (void)fwrite(bytes, 1, n, f);
    return ferror(f) | fclose(f) ? err_errno(err, "write '%s'", path) : 0;
}

/* Judged by its bytes, whatever the file says that it is. NULL: not one. */
static const char *ext_of_picture(const char *path, const struct media_limits *limits,
                                  struct err *err)
{
    static const char *const known[] = {"jpg", "png", "gif", "webp", "bmp", "tif", "jxl"};
    const struct image_load how = {.limits = *limits, .frame = 1};
    AUTO(image_free) struct image *img = NULL;
    char mime[MIME_LEN];
    const char *ext;

    if (mime_detect(mime, path, NULL, err) < 0)
        return NULL;
    ext = filetype_ext(mime);
    for (size_t i = 0; ext && i < ARRAY_LEN(known); i++)
        if (!strcmp(known[i], ext))
            return image_open(&img, path, &how, err) < 0 ? NULL : known[i];
    err_set(err, ERR_COMMAND, "it is of the type %s", mime);
    return NULL;
}

int cover_extract(const char **path, char ext[static COVER_EXT], struct robot_job *job,
                  struct av *av, const struct media_limits *limits, struct err *err)
{
    const char *at = robot_out_path(job, "cover"), *found;
    struct err why = {0};
    const uint8_t *bytes;
    size_t len;
    int rc, n = 0;

    for (; (rc = av_artwork(&bytes, &len, av, n, err)) > 0; n++) {
        if (write_bytes(at, bytes, len, err) < 0)
            return -1;
        if ((found = ext_of_picture(at, limits, &why))) {
            snprintf(ext, COVER_EXT, "%s", found);
            *path = at;
            return 1;
        }
        unlink(at);
    }
    if (rc < 0 || !n)
        return rc;
    return err_set(err, ERR_COMMAND, "what the file has as its cover can't be shown: %s", why.msg);
}

/* ---- in ---- */

struct insert {
    struct robot_job *job;
    const struct artwork_opts *o;
    bool sound, may_change;
    int picture;       /* input */
    const char *cover; /* the picture, ready, in the output directory */
    bool png;
    int64_t bytes;
    struct media_limits limits;
};

static int copy_file(const char *to, const char *from, struct err *err)
{
    char buf[64 * 1024];
    size_t n;
    FILE *in = fopen(from, "re"), *out = in ? fopen(to, "we") : NULL;

    if (!out) {
        if (in)
            fclose(in);
        return err_errno(err, "copy '%s'", from);
    }
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        fwrite(buf, 1, n, out);
    fclose(in);
    return ferror(out) | fclose(out) ? err_errno(err, "write '%s'", to) : 0;
}

/* JPEG and PNG as they are, all others drawn anew. */
static int prepare_picture(struct insert *w, struct err *err)
{
    const struct robot_input *in = robot_input(w->job, w->picture);
    const struct image_load how = {.limits = w->limits, .frame = 1};
    AUTO(image_free) struct image *img = NULL;

    if (in->size > PICTURE_MAX)
        return err_set(err, ERR_COMMAND, "'%s' has %lld bytes, a cover has at most %d", in->name,
                       (long long)in->size, PICTURE_MAX);
    if (image_open(&img, in->path, &how, err) < 0)
        return -1;
    w->bytes = in->size;
    w->png = !strcmp(image_format(img), "png");
    if ((w->png || !strcmp(image_format(img), "jpg")) && image_frames_in_file(img) == 1) {
        w->cover = robot_out_path(w->job, w->png ? "png" : "jpg");
        return copy_file(w->cover, in->path, err);
    }
    if (image_autorotate(img, err) < 0 || image_to_srgb(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    w->png = image_has_alpha(img);
    w->cover = robot_out_path(w->job, w->png ? "png" : "jpg");
    return image_save(
        img, w->cover,
        &(struct image_save){.format = w->png ? "png" : "jpg", .quality = QUALITY, .strip = true},
        err);
}

/* ---- what the result is ---- */

/* The container that the file has, as it is written; "" where a cover has no place in it. */
static const char *muxer_of(const struct av_info *info, const struct robot_input *in)
{
    const char *m = av_muxer_of(in->ext);

    if (!strncmp(info->format, "mov,", 4)) /* one family, which the name alone tells apart */
        return !strcmp(in->ext, "m4a") ? "ipod" : m && !strcmp(m, "mov") ? m : "mp4";
    return artwork_fits(info->format) ? info->format : "";
}

static const char *cover_ext_of(const struct av_profile *p, const struct av_info *info,
                                const char *was)
{
    const char *m = av_muxer_of(was);
    bool mp4 = !strcmp(p->muxer, "mp4") || !strcmp(p->muxer, "ipod");

    if (m && (!strcmp(m, p->muxer) || (mp4 && !strcmp(m, "mp4"))))
        return was;
    return av_muxer_ext(p->muxer, info->has_video ? AV_VIDEO : AV_AUDIO);
}

/* What nobody wants to be encoded is copied. */
static void copy_the_rest(struct av_profile *p)
{
    static const char *const of_sound[] = {"b:a",   "q:a", "ar",        "ac",
                                           "async", "vbr", "profile:a", "cutoff"};
    bool sound = p->af;

    for (size_t i = 0; i < ARRAY_LEN(of_sound); i++)
        sound |= av_profile_get(p, of_sound[i]) != NULL;
    if (!sound)
        av_profile_default(p, "c:a", "copy");
    if (!p->vf)
        av_profile_default(p, "c:v", "copy");
}

/* The settings of a preset for sounds, where the client says nothing else. */
static int lay_below(struct av_profile *p, struct arena *a, const struct av_preset *preset,
                     struct err *err)
{
    struct av_profile *q = arena_alloc(a, sizeof *q);

    if (av_profile(q, a, preset, "mp3", &(struct av_opts){0}, AV_AUDIO, err) < 0)
        return -1;
    for (int i = 0; i < q->setting_count; i++)
        if (strcmp(q->settings[i].name, "movflags") != 0)
            av_profile_default(p, q->settings[i].name, q->settings[i].value);
    if (!*p->muxer)
        p->muxer = q->muxer;
    return 0;
}

static int choose_profile(struct av_profile *p, struct insert *w, const struct robot_input *in,
                          const struct av_info *info, struct err *err)
{
    struct arena *a = robot_arena(w->job);
    const struct av_preset *preset = av_preset(w->o->preset);
    const char *own = muxer_of(info, in);

    if (av_profile(p, a, NULL, NULL, &w->o->av, artwork_makes(w->sound), err) < 0)
        return -1;
    p->makes |= AV_VIDEO; /* the cover is one */
    if (!*p->muxer && (!w->sound || !preset || !*preset->muxer))
        p->muxer = own;
    bool changes = !*own && !*p->muxer && !(preset && *preset->muxer);
    if (changes && !(w->sound && w->may_change))
        return err_set(err, ERR_COMMAND, "'%s': files of the format %s carry no cover%s", in->name,
                       info->format,
                       w->sound ? "; change_format_if_necessary makes another one of it" : "");
    if ((changes || preset) && lay_below(p, a, preset, err) < 0)
        return -1;
    copy_the_rest(p);
    if (!strcmp(p->muxer, "mp4") || !strcmp(p->muxer, "mov") || !strcmp(p->muxer, "ipod"))
        av_profile_default(p, "movflags", "+faststart");
    p->ext = cover_ext_of(p, info, in->ext);
    return 0;
}

/* ---- the run ---- */

static void cover_words(const char **more, int *n, const char *name, const char *value)
{
    more[(*n)++] = name;
    more[(*n)++] = value;
}

/* Options of ffmpeg for the result. The cover stands behind the film. */
static const char **options_of(struct arena *a, struct av_profile *p, const struct av_info *info)
{
    const char **more = arena_alloc(a, 32 * sizeof *more);
    int n = 0, at = info->videos;

    if (!strcmp(p->muxer, "mp3"))
        cover_words(more, &n, "-id3v2_version", "3");
    if (!strcmp(p->muxer, "mov")) { /* ffmpeg's writer of MOV knows no covers, that of MP4 does */
        p->muxer = "mp4";
        cover_words(more, &n, "-brand", "qt  ");
    }
    if (!strcmp(p->muxer, "aiff"))
        cover_words(more, &n, "-write_id3v2", "1");
    if (p->vf)
        cover_words(more, &n, "-filter:v:0", p->vf);
    if (p->af)
        cover_words(more, &n, "-af", p->af);
    cover_words(more, &n, "-c:s", "copy");
    cover_words(more, &n, arena_printf(a, "-c:v:%d", at), "copy");
    cover_words(more, &n, arena_printf(a, "-frames:v:%d", at), "1");
    cover_words(more, &n, arena_printf(a, "-disposition:v:%d", at), "attached_pic");
    cover_words(more, &n, arena_printf(a, "-metadata:s:v:%d", at), "title=Album cover");
    cover_words(more, &n, arena_printf(a, "-metadata:s:v:%d", at), "comment=Cover (front)");
    more[n] = NULL;
    return more;
}

static int insert_one(struct insert *w, int i, int done, int of, struct err *err)
{
    static const char *const png[] = {"-f", "png_pipe", NULL}, *const jpeg[] = {"-f", "jpeg_pipe",
                                                                                NULL};
    const struct robot_input *in = robot_input(w->job, i);
    struct arena *a = robot_arena(w->job);
    struct av_run *r = arena_alloc(a, sizeof *r);
    struct av_profile *p = arena_alloc(a, sizeof *p);
    struct av_info info;

    if (av_look(&info, in->path, &w->limits, err) < 0 || choose_profile(p, w, in, &info, err) < 0)
        return -1;
    if (!strcmp(p->muxer, "flac") && w->bytes > FLAC_PICTURE_MAX)
        return err_set(err, ERR_COMMAND,
                       "the picture has %lld bytes, in FLAC a cover has at most %d",
                       (long long)w->bytes, FLAC_PICTURE_MAX);
    *r = (struct av_run){
        .job = w->job,
        .profile = p,
        .sources = {{.path = in->path},
                    {.path = w->cover, .kind = AV_KIND_PICTURE, .options = w->png ? png : jpeg}},
        .source_count = 2,
        .maps = {"0:V?", "0:a?", "0:s?", "1:v:0"},
        .more = options_of(a, p, &info),
        .seconds = info.duration_s,
        .from = (double)done / of,
        .to = (double)(done + 1) / of,
        .output = robot_out_path(w->job, p->ext)};
    if (av_run(r, err) < 0)
        return -1;
    return robot_emit(w->job, &(struct robot_output){.path = r->output, .ext = p->ext, .input = i},
                      err);
}

/* By what it is called in the Step, else by what it is. */
static bool is_one(const struct robot_input *in, const char *as, const char *kind, const char *also)
{
    const char *is = filetype_kind(in->mime);

    return *in->as ? !strcmp(in->as, as) : is && (!strcmp(is, kind) || !strcmp(is, also));
}

static int insert_all(struct insert *w, struct err *err)
{
    const char *kind = w->sound ? "audio" : "video";
    int n = robot_input_count(w->job), of = 0, done = 0;

    w->picture = -1;
    for (int i = 0; i < n; i++) {
        if (w->picture < 0 && is_one(robot_input(w->job, i), "image", "image", "image"))
            w->picture = i;
        of += is_one(robot_input(w->job, i), kind, kind, "video");
    }
    if (w->picture < 0 || !of)
        return err_set(
            err, ERR_COMMAND,
            "a cover is put in where a Step gets %s and a picture together: there is no %s",
            w->sound ? "a sound" : "a film", w->picture < 0 ? "picture" : kind);
    if (prepare_picture(w, err) < 0)
        return -1;
    for (int i = 0; i < n; i++)
        if (is_one(robot_input(w->job, i), kind, kind, "video") &&
            insert_one(w, i, done++, of, err) < 0)
            return -1;
    unlink(w->cover);
    return 0;
}

static int extract_one(struct robot_job *job, int i, const struct media_limits *limits,
                       struct err *err)
{
    const struct robot_input *in = robot_input(job, i);
    const char *kind = filetype_kind(in->mime);
    AUTO(av_close) struct av *av = NULL;
    const char *path;
    char ext[COVER_EXT];
    int rc;

    if (kind && !strcmp(kind, "image")) /* is here to be put in */
        return 0;
    if (av_open(&av, in->path, &(struct av_open){.limits = *limits}, err) < 0)
        return -1;
    if ((rc = cover_extract(&path, ext, job, av, limits, err)) <= 0)
        return rc;
    return robot_emit(job,
                      &(struct robot_output){
                          .path = path, .ext = arena_strdup(robot_arena(job), ext), .input = i},
                      err);
}

int cover_job(struct robot_job *job, const struct artwork_opts *o, bool sound, bool may_change,
              struct err *err)
{
    struct insert w = {.job = job,
                       .o = o,
                       .sound = sound,
                       .may_change = may_change,
                       .limits = media_limits(robot_settings(job))};

    if (o->method == ARTWORK_INSERT)
        return insert_all(&w, err);
    for (int i = 0; i < robot_input_count(job); i++)
        if (extract_one(job, i, &w.limits, err) < 0)
            return -1;
    return 0;
}
