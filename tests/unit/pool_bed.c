#include "pool_bed.h"
#include "base/clock.h"
#include "tempdir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#undef assert
#define assert(x) ((x) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x), abort()))

/* ---- what must be so, whatever is said ---- */

static void check_file(struct bed *b, const json_t *file)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    static char buf[1 << 16];
    char md5[33];
    struct stat st;
    struct err err;
    int64_t size;
    int fd = -1;
    ssize_t n;

    assert(id_valid(jstr_or(file, "id", "")));
    assert(blob_open(&fd, &size, b->blobs, jstr_or(file, "id", ""), &err) == 0);
    assert(size == jint(file, "size", -1));
    assert(fstat(fd, &st) == 0 && (st.st_mode & 0222) == 0 && st.st_uid == geteuid());
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        EVP_DigestUpdate(ctx, buf, (size_t)n);
    EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    close(fd);
    hex_encode(md5, digest, 16);
    assert(!strcmp(md5, jstr_or(file, "md5", "")));
    assert(jstr(file, "name") && !strchr(jstr(file, "name"), '/'));
    assert(!json_object_get(file, "path"));
    blob_delete(b->blobs, jstr_or(file, "id", ""), NULL);
}

static void on_room(void *ctx) { (void)ctx; }
static void on_started(void *ctx, void *owner, struct pool_run *run)
{
    struct bed *b = owner;

    b->open = run->first == run ? 1 : b->open + 1;
    b->run = run->first;
}

static int number(const struct pool_run *run)
{
    int n = 0;

    for (const struct pool_run *r = run->first; r != run; r = r->mate, n++)
        assert(r && n < ROBOT_TOGETHER_MAX);
    return n;
}

static void on_asks(void *ctx, void *owner, struct pool_run *run)
{
    struct bed *b = owner;

    assert(!b->asker && run == run->first && !run->mate);
    b->asker = run;
}

static void is_over(struct bed *b, const struct pool_run *run)
{
    if (run == b->asker)
        b->asker = NULL;
    if (run->first == b->run && --b->open == 0)
        b->run = NULL;
}

static void on_output(void *ctx, void *owner, struct pool_run *run, json_t *body)
{
    struct bed *b = owner;

    b->job[number(run)].outputs++;
    b->outputs++;
    json_decref(b->output);
    b->output = json_deep_copy(body);
    if (json_object_get(body, "file"))
        check_file(b, json_object_get(body, "file"));
    assert(!json_object_get(json_object_get(body, "same"), "asks"));
    if (!json_object_get(body, "file"))
        assert(json_is_object(json_object_get(body, "same")) || json_is_object(json_object_get(body, "stored")));
}

static void on_progress(void *ctx, void *owner, struct pool_run *run, double fraction)
{
    struct bed *b = owner;

    assert(fraction >= 0 && fraction <= 1);
    b->progress = b->job[number(run)].progress = fraction;
}

static void on_undo(void *ctx, void *owner, struct pool_run *run, json_t *token)
{
    struct bed *b = owner;

    assert(!token || json_is_object(token) || json_is_null(token));
    b->undos++;
    if (!b->hold_undo)
        pool_undo_ok(run);
}

static void on_host(void *ctx, void *owner, struct pool_run *run, const char *host, int port, const char *key)
{
    struct bed *b = owner;

    assert(*host && strlen(host) <= 255 && port > 0 && port < 65536 && strlen(key) <= 3000);
    b->hosts++;
    pool_host_is(run, *key ? key : NULL);
}

static void on_token(void *ctx, void *owner, struct pool_run *run, const char *refused)
{
    struct bed *b = owner;

    assert(*refused && strlen(refused) <= 8192);
    b->tokens++;
    pool_token_is(run, b->tokens % 2 ? "another" : NULL, "why");
}

static void on_done(void *ctx, void *owner, struct pool_run *run, int64_t exec_us)
{
    struct bed *b = owner;

    assert(exec_us >= 0);
    b->dones++;
    b->job[number(run)].dones++;
    is_over(b, run);
}

static void on_failed(void *ctx, void *owner, struct pool_run *run, const struct err *err)
{
    struct bed *b = owner;

    assert(err->code > ERR_OK && err->code < ERR_COUNT);
    assert(!strstr(err->msg, b->dir) && !strstr(err->detail, b->dir));
    b->failures++;
    b->failure = *err;
    b->job[number(run)].failures++;
    is_over(b, run);
}

static void on_stopped(void *ctx, void *owner, struct pool_run *run, int killed, int64_t freed)
{
    struct bed *b = owner;

    b->stops++;
    b->killed += killed;
    b->job[number(run)].stops++;
    is_over(b, run);
}

static void on_posted(void *ctx, const json_t *answer)
{
    assert(id_valid(jstr_or(answer, "id", "")));
    ((struct bed *)ctx)->posts++;
}

static void on_courier_lost(void *ctx) { (void)ctx; }

