/* /sftp/store against a real sshd on this machine, which the test starts and ends. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"
#include "sshd.h"

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
static struct sshd normal, frozen; /* frozen: lets nobody write */

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
    free(sshd_key(dir, "host", &host_public));
    own_key = sshd_key(dir, "own", &own_public);
    other_key = sshd_key(dir, "other", &other_public);
    AUTO(mem_free) char *authorized = sshd_at(dir, "authorized");
    sshd_write(authorized, own_public, strlen(own_public));
    normal = sshd_start(dir, "normal", "internal-sftp");
    frozen = sshd_start(dir, "frozen", "internal-sftp -R");
    return 0;
}

static int end(void **state)
{
    AUTO(mem_free) char *command = mem_printf("rm -rf %s", dir);

    (void)state;
    const struct sshd *const all[] = {&normal, &frozen};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        sshd_stop(all[i]);
    }
    char *const texts[] = {own_key, other_key, own_public, other_public, host_public};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    return system(command);
}

/* ---- a run ---- */

static char *input(struct robot_job *j, const char *name, size_t size)
{
    char *path = (char *)host_path(j, name);
    AUTO(mem_free) char *data = mem_alloc(size + 1);

    for (size_t i = 0; i < size; i++)
        data[i] = (char)('a' + i * 7 % 25);
    sshd_write(path, data, size);
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
    AUTO(mem_free) char *x = sshd_read(a);
    AUTO(mem_free) char *y = sshd_read(b);

    return x && y && !strcmp(x, y);
}

/* ---- tests ---- */

static void a_file_lands_under_directories_that_are_made_and_nothing_else_does(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "made/for/it/a.txt");
    AUTO(mem_free) char *parent = sshd_at(dir, "made/for/it");
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
    AUTO(mem_free) char *to = sshd_at(dir, "t/a b.txt");
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
    AUTO(mem_free) char *parent = sshd_at(dir, "again");
    AUTO(mem_free) char *to = sshd_at(dir, "again/a.txt");
    const char *in = input(j, "a.txt", 1000);

    (void)state;
    assert_int_equal(mkdir(parent, 0755), 0);
    sshd_write(to, "old", 3);
    runs(j, step_at(normal.port, to));
    assert_true(same(in, to));
    assert_int_equal(entries(parent), 1);
}

static void what_is_in_the_way_stays_and_is_said(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = sshd_at(dir, "inway");
    AUTO(mem_free) char *file = sshd_at(dir, "inway/f");
    AUTO(mem_free) char *below = sshd_at(dir, "inway/f/x");

    (void)state;
    input(j, "a.txt", 1000);
    assert_int_equal(mkdir(parent, 0755), 0);
    sshd_write(file, "f", 1);
    fails(j, step_at(normal.port, below), "WORKER_JOB_ERROR", "can't store");
    assert_int_equal(entries(parent), 1);
    assert_null(host_undo_token(j));
}

static void each_of_several_inputs_is_stored(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "several.txt");

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
    AUTO(mem_free) char *to = sshd_at(dir, "never.txt");
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
    AUTO(mem_free) char *to = sshd_at(dir, "private.txt");
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
    AUTO(mem_free) char *to = sshd_at(dir, "nowhere.txt");
    int port;

    (void)state;
    input(j, "a.txt", 10);
    fd_close(sshd_listen(&port));
    fails(j, step_at(port, to), "WORKER_JOB_ERROR", "can't reach '127.0.0.1'");
    json_t *step = step_at(port, to);
    jset(step, "host", "no-such-host.invalid");
    fails(j, step, "WORKER_JOB_ERROR", "can't reach 'no-such-host.invalid'");
    AUTO(fd_close) int silent = sshd_listen(&port); /* the kernel answers, and nobody else */
    (void)silent;
    json_object_set_new(host_settings(j), "idle_s", json_integer(1));
    fails(j, step_at(port, to), "WORKER_JOB_ERROR", "can't ");
}

static void a_server_that_lets_nobody_write_says_so(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "frozen.txt");

    (void)state;
    input(j, "a.txt", 10);
    fails(j, step_at(frozen.port, to), "WORKER_JOB_ERROR", "does not allow");
    assert_null(host_undo_token(j));
}

static void a_full_disk_is_said_and_nothing_is_left_on_it(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *small = sshd_at(dir, "small");
    AUTO(mem_free) char *to = sshd_at(dir, "small/a.txt");

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
    AUTO(mem_free) char *parent = sshd_at(dir, "broken");
    AUTO(mem_free) char *to = sshd_at(dir, "broken/a.txt");
    const char *in = input(j, "a.txt", BIG);
    struct sshd_line l;

    (void)state;
    sshd_line_start(&l, normal.port, 2, BIG / 3);
    runs(j, step_at(l.port, to));
    sshd_line_end(&l);
    assert_true(l.connections >= 3);
    assert_true(same(in, to));
    assert_int_equal(entries(parent), 1);
}

static void one_that_always_breaks_ends_the_job_and_leaves_nothing(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = sshd_at(dir, "hopeless");
    AUTO(mem_free) char *to = sshd_at(dir, "hopeless/a.txt");
    struct sshd_line l;

    (void)state;
    input(j, "a.txt", BIG);
    sshd_line_start(&l, normal.port, 1000, BIG / 3);
    fails(j, step_at(l.port, to), "WORKER_JOB_ERROR", "can't ");
    sshd_line_end(&l);
    assert_int_equal(entries(parent), 0);
    assert_null(host_undo_token(j));
}

