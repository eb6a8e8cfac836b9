/* The half of vimeo.h that lists and fetches videos. */
#include "base/clock.h"
#include "base/filetype.h"
#include "transfer/fetch.h"
#include "transfer/vimeo.h"

#include <stdio.h>
#include <string.h>

#define REDIRECTS 5
#define UNTOLD_LIFE_S 3600 /* of an address whose end Vimeo does not say */

/* ---- a page of a collection ---- */

static int vimeo_list(void *ctx, struct remote_page *page, struct err *err)
{
    struct vimeo_import *w = ctx;
    const char *place = page->place + strspn(page->place, "/");
    size_t n = strlen(place);
    json_t *video;
    size_t i;

    while (n && place[n - 1] == '/')
        n--;
    AUTO(mem_free)
    char *path = mem_printf("/%.*s?page=%lld&per_page=%lld&fields=uri", (int)n, place, (long long)page->number,
                            (long long)page->opts->files_per_page);
    AUTO(json_unref) json_t *answer = vimeo_call(&w->vimeo, "GET", path, NULL, false, err);
    const json_t *all = json_object_get(answer, "data");
    if (!answer)
        return -1;
    if (!json_is_array(all) || json_array_size(all) > (size_t)page->opts->files_per_page)
        return api_odd(&w->vimeo.api, err,
                       "a collection without its videos, or with more of them than were asked for");
    json_array_foreach (all, i, video) {
        if (!vimeo_is_video(jstr(video, "uri")))
            return api_odd(&w->vimeo.api, err, "a collection of something that is no video");
        json_array_append_new(page->places, jstring(jstr(video, "uri") + 1));
    }
    return 0;
}

/* ---- which of its files ---- */

static int64_t lines_of(const json_t *file)
{
    const char *rendition = jstr_or(file, "rendition", "");
    int lines, end = 0;

    if (!strcmp(rendition, "source") || !strcmp(jstr_or(file, "quality", ""), "source"))
        return VIMEO_SOURCE;
    return sscanf(rendition, "%5dp%n", &lines, &end) == 1 && end && !rendition[end] ? lines : jint(file, "height", 0);
}

/* A stream is a list of files, and none itself. */
static bool is_file(const json_t *file)
{
    const char *quality = jstr_or(file, "quality", ""), *link = jstr_or(file, "link", "");

    return strcmp(quality, "hls") != 0 && strcmp(quality, "dash") != 0 &&
           (str_starts(link, "https://") || str_starts(link, "http://")) && lines_of(file) > 0;
}

static bool is_better(int64_t one, int64_t other, int64_t wanted)
{
    if ((one <= wanted) != (other <= wanted))
        return one <= wanted;
    return one <= wanted ? one > other : one < other;
}

const json_t *vimeo_pick(const json_t *video, int64_t lines)
{
    static const char *const lists[] = {"download", "files"};
    const json_t *best = NULL;
    json_t *file;
    size_t i;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        json_array_foreach (json_object_get(video, lists[k]), i, file)
            if (is_file(file) && (!best || is_better(lines_of(file), lines_of(best), lines)))
                best = file;
    return best;
}

/* ---- one video ---- */

struct download {
    const json_t *video, *file;
};

/* Its title, which may have dots and slashes in it, and an ending of its type. */
static char *name_of(const json_t *video, const json_t *file)
{
    AUTO(mem_free) char *title = mem_strdup(jstr_or(video, "name", "video"));
    const char *ext = filetype_ext(jstr_or(file, "type", "video/mp4"));
    AUTO(mem_free) char *ending = mem_printf(".%s", ext ? ext : "mp4");

    for (char *p = title; *p; p++)
        if (*p == '/' || *p == '\\')
            *p = '_';
    return str_ends(title, ending) ? take(title) : mem_printf("%s%s", *title ? title : "video", ending);
}

static int vimeo_on_answer(struct fetch *f, const struct http_client_response *r, struct err *err)
{
    const struct download *w = f->ctx;
    AUTO(mem_free) char *name = name_of(w->video, w->file);

    (void)r;
    return remote_open(f->file, name, NULL, err);
}

