/* Outputs of a run: they become blobs, and large ones that come from other servers are summed while they come. */
#include "worker/pool_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MS 100
#define LARGE (INT64_C(16) << 20) /* bytes of a file that is worth it */
#define NAMES_MOST 64             /* in out/ that are looked at */
#define STEP (INT64_C(16) << 20)  /* bytes at once: a thread is for everybody, and a cancel does not ask it to stop */

/* ---- summed while they come ---- */

/* On the loop, but for the step that a thread is at. */
struct follow {
    struct pool_run *run; /* NULL: it is over */
    struct pool *pool;
    uv_timer_t *timer;
    struct blob_follow *file; /* NULL: none that is large enough was seen */
    int out_fd;               /* of its own: the worker's may be closed meanwhile */
    bool busy;
};

static void follow_free(struct follow *f)
{
    blob_follow_unref(f->file);
    fd_close(f->out_fd);
    free(f);
}

/* Whatever names there are: what is opened is looked at there. */
static struct blob_follow *follow_find(int out_fd)
{
    int fd = openat(out_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct blob_follow *found = NULL;
    const struct dirent *e;
    struct stat st;

    if (!d)
        fd_close(fd);
    for (int i = 0; d && !found && i < NAMES_MOST && (e = readdir(d)); i++)
        if (fstatat(out_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_size >= LARGE)
            found = blob_follow_new(out_fd, e->d_name);
    if (d)
        closedir(d);
    return found;
}

static void follow_step(struct work *k)
{
    k->rc = !k->beside;
    if (!k->beside)
        k->beside = follow_find(k->follow->out_fd);
    k->bytes = k->beside ? blob_follow_step(k->beside, STEP) : 0;
}

static void follow_stepped(struct work *k);

static void follow_go_on(struct follow *f)
{
    struct work *k = mem_zalloc(sizeof *k);

    f->busy = true;
    k->fn = follow_step;
    k->after = follow_stepped;
    k->follow = f;
    k->beside = f->file ? blob_follow_ref(f->file) : NULL;
    pool_work(f->pool, k);
}

static void follow_stepped(struct work *k)
{
    struct follow *f = k->follow;

    f->busy = false;
    if (!f->run) {
        blob_follow_unref(k->beside);
        follow_free(f);
        return;
    }
    if (k->rc && !f->run->working)
        f->file = k->beside; /* it is new */
    else
        blob_follow_unref(k->beside);
    if (k->bytes && f->file)
        follow_go_on(f);
}

static void follow_on_timer(uv_timer_t *t)
{
    struct follow *f = t->data;

    if (!f->busy && !f->run->working)
        follow_go_on(f);
}

void pool_follow(struct pool_run *run)
{
    if (run->role != ROLE_TRANSFER || run->follow)
        return;
    struct follow *f = mem_zalloc(sizeof *f);
    f->run = run;
    f->pool = run->pool;
    f->out_fd = fcntl(run->worker->out_fd, F_DUPFD_CLOEXEC, 3);
    f->timer = mem_zalloc(sizeof *f->timer);
    f->timer->data = f;
    uv_timer_init(run->pool->conf.loop, f->timer);
    uv_timer_start(f->timer, follow_on_timer, LOOK_MS, LOOK_MS);
    run->follow = f;
}

void pool_follow_end(struct pool_run *run)
{
    struct follow *f = run->follow;

    if (!f)
        return;
    run->follow = NULL;
    f->run = NULL;
    uv_timer_stop(f->timer);
    uv_close((uv_handle_t *)f->timer, pool_free_handle);
    if (!f->busy)
        follow_free(f);
}

/* What was followed, if anything: it is done with, whichever file is taken now. */
static struct blob_follow *follow_take(struct pool_run *run)
{
    return run->follow ? take(run->follow->file) : NULL;
}

/* ---- taken ---- */

bool pool_is_stopping(const struct pool_run *run)
{
    for (run = run->first; run && !run->stopping; run = run->mate)
        continue;
    return run != NULL;
}

static void adopt(struct work *k)
{
    if (k->path)
        k->rc = blob_take(&k->taken, k->blobs, k->id, k->worker->out_fd, strrchr(k->path, '/') + 1, k->path,
                          k->max_size, k->beside, &k->run->first->unwanted, &k->err);
    else
        k->rc = blob_clone(k->blobs, k->source, k->id, &k->err);
}

static void drop_blob(struct work *k) { k->bytes = blob_delete(k->blobs, k->id, NULL); }
static void blob_dropped(struct work *k) { (void)k; }

static void adopted(struct work *k)
{
    struct pool_run *run = k->run;
    struct worker *w = run->worker;

    run->first->working = false;
    blob_follow_unref(k->beside);
    if (pool_is_stopping(run) || w->state == WORKER_GONE) {
        /* nobody will ever name this blob */
        struct work *drop = mem_zalloc(sizeof *drop);

        drop->fn = drop_blob;
        drop->after = blob_dropped;
        memcpy(drop->id, k->id, sizeof drop->id);
        run->first->freed += k->taken.size;
        pool_work(run->pool, drop);
        if (w->state == WORKER_GONE)
            worker_gone(w);
        return;
    }
    if (k->rc < 0) {
        run->first->failure = k->err;
        worker_kill(w);
        return;
    }
    if (k->path) {
        json_t *file = json_object_get(k->json, "file");

        json_object_set_new(file, "size", json_integer(k->taken.size));
        json_object_set_new(file, "md5", json_string(k->taken.md5));
    }
    run->pool->events.output(run->pool->events.ctx, run->owner, run, k->json);
    worker_listen(w);
}

static const json_t *run_input(const struct pool_run *run, const json_t *clone)
{
    const struct pool_run *told = run->message ? run : run->first;

    return json_array_get(json_object_get(told->message, "inputs"), (size_t)jint(clone, "input", 0));
}

/* An input under a new id: what it is called and how long it is, we know. */
static json_t *cloned(const struct pool_run *run, const json_t *clone, const char *id)
{
    const json_t *in = run_input(run, clone);
    json_t *file = json_pack("{s:s,s:I,s:I}", "id", id, "size", (json_int_t)jint(in, "size", 0), "input",
                             (json_int_t)jint(clone, "input", 0));

    jset(file, "name", jstr_or(in, "name", ""));
    jset(file, "ext", jstr_or(in, "ext", ""));
    jset(file, "md5", jstr_or(in, "md5", ""));
    jset(file, "mime", jstr_or(in, "mime", ""));
    jset(file, "stub", jstr(in, "stub"));
    if (json_object_get(clone, "meta"))
        json_object_set(file, "meta", json_object_get(clone, "meta"));
    return file;
}

void pool_adopt(struct pool_run *run, json_t *body)
{
    json_t *file = json_object_get(body, "file"), *clone = json_object_get(body, "clone");
    struct work *k = mem_zalloc(sizeof *k);

    k->fn = adopt;
    k->after = adopted;
    k->run = run;
    k->worker = run->worker;
    k->max_size = run->pool->conf.file_bytes;
    k->json = json_incref(body);
    id_new(k->id);
    if (json_is_object(file)) {
        k->path = mem_strdup(jstr_or(file, "path", ""));
        json_object_set_new(file, "id", json_string(k->id));
        json_object_del(file, "path");
        k->beside = follow_take(run);
    } else {
        snprintf(k->source, sizeof k->source, "%s", jstr_or(run_input(run, clone), "id", ""));
        json_object_set_new(body, "file", cloned(run, clone, k->id));
        json_object_del(body, "clone");
    }
    run->first->working = true;
    pool_work(run->pool, k);
}
