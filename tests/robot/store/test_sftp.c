/* /sftp/store against a real sshd on this machine, which the test starts and ends. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROBOT "/sftp/store"
#define BIG (6 * 1024 * 1024)

static char dir[64];
static const char *user;
static char *own_key, *other_key, *own_public, *other_public, *host_public;
struct sshd {
    int port;
    pid_t pid;
};
static struct sshd normal, frozen; /* frozen: lets nobody write */

/* ---- the server ---- */

static char *at(const char *name) { return mem_printf("%s/%s", dir, name); }

static char *contents(const char *path)
{
    FILE *f = fopen(path, "re");
    AUTO(str_done) struct str b = {0};
    char buf[65536];
    size_t n;

    while (f && (n = fread(buf, 1, sizeof buf, f)) > 0)
        str_add(&b, buf, n);
    if (f)
        fclose(f);
    return f ? str_take(&b) : NULL;
}

static void write_file(const char *path, const char *data, size_t len)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static char *new_key(const char *name, char **public_half)
{
    AUTO(mem_free) char *path = at(name);
    AUTO(mem_free) char *command = mem_printf("ssh-keygen -q -t ed25519 -N '' -C test -f %s", path);
    AUTO(mem_free) char *public_path = mem_printf("%s.pub", path);

    assert_int_equal(system(command), 0);
    *public_half = contents(public_path);
    (*public_half)[strcspn(*public_half, "\n")] = 0;
    return contents(path);
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 8) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct sshd start_sshd(const char *name, const char *subsystem)
{
    struct sshd s;
    AUTO(mem_free) char *config = at(name);
    AUTO(mem_free) char *log = mem_printf("%s.log", config);

    fd_close(listen_anywhere(&s.port));
    AUTO(mem_free)
    char *text = mem_printf(
        "ListenAddress 127.0.0.1\nPort %d\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication yes\nPidFile none\nLogLevel ERROR\n"
        "Subsystem sftp %s\n",
        s.port, dir, dir, subsystem);
    write_file(config, text, strlen(text));
    s.pid = fork();
    if (s.pid == 0) {
        execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-f", config, "-E", log, NULL);
        _exit(127);
    }
    for (int i = 0; i < 100; i++) {
        int fd = connect_to(s.port);

        fd_close(fd);
        if (fd >= 0)
            return s;
        assert_int_equal(waitpid(s.pid, NULL, WNOHANG), 0);
        usleep(50000);
    }
    fail_msg("sshd does not listen");
    return s;
}

static int begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (geteuid() == 0)
        mkdir("/run/sshd", 0755);
    strcpy(dir, "/tmp/workcell-sftp-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    user = getpwuid(geteuid())->pw_name;
    free(new_key("host", &host_public));
    own_key = new_key("own", &own_public);
    other_key = new_key("other", &other_public);
    AUTO(mem_free) char *authorized = at("authorized");
    write_file(authorized, own_public, strlen(own_public));
    normal = start_sshd("normal", "internal-sftp");
    frozen = start_sshd("frozen", "internal-sftp -R");
    return 0;
}

static int end(void **state)
{
    AUTO(mem_free) char *command = mem_printf("rm -rf %s", dir);

    (void)state;
    const struct sshd *const all[] = {&normal, &frozen};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        kill(all[i]->pid, SIGTERM);
        waitpid(all[i]->pid, NULL, 0);
    }
    char *const texts[] = {own_key, other_key, own_public, other_public, host_public};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    return system(command);
}

/* ---- a line to it that breaks ---- */

struct line {
    pthread_t thread;
    int listener, port, cuts; /* so many connections break */
    int64_t after;            /* that many bytes of the client's */
    int connections;
    int wake[2];
};

static void relay(struct line *l, int client, bool cut)
{
    int server = connect_to(normal.port);
    int64_t passed = 0;
    char buf[65536];

    for (;;) {
        struct pollfd p[] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {l->wake[0], POLLIN, 0}};

        if (poll(p, 3, -1) < 0 || p[2].revents)
            break;
        int from = p[0].revents ? client : server, to = from == client ? server : client;
        ssize_t n = read(from, buf, sizeof buf);
        if (n <= 0)
            break;
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(to, buf + done, (size_t)(n - done))) <= 0)
                goto over;
        if (from == client && (passed += n) > l->after && cut)
            break;
    }
over:
    close(client);
    close(server);
}

