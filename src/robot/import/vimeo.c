/* /vimeo/import: fetch videos from Vimeo. */
#include "transfer/vimeo.h"
#include "transfer/values.h"

#include <string.h>

struct vimeo_opts {
    const char *credentials, *access_token;
    struct import_opts import;
    struct import_paths paths;
    int64_t page_number, files_per_page;
    int rendition;
};
#define T struct vimeo_opts
#define SOURCE 0
static const struct opt_choice renditions[] = {
    {"240p", 240}, {"360p", 360}, {"540p", 540}, {"720p", 720}, {"1080p", 1080}, {"source", SOURCE}, {0}};
static const struct option options[] = {
    OPT_STR(T, credentials, .help = "Name of stored credentials of type vimeo."),
    OPT_STR(T, access_token, .secret = true,
            .help = "OAuth access token with the scopes private and video_files. Belongs into stored credentials."),
    {.name = "path",
     .type = OPT_TYPE_JSON,
     .offset = offsetof(T, paths.path),
     .def_str = "\"me/videos\"",
     .example = "\"videos/1\"",
     .help = "Collection of Vimeo's interface, such as me/videos or albums/1/videos, or one video, such as videos/1; "
             "or a "
             "list of them."},
    OPT_INT(T, page_number, .min = 1, .max = 1e9, .def = 1, .help = "Which page of a collection."),
    OPT_INT(T, files_per_page, .min = 1, .max = 100, .def = 20, .help = "How many videos a page has."),
    OPT_ENUM(T, rendition, renditions, .def = 720,
             .help = "Which of the files that Vimeo has of a video. Without that one it is the best below, else the "
                     "smallest above."),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_UNSUPPORTED("return_file_stubs", .def_str = "false"),
    OPT_END,
};

/* It goes into an address. */
static bool is_collection(const char *s)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-/";

    s += strspn(s, "/");
    return *s && strlen(s) <= 200 && !strstr(s, "//") && !s[strspn(s, letters)];
}

/* ".../videos/1" */
static bool is_one_video(const char *s)
{
    size_t n = strlen(s), digits = 0;

    while (digits < n && s[n - 1 - digits] >= '0' && s[n - 1 - digits] <= '9')
        digits++;
    n -= digits;
    return digits && n >= 7 && !strncmp(s + n - 7, "videos/", 7) && (n == 7 || s[n - 8] == '/');
}

static int vimeo_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    json_t *item;
    size_t i;

    if (o->access_token && value_has_control(o->access_token))
        return err_set(err, ERR_ROBOT_VALIDATION, "'access_token' must not hold control characters");
    if (import_paths_check(&o->paths, partial, err) < 0 || import_opts_check(&o->import, err) < 0)
        return -1;
    if (partial)
        return 0;
    AUTO(json_unref) json_t *all = import_paths(&o->paths);
    json_array_foreach (all, i, item)
        if (!is_collection(json_string_value(item)))
            return err_set(
                err, ERR_ROBOT_VALIDATION,
                "'path' is '%.100s', which is neither a collection such as 'me/videos' nor a video such as "
                "'videos/1'",
                json_string_value(item));
    if (!str_given(o->credentials) && !str_given(o->access_token))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "nobody could sign in to Vimeo: give 'credentials', or 'access_token'");
    return 0;
}

/* A collection is to remote_import() what a directory is: it ends in a slash. */
static json_t *places_of(const T *o)
{
    AUTO(json_unref) json_t *all = import_paths(&o->paths);
    json_t *places = json_array(), *item;
    size_t i;

    json_array_foreach (all, i, item) {
        AUTO(mem_free) char *path = mem_strdup(json_string_value(item));
        size_t n = strlen(path);

        while (n && path[n - 1] == '/')
            path[--n] = 0;
        AUTO(mem_free) char *place = mem_printf("%s%s", path, is_one_video(path) ? "" : "/");
        json_array_append_new(places, jstring(place));
    }
    return places;
}

static int vimeo_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *places = places_of(o);
    struct vimeo v;
    struct vimeo_import w = {
        .vimeo = &v, .lines = o->rendition == SOURCE ? VIMEO_SOURCE : o->rendition, .per_page = o->files_per_page};
    int rc = vimeo_open(&v, job, o->access_token, err);

    if (rc == 0)
        rc = remote_import(job,
                           &(struct import_plan){.source = &vimeo_source,
                                                 .ctx = &w,
                                                 .opts = &o->import,
                                                 .places = places,
                                                 .one_page = true,
                                                 .page = o->page_number},
                           err);
    vimeo_done(v);
    return rc;
}

/* A probe would be a video: who the token belongs to must do. */
static int vimeo_try(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct vimeo v;
    int rc = vimeo_open(&v, job, o->access_token, err);

    if (rc == 0)
        rc = vimeo_do(&v, "GET", "/me?fields=uri", /* or_gone= */ false, err);
    vimeo_done(v);
    return rc;
}

const struct robot robot_import_vimeo = {
    .name = "/vimeo/import",
    .summary = "Import videos from Vimeo",
    .role = ROLE_TRANSFER,
    .credentials = "vimeo",
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .no_input = true,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example = "{\"access_token\": \"t\"}",
    .check = vimeo_check,
    .run = IN_WORKER(vimeo_run),
    .trial = IN_WORKER(vimeo_try),
};
