/* `workcell run`: the whole server inside one command. Instructions and files in, results out. */
#include "api/app.h"
#include "api/keys.h"
#include "assembly/created.h"
#include "assembly/mask.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "blob/blob.h"
#include "commands.h"
#include "conductor/conductor.h"
#include "config.h"
#include "secrecy.h"
#include "server.h"
#include "upload/spool.h"
#include "upload/upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

extern char **environ;

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SERVER = 3, EXIT_CANCELED = 130 };

struct local_run {
    struct server *server;
    struct app *app;
    const char *out;
    char id[ID_LEN + 1];
    bool tty, answered;
    pthread_mutex_t lock;
    pthread_cond_t news;
};

static int run_fail(const struct err *err, int code)
{
    fprintf(stderr, "workcell: %s\n", err->msg);
    return code;
}

static void post(struct local_run *j, enum event_type type, json_t *data, conductor_reply reply)
{
    conductor_post(j->app->conductor, &(struct conductor_news){.assembly_id = j->id,
                                                               .type = type,
                                                               .data = data,
                                                               .reply = reply,
                                                               .ctx = j});
}

static void answered(void *ctx, const struct err *err, struct published *p)
{
    struct local_run *j = ctx;

    (void)err; /* the document says it */
    (void)p;
    pthread_mutex_lock(&j->lock);
    j->answered = true;
    pthread_cond_signal(&j->news);
    pthread_mutex_unlock(&j->lock);
}

static void wait_answer(struct local_run *j)
{
    pthread_mutex_lock(&j->lock);
    while (!j->answered)
        pthread_cond_wait(&j->news, &j->lock);
    j->answered = false;
    pthread_mutex_unlock(&j->lock);
}

static int add_file(struct local_run *j, const char *path, int64_t *bytes, struct err *err)
{
    AUTO(fd_close) int in = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(mem_free) char *buf = mem_alloc(256 * 1024);
    struct spool s = {.fd = -1};
    char id[ID_LEN + 1], md5[33];
    const char *slash = strrchr(path, '/');
    ssize_t n;

    if (in < 0)
        return err_errno(err, "open '%s'", path);
    id_new(id);
    AUTO(mem_free) char *partial = uploads_path(j->app->uploads, id);
    if (spool_begin(&s, partial, j->app->blobs, id, err) < 0)
        return -1;
    while ((n = read(in, buf, 256 * 1024)) > 0)
        if (spool_write(&s, buf, (size_t)n, err) < 0)
            break;
    if (n < 0)
        err_errno(err, "read '%s'", path);
    int64_t size = s.size;
    if (n != 0 || spool_commit(&s, md5, j->app->blobs, id, false, err) < 0) {
        spool_close(&s, true);
        return -1;
    }
    *bytes += size;
    post(j, EV_FILE_UPLOADED,
         json_pack("{s:{s:s,s:o,s:I,s:s,s:s}}", "file", "id", id, "name", jstring(slash ? slash + 1 : path),
                   "size", (json_int_t)size, "md5", md5, "field", "file"),
         NULL);
    return 0;
}

static int begin(struct local_run *j, json_t *params, char **files, int count, struct err *err)
{
    json_t *fields = json_object_get(params, "fields");
    int64_t bytes = 0;

    AUTO(mem_free) char *text = instructions_masked(params);
    AUTO(mem_free) char *base = mem_printf("http://127.0.0.1:%d", j->app->port);
    AUTO(auth_key_unref) struct auth_key *key = keys_any(j->app->keys);
    if (!key)
        return err_set(err, ERR_INTERNAL, "no Auth Key");
    json_t *data = created_json(&(struct created){
        .workspace = key->workspace,
        .key_id = key->id,
        .base_url = base,
        .steps = json_object_get(params, "steps"),
        .params = text,
        .merged_params = text,
        .fields = json_is_object(fields) ? fields : NULL,
        .max_attempts = (int)j->app->config->job_attempts,
        .probe_batch = CREATED_PROBE_BATCH,
        .upload_batch = CREATED_UPLOAD_BATCH,
        .notes = true,
        .client = "workcell-run:0.1.0",
    });
    post(j, EV_CREATED, data, NULL);
    for (int i = 0; i < count; i++)
        if (add_file(j, files[i], &bytes, err) < 0) {
            post(j, EV_CANCEL, json_object(), answered);
            wait_answer(j);
            return -1;
        }
    post(j, EV_BODY_DONE, json_pack("{s:I,s:i}", "bytes", (json_int_t)bytes, "files", count), answered);
    wait_answer(j);
    return 0;
}