static void *serve_line(void *arg)
{
    struct line *l = arg;

    for (;;) {
        struct pollfd p[] = {{l->listener, POLLIN, 0}, {l->wake[0], POLLIN, 0}};

        if (poll(p, 2, -1) < 0 || p[1].revents)
            return NULL;
        int client = accept(l->listener, NULL, NULL);
        relay(l, client, l->connections++ < l->cuts);
    }
}

static void line_start(struct line *l, int cuts, int64_t after)
{
    *l = (struct line){.cuts = cuts, .after = after};
    l->listener = listen_anywhere(&l->port);
    assert_int_equal(pipe(l->wake), 0);
    assert_int_equal(pthread_create(&l->thread, NULL, serve_line, l), 0);
}

static void line_end(struct line *l)
{
    assert_int_equal(write(l->wake[1], "x", 1), 1);
    pthread_join(l->thread, NULL);
    close(l->listener);
    close(l->wake[0]);
    close(l->wake[1]);
}

/* ---- a run ---- */

static char *input(struct robot_job *j, const char *name, size_t size)
{
    char *path = (char *)host_path(j, name);
    AUTO(mem_free) char *data = mem_alloc(size + 1);

    for (size_t i = 0; i < size; i++)
        data[i] = (char)('a' + i * 7 % 25);
    write_file(path, data, size);
    host_add_input(j, path);
    return path;
}

static void set(struct robot_job *j, const char *name, const char *value)
{
    jset(host_settings(j), name, value);
}

static struct robot_job *new_job(void)
{
    struct robot_job *j = host_new();

    set(j, "import_allow", "127.0.0.0/8");
    set(j, "sftp_key", own_key);
    json_object_set_new(host_settings(j), "retry_ms", json_integer(10));
    return j;
}

static json_t *step_at(int port, const char *path)
{
    return json_pack("{s:s,s:i,s:s,s:s}", "host", "127.0.0.1", "port", port, "user", user, "path",
                     path);
}

static int run(struct robot_job *j, json_t *step, struct err *err)
{
    AUTO(json_unref) json_t *given = step;
    AUTO(mem_free) char *text = json_text(given);

    *err = (struct err){0};
    return host_run(j, ROBOT, text, err);
}

static void runs(struct robot_job *j, json_t *step)
{
    struct err err;

    if (run(j, step, &err) < 0)
        fail_msg("%s: %s", err_name(&err), err.msg);
    assert_null(host_undo_token(j));
}

static void fails(struct robot_job *j, json_t *step, const char *code, const char *says)
{
    struct err err;

    if (run(j, step, &err) == 0)
        fail_msg("it goes, and '%s' was to be said", says);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, says) || strstr(err.msg, "PRIVATE"))
        fail_msg("'%s' says nothing of '%s'", err.msg, says);
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

static bool same(const char *a, const char *b)
{
    AUTO(mem_free) char *x = contents(a);
    AUTO(mem_free) char *y = contents(b);

    return x && y && !strcmp(x, y);
}

/* ---- tests ---- */

static void a_file_lands_under_directories_that_are_made_and_nothing_else_does(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("made/for/it/a.txt");
    AUTO(mem_free) char *parent = at("made/for/it");
    const char *in = input(j, "a.txt", BIG);

    (void)state;
    runs(j, step_at(normal.port, to));
    assert_true(same(in, to));
    assert_int_equal(entries(parent), 1);
    assert_int_equal(host_output_count(j), 1);
    assert_true(host_progress_steps(j) > 2);
    AUTO(mem_free) char *url = mem_printf("http://127.0.0.1%s", to);
    AUTO(mem_free) char *ssl_url = mem_printf("https://127.0.0.1%s", to);
    assert_string_equal(host_output(j, 0)->url, url);
    assert_string_equal(host_output(j, 0)->ssl_url, ssl_url);
}

static void an_empty_file_and_odd_names_arrive_as_they_are(void **state)
{
    static const char *const names[] = {"it's \"so\" \\ b.txt", "\xc3\xa9 100%25 #?&;*.txt", "-rf",
                                        "~", " x "};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(host_free) struct robot_job *j = new_job();
        AUTO(mem_free) char *to = mem_printf("%s/odd %zu/%s", dir, i, names[i]);
        AUTO(mem_free) char *parent = mem_printf("%s/odd %zu", dir, i);
        const char *in = input(j, "e.txt", i);

        runs(j, step_at(normal.port, to));
        assert_true(same(in, to));
        assert_int_equal(entries(parent), 1);
    }
}