/* ---- the zygotes ---- */

static struct bed_worker *held(struct bed *b, int64_t id)
{
    for (int i = 0; i < BED_HELD; i++)
        if (b->held[i].sock >= 0 && b->held[i].id == id)
            return &b->held[i];
    return NULL;
}

static void zygote_answer(struct bed *b, int role)
{
    for (;;) {
        AUTO(json_unref) json_t *body = NULL;
        enum message type;
        struct err err;
        int fd = -1;

        if (b->zygote[role] < 0 || wire_recv(b->zygote[role], &type, &body, &fd, &err) != 1)
            return;
        if (type == MSG_SPAWN) {
            struct bed_worker *w = b->held;

            while (w < b->held + BED_HELD && w->sock >= 0)
                w++;
            assert(w < b->held + BED_HELD && fd >= 0);
            fcntl(fd, F_SETFL, O_NONBLOCK);
            *w = (struct bed_worker){.id = jint(body, "worker", 0), .sock = fd, .courier = jbool(body, "courier", false)};
            snprintf(w->dir, sizeof w->dir, "%s", jstr_or(body, "dir", ""));
            b->spawned++;
        } else {
            struct bed_worker *w = held(b, jint(body, "worker", 0));

            fd_close(fd);
            if (!w)
                continue;
            close(w->sock);
            w->sock = -1;
            b->gone++;
            assert(wire_send(b->zygote[role], MSG_GONE,
                             json_pack("{s:I,s:i,s:i}", "worker", (json_int_t)w->id, "status", 9, "killed", 1), -1, &err) == 0);
        }
    }
}

/* ---- the bed ---- */

static void zygote_begin(struct bed *b, int role)
{
    int pair[2];

    assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    b->p.zygotes[role].ready = true;
    b->zygote[role] = pair[1];
    zygote_listen(&b->p.zygotes[role], pair[0]);
}

void bed_open(struct bed *b, const char *where)
{
    AUTO(mem_free) char *blobs = NULL;
    struct err err;

    *b = (struct bed){.dir = tempdir_new(where)};
    uv_loop_init(&b->loop);
    blobs = mem_printf("%s/blobs", b->dir);
    assert(blob_store_open(&b->blobs, blobs, &err) == 0);
    for (int i = 0; i < BED_HELD; i++)
        b->held[i].sock = -1;
    struct pool_conf conf = {.loop = &b->loop,
                             .blobs = b->blobs,
                             .scratch = mem_printf("%s/scratch", b->dir),
                             .workers = {1, 1},
                             .worker_jobs = 1000,
                             .file_bytes = 1 << 20,
                             .timeout_s = 1000};
    struct pool_events events = {.ctx = b,
                                 .room = on_room,
                                 .started = on_started,
                                 .output = on_output,
                                 .asks = on_asks,
                                 .progress = on_progress,
                                 .undo = on_undo,
                                 .host = on_host,
                                 .token = on_token,
                                 .done = on_done,
                                 .failed = on_failed,
                                 .stopped = on_stopped,
                                 .posted = on_posted,
                                 .courier_lost = on_courier_lost};
    assert(mkdir(conf.scratch, 0700) == 0);
    pool_begin(&b->p, &conf, &events);
    for (int role = 0; role < ROLE_COUNT; role++)
        zygote_begin(b, role);
}

/* True: nothing more happens by itself. */
static bool is_calm(const struct bed *b)
{
    for (const struct worker *w = b->p.workers; w; w = w->next)
        if (w->state >= WORKER_DYING || (w->run && w->run->working))
            return false;
    return true;
}

/* One that broke a rule is not heard any more: it ends, its workers with it, and another begins (as on_zygote_exit()). */
static void zygote_ends(struct bed *b, int role)
{
    pool_close_poll(&b->p.zygotes[role].poll, &b->p.zygotes[role].sock);
    close(b->zygote[role]);
    for (struct worker *w = b->p.workers, *next; w; w = next) {
        next = w->next;
        struct bed_worker *h = w->role == (enum robot_role)role ? held(b, w->id) : NULL;

        if (h) {
            close(h->sock);
            h->sock = -1;
        }
        if (w->role == (enum robot_role)role && w->state != WORKER_GONE) {
            w->status = SIGKILL;
            worker_gone(w);
        }
    }
    zygote_begin(b, role);
}

void bed_turn(struct bed *b)
{
    for (int i = 0; i < 2 || (!is_calm(b) && i < 20000); i++) {
        uv_run(&b->loop, UV_RUN_NOWAIT);
        for (int role = 0; role < ROLE_COUNT; role++) {
            if (!uv_is_active((uv_handle_t *)b->p.zygotes[role].poll))
                zygote_ends(b, role);
            zygote_answer(b, role);
        }
        if (!is_calm(b) && i > 20)
            usleep(i < 200 ? 10 : 200);
    }
    assert(is_calm(b));
}