static void undo_removes_what_a_killed_run_left_and_brings_the_old_file_back(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *parent = sshd_at(dir, "undo");
    AUTO(mem_free) char *to = sshd_at(dir, "undo/a.txt");
    AUTO(mem_free) char *part = sshd_at(dir, "undo/.workcell-1.part");
    AUTO(mem_free) char *old = sshd_at(dir, "undo/.workcell-1.part.old");
    AUTO(json_unref) json_t *token = json_pack("{s:s,s:s}", "part", part, "path", to);
    AUTO(json_unref) json_t *step = step_at(normal.port, to);
    AUTO(mem_free) char *text = json_text(step);
    struct err err;

    (void)state;
    assert_int_equal(mkdir(parent, 0755), 0);
    /* in the middle of the upload */
    sshd_write(part, "half", 4);
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    assert_int_equal(entries(parent), 0);
    /* between the two renames */
    sshd_write(part, "new", 3);
    sshd_write(old, "old", 3);
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    AUTO(mem_free) char *back = sshd_read(to);
    assert_string_equal(back, "old");
    assert_int_equal(entries(parent), 1);
    /* after both; again, and when nothing is there, it is the same */
    sshd_write(to, "new", 3);
    sshd_write(old, "old", 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    AUTO(mem_free) char *now = sshd_read(to);
    assert_string_equal(now, "new");
    assert_int_equal(entries(parent), 1);
    json_object_del(token, "part");
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), -1);
}

static void with_known_hosts_only_those_are_talked_to(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "known.txt");
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

/* The server that a password reached would say that it is wrong. */
static void a_password_does_not_go_to_a_host_with_another_key(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "password.txt");
    AUTO(mem_free) char *wrong = mem_printf("[127.0.0.1]:%d %s\n", normal.port, other_public);
    AUTO(mem_free) char *known = mem_printf("known 127.0.0.1 %d", normal.port);
    json_t *step = step_at(normal.port, to);

    (void)state;
    input(j, "a.txt", 10);
    jset(step, "password", "hush-hush");
    fails(j, json_incref(step), "WORKER_JOB_ERROR",
          "with this password"); /* the first key that is seen counts */
    set(j, known, other_public);
    fails(j, json_incref(step), "WORKER_JOB_ERROR", "is another than the one that it had at first");
    set(j, "sftp_known_hosts", wrong);
    fails(j, json_incref(step), "WORKER_JOB_ERROR", "sftp_known_hosts");
    json_object_del(host_settings(j), "sftp_known_hosts");
    jset(step, "host_key", other_public);
    fails(j, step, "WORKER_JOB_ERROR", "is not the host_key");
}

static void the_first_key_of_a_host_is_remembered_and_another_is_refused(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "learnt.txt");
    AUTO(mem_free) char *known = mem_printf("known 127.0.0.1 %d", normal.port);

    (void)state;
    input(j, "a.txt", 10);
    runs(j, step_at(normal.port, to));
    const char *learnt = jstr(host_settings(j), known);
    assert_non_null(learnt);
    assert_true(str_starts(host_public, learnt)); /* what follows is a comment */
    runs(j, step_at(normal.port, to));
    set(j, known, other_public);
    fails(j, step_at(normal.port, to), "WORKER_JOB_ERROR", "workcell ssh-key forget");
    set(j, known, "ecdsa-sha2-nistp256 AAAA"); /* a kind of key that it does not have */
    fails(j, step_at(normal.port, to), "WORKER_JOB_ERROR", "127.0.0.1");
}

static void a_host_may_be_known_by_its_key_or_its_fingerprint(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "pinned.txt");
    AUTO(mem_free) char *known = mem_printf("known 127.0.0.1 %d", normal.port);
    AUTO(mem_free)
    char *command = mem_printf("ssh-keygen -lf %s/host.pub | cut -d' ' -f2 > %s/print", dir, dir);
    AUTO(mem_free) char *print_file = sshd_at(dir, "print");

    (void)state;
    assert_int_equal(system(command), 0);
    AUTO(mem_free) char *print = sshd_read(print_file);
    print[strcspn(print, "\n")] = 0;
    input(j, "a.txt", 10);
    set(j, known, other_public); /* does not matter then */
    const char *const keys[] = {host_public, print};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        json_t *step = step_at(normal.port, to);

        jset(step, "host_key", keys[i]);
        runs(j, step);
    }
    json_t *step = step_at(normal.port, to);
    jset(step, "host_key", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    fails(j, step, "WORKER_JOB_ERROR", "host_key");
}

static void a_key_with_a_passphrase_logs_in_with_it_and_not_without(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = sshd_at(dir, "phrase.txt");
    AUTO(mem_free) char *locked = sshd_at(dir, "locked");
    AUTO(mem_free)
    char *command = mem_printf("cp %s/own %s && chmod 600 %s && ssh-keygen -q -a 1 -p -P '' -N "
                               "'open sesame' -f %s >/dev/null",
                               dir, locked, locked, locked);

    (void)state;
    assert_int_equal(system(command), 0);
    AUTO(mem_free) char *key = sshd_read(locked);
    input(j, "a.txt", 10);
    json_t *step = step_at(normal.port, to);
    jset(step, "private_key", key);
    fails(j, json_incref(step), "WORKER_JOB_ERROR", "passphrase");
    jset(step, "passphrase", "close sesame");
    fails(j, json_incref(step), "WORKER_JOB_ERROR", "passphrase");
    jset(step, "passphrase", "open sesame");
    runs(j, step);
    unlink(to);
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
        cmocka_unit_test(a_password_does_not_go_to_a_host_with_another_key),
        cmocka_unit_test(the_first_key_of_a_host_is_remembered_and_another_is_refused),
        cmocka_unit_test(a_host_may_be_known_by_its_key_or_its_fingerprint),
        cmocka_unit_test(a_key_with_a_passphrase_logs_in_with_it_and_not_without),
        cmocka_unit_test(bad_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