static void addresses_follow_their_templates(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("t/a b.txt");
    json_t *step = step_at(normal.port, to);

    (void)state;
    input(j, "a.txt", 10);
    jset(step, "url_template", "ftp://cdn.example/{PATH}?from={HOST}&{WHAT}{");
    jset(step, "ssl_url_template", "https://{HOST}:1/x");
    runs(j, step);
    AUTO(mem_free)
    char *url = mem_printf("ftp://cdn.example%s/t/a%%20b.txt?from=127.0.0.1&{WHAT}{", dir);
    assert_string_equal(host_output(j, 0)->url, url);
    assert_string_equal(host_output(j, 0)->ssl_url, "https://127.0.0.1:1/x");
}

static void a_path_without_a_slash_in_front_begins_where_the_login_does(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *name = mem_printf("workcell-test-%d.txt", (int)getpid());
    AUTO(mem_free) char *to = mem_printf("%s/%s", getpwuid(geteuid())->pw_dir, name);
    const char *in = input(j, "a.txt", 10);

    (void)state;
    runs(j, step_at(normal.port, name));
    bool there = same(in, to);
    unlink(to);
    assert_true(there);
}

static void file_chmod_is_the_mode_whatever_the_servers_umask(void **state)
{
    static const char *const modes[] = {"600", "0777", "444"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        AUTO(host_free) struct robot_job *j = new_job();
        AUTO(mem_free) char *to = mem_printf("%s/mode-%s", dir, modes[i]);
        json_t *step = step_at(normal.port, to);
        struct stat st;

        input(j, "a.txt", 10);
        jset(step, "file_chmod", modes[i]);
        runs(j, step);
        assert_int_equal(stat(to, &st), 0);
        assert_int_equal(st.st_mode & 07777, strtol(modes[i], NULL, 8));
    }
}

static void what_is_there_already_is_replaced(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = at("again");
    AUTO(mem_free) char *to = at("again/a.txt");
    const char *in = input(j, "a.txt", 1000);

    (void)state;
    assert_int_equal(mkdir(parent, 0755), 0);
    write_file(to, "old", 3);
    runs(j, step_at(normal.port, to));
    assert_true(same(in, to));
    assert_int_equal(entries(parent), 1);
}

static void what_is_in_the_way_stays_and_is_said(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = at("inway");
    AUTO(mem_free) char *file = at("inway/f");
    AUTO(mem_free) char *below = at("inway/f/x");

    (void)state;
    input(j, "a.txt", 1000);
    assert_int_equal(mkdir(parent, 0755), 0);
    write_file(file, "f", 1);
    fails(j, step_at(normal.port, below), "WORKER_JOB_ERROR", "can't store");
    assert_int_equal(entries(parent), 1);
    assert_null(host_undo_token(j));
}

static void each_of_several_inputs_is_stored(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("several.txt");

    (void)state;
    input(j, "a.txt", 10);
    const char *last = input(j, "b.txt", 20);
    runs(j, step_at(normal.port, to));
    assert_int_equal(host_output_count(j), 2);
    assert_true(same(last, to));
}

static void who_is_not_let_in_hears_it_and_the_key_is_not_shown(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("never.txt");
    json_t *step;

    (void)state;
    input(j, "a.txt", 10);
    set(j, "sftp_key", other_key);
    fails(j, step_at(normal.port, to), "WORKER_JOB_ERROR", "does not let");
    /* credentials' own key counts more than the server's */
    step = step_at(normal.port, to);
    jset(step, "private_key", own_key);
    jset(step, "public_key", own_public);
    runs(j, step);
    step = step_at(normal.port, to);
    jset(step, "private_key", own_key);
    jset(step, "public_key", other_public);
    fails(j, step, "WORKER_JOB_ERROR", "public_key must be its other half");
    step = step_at(normal.port, to);
    jset(step, "private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n");
    fails(j, step, "WORKER_JOB_ERROR", "does not let");
    json_object_del(host_settings(j), "sftp_key");
    fails(j, step_at(normal.port, to), "SFTP_STORE_VALIDATION", "sftp_key");
}

