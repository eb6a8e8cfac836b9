#include "transfer/remote.h"
#include "base/clock.h"
#include "base/id.h"
#include "http/client.h"
#include "transfer/values.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PAUSE_MS 500

/* ---- failures and attempts ---- */

static const char *const suffixes[] = {[REMOTE_FAILED] = "FAILURE",
                                       [REMOTE_DENIED] = "ACCESS_DENIED",
                                       [REMOTE_NOT_FOUND] = "NOT_FOUND"};
#define OTHER_FAILED "ERROR" /* as the contract calls it in one place */

int remote_fail(const struct robot_job *job, enum remote_failure kind, struct err *err,
                const char *fmt, ...)
{
    static const enum err_code like[] = {[REMOTE_FAILED] = ERR_IMPORT,
                                         [REMOTE_DENIED] = ERR_SERVER_403,
                                         [REMOTE_NOT_FOUND] = ERR_NOT_FOUND};
    const struct robot *r = robot_of_job(job);
    char text[sizeof err->msg];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!robot_has_code(r, suffixes[kind]))
        kind = REMOTE_FAILED;
    const char *suffix = kind == REMOTE_FAILED && robot_has_code(r, OTHER_FAILED) ? OTHER_FAILED : suffixes[kind];
    if (robot_has_code(r, suffix))
        return robot_fail(job, err, like[kind], suffix, "%s", text);
    return err_set_named(err, ERR_IMPORT, "WORKER_JOB_ERROR", "%s", text);
}

int remote_refused(const struct robot_job *job, struct err *err, const char *what, const char *why)
{
    remote_fail(job, REMOTE_DENIED, err,
                "%s: %.150s. WORKCELL_IMPORT_ALLOW (--import-allow) can allow it", what, why);
    if (err)
        err->is_private_address = true;
    return -1;
}

bool remote_is_failure(const struct robot_job *job, const struct err *err)
{
    char code[ROBOT_CODE_MAX];

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        robot_code(code, robot_of_job(job), suffixes[i]);
        if (!strcmp(err_name(err), code))
            return true;
    }
    return err->code == ERR_IMPORT;
}