static void show_progress(struct local_run *j, struct published *p, int *last_percent)
{
    int percent = (int)(published_progress(p) * 100 + 0.5);

    if (j->tty) {
        fprintf(stderr, "\r[%-30.*s] %3d %%", percent * 30 / 100, "##############################", percent);
    } else if (percent / 25 != *last_percent / 25) {
        fprintf(stderr, "%d %%\n", percent);
    }
    *last_percent = percent;
}

/* A step's name as a directory: whatever a user may call it. */
static char *step_dir(const char *out, const char *step)
{
    AUTO(str_done) struct str b = {0};

    for (; *step; step++)
        str_putc(&b, *step == '/' || *step == ':' || (unsigned char)*step < 0x20 ? '_' : *step);
    return mem_printf("%s/%s%s", out, *b.s == '.' ? "_" : "", b.s);
}

/* Files of a stream name each other by folder and name: one folder below dir, no deeper and nowhere else. What lies in
 * an archive knows its whole path, which ends in its name. */
static char *folder_of(const char *dir, const json_t *file)
{
    const char *at = jstr_or(json_object_get(file, "meta"), "relative_path", ".");
    bool is_folder = *at && strcmp(at, ".") != 0 && !strchr(at, '/') && strcmp(at, jstr_or(file, "name", "")) != 0;
    char *path = is_folder ? step_dir(dir, at) : mem_strdup(dir);

    if (is_folder)
        (void)!mkdir(path, 0755); /* if it is not there, what is written next says so */
    return path;
}

static int copy_out(struct local_run *j, const json_t *file, const char *out_dir, struct err *err)
{
    const char *name = jstr_or(file, "name", "file");
    AUTO(mem_free) char *dir = folder_of(out_dir, file);
    AUTO(mem_free) char *path = mem_printf("%s/%s", dir, name);
    AUTO(fd_close) int in = -1, out = -1;
    AUTO(mem_free) char *buf = mem_alloc(256 * 1024);
    int64_t size;
    ssize_t n;

    if (blob_open(&in, &size, j->app->blobs, jstr_or(file, "id", ""), err) < 0)
        return -1;
    for (int i = 1; (out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0; i++) {
        if (errno != EEXIST || i > 9999)
            return err_errno(err, "write '%s'", path);
        free(path);
        const char *ext = jstr_or(file, "ext", "");
        path = mem_printf("%s/%s_%d%s%s", dir, jstr_or(file, "basename", "file"), i, *ext ? "." : "", ext);
    }
    while ((n = read(in, buf, 256 * 1024)) > 0)
        for (ssize_t at = 0, w; at < n; at += w)
            if ((w = write(out, buf + at, (size_t)(n - at))) < 0)
                return err_errno(err, "write '%s'", path);
    if (n < 0)
        return err_errno(err, "read a result");
    printf("%s\n", path);
    return 0;
}

static int write_results(struct local_run *j, const char *status, struct err *err)
{
    AUTO(json_unref) json_t *doc = json_reads(status);
    AUTO(mem_free) char *path = mem_printf("%s/status.json", j->out);
    const char *step;
    json_t *list, *file;
    size_t i;
    FILE *f;

    json_object_foreach (json_object_get(doc, "results"), step, list) {
        AUTO(mem_free) char *dir = step_dir(j->out, step);

        if (mkdir(dir, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "make '%s'", dir);
        json_array_foreach (list, i, file)
            if (copy_out(j, file, dir, err) < 0)
                return -1;
    }
    if (!(f = fopen(path, "w")) || json_dumpf(doc, f, JSON_INDENT(2)) < 0 || fclose(f))
        return err_errno(err, "write '%s'", path);
    printf("%s\n", path);
    return 0;
}

/* Why there is less than one may have hoped for: what a status says in passing, a command line says aloud. */
static void tell(const json_t *doc)
{
    const json_t *ignored = json_object_get(doc, "ignored_errors");
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(doc, "warnings"), i, item)
        fprintf(stderr, "workcell: %s: %s\n", jstr_or(item, "level", "warning"), jstr_or(item, "msg", ""));
    json_array_foreach (ignored, i, item)
        fprintf(stderr, "workcell: ignored: %s: %s - step %s\n", jstr_or(item, "error", ""),
                jstr_or(item, "message", ""), jstr_or(item, "step", ""));
}

static int finish(struct local_run *j, bool canceled)
{
    AUTO(published_unref) struct published *p = NULL;
    struct err err;

    if (conductor_find(&p, j->app->conductor, j->id, &err) < 0)
        return run_fail(&err, EXIT_SERVER);
    struct shared_text *t = published_text(p, 200);
    AUTO(json_unref) json_t *doc = json_reads(t->s);
    int code = jstr(doc, "error") ? EXIT_FAILED : canceled ? EXIT_CANCELED : EXIT_DONE;

    if (j->tty)
        fputc('\n', stderr);
    if (write_results(j, t->s, &err) < 0)
        code = run_fail(&err, EXIT_SERVER);
    shared_text_unref(t);
    tell(doc);
    if (jstr(doc, "error"))
        fprintf(stderr, "%s: %s%s%s\n", jstr(doc, "error"), jstr_or(doc, "message", ""),
                jstr(doc, "step") ? " - step " : "", jstr_or(doc, "step", ""));
    if (json_object_get(doc, "cancel")) {
        AUTO(mem_free) char *receipt = json_text(json_object_get(doc, "cancel"));

        fprintf(stderr, "canceled: %s\n", receipt);
    }
    return code;
}

static int watch(struct local_run *j)
{
    AUTO(published_unref) struct published *p = NULL;
    sigset_t wanted;
    struct timespec step = {0, 50 * 1000000};
    int last = 0;
    struct err err;

    if (conductor_find(&p, j->app->conductor, j->id, &err) < 0)
        return run_fail(&err, EXIT_SERVER);
    if (!p)
        return EXIT_SERVER;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    while (!published_is_over(p)) {
        show_progress(j, p, &last);
        if (sigtimedwait(&wanted, NULL, &step) > 0) {
            post(j, EV_CANCEL, json_object(), answered);
            wait_answer(j);
            return finish(j, true);
        }
    }
    show_progress(j, p, &last);
    return finish(j, false);
}

static int remove_data(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* Everything that is not -o DIR, a setting, or its value, in order. */
static int sort_args(struct local_run *j, int argc, char **argv, char **words, char **flags, int *nf)
{
    int nw = 0;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-o") && i + 1 < argc) {
            j->out = argv[++i];
        } else if (!strncmp(argv[i], "--", 2)) {
            flags[(*nf)++] = argv[i];
            if (config_flag_takes_value(argv[i]) && i + 1 < argc)
                flags[(*nf)++] = argv[++i];
        } else {
            words[nw++] = argv[i];
        }
    }
    return nw;
}

