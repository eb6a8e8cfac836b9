/* /vimeo/store: publish videos on Vimeo. */
#include "transfer/vimeo.h"
#include "transfer/values.h"

#include <string.h>

#define SHOWCASES_MAX 100

struct vimeo_opts {
    const char *credentials, *access_token, *title, *description, *password, *folder_id, *folder_uri;
    int acl;
    json_t *showcases;
    bool downloadable;
};
#define T struct vimeo_opts
static const struct opt_choice acls[] = {{"anybody", 0},  {"contacts", 1}, {"disable", 2}, {"nobody", 3},
                                         {"password", 4}, {"unlisted", 5}, {"users", 6},   {0}};
#define ACL_PASSWORD 4
static const struct option options[] = {
    OPT_STR(T, credentials, .help = "Name of stored credentials of type vimeo."),
    OPT_STR(T, access_token, .secret = true,
            .help = "OAuth access token with the scopes upload, edit, delete and private. Belongs into stored "
                    "credentials."),
    OPT_STR(T, title, .required = true, .help = "Title of the video."),
    OPT_STR(T, description, .required = true, .help = "Its description."),
    OPT_ENUM(T, acl, acls, .help = "Who may watch it."),
    OPT_STR(T, password, .secret = true, .help = "What opens it, with acl password."),
    OPT_JSON(T, showcases, .def_str = "[]", .example = "[\"1\"]",
             .help = "Ids of showcases to put it into, at most 100."),
    OPT_BOOL(T, downloadable, .help = "Whether who watches it may download it as well."),
    OPT_STR(T, folder_id, .nullable = true, .pattern = "^[0-9]{1,20}$", .example = "\"1\"",
            .help = "Id of the folder to put it into."),
    OPT_STR(T, folder_uri, .pattern = "^/?((users/[0-9]+|me)/)?(projects|folders)/[0-9]{1,20}/?$",
            .example = "\"/users/1/projects/2\"", .help = "The same folder by its address in Vimeo's interface."),
    OPT_END,
};

static bool is_number(const char *s) { return str_given(s) && strlen(s) <= 20 && !s[strspn(s, "0123456789")]; }

static int check_showcases(const json_t *list, struct err *err)
{
    json_t *id;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > SHOWCASES_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'showcases' must be a list of at most %d ids", SHOWCASES_MAX);
    json_array_foreach (list, i, id)
        if (!is_number(json_string_value(id)))
            return err_set(err, ERR_ROBOT_VALIDATION, "'showcases' must hold ids, which are texts of digits");
    return 0;
}

static int vimeo_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    if (o->access_token && value_has_control(o->access_token))
        return err_set(err, ERR_ROBOT_VALIDATION, "'access_token' must not hold control characters");
    if (partial)
        return 0;
    if (!str_given(o->credentials) && !str_given(o->access_token))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "nobody could sign in to Vimeo: give 'credentials', or 'access_token'");
    if (!str_given(o->title))
        return err_set(err, ERR_ROBOT_VALIDATION, "'title' is empty");
    if (o->acl == ACL_PASSWORD && !str_given(o->password))
        return err_set(err, ERR_ROBOT_VALIDATION, "'acl' is password, but there is no 'password'");
    return check_showcases(o->showcases, err);
}

/* ---- in the worker ---- */

struct storing {
    struct vimeo v;
    const T *opts;
    char *link;
};

/* "/users/1/projects/2": the last of it. */
static const char *vimeo_folder(const T *o, struct arena *a)
{
    if (str_given(o->folder_id))
        return o->folder_id;
    if (!str_given(o->folder_uri))
        return NULL;
    char *uri = arena_strdup(a, o->folder_uri);
    size_t n = strlen(uri);
    if (uri[n - 1] == '/')
        uri[n - 1] = 0;
    return strrchr(uri, '/') + 1;
}

static int vimeo_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct storing *s = ctx;
    const T *o = s->opts;

    free(take(s->link));
    return vimeo_upload(&s->link, &s->v, f,
                        &(struct vimeo_video){.title = o->title,
                                              .description = o->description,
                                              .view = acls[o->acl].name,
                                              .password = o->password,
                                              .folder = vimeo_folder(o, robot_arena(f->job)),
                                              .showcases = o->showcases,
                                              .downloadable = o->downloadable},
                        err);
}

static void vimeo_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct storing *s = ctx;

    (void)f;
    str_puts(url, s->link);
    str_puts(ssl_url, s->link);
}

/* What the contract calls a failure here has a name of its own. */
static int vimeo_failed(const struct robot_job *job, struct err *err)
{
    struct err was = *err;

    if (strcmp(err_name(err), "WORKER_JOB_ERROR") != 0)
        return -1;
    (void)!robot_fail(job, err, was.code, "PROBLEM_SENDING_FILE", "%s", was.msg);
    err->is_private_address = was.is_private_address;
    return -1;
}

static int vimeo_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct remote_protocol protocol = {.put = vimeo_put, .address = vimeo_address};
    struct storing s = {.opts = opts};
    int rc = vimeo_open(&s.v, job, s.opts->access_token, err);

    if (rc == 0)
        rc = remote_store(job, &protocol, &s, &(struct store_opts){.path = ""}, err);
    free(s.link);
    vimeo_done(s.v);
    return rc < 0 ? vimeo_failed(job, err) : 0;
}

static int vimeo_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const T *o = opts;
    struct vimeo v;
    int rc = vimeo_open(&v, job, o->access_token, err);

    if (rc == 0)
        rc = vimeo_upload_undo(&v, token, err);
    vimeo_done(v);
    return rc;
}

const struct robot robot_store_vimeo = {
    .name = "/vimeo/store",
    .summary = "Publish videos on Vimeo",
    .accepts = "video/",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "vimeo",
    .codes = "ACCESS_DENIED PROBLEM_SENDING_FILE",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"access_token\": \"t\", \"title\": \"t\", \"description\": \"d\"}",
    .check = vimeo_check,
    .run = IN_WORKER(vimeo_run),
    .undo = IN_WORKER(vimeo_undo),
};