void remote_wait(const struct robot_job *job, int attempt, int64_t base_ms, int64_t least_ms)
{
    unsigned char dice = 128;

    base_ms = jint(robot_settings(job), "retry_ms", base_ms) << (attempt - 1);
    RAND_bytes(&dice, 1);
    int64_t ms = base_ms / 2 + base_ms * dice / 255;
    if (ms < least_ms)
        ms = least_ms + base_ms * dice / 255; /* many were told the same moment */
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

void remote_pause(const struct robot_job *job, int attempt, int64_t base_ms)
{
    remote_wait(job, attempt, base_ms, 0);
}

int64_t remote_retry_after(const struct http_client_response *r)
{
    AUTO(mem_free) char *text = http_client_header(r, "retry-after");
    const char *rest = text;
    struct tm tm = {0};
    int64_t s = 0;

    if (!text)
        return 0;
    bool counted = value_offset(&s, &rest) && !*rest;
    if (!counted && *text && !text[strspn(text, "0123456789")]) { /* more than can be counted */
        s = REMOTE_WAIT_MAX_MS;
    } else if (!counted) {
        if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
            return 0;
        s = timegm(&tm) - clock_now_us() / SECOND_US;
    }
    return s <= 0 ? 0 : s > REMOTE_WAIT_MAX_MS / 1000 ? REMOTE_WAIT_MAX_MS : s * 1000;
}

const char *remote_endpoint(const struct robot_job *job, const char *name, const char *usual)
{
    return jstr_or(json_object_get(robot_settings(job), "endpoints"), name, usual);
}

/* ---- addresses ---- */

void remote_fill(struct str *out, const char *template, const struct remote_word *words)
{
    for (const char *p = template; *p;) {
        const struct remote_word *w = words;
        size_t n = *p == '{' ? strcspn(p + 1, "}") : 0;

        while (w->name &&
               (!n || p[n + 1] != '}' || strlen(w->name) != n || strncmp(w->name, p + 1, n) != 0))
            w++;
        if (w->name) {
            str_puts(out, w->value);
            p += n + 2;
        } else {
            str_putc(out, *p++);
        }
    }
}

void remote_urls(struct str *url, struct str *ssl_url, const struct store_urls *o, const char *host,
                 const char *path)
{
    AUTO(str_done) struct str encoded = {0};

    str_add_urlencoded(&encoded, path + (*path == '/'), "/");
    const struct remote_word words[] = {{"HOST", host}, {"PATH", encoded.s}, {0}};
    remote_fill(url, o->url_template, words);
    remote_fill(ssl_url, o->ssl_url_template, words);
}

/* ---- stores ---- */

void remote_progress(const struct remote_file *f, double fraction)
{
    robot_progress(f->job, f->from + f->share * fraction);
}

/* A name beside path that nobody else has. */
static char *part_of(struct robot_job *job, const char *path)
{
    const char *slash = strrchr(path, '/');
    char id[ID_LEN + 1];

    id_new(id);
    return arena_printf(robot_arena(job), "%.*s.workcell-%s.part",
                        slash ? (int)(slash - path) + 1 : 0, path, id);
}

json_t *remote_part_token(const struct remote_file *f)
{
    return json_pack("{s:s,s:s}", "part", f->part, "path", f->path);
}

static int put(const struct remote_protocol *p, void *ctx, struct remote_file *f, struct err *err)
{
    for (int attempt = 1;; attempt++) {
        f->again = false;
        json_decref(take(f->meta));
        json_decref(take(f->extra));
        if (p->put(ctx, f, err) == 0)
            return 0;
        if (!f->again || attempt == REMOTE_ATTEMPTS)
            return -1;
        remote_pause(f->job, attempt, PAUSE_MS);
    }
}

/* What put() leaves behind when it fails, or we die, is announced before. */
static int put_announced(const struct remote_protocol *p, void *ctx, struct remote_file *f,
                         struct err *err)
{
    struct err ignored;

    f->part = part_of(f->job, f->path);
    if (robot_set_undo(f->job, remote_part_token(f), err) < 0)
        return -1;
    if (put(p, ctx, f, err) < 0) {
        /* What can't be taken back now stays announced. */
        if ((!f->made || p->clear(ctx, f, &ignored) == 0) &&
            robot_set_undo(f->job, NULL, &ignored) < 0)
            return -1;
        return -1;
    }
    return f->commits ? 0 : robot_set_undo(f->job, NULL, err); /* a note of a commit is read only when we die */
}

/* What fails is not there, or will be made once more: the note of its commit has no more to say. */
static int put_alone(const struct remote_protocol *p, void *ctx, struct remote_file *f, struct err *err)
{
    struct err ignored;
    int rc = put(p, ctx, f, err);

    if (rc < 0 && f->commits && robot_set_undo(f->job, NULL, &ignored) < 0)
        return -1;
    return rc;
}

static int store_one(struct robot_job *job, const struct remote_protocol *p, void *ctx,
                     const char *path, int i, struct err *err)
{
    const struct robot_input *in = robot_input(job, i);
    int count = robot_input_count(job);
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    AUTO(str_done) struct str url = {0}, ssl_url = {0};
    struct remote_file f = {.job = job,
                            .in = in,
                            .fd = fd,
                            .path = path,
                            .index = i,
                            .from = (double)i / count,
                            .share = 1.0 / count};

    if (fd < 0)
        return err_errno(err, "open '%s'", in->name);
    if ((p->parts ? put_announced : put_alone)(p, ctx, &f, err) < 0) {
        json_decref(f.meta);
        json_decref(f.extra);
        return -1;
    }
    p->address(ctx, &f, &url, &ssl_url);
    return robot_emit_stored(job, i, url.s ? url.s : "", ssl_url.s ? ssl_url.s : "", f.extra,
                             f.meta, err);
}

/* Without the "./" in it: the relative_path of what lies at the top is ".", and "a/./b" is no address of "a/b" where
 * there are no directories. */
static const char *store_path(struct arena *a, const char *path)
{
    char *plain = arena_strdup(a, path), *to = plain;

    for (const char *p = path; *p;) {
        bool is_first = p == path || p[-1] == '/';

        if (is_first && p[0] == '.' && p[1] == '/')
            p += 2;
        else
            *to++ = *p++;
    }
    *to = 0;
    return plain;
}

int remote_store(struct robot_job *job, const struct remote_protocol *p, void *ctx,
                 const struct store_opts *o, struct err *err)
{
    const char *path = store_path(robot_arena(job), o->path + (!p->tree && *o->path == '/'));

    for (int i = 0; i < robot_input_count(job); i++)
        if (store_one(job, p, ctx, path, i, err) < 0)
            return -1;
    return 0;
}

/* ---- what a run has left that was stopped ---- */

int remote_commits(struct remote_file *f, json_t *token, json_t *commit, struct err *err)
{
    json_object_set_new(token, "input", json_integer(f->index));
    json_object_set_new(token, "commit", commit);
    f->commits = true;
    if (!f->probe)
        return robot_set_undo(f->job, token, err);
    json_decref(token);
    return 0;
}

int remote_kept(struct robot_job *job, const struct remote_protocol *p, void *ctx, const json_t *token,
                struct err *err)
{
    const struct remote_file f = {.job = job, .fd = -1, .path = jstr_or(token, "path", "")};
    AUTO(str_done) struct str url = {0}, ssl_url = {0};

    p->address(ctx, &f, &url, &ssl_url);
    return robot_kept(job, (int)jint(token, "input", 0), ssl_url.len ? ssl_url.s : url.s ? url.s : "", err);
}

static int64_t header_s(const struct http_client_response *r, const char *name)
{
    AUTO(mem_free) char *text = http_client_header(r, name);
    struct tm tm = {0};

    return text && strptime(text, "%a, %d %b %Y %H:%M:%S", &tm) ? timegm(&tm) : -1;
}

bool remote_is_since(const struct http_client_response *r, int64_t at_us)
{
    int64_t now_s = header_s(r, "date"), made_s = header_s(r, "last-modified");

    /* each is cut to whole seconds */
    return now_s < 0 || made_s < 0 || now_s - made_s <= (clock_now_us() - at_us) / SECOND_US + 2;
}

static int undo_once(const struct remote_protocol *p, void *ctx, struct remote_file *f, const json_t *token,
                     struct err *err)
{
    const json_t *commit = json_object_get(token, "commit");
    bool there = false;

    f->commits = json_is_object(commit);
    if (p->clear(ctx, f, err) < 0 || (f->commits && p->look && p->look(&there, ctx, f, commit, err) < 0))
        return -1;
    return there ? remote_kept(f->job, p, ctx, token, err) : 0;
}

int remote_undo(struct robot_job *job, const struct remote_protocol *p, void *ctx,
                const json_t *token, struct err *err)
{
    struct remote_file f = {
        .job = job, .fd = -1, .path = jstr(token, "path"), .part = jstr(token, "part")};

    if (!f.path || !f.part)
        return err_set(err, ERR_INTERNAL, "the note about what is to be taken back is incomplete");
    for (int attempt = 1;; attempt++) {
        f.again = false;
        if (undo_once(p, ctx, &f, token, err) == 0)
            return 0;
        if (!f.again || attempt == REMOTE_ATTEMPTS)
            return -1;
        remote_pause(job, attempt, PAUSE_MS);
    }
}
