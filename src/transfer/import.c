/* The half of remote.h that is about imports. */
#include "base/clock.h"
#include "base/filetype.h"
#include "http/naming.h"
#include "robot/stub.h"
#include "transfer/remote.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- one file ---- */

void remote_import_progress(const struct remote_import_file *f, double fraction)
{
    robot_progress(f->job, f->from + f->share * fraction);
}

/* The dot before the extension; NULL: the name has none. */
static const char *dot_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && dot != name ? dot : NULL;
}

/* A name that says nothing of the type is completed by what the other side says of it. */
static char *name_with_type(const char *raw, const char *mime)
{
    AUTO(mem_free) char *name = naming_safe(raw);
    const char *dot = dot_of(name), *known = mime ? filetype_ext(mime) : NULL;

    if ((dot && dot[1]) || !known)
        return take(name);
    AUTO(mem_free)
    char *longer = mem_printf("%.*s.%s", dot ? (int)(dot - name) : (int)strlen(name), name, known);
    return naming_safe(longer);
}

int remote_open(struct remote_import_file *f, const char *name, const char *mime, struct err *err)
{
    if (f->path) /* an earlier attempt got as far */
        return 0;
    AUTO(mem_free)
    char *safe = f->force_name ? naming_safe(f->force_name) : name_with_type(name, mime);
    const char *dot = dot_of(safe);
    f->name = arena_strdup(robot_arena(f->job), safe);
    f->ext = arena_strdup(robot_arena(f->job), dot ? dot + 1 : "");
    bool harmless = *f->ext && strlen(f->ext) <= 10;
    for (const char *p = f->ext; *p; p++)
        harmless = harmless && isalnum((unsigned char)*p);
    f->path = robot_out_path(f->job, harmless ? f->ext : "bin");
    f->fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return f->fd < 0 ? err_errno(err, "create the imported file") : 0;
}

int remote_stub(struct remote_import_file *f, const char *name, const char *url, int64_t until_us, struct err *err)
{
    if (strlen(url) > ROBOT_STUB_MAX)
        return remote_fail(f->job, REMOTE_FAILED, err, "an address of a stub has at most %d bytes", ROBOT_STUB_MAX);
    f->stub = arena_strdup(robot_arena(f->job), url);
    if (until_us)
        f->meta = json_pack("{s:I}", STUB_META, (json_int_t)(until_us / SECOND_US));
    return remote_open(f, name, NULL, err);
}

void remote_say_folder(struct remote_import_file *f, const char *path)
{
    const char *end = strrchr(path, '/');
    AUTO(str_done) struct str out = {0};

    str_putc(&out, '/');
    for (const char *p = path; end && p < end;) {
        size_t n = strcspn(p, "/");

        if (n && !(n == 1 && *p == '.') && !(n == 2 && !strncmp(p, "..", 2)))
            str_addf(&out, "%.*s/", (int)n, p);
        p += n + 1;
    }
    jset(f->extra, "original_path", out.s);
}

int remote_too_large(const struct remote_import_file *f, const char *shown, int64_t size,
                     struct err *err)
{
    char text[40] = "more";

    if (size >= 0)
        snprintf(text, sizeof text, "%lld bytes", (long long)size);
    return remote_fail(f->job, REMOTE_FAILED, err,
                       "the file at '%.150s' has %s, but %s allows %lld bytes", shown, text,
                       f->limit_name, (long long)f->limit);
}

/* ---- all of them ---- */

struct run {
    struct robot_job *job;
    const struct import_service *service;
    void *ctx;
    const struct import_opts *opts;
    int64_t limit;
    const char *limit_name;
    size_t done, failed;
    bool ignore, batch; /* batch: it is about more than one file */
    bool listed;        /* the files of a page are under way */
    const char *next;   /* of the only page that is imported: how to go on behind it; NULL: it is not told */
    struct err first;   /* of what failed */
};

/* The smaller of two limits, where 0 is none. */
static void find_limit(struct run *r)
{
    int64_t server = jint(robot_settings(r->job), "max_file_size", 0);

    r->limit = r->opts->max_file_size;
    r->limit_name = "the Step's max_file_size";
    if (server > 0 && (!r->limit || server < r->limit)) {
        r->limit = server;
        r->limit_name = "the server's max_file_size";
    }
}

static const char *nth_name(const json_t *force_name, size_t i)
{
    const char *s = json_is_array(force_name) ? json_string_value(json_array_get(force_name, i))
                                              : json_string_value(force_name);

    return s && *s ? s : NULL;
}

/* What one may do to the others: nothing, when its failure is to be ignored. */
static bool ignores_failures(const json_t *v)
{
    const char *s = json_string_value(v);
    json_t *item;
    size_t i;

    if (json_is_true(v) || (s && !strcmp(s, "true")))
        return true;
    json_array_foreach (v, i, item)
        if (json_is_string(item) && (!strcmp(json_string_value(item), "import") ||
                                     !strcmp(json_string_value(item), "execute")))
            return true;
    return false;
}

static int fetch_and_emit(struct remote_import_file *f, struct run *r, struct err *err)
{
    int (*get)(void *, struct remote_import_file *, struct err *) =
        r->opts->return_file_stubs ? r->service->stub : r->service->get;

    if (get(r->ctx, f, err) < 0)
        return -1;
    if (r->next && !f->meta)
        f->meta = json_object();
    if (r->next)
        jset(f->meta, "next_page_token", r->next);
    fd_close(take_fd(f->fd));
    json_object_set_new(f->extra, "from_batch_import", json_boolean(r->batch));
    struct robot_output out = {
        .path = f->path, .ext = f->ext, .name = f->name, .extra = f->extra, .input = -1, .stub = f->stub};

    out.meta = take(f->meta);
    if (f->stub) { /* there is nothing to look into: its name says what it is */
        const char *mime = filetype_by_ext(f->ext);

        out.mime = mime ? mime : "application/octet-stream";
        out.meta_complete = true;
        if (!out.meta)
            out.meta = json_object();
    }
    return robot_emit(r->job, &out, err);
}

