/* /ftp/store against a real vsftpd, and one that says what vsftpd does not. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"
#include "sshd.h"
#include "vsftpd.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROBOT "/ftp/store"
#define BIG (6 * 1024 * 1024)

static struct vsftpd server;
static char *ca;

static int begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    vsftpd_start(&server, "");
    ca = vsftpd_ca(&server);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vsftpd_stop(&server);
    free(ca);
    return 0;
}

static struct robot_job *new_job(void)
{
    struct robot_job *j = host_new();

    jset(host_settings(j), "import_allow", "127.0.0.0/8");
    json_object_set_new(host_settings(j), "retry_ms", json_integer(10));
    return j;
}

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

static json_t *step_at(int port, const char *path)
{
    return json_pack("{s:s,s:i,s:s,s:s,s:s}", "host", "127.0.0.1", "port", port, "user",
                     "anonymous", "password", "letmein", "path", path);
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
    if (!strstr(err.msg, says) || strstr(err.msg, "letmein"))
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

static void a_file_lands_under_directories_that_are_made_and_twice_is_once(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = vsftpd_at(&server, "made/for it/\xc3\xa9 #?%25.txt");
    AUTO(mem_free) char *parent = vsftpd_at(&server, "made/for it");
    const char *in = input(j, "a.txt", BIG);

    (void)state;
    for (int i = 0; i < 2; i++) {
        runs(j, step_at(server.port, "made/for it/\xc3\xa9 #?%25.txt"));
        assert_true(same(in, to));
        assert_int_equal(entries(parent), 1);
    }
    assert_string_equal(host_output(j, 0)->url,
                        "https://127.0.0.1/made/for%20it/%C3%A9%20%23%3F%2525.txt");
    assert_true(host_progress_steps(j) > 2);
    /* what was sent is asked for, and nobody is told to connect to us */
    assert_true(vsftpd_logged(&server, "\"SIZE ") > 0);
    assert_int_equal(vsftpd_logged(&server, "\"PORT ") + vsftpd_logged(&server, "\"EPRT "), 0);
    assert_int_equal(vsftpd_logged(&server, "OK LOGIN"), 2);
}

static void an_empty_file_and_each_of_several_arrive_by_one_login(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = vsftpd_at(&server, "several.txt");
    int before = vsftpd_logged(&server, "OK LOGIN");

    (void)state;
    for (int i = 0; i < 20; i++) {
        char name[20];

        snprintf(name, sizeof name, "%d.txt", i);
        input(j, name, (size_t)i);
    }
    const char *last = input(j, "empty.txt", 0);
    runs(j, step_at(server.port, "several.txt"));
    assert_int_equal(host_output_count(j), 21);
    assert_true(same(last, to));
    assert_int_equal(vsftpd_logged(&server, "OK LOGIN") - before, 1);
}

static void who_is_not_let_in_hears_it(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    json_t *step = step_at(server.port, "never.txt");

    (void)state;
    input(j, "a.txt", 10);
    jset(step, "password", "wrong");
    fails(j, step, "WORKER_JOB_ERROR", "does not let 'anonymous' in");
    fails(j, json_pack("{s:s}", "host", "h"), "FTP_STORE_VALIDATION", "'user' is missing");
    fails(j, json_pack("{s:s}", "credentials", "c"), "FTP_STORE_VALIDATION", "lack host or user");
    step = step_at(server.port, "never.txt");
    jset(step, "user", "a\r\nDELE b");
    fails(j, step, "FTP_STORE_VALIDATION", "control characters");
    fails(j, step_at(server.port, "a\r\nDELE b"), "FTP_STORE_VALIDATION", "control character");
}

static void with_tls_login_and_data_are_encrypted_and_only_for_who_is_trusted(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = vsftpd_at(&server, "secret.txt");
    int before = vsftpd_logged(&server, "\"AUTH TLS\"");
    const char *in = input(j, "a.txt", BIG);
    json_t *step = step_at(server.port, "secret.txt");

    (void)state;
    json_object_set_new(step, "secure", json_true());
    fails(j, json_incref(step), "WORKER_JOB_ERROR", "is not trusted");
    assert_int_equal(access(to, F_OK), -1);
    jset(host_settings(j), "ftp_ca", ca);
    runs(j, json_incref(step));
    assert_true(same(in, to));
    assert_int_equal(vsftpd_logged(&server, "\"AUTH TLS\"") - before, 2);
    assert_true(vsftpd_logged(&server, "\"PROT P\"") > 0);
    jset(step, "host", "localhost"); /* is not in the certificate */
    fails(j, step, "WORKER_JOB_ERROR", "is not trusted");
}

