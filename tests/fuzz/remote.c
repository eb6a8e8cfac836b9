#include "remote.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#define MAX_REQUESTS 40

struct robot_job {
    struct arena *arena;
    struct robot_input in;
    json_t *settings, *undo;
    int paths, requests;
    const struct robot *robot;
};

char *(*remote_server)(const struct http_client_request *req);
void (*remote_emitted)(const char *path);
static struct bytes *answers;
static struct robot_job *current;

/* ---- the other server ---- */

/* The linker gives these to whoever asks for http_client_run, sleep and nanosleep (--wrap). */
int __wrap_http_client_run(struct http_client_response *out, struct http_client *c,
                           const struct http_client_request *req, struct err *err);
unsigned __wrap_sleep(unsigned s);
int __wrap_nanosleep(const struct timespec *want, struct timespec *left);

static void add_header(struct http_client_response *out, char *line)
{
    char *colon = strchr(line, ':');

    if (!colon || out->headers.len > 8000)
        return;
    *colon = 0;
    for (char *p = line; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t n = strlen(value); n && strchr(" \t\r", value[n - 1]);)
        value[--n] = 0;
    str_addf(&out->headers, "%s: %s\n", line, value);
}

static int64_t length_of(const struct http_client_response *r)
{
    AUTO(mem_free) char *s = http_client_header(r, "content-length");
    char *end;
    long long n = s && isdigit((unsigned char)*s) ? strtoll(s, &end, 10) : -1;

    return n >= 0 && !*end ? n : -1;
}

static int give_body(struct http_client_response *out, const struct http_client_request *req, struct err *err)
{
    const uint8_t *end = answers->left ? memmem(answers->p, answers->left, "\n%%\n", 4) : NULL;
    size_t len = end ? (size_t)(end - answers->p) : answers->left, half = len / 2;
    AUTO(mem_free) char *first = take_text(answers, half), *second = take_text(answers, len - half);
    free(take_text(answers, end ? 4 : 0));
    int rc = 0;

    if (!req->on_body || out->status < 200 || out->status > 299) {
        str_add(&out->body, first, half);
        str_add(&out->body, second, len - half);
        return 0;
    }
    if (half)
        rc = req->on_body(req->ctx, first, half, err);
    if (rc == 0 && len > half)
        rc = req->on_body(req->ctx, second, len - half, err);
    return rc;
}

static int answer(struct http_client_response *out, const struct http_client_request *req, struct err *err)
{
    AUTO(mem_free) char *status = NULL;

    *out = (struct http_client_response){.url = mem_strdup(req->url)};
    CHECK(!strncasecmp(req->url, "http://", 7) || !strncasecmp(req->url, "https://", 8));
    CHECK(req->guard); /* no request of a Robot's goes without it */
    for (const char *const *h = req->headers; h && *h; h++)
        CHECK(!strpbrk(*h, "\r\n"));
    if (!answers->left || current->requests++ > MAX_REQUESTS)
        return err_set(err, ERR_INPUT, "there is no server any more");
    status = take_line(answers);
    out->status = atoi(status);
    if (out->status < 100 || out->status > 599)
        return err_set(err, ERR_IO, "the connection broke");
    for (;;) {
        AUTO(mem_free) char *line = take_line(answers);
        if (!*line || !strcmp(line, "\r"))
            break;
        if (str_starts(line, "final-url ") && req->max_redirects) {
            free(out->url);
            out->url = mem_strdup(line + strlen("final-url "));
        }
        add_header(out, line);
    }
    if (req->on_progress)
        req->on_progress(req->ctx, 0.5);
    if (req->on_head && req->on_head(req->ctx, out->status, length_of(out), err) < 0)
        return -1;
    AUTO(mem_free) char *broken = http_client_header(out, "broken");
    int rc = give_body(out, req, err);
    return rc == 0 && broken ? err_set(err, ERR_IO, "the connection broke") : rc;
}

int __wrap_http_client_run(struct http_client_response *out, struct http_client *c,
                           const struct http_client_request *req, struct err *err)
{
    if (!remote_server)
        return answer(out, req, err);
    AUTO(mem_free) char *text = current->requests > MAX_REQUESTS ? NULL : remote_server(req);
    struct bytes told = {(const uint8_t *)text, text ? strlen(text) : 0}, *before = answers;

    answers = &told;
    int rc = answer(out, req, err);
    answers = before;
    return rc;
}

unsigned __wrap_sleep(unsigned s) { return 0; }
int __wrap_nanosleep(const struct timespec *want, struct timespec *left)
{
    CHECK(want->tv_sec >= 0 && want->tv_sec <= 61); /* nobody makes us wait for ever */
    return 0;
}

