#include "browser/fence.h"
#include "browser/private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LAST_WISH_US SECOND_US /* for a browser that was told to end */
#define MEMORY ((rlim_t)640 << 20)  /* of each process: scripts get a RangeError before their renderer ends */

/* The one without a desktop is half as large; the other knows --headless as well. */
static const char *const programs[] = {"/usr/lib/chromium/chromium-headless-shell", "/usr/lib/chromium/chromium"};

static const char *const flags[] = {
    "--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage", "--disable-breakpad",
    "--disable-crash-reporter", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--disable-extensions", "--hide-scrollbars", "--mute-audio",
    "--force-color-profile=srgb", "--font-render-hinting=none", "--renderer-process-limit=4", "--in-process-gpu",
    "--enable-features=NetworkServiceInProcess2", "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--remote-debugging-pipe"};

const char *browser_program(void)
{
    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        if (access(programs[i], X_OK) == 0)
            return programs[i];
    return NULL;
}

/* ---- start ---- */

/* Between fork and exec: nothing here may allocate. ends: 0 to 4 of the program. */
static void browser_become(const struct fence *walls, const int ends[5], char *const argv[], char *const env[],
                           rlim_t cpu_s)
{
    const struct rlimit cpu = {cpu_s, cpu_s + 1}, memory = {MEMORY, MEMORY};
    int high[5];
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    (void)setrlimit(RLIMIT_CPU, &cpu);
    (void)setrlimit(RLIMIT_DATA, &memory);
    if (!fence_enter(walls))
        _exit(125);
    for (int i = 0; i < 5; i++) /* out of the way first */
        if ((high[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 64)) < 0)
            _exit(126);
    for (int i = 0; i < 5; i++)
        if (dup2(high[i], i) < 0)
            _exit(126);
    (void)close_range(5, ~0U, 0);
    execve(argv[0], argv, env);
    _exit(127);
}

struct ends {
    int null, in[2], out[2], err[2]; /* in: what the browser reads */
};

static void ends_done(struct ends e)
{
    fd_close(e.null);
    for (int i = 0; i < 2; i++) {
        fd_close(e.in[i]);
        fd_close(e.out[i]);
        fd_close(e.err[i]);
    }
}
DEFINE_AUTO(struct ends, ends_done)

static int ends_open(struct ends *e, struct err *err)
{
    e->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    return e->null < 0 || pipe2(e->in, O_CLOEXEC) < 0 || pipe2(e->out, O_CLOEXEC) < 0 || pipe2(e->err, O_CLOEXEC) < 0
               ? err_errno(err, "make the browser's pipes")
               : 0;
}

static void not_block(int fd) { (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

static int browser_fork(struct browser *b, const char *const *argv, const char *dir, struct err *err)
{
    AUTO(ends_done) struct ends e = {-1, {-1, -1}, {-1, -1}, {-1, -1}};
    AUTO(mem_free) char *home = mem_printf("HOME=%s", dir), *tmp = mem_printf("TMPDIR=%s", dir);
    AUTO(fence_done) struct fence walls = {.ruleset = -1};
    char *const env[] = {home, tmp, "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC",
                         "DBUS_SESSION_BUS_ADDRESS=disabled:", NULL};
    int64_t left_s = (b->deadline_us - clock_mono_us()) / SECOND_US;

    if (ends_open(&e, err) < 0 || fence_prepare(&walls, dir, err) < 0)
        return -1;
    const int ends[5] = {e.null, e.null, e.err[1], e.in[0], e.out[1]};
    if ((b->pid = fork()) < 0)
        return err_errno(err, "start the browser");
    if (b->pid == 0) /* it draws with several threads */
        browser_become(&walls, ends, (char *const *)argv, env, (rlim_t)(left_s > 0 ? 4 * left_s + 10 : 10));
    b->cdp.to = take_fd(e.in[1]);
    b->cdp.from = take_fd(e.out[0]);
    b->err_fd = take_fd(e.err[0]);
    not_block(b->cdp.to);
    not_block(b->cdp.from);
    not_block(b->err_fd);
    return 0;
}

/* The end of what it has said, with the newest last. */
static void browser_hear_stderr(struct browser *b)
{
    char piece[sizeof b->tail];
    ssize_t n;

    while ((n = read(b->err_fd, piece, sizeof piece - 1)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (!piece[i])
                piece[i] = '?';
        piece[n] = 0;
        memcpy(b->tail, piece, (size_t)n + 1);
    }
}

/* Reaped by then? */
static bool browser_ended(struct browser *b, int *status, int64_t until_us)
{
    pid_t got;

    while (b->pid > 0 && (got = waitpid(b->pid, status, WNOHANG)) == 0 && clock_mono_us() < until_us)
        usleep(2000);
    if (b->pid > 0 && got == 0)
        return false;
    b->pid = 0;
    return true;
}

/* It has ended at once, and says why; or it says what it may not. */
static int browser_no_start(struct browser *b, struct err *err)
{
    int status = 0;

    browser_hear_stderr(b);
    if (err->code != ERR_TIMEOUT && browser_ended(b, &status, clock_mono_us() + SECOND_US / 10))
        err_set(err, ERR_COMMAND, "the browser does not start (status %d, signal %d)",
                WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    browser_hear_stderr(b);
    snprintf(err->detail, sizeof err->detail, "%s", b->tail);
    return -1;
}

int browser_start_as(struct browser **out, const char *const *argv, const char *dir, int64_t deadline_us,
                     struct err *err)
{
    AUTO(browser_end) struct browser *b = mem_zalloc(sizeof *b);
    struct drawing hello = {.b = b, .origin = ""};
    json_t *version = NULL;

    b->cdp.to = b->cdp.from = b->err_fd = -1;
    b->deadline_us = deadline_us;
    if (browser_fork(b, argv, dir, err) < 0)
        return -1;
    if (drawing_call(&version, &hello, NULL, "Browser.getVersion", NULL, err) < 0)
        return browser_no_start(b, err);
    snprintf(b->agent, sizeof b->agent, "%s", jstr_or(version, "userAgent", ""));
    json_decref(version);
    *out = take(b);
    return 0;
}

int browser_start(struct browser **out, const char *dir, int64_t deadline_us, struct err *err)
{
    const char *argv[ARRAY_LEN(flags) + 4];
    AUTO(mem_free) char *data = mem_printf("--user-data-dir=%s", dir);
    size_t n = 0;

    if (!browser_program())
        return err_set(err, ERR_COMMAND, "no browser is installed on this server (package chromium-headless-shell)");
    argv[n++] = browser_program();
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        argv[n++] = flags[i];
    argv[n++] = data;
    argv[n] = NULL;
    return browser_start_as(out, argv, dir, deadline_us, err);
}

/* ---- end ---- */

void browser_end(struct browser *b)
{
    int64_t until = clock_mono_us() + LAST_WISH_US;
    struct drawing bye = {.b = b, .origin = ""};
    struct err err = {0};
    int status;

    if (!b)
        return;
    b->deadline_us = until;
    if (b->pid > 0 && b->cdp.to >= 0) {
        cdp_send(&b->cdp, NULL, "Browser.close", NULL);
        while (drawing_turn(&bye, until, &err) == 0 && !browser_ended(b, &status, 0))
            ;
    }
    cdp_close(&b->cdp); /* which ends it as well */
    fd_close(b->err_fd);
    (void)browser_ended(b, &status, until + LAST_WISH_US / 2);
    free(b);
}