static void a_private_address_is_refused_unless_the_operator_allows_it(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("private.txt");
    struct err err;

    (void)state;
    input(j, "a.txt", 10);
    set(j, "import_allow", "10.0.0.0/8");
    assert_int_equal(run(j, step_at(normal.port, to), &err), -1);
    assert_true(err.is_private_address);
    assert_non_null(strstr(err.msg, "--import-allow"));
    assert_int_equal(access(to, F_OK), -1);
}

static void a_host_that_does_not_answer_or_speaks_something_else_is_said(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("nowhere.txt");
    int port;

    (void)state;
    input(j, "a.txt", 10);
    fd_close(listen_anywhere(&port));
    fails(j, step_at(port, to), "WORKER_JOB_ERROR", "can't reach '127.0.0.1'");
    json_t *step = step_at(port, to);
    jset(step, "host", "no-such-host.invalid");
    fails(j, step, "WORKER_JOB_ERROR", "can't reach 'no-such-host.invalid'");
    AUTO(fd_close) int silent = listen_anywhere(&port); /* the kernel answers, and nobody else */
    (void)silent;
    json_object_set_new(host_settings(j), "idle_s", json_integer(1));
    fails(j, step_at(port, to), "WORKER_JOB_ERROR", "can't ");
}

static void a_server_that_lets_nobody_write_says_so(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("frozen.txt");

    (void)state;
    input(j, "a.txt", 10);
    fails(j, step_at(frozen.port, to), "WORKER_JOB_ERROR", "does not allow");
    assert_null(host_undo_token(j));
}

static void a_full_disk_is_said_and_nothing_is_left_on_it(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *small = at("small");
    AUTO(mem_free) char *to = at("small/a.txt");

    (void)state;
    assert_int_equal(mkdir(small, 0755), 0);
    if (mount("none", small, "tmpfs", 0, "size=1m") < 0)
        skip(); /* only root can make a disk that is full */
    input(j, "a.txt", BIG);
    fails(j, step_at(normal.port, to), "WORKER_JOB_ERROR", "its disk is full");
    int left = entries(small);
    umount2(small, MNT_DETACH);
    assert_int_equal(left, 0);
    assert_null(host_undo_token(j));
}

static void a_connection_that_breaks_in_the_middle_is_made_again(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = at("broken");
    AUTO(mem_free) char *to = at("broken/a.txt");
    const char *in = input(j, "a.txt", BIG);
    struct line l;

    (void)state;
    line_start(&l, 2, BIG / 3);
    runs(j, step_at(l.port, to));
    line_end(&l);
    assert_true(l.connections >= 3);
    assert_true(same(in, to));
    assert_int_equal(entries(parent), 1);
}

static void one_that_always_breaks_ends_the_job_and_leaves_nothing(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = at("hopeless");
    AUTO(mem_free) char *to = at("hopeless/a.txt");
    struct line l;

    (void)state;
    input(j, "a.txt", BIG);
    line_start(&l, 1000, BIG / 3);
    fails(j, step_at(l.port, to), "WORKER_JOB_ERROR", "can't ");
    line_end(&l);
    assert_int_equal(entries(parent), 0);
    assert_null(host_undo_token(j));
}

static void undo_removes_what_a_killed_run_left_and_brings_the_old_file_back(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = at("undo");
    AUTO(mem_free) char *to = at("undo/a.txt");
    AUTO(mem_free) char *part = at("undo/.workcell-1.part");
    AUTO(mem_free) char *old = at("undo/.workcell-1.part.old");
    AUTO(json_unref) json_t *token = json_pack("{s:s,s:s}", "part", part, "path", to);
    AUTO(json_unref) json_t *step = step_at(normal.port, to);
    AUTO(mem_free) char *text = json_text(step);
    struct err err;

    (void)state;
    assert_int_equal(mkdir(parent, 0755), 0);
    /* in the middle of the upload */
    write_file(part, "half", 4);
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    assert_int_equal(entries(parent), 0);
    /* between the two renames */
    write_file(part, "new", 3);
    write_file(old, "old", 3);
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    AUTO(mem_free) char *back = contents(to);
    assert_string_equal(back, "old");
    assert_int_equal(entries(parent), 1);
    /* after both; again, and when nothing is there, it is the same */
    write_file(to, "new", 3);
    write_file(old, "old", 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    AUTO(mem_free) char *now = contents(to);
    assert_string_equal(now, "new");
    assert_int_equal(entries(parent), 1);
    json_object_del(token, "part");
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), -1);
}