/* ---- the host ---- */

struct robot_job *remote_job(const struct robot *robot, struct bytes *b, const void *file, size_t len)
{
    struct robot_job *j = mem_zalloc(sizeof *j);

    answers = b;
    current = j;
    j->robot = robot;
    j->arena = arena_new();
    j->settings = json_pack("{s:i,s:i,s:i,s:s}", "retry_ms", 0, "s3_multipart_threshold", 50,
                            "max_file_size", 100000, "import_allow", "");
    j->in = (struct robot_input){.id = "0123456789abcdef0123456789abcdef",
                                 .path = fuzz_file(file, len),
                                 .name = "a b.jpg",
                                 .basename = "a b",
                                 .ext = "jpg",
                                 .mime = "image/jpeg",
                                 .type = "image",
                                 .md5 = "d41d8cd98f00b204e9800998ecf8427e",
                                 .as = "",
                                 .size = (int64_t)len};
    return j;
}

void remote_done(struct robot_job *j)
{
    json_decref(j->settings);
    json_decref(j->undo);
    arena_free(j->arena);
    free(j);
}

json_t *remote_token(const struct robot_job *j) { return j->undo; }

int robot_input_count(const struct robot_job *j) { return 1; }
const struct robot_input *robot_input(const struct robot_job *j, int i)
{
    CHECK(i == 0);
    return &j->in;
}
const struct robot *robot_of_job(const struct robot_job *j) { return j->robot; }
struct arena *robot_arena(struct robot_job *j) { return j->arena; }
const char *robot_assembly_id(const struct robot_job *j) { return "0123456789abcdef0123456789abcdef"; }
const json_t *robot_variables(const struct robot_job *j) { return NULL; }
const json_t *robot_settings(const struct robot_job *j) { return j->settings; }
void robot_progress(struct robot_job *j, double fraction) { CHECK(fraction >= 0 && fraction <= 1.0001); }

void robot_tried(struct robot_job *j, enum robot_trial_step step) { CHECK(!(step & ~TRIAL_ALL)); }

static char out_dir[] = "/tmp/workcell-fuzz-XXXXXX";

static void remove_dir(void) { rmdir(out_dir); }

const char *robot_out_path(struct robot_job *j, const char *ext)
{
    if (strstr(out_dir, "XXXXXX")) {
        CHECK(mkdtemp(out_dir));
        atexit(remove_dir);
    }
    return arena_printf(j->arena, "%s/out", out_dir);
}

static void is_text(const char *s)
{
    CHECK(!s || utf8_valid(s, strlen(s)));
}

int robot_emit(struct robot_job *j, const struct robot_output *o, struct err *err)
{
    struct stat st;

    CHECK(stat(o->path, &st) == 0 && st.st_size <= 100000); /* max_file_size */
    if (remote_emitted)
        remote_emitted(o->path);
    unlink(o->path);
    CHECK(!o->name || (*o->name && !strchr(o->name, '/')));
    is_text(o->name);
    CHECK(!o->extra || json_is_object(o->extra));
    const char *folder = jstr_or(o->extra, "original_path", "/");
    CHECK(*folder == '/' && !strstr(folder, "/../") && !strstr(folder, "//") && str_ends(folder, "/"));
    json_decref(o->meta);
    return 0;
}

int robot_emit_same(struct robot_job *j, int input, json_t *meta, struct err *err)
{
    json_decref(meta);
    return 0;
}

int robot_emit_passed(struct robot_job *j, int input, struct err *err)
{
    CHECK(input == 0);
    return 0;
}

int robot_emit_stored(struct robot_job *j, int input, const char *url, const char *ssl_url, json_t *extra, json_t *meta,
                      struct err *err)
{
    CHECK(url && ssl_url);
    is_text(url);
    json_decref(extra);
    json_decref(meta);
    return 0;
}

int robot_kept(struct robot_job *j, int input, const char *url, struct err *err)
{
    is_text(url);
    return 0;
}

int robot_set_undo(struct robot_job *j, json_t *token, struct err *err)
{
    json_decref(j->undo);
    j->undo = token;
    return 0;
}

int robot_host_key(const char **known, struct robot_job *j, const char *host, int port, const char *seen,
                   struct err *err)
{
    *known = seen;
    return 0;
}

bool robot_renews(const struct robot_job *j) { return true; }

int robot_access_token(const char **token, struct robot_job *j, const char *refused, struct err *err)
{
    *token = "another-secret";
    return strcmp(refused, *token) != 0 ? 0 : err_set(err, ERR_SERVER_403, "there is no other");
}