static int import_one(struct run *r, const char *place, double from, double share, struct err *err)
{
    AUTO(json_unref) json_t *extra = json_object();
    struct remote_import_file f = {.job = r->job,
                                   .place = place,
                                   .force_name = nth_name(r->opts->force_name, r->done),
                                   .listed = r->listed,
                                   .limit = r->limit,
                                   .limit_name = r->limit_name,
                                   .from = from,
                                   .share = share,
                                   .fd = -1,
                                   .extra = extra};
    struct err why = {0};

    if (r->done++ == REMOTE_IMPORT_MAX)
        return remote_fail(r->job, REMOTE_FAILED, err, "there are more than %d files to import",
                           REMOTE_IMPORT_MAX);
    int rc = fetch_and_emit(&f, r, &why);
    fd_close(f.fd);
    json_decref(f.meta);
    if (rc == 0)
        return 0;
    if (f.path)
        unlink(f.path); /* others may go on: its room is theirs */
    if (!r->ignore || !remote_is_failure(r->job, &why)) {
        *err = why;
        return -1;
    }
    if (!r->failed++)
        r->first = why;
    return 0;
}

/* Of a directory. */
static bool wants_one_page(const struct run *r)
{
    const struct import_opts *o = r->opts;

    switch (r->service->pages) {
    case IMPORT_ALL: return false;
    case IMPORT_ONE_DEEP: return o->recursive;
    case IMPORT_ONE_TOLD: return o->recursive || str_given(o->next_page_token);
    case IMPORT_ONE_ALWAYS: return true;
    }
    return false;
}

static int import_page(struct run *r, const json_t *places, double from, double share, struct err *err)
{
    double one = share / (double)json_array_size(places);
    json_t *item;
    size_t i;

    json_array_foreach (places, i, item)
        if (import_one(r, json_string_value(item), from + one * (double)i, one, err) < 0)
            return -1;
    return 0;
}

static int import_directory(struct run *r, const char *place, double from, double share,
                            struct err *err)
{
    const char *token = r->opts->next_page_token;
    bool one_page = wants_one_page(r);
    AUTO(mem_free) char *after = str_given(token) ? mem_strdup(token) : NULL;
    size_t before = r->done;

    r->batch = true;
    for (int64_t number = one_page && r->opts->page_number > 1 ? r->opts->page_number : 1;; number++) {
        AUTO(json_unref) json_t *places = json_array();
        struct remote_page page = {
            .place = place, .opts = r->opts, .number = number, .after = after, .places = places};
        int rc = r->service->list(r->ctx, &page, err);
        AUTO(mem_free) char *next = page.next;

        /* how many pages there are nobody knows: each gets half of what is left */
        share /= next && !one_page ? 2 : 1;
        r->next = one_page && token ? next : NULL;
        r->listed = true;
        if (rc == 0)
            rc = import_page(r, places, from, share, err);
        r->listed = false;
        r->next = NULL;
        if (rc < 0)
            return -1;
        if (!next || one_page)
            break;
        if (after && !strcmp(after, next)) /* a server that turns in a circle */
            return remote_fail(r->job, REMOTE_FAILED, err, "the pages of '%.150s' have no end",
                               place);
        from += share;
        free(after);
        after = take(next);
    }
    if (r->done == before)
        return remote_fail(r->job, REMOTE_NOT_FOUND, err, "'%.150s' holds no file", *place ? place : "/");
    return 0;
}

/* As the service calls it. The caller frees. */
static char *place_of(const struct import_service *s, const char *path)
{
    return s->place ? s->place(path) : mem_strdup(path + (s->keys && *path == '/'));
}

static int import_all(struct run *r, const json_t *paths, struct err *err)
{
    double share = 1.0 / (double)json_array_size(paths);
    json_t *item;
    size_t i;

    json_array_foreach (paths, i, item) {
        AUTO(mem_free) char *place = place_of(r->service, json_string_value(item));
        bool directory = r->service->list && (!*place || str_ends(place, "/"));
        struct err why = {0};

        if ((directory ? import_directory : import_one)(r, place, share * (double)i, share, &why) == 0)
            continue;
        if (!r->ignore || !remote_is_failure(r->job, &why)) {
            *err = why;
            return -1;
        }
        if (!r->failed++)
            r->first = why;
    }
    if (!r->failed)
        return 0;
    /* One error for the job, after the good ones were handed over: it goes to the ignored errors of
     * the Assembly. */
    *err = r->first;
    if (r->done > 1)
        err_set_named(err, r->first.code, r->first.name, "%zu of %zu %s failed, the first one so: %s",
                      r->failed, r->done, r->service->things, r->first.msg);
    err->is_private_address = r->first.is_private_address;
    return -1;
}

int remote_import(struct robot_job *job, const struct import_service *service, void *ctx,
                  const struct import_opts *o, struct err *err)
{
    AUTO(json_unref) json_t *paths = import_paths(o);
    struct run r = {.job = job,
                    .service = service,
                    .ctx = ctx,
                    .opts = o,
                    .ignore = ignores_failures(o->ignore_errors),
                    .batch = json_array_size(paths) > 1};
    int rc = service->open ? service->open(ctx, job, err) : 0;

    find_limit(&r);
    if (rc == 0)
        rc = import_all(&r, paths, err);
    if (service->close)
        service->close(ctx);
    return rc;
}