static int fetch_video(struct vimeo *v, struct remote_import_file *file, struct download *d, struct err *err)
{
    const char *md5 = jstr_or(d->file, "md5", "");

    /* where the bytes lie is said by an address that lets in by itself: the token is not for it */
    return fetch_run(&(struct fetch){.api = &v->api,
                                     .file = file,
                                     .url = jstr(d->file, "link"),
                                     .anonymous = true,
                                     .max_redirects = REDIRECTS,
                                     .same = FETCH_PINNED,
                                     .size = jint(d->file, "size", -1),
                                     .digest = "md5",
                                     .want = strlen(md5) == 32 ? md5 : NULL,
                                     .on_answer = vimeo_on_answer,
                                     .ctx = d},
                     err);
}

/* What Vimeo says of it, for the caller to unref, and which of its files is wanted. NULL with err. */
static json_t *ask_video(const json_t **wanted, struct vimeo_import *w, struct remote_import_file *file,
                         struct err *err)
{
    AUTO(mem_free)
    char *path = mem_printf("/%s?fields=uri,name,download,files", file->place + strspn(file->place, "/"));
    AUTO(json_unref) json_t *video = vimeo_call(&w->vimeo, "GET", path, NULL, false, err);

    *wanted = vimeo_pick(video, w->lines);
    if (!video)
        return NULL;
    if (!*wanted) {
        remote_fail(
            file->job, REMOTE_DENIED, err,
            "Vimeo gives no file of '%.100s': the token needs the scope video_files, and the account a plan "
            "that has it",
            file->place);
        return NULL;
    }
    json_object_set_new(
        file->extra, "vimeo",
        json_pack("{s:s,s:s}", "title", jstr_or(video, "name", ""), "uri", jstr_or(video, "uri", "")));
    return take(video);
}

/* The address lets in by itself, until Vimeo takes it back. */
static int vimeo_stub(void *ctx, struct remote_import_file *f, struct err *err)
{
    const json_t *file;
    AUTO(json_unref) json_t *video = ask_video(&file, ctx, f, err);
    AUTO(mem_free) char *name = video ? name_of(video, file) : NULL;
    int64_t until_us;

    if (!video)
        return -1;
    if (date_read(&until_us, jstr_or(file, "expires", ""), NULL) < 0)
        until_us = clock_now_us() + UNTOLD_LIFE_S * SECOND_US;
    return remote_stub(f, name, jstr(file, "link"), until_us, err);
}

static int vimeo_get(void *ctx, struct remote_import_file *file, struct err *err)
{
    struct vimeo_import *w = ctx;
    struct download d = {0};
    AUTO(json_unref) json_t *video = ask_video(&d.file, w, file, err);

    if (!video)
        return -1;
    d.video = video;
    return fetch_video(&w->vimeo, file, &d, err);
}

/* ---- the service ---- */

static int vimeo_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct vimeo_import *w = ctx;

    return vimeo_open(&w->vimeo, job, w->access_token, err);
}

static void vimeo_import_close(void *ctx) { vimeo_done(((struct vimeo_import *)ctx)->vimeo); }

/* ".../videos/1" */
static bool is_one_video(const char *s)
{
    size_t n = strlen(s), digits = 0;

    while (digits < n && s[n - 1 - digits] >= '0' && s[n - 1 - digits] <= '9')
        digits++;
    n -= digits;
    return digits && n >= 7 && !strncmp(s + n - 7, "videos/", 7) && (n == 7 || s[n - 8] == '/');
}

/* A collection is to remote_import() what a directory is: it ends in a slash. */
static char *vimeo_place(const char *given)
{
    AUTO(mem_free) char *path = mem_strdup(given);
    size_t n = strlen(path);

    while (n && path[n - 1] == '/')
        path[--n] = 0;
    return mem_printf("%s%s", path, is_one_video(path) ? "" : "/");
}

const struct import_service vimeo_service = {.things = "videos",
                                             .pages = IMPORT_ONE_ALWAYS,
                                             .place = vimeo_place,
                                             .open = vimeo_import_open,
                                             .close = vimeo_import_close,
                                             .list = vimeo_list,
                                             .get = vimeo_get,
                                             .stub = vimeo_stub};