static json_t *read_params(const char *file)
{
    const char *from = strcmp(file, "-") ? file : "standard input";
    struct err err;
    json_t *params = json_read_object(file, &err);

    if (!params)
        fprintf(stderr, "workcell: %s%s%s\n", strstr(err.msg, from) ? "" : from, strstr(err.msg, from) ? "" : ": ",
                err.msg);
    return params;
}

/* The whole server over a directory of its own, for one Assembly. Returns the exit code. */
static int run_server(struct local_run *j, const struct config *c, json_t *params, char **files, int count)
{
    struct err err;
    int code;

    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->news, NULL);
    id_new_ordered(j->id);
    if (server_start(&j->server, c, LOG_ERROR, &err) < 0)
        return run_fail(&err, EXIT_SERVER);
    j->app = server_app(j->server);
    if (begin(j, params, files, count, &err) < 0)
        code = run_fail(&err, EXIT_USAGE);
    else
        code = watch(j);
    server_stop(j->server);
    return code;
}

int command_run(int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new();
    char **words = mem_zalloc((size_t)(argc + 1) * sizeof *words);
    char **flags = mem_zalloc((size_t)(argc + 8) * sizeof *flags);
    const char *tmp = getenv("TMPDIR");
    AUTO(mem_free) char *data = mem_printf("%s/workcell-run-XXXXXX", tmp ? tmp : "/tmp");
    struct local_run j = {.tty = isatty(2)};
    struct config c;
    struct err err;
    sigset_t wanted;
    int nf = 1;

    flags[0] = argv[0];
    int nw = sort_args(&j, argc, argv, words, flags, &nf);
    bool known = config_load(&c, a, nf, flags, environ, &err) == 0;
    if (known && (nw < 1 || !j.out)) {
        command_usage("run", stderr);
        return EXIT_USAGE;
    }
    if (!known)
        return run_fail(&err, EXIT_USAGE);
    AUTO(json_unref) json_t *params = read_params(words[0]);
    if (!params)
        return EXIT_USAGE;
    config_warn_environment(environ, stderr);
    if (mkdir(j.out, 0755) < 0 && errno != EEXIST) {
        err_errno(&err, "make '%s'", j.out);
        return run_fail(&err, EXIT_USAGE);
    }
    log_setup(LOG_ERROR, false);
    if (!mkdtemp(data)) {
        err_errno(&err, "make a directory for the data");
        return run_fail(&err, EXIT_SERVER);
    }
    secrecy_settle(c.core_dumps);
    c.data = data;
    c.listen = "127.0.0.1:0";
    c.drain_timeout_s = 0;
    c.fsync_uploads = false; /* the originals are on this disk anyway */
    c.ballast_bytes = 0;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    int code = run_server(&j, &c, params, words + 1, nw - 1);
    nftw(data, remove_data, 16, FTW_DEPTH | FTW_PHYS);
    return code;
}