static void with_known_hosts_only_those_are_talked_to(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("known.txt");
    AUTO(mem_free) char *own = mem_printf("# ours\n[127.0.0.1]:%d %s\n", normal.port, host_public);
    AUTO(mem_free) char *wrong = mem_printf("[127.0.0.1]:%d %s\n", normal.port, other_public);
    AUTO(mem_free) char *elsewhere = mem_printf("h.example %s\n", host_public);

    (void)state;
    input(j, "a.txt", 10);
    set(j, "sftp_known_hosts", own);
    runs(j, step_at(normal.port, to));
    unlink(to);
    set(j, "sftp_known_hosts", wrong);
    fails(j, step_at(normal.port, to), "WORKER_JOB_ERROR", "SHA256:");
    set(j, "sftp_known_hosts", elsewhere);
    fails(j, step_at(normal.port, to), "WORKER_JOB_ERROR", "sftp_known_hosts");
    assert_int_equal(access(to, F_OK), -1);
}

static void a_password_goes_to_known_hosts_only(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = at("password.txt");
    AUTO(mem_free) char *own = mem_printf("[127.0.0.1]:%d %s\n", normal.port, host_public);
    struct line l;

    (void)state;
    input(j, "a.txt", 10);
    line_start(&l, 0, 0);
    json_t *step = step_at(l.port, to);
    jset(step, "password", "hush-hush");
    fails(j, step, "SFTP_STORE_VALIDATION", "sftp_known_hosts");
    line_end(&l);
    assert_int_equal(l.connections, 0);
    step = step_at(normal.port, to);
    jset(step, "password", "hush-hush");
    set(j, "sftp_known_hosts", own);
    fails(j, step, "WORKER_JOB_ERROR", "with this password");
}

static void bad_parameters_are_refused(void **state)
{
    static const char *const paths[] = {"",   "/",   "a/",  "a//b", "/a/../b",
                                        "..", "a/.", "//a", "a\nb"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO(host_free) struct robot_job *j = new_job();

        input(j, "a.txt", 10);
        fails(j, step_at(normal.port, paths[i]), "SFTP_STORE_VALIDATION", "'path'");
    }
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *longer = mem_zalloc(2000);
    memset(longer, 'a', 1999);
    fails(j, step_at(normal.port, longer), "SFTP_STORE_VALIDATION", "1999 bytes");
    fails(j, json_pack("{s:s}", "user", "u"), "SFTP_STORE_VALIDATION", "'host' is missing");
    fails(j, json_pack("{s:s}", "host", "h"), "SFTP_STORE_VALIDATION", "'user' is missing");
    fails(j, json_pack("{s:s,s:s}", "host", "h/x", "user", "u"), "SFTP_STORE_VALIDATION", "'host'");
    fails(j, json_pack("{s:s}", "credentials", "c"), "SFTP_STORE_VALIDATION", "lack host or user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_lands_under_directories_that_are_made_and_nothing_else_does),
        cmocka_unit_test(an_empty_file_and_odd_names_arrive_as_they_are),
        cmocka_unit_test(addresses_follow_their_templates),
        cmocka_unit_test(a_path_without_a_slash_in_front_begins_where_the_login_does),
        cmocka_unit_test(file_chmod_is_the_mode_whatever_the_servers_umask),
        cmocka_unit_test(what_is_there_already_is_replaced),
        cmocka_unit_test(what_is_in_the_way_stays_and_is_said),
        cmocka_unit_test(each_of_several_inputs_is_stored),
        cmocka_unit_test(who_is_not_let_in_hears_it_and_the_key_is_not_shown),
        cmocka_unit_test(a_private_address_is_refused_unless_the_operator_allows_it),
        cmocka_unit_test(a_host_that_does_not_answer_or_speaks_something_else_is_said),
        cmocka_unit_test(a_server_that_lets_nobody_write_says_so),
        cmocka_unit_test(a_full_disk_is_said_and_nothing_is_left_on_it),
        cmocka_unit_test(a_connection_that_breaks_in_the_middle_is_made_again),
        cmocka_unit_test(one_that_always_breaks_ends_the_job_and_leaves_nothing),
        cmocka_unit_test(undo_removes_what_a_killed_run_left_and_brings_the_old_file_back),
        cmocka_unit_test(with_known_hosts_only_those_are_talked_to),
        cmocka_unit_test(a_password_goes_to_known_hosts_only),
        cmocka_unit_test(bad_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
