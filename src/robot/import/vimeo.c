/* /vimeo/import: fetch videos from Vimeo. */
#include "transfer/vimeo.h"
#include "transfer/values.h"

#include <string.h>

struct vimeo_opts {
    const char *credentials, *access_token;
    struct import_opts import;
    int rendition;
};
#define T struct vimeo_opts
#define SOURCE 0
static const struct opt_choice renditions[] = {
    {"240p", 240}, {"360p", 360}, {"540p", 540}, {"720p", 720}, {"1080p", 1080}, {"source", SOURCE}, {0}};
static const struct option vimeo_pages[] = {
    OPT_JSON(struct import_opts, path, .def_str = "\"me/videos\"", .example = "\"videos/1\"",
             .help = "Collection of Vimeo's interface, such as me/videos or albums/1/videos, or one video, such as "
                     "videos/1; or a list of them."),
    OPT_INT(struct import_opts, page_number, .min = 1, .max = 1e9, .def = 1, .help = "Which page of a collection."),
    OPT_INT(struct import_opts, files_per_page, .min = 1, .max = 100, .def = 20,
            .help = "How many videos a page has."),
    OPT_END,
};
static const struct option options[] = {
    OPT_STR(T, credentials, .help = "Name of stored credentials of type vimeo."),
    OPT_STR(T, access_token, .secret = true,
            .help = "OAuth access token with the scopes private and video_files. Belongs into stored credentials."),
    IMPORT_GROUP(T, vimeo_pages),
    OPT_ENUM(T, rendition, renditions, .def = 720,
             .help = "Which of the files that Vimeo has of a video. Without that one it is the best below, else the "
                     "smallest above."),
    IMPORT_GROUP(T, import_options),
    IMPORT_GROUP(T, import_stub_options),
    OPT_END,
};

/* It goes into an address. */
static bool is_collection(const char *s)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-/";

    s += strspn(s, "/");
    return *s && strlen(s) <= 200 && !strstr(s, "//") && !s[strspn(s, letters)];
}

static int vimeo_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    json_t *item;
    size_t i;

    if (o->access_token && value_has_control(o->access_token))
        return err_set(err, ERR_ROBOT_VALIDATION, "'access_token' must not hold control characters");
    if (import_check(&o->import, partial, err) < 0)
        return -1;
    if (partial)
        return 0;
    AUTO(json_unref) json_t *all = import_paths(&o->import);
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

static int vimeo_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct vimeo_import w = {.access_token = o->access_token,
                             .lines = o->rendition == SOURCE ? VIMEO_SOURCE : o->rendition};

    return remote_import(job, &vimeo_service, &w, &o->import, err);
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
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example = "{\"access_token\": \"t\"}",
    .check = vimeo_check,
    .run = IN_WORKER(vimeo_run),
    .trial = IN_WORKER(vimeo_try),
};