void bed_close(struct bed *b)
{
    if (b->run)
        pool_stop(b->run);
    bed_turn(b);
    b->p.closing = true;
    while (b->p.workers) {
        worker_kill(b->p.workers);
        bed_turn(b);
    }
    pool_close(&b->p);
    for (int role = 0; role < ROLE_COUNT; role++)
        fd_close(b->zygote[role]);
    for (int i = 0; i < 20000 && uv_loop_alive(&b->loop); i++) {
        uv_run(&b->loop, UV_RUN_NOWAIT);
        usleep(i < 10 ? 0 : 200); /* a thread may still look at what grows */
    }
    assert(uv_loop_close(&b->loop) == 0);
    map_done(&b->p.posts);
    json_decref(b->output);
    json_decref(b->input);
    blob_store_close(b->blobs);
    for (size_t i = 0; i < ARRAY_LEN(b->p.hidden); i++)
        free(b->p.hidden[i]);
    free((char *)b->p.conf.scratch);
    tempdir_remove(b->dir);
}

static json_t *make_input(struct bed *b, const char *contents)
{
    AUTO(mem_free) char *path = mem_printf("%s/input", b->dir);
    char id[ID_LEN + 1];
    unsigned char digest[EVP_MAX_MD_SIZE];
    char md5[33];
    FILE *f = fopen(path, "w");
    struct err err;

    id_new(id);
    fputs(contents, f);
    fclose(f);
    assert(blob_adopt(b->blobs, id, path, true, &err) == 0);
    EVP_Digest(contents, strlen(contents), digest, NULL, EVP_md5(), NULL);
    hex_encode(md5, digest, 16);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:{}}", "id", id, "name", "in.png", "basename", "in", "ext", "png", "mime",
                     "image/png", "size", (json_int_t)strlen(contents), "md5", md5, "meta");
}

void bed_start(struct bed *b, enum robot_role role, const char *robot, const char *input, bool undo)
{
    struct pool_task task = {.role = role,
                             .workspace = "w",
                             .assembly_id = "0123456789abcdef0123456789abcdef",
                             .robot = robot,
                             .keys = b->keys,
                             .encodes = b->encodes,
                             .waiting = b->waiting,
                             .probes = !strcmp(robot, "/upload/handle"),
                             .asks = !strcmp(robot, "/upload/handle"),
                             .knows_hosts = str_starts(robot, "/sftp/"),
                             .renews = str_starts(robot, "/box/"),
                             .params = str_starts(robot, "/sftp/") ? json_pack("{s:s}", "host", "[FILES.example]")
                                                                   : json_object(),
                             .inputs = json_array(),
                             .undo = undo ? json_object() : NULL};

    if (input && !b->input)
        b->input = make_input(b, input);
    if (input)
        json_array_append_new(task.inputs, json_deep_copy(b->input));
    for (; task.mate_count < b->mates; task.mate_count++)
        task.mates[task.mate_count] = (struct pool_mate){json_object(), b};
    memset(b->job, 0, sizeof b->job);
    pool_start(&b->p, &task, b);
}

void bed_next(struct bed *b, bool any)
{
    struct pool_run *run = take(b->asker);
    struct pool_task task = {.role = ROLE_MEDIA,
                             .workspace = "w",
                             .assembly_id = "0123456789abcdef0123456789abcdef",
                             .robot = "/image/resize"};

    if (any) {
        task.params = json_object();
        task.inputs = json_array();
        json_array_append_new(task.inputs, json_deep_copy(b->input));
        b->open++;
    }
    assert((pool_next(run, any ? &task : NULL, b) != NULL) == any);
}

struct bed_worker *bed_working(struct bed *b)
{
    for (int i = 0; i < 100 && b->run; i++) {
        bed_turn(b);
        struct worker *w = b->run ? b->run->worker : NULL;
        struct bed_worker *h = w ? held(b, w->id) : NULL;

        if (h && w->state == WORKER_STARTING)
            bed_say(h, "up {}");
        else if (h && b->run->said.sent)
            return h;
    }
    return NULL;
}

int bed_packet(int sock, const void *data, size_t len, const int *fds, int count)
{
    union {
        char buf[CMSG_SPACE(sizeof(int) * 8)];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)data, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (count) {
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
    }
    return sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

void bed_say(struct bed_worker *w, const char *text)
{
    assert(bed_packet(w->sock, text, strlen(text), NULL, 0) == 0);
}

void bed_write(struct bed_worker *w, const char *name, const char *contents)
{
    AUTO(mem_free) char *path = mem_printf("%s/out/%s", w->dir, name);
    FILE *f = fopen(path, "w");

    assert(f);
    fputs(contents, f);
    fclose(f);
}

int bed_memory(const void *data, size_t len, int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

    assert(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    if (seals)
        fcntl(fd, F_ADD_SEALS, seals);
    return fd;
}