static void a_private_address_is_refused_unless_the_operator_allows_it(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct err err;

    (void)state;
    input(j, "a.txt", 10);
    jset(host_settings(j), "import_allow", "");
    assert_int_equal(run(j, step_at(server.port, "x.txt"), &err), -1);
    assert_true(err.is_private_address);
}

static void what_is_in_the_way_stays_and_is_said(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *file = vsftpd_at(&server, "inway");
    AUTO(mem_free) char *dir = vsftpd_at(&server, "directory");
    AUTO(mem_free) char *root = vsftpd_at(&server, "");

    (void)state;
    input(j, "a.txt", 1000);
    sshd_write(file, "f", 1);
    assert_int_equal(mkdir(dir, 0755), 0);
    int before = entries(root);
    fails(j, step_at(server.port, "inway/x.txt"), "WORKER_JOB_ERROR", "x.txt");
    assert_null(host_undo_token(j));
    assert_int_equal(entries(root), before);
}

static void
a_connection_that_breaks_is_made_again_and_one_that_always_does_leaves_nothing(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *to = vsftpd_at(&server, "broken.txt");
    struct sshd_line l;

    (void)state;
    const char *in = input(j, "a.txt", BIG);
    sshd_line_start(&l, server.port, 1, 60); /* in the middle of what is said before the data */
    runs(j, step_at(l.port, "broken.txt"));
    sshd_line_end(&l);
    assert_true(same(in, to));
    assert_int_equal(l.connections, 2);
    unlink(to);
    sshd_line_start(&l, server.port, 1000, 60);
    fails(j, step_at(l.port, "broken.txt"), "WORKER_JOB_ERROR", "127.0.0.1");
    sshd_line_end(&l);
    assert_int_equal(access(to, F_OK), -1);
}

static void undo_removes_what_a_killed_run_left_and_brings_the_old_file_back(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(json_unref) json_t *step = step_at(server.port, "undo/a.txt");
    AUTO(mem_free) char *text = json_text(step);
    AUTO(json_unref)
    json_t *token = json_pack("{s:s,s:s}", "part", "undo/.workcell-1.part", "path", "undo/a.txt");
    AUTO(mem_free) char *parent = vsftpd_at(&server, "undo");
    AUTO(mem_free) char *to = vsftpd_at(&server, "undo/a.txt");
    AUTO(mem_free) char *part = vsftpd_at(&server, "undo/.workcell-1.part");
    AUTO(mem_free) char *old = vsftpd_at(&server, "undo/.workcell-1.part.old");
    struct err err;

    (void)state;
    assert_int_equal(mkdir(parent, 0755), 0);
    sshd_write(part, "ne", 2);
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    assert_int_equal(entries(parent), 0);
    /* between the two renames */
    sshd_write(part, "new", 3);
    sshd_write(old, "old", 3);
    assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    AUTO(mem_free) char *back = sshd_read(to);
    assert_string_equal(back, "old");
    assert_int_equal(entries(parent), 1);
    /* after both; and again */
    sshd_write(to, "new", 3);
    sshd_write(old, "old", 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(host_undo(j, ROBOT, text, token, &err), 0);
    AUTO(mem_free) char *now = sshd_read(to);
    assert_string_equal(now, "new");
    assert_int_equal(entries(parent), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_lands_under_directories_that_are_made_and_twice_is_once),
        cmocka_unit_test(an_empty_file_and_each_of_several_arrive_by_one_login),
        cmocka_unit_test(who_is_not_let_in_hears_it),
        cmocka_unit_test(with_tls_login_and_data_are_encrypted_and_only_for_who_is_trusted),
        cmocka_unit_test(a_private_address_is_refused_unless_the_operator_allows_it),
        cmocka_unit_test(what_is_in_the_way_stays_and_is_said),
        cmocka_unit_test(
            a_connection_that_breaks_is_made_again_and_one_that_always_does_leaves_nothing),
        cmocka_unit_test(undo_removes_what_a_killed_run_left_and_brings_the_old_file_back),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
