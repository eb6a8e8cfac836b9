/* /file/virusscan: with a real clamd that knows one virus, and with peers that behave as no clamd
 * does: nothing but a whole "OK" to the whole file lets a file pass. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"
#include "transfer/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In two parts, so that no scanner takes offence at this file. */
#define EICAR                                                                                      \
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-"                                                          \
    "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
#define LIMIT (1 << 20) /* of the real one, for a stream */

static const char *write_file(struct robot_job *job, const char *name, size_t size,
                              const char *head)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fputs(head, f);
    for (size_t i = strlen(head); i < size; i++)
        fputc((int)(i * 7 + i / 251) & 0xff, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* ---- the real one ---- */

static char clamd_dir[32], clamd_path[64];
static pid_t clamd;

static void text_file(const char *name, const char *text)
{
    AUTO(mem_free) char *path = mem_printf("%s/%s", clamd_dir, name);
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
}

static int start_clamd(void **state)
{
    (void)state;
    AUTO(str_done) struct str signature = {0};
    struct stat st;

    strcpy(clamd_dir, "/tmp/clamd-XXXXXX");
    if (!mkdtemp(clamd_dir))
        return -1;
    snprintf(clamd_path, sizeof clamd_path, "%s/socket", clamd_dir);
    AUTO(mem_free)
    char *db = mem_printf("%s/db", clamd_dir), *config = mem_printf("%s/clamd.conf", clamd_dir);
    AUTO(mem_free)
    char *text =
        mem_printf("Foreground yes\nLocalSocket %s\nDatabaseDirectory %s\nStreamMaxLength %d\n"
                   "MaxFileSize %d\nAlertExceedsMax yes\n",
                   clamd_path, db, LIMIT, LIMIT);
    mkdir(db, 0755);
    str_puts(&signature, "Test.Eicar:0:*:");
    for (const char *p = EICAR; *p; p++)
        str_addf(&signature, "%02x", (unsigned char)*p);
    str_puts(&signature, "\n");
    text_file("db/test.ndb", signature.s);
    text_file("clamd.conf", text);
    if ((clamd = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        execl("/usr/sbin/clamd", "clamd", "-c", config, NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && stat(clamd_path, &st) < 0; i++)
        usleep(10000);
    return stat(clamd_path, &st);
}

static int stop_clamd(void **state)
{
    (void)state;
    AUTO(mem_free) char *command = mem_printf("rm -rf '%s'", clamd_dir);
    int status;

    kill(clamd, SIGKILL);
    waitpid(clamd, &status, 0);
    return system(command);
}

static struct robot_job *job_with(const char *address)
{
    struct robot_job *job = host_new();

    json_object_set_new(host_settings(job), "clamd", json_string(address));
    json_object_set_new(host_settings(job), "retry_ms", json_integer(1));
    return job;
}

static void a_clean_file_goes_on_as_it_is(void **state)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, LIMIT};
    AUTO(host_free) struct robot_job *job = job_with(clamd_path);
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        if (host_run_on(job, "/file/virusscan", "{}", write_file(job, "a.bin", sizes[i], ""),
                        &err) < 0)
            fail_msg("%zu bytes: %s", sizes[i], err.msg);
        assert_int_equal(host_output_count(job), 1);
        assert_true(host_output(job, 0)->same);
    }
    AUTO(host_free) struct robot_job *large = job_with(clamd_path);
    assert_int_equal(
        host_run_on(large, "/file/virusscan", "{}", write_file(large, "a.bin", LIMIT, ""), &err),
        0);
    assert_true(host_progress_steps(large) >= 10);
}

static void an_infected_file_is_left_out_and_the_others_go_on(void **state)
{
    AUTO(host_free) struct robot_job *job = job_with(clamd_path);
    struct err err;
    (void)state;

    host_add_input(job, write_file(job, "a.txt", 10, ""));
    host_add_input(job, write_file(job, "eicar.txt", 0, EICAR));
    host_add_input(job, write_file(job, "b.txt", 10, ""));
    assert_int_equal(host_run(job, "/file/virusscan", "{}", &err), 0);
    assert_int_equal(host_output_count(job), 2);
    assert_string_equal(host_output(job, 0)->name, "a.txt");
    assert_string_equal(host_output(job, 1)->name, "b.txt");
}

static void an_infected_file_fails_the_assembly_if_it_shall(void **state)
{
    AUTO(host_free) struct robot_job *job = job_with(clamd_path);
    const char *path = write_file(job, "eicar.txt", 0, EICAR);
    struct err err;
    (void)state;

    assert_int_equal(
        host_run_on(job, "/file/virusscan", "{\"error_on_decline\": true}", path, &err), -1);
    assert_string_equal(err_name(&err), "FILE_VIRUSSCAN_DECLINED_FILE");
    assert_string_equal(err.msg, "One of your files was declined");
    assert_string_equal(err.virus, "Test.Eicar.UNOFFICIAL");
    assert_int_equal(host_run_on(job, "/file/virusscan",
                                 "{\"error_on_decline\": true, \"error_msg\": \"100% nö\"}", path,
                                 &err),
                     -1);
    assert_string_equal(err.msg, "100% nö");
}

static void not_scanned(struct robot_job *job, const char *path, const char *word)
{
    struct err err = {0};

    if (host_run_on(job, "/file/virusscan", "{}", path, &err) == 0)
        fail_msg("'%s' counts as scanned (%d outputs), where it should be: %s", path,
                 host_output_count(job), word);
    assert_string_equal(err_name(&err), "WORKER_JOB_ERROR");
    assert_int_equal(host_output_count(job), 0);
    if (!strstr(err.msg, word))
        fail_msg("not '%s', but: %s", word, err.msg);
}

static void a_file_that_clamd_takes_only_a_part_of_is_not_clean(void **state)
{
    AUTO(host_free) struct robot_job *job = job_with(clamd_path);
    (void)state;

    not_scanned(job, write_file(job, "a.bin", 3 * LIMIT, ""), "StreamMaxLength");
    not_scanned(job, write_file(job, "a.bin", LIMIT + 1, ""), "StreamMaxLength");
}

static void a_clamd_that_is_not_there_is_an_error(void **state)
{
    AUTO(host_free)
    struct robot_job *none = host_new(), *gone = job_with("/tmp/workcell-no-such-socket"),
                     *closed = job_with("127.0.0.1:1");
    (void)state;

    not_scanned(none, write_file(none, "a", 5, ""), "setting clamd");
    not_scanned(gone, write_file(gone, "a", 5, ""), "can't be reached");
    not_scanned(closed, write_file(closed, "a", 5, ""), "can't be reached");
}

/* ---- others ---- */

struct peer {
    size_t reads;     /* bytes at least, before it says something */
    const char *says; /* then */
    size_t len;
    bool stays; /* and does not close */
};

/* Serves everybody who connects. */
static pid_t start_peer(struct robot_job **job, const struct peer *p)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(s, (void *)&in, sizeof in), 0);
    assert_int_equal(listen(s, 16), 0);
    assert_int_equal(getsockname(s, (void *)&in, &len), 0);
    AUTO(mem_free) char *address = mem_printf("127.0.0.1:%d", ntohs(in.sin_port));
    *job = job_with(address);
    json_object_set_new(host_settings(*job), "clamd_wait_ms", json_integer(150));
    pid_t pid = fork();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails ends at once */
    while (pid == 0) {
        int c = accept(s, NULL, NULL);
        char buf[65536];
        size_t have = 0;
        ssize_t n;

        while (have < p->reads && (n = recv(c, buf, sizeof buf, 0)) > 0)
            have += (size_t)n;
        (void)!send(c, p->says, p->len, MSG_NOSIGNAL);
        if (p->stays)
            sleep(5);
        shutdown(c, SHUT_WR);
        while (recv(c, buf, sizeof buf, 0) > 0) /* a reset would take what was said with it */
            ;
        close(c);
    }
    close(s);
    return pid;
}

static void whatever_else_a_peer_says_is_not_clean(void **state)
{
    enum { LARGE = 16 << 20 };
    enum {
        SIZE = 100000,
        ALL = SIZE + 10 + 3 * 4
    }; /* two pieces and the end, each with its length, and the greeting */
#define SAYS(text) text, sizeof text
    static const struct {
        struct peer peer;
        const char *word;
    } rows[] = {
        {{ALL, "", 0, false}, "broke off"},
        {{10, "", 0, false}, "broke off"},
        {{0, "", 0, false}, "broke off"},
        {{ALL, "stream: OK", 10, false}, "broke off"}, /* without its end */
        {{ALL, "stream: OK", 10, true}, "said nothing"},
        {{ALL, "", 0, true}, "said nothing"},
        {{10, SAYS("stream: OK"), false}, "clamd said"}, /* before it has seen the file */
        {{0, SAYS("stream: OK"), true}, "clamd said"},
        {{ALL, SAYS("stream: ok"), false}, "clamd said"},
        {{ALL, SAYS("stream: OKAY"), false}, "clamd said"},
        {{ALL, SAYS("stream: OK "), false}, "clamd said"},
        {{ALL, SAYS("OK"), false}, "clamd said"},
        {{ALL, SAYS(""), false}, "clamd said"},
        {{ALL, SAYS("other: OK"), false}, "clamd said"},
        {{ALL, SAYS("1: stream: OK"), false}, "clamd said"},
        {{ALL, SAYS("stream: OK\0more"), false}, "clamd said"},
        {{ALL, SAYS("stream: FOUND"), false}, "clamd said"},
        {{ALL, SAYS("stream:  FOUNDED"), false}, "clamd said"},
        {{ALL, SAYS("INSTREAM: Error reading from client. ERROR"), false}, "ERROR"},
        {{ALL, SAYS("INSTREAM size limit exceeded. ERROR"), false}, "StreamMaxLength"},
        {{ALL, SAYS("UNKNOWN COMMAND"), false}, "UNKNOWN"},
        {{ALL, SAYS("HTTP/1.1 200 OK\r\n\r\n"), false}, "HTTP"},
        {{ALL, SAYS("\xff\xfe\x1b[2J"), false}, "clamd said"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct robot_job *job;
        int status;
        pid_t pid = start_peer(&job, &rows[i].peer);

        /* of a small file all is under way before the peer can have seen it */
        size_t size = rows[i].peer.reads < ALL && rows[i].peer.len ? LARGE : SIZE;
        not_scanned(job, write_file(job, "a.bin", size, ""), rows[i].word);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        host_free(job);
    }
}

static void an_answer_without_end_is_an_error(void **state)
{
    AUTO(mem_free) char *much = mem_alloc(1 << 20);
    struct robot_job *job;
    int status;
    (void)state;

    memset(much, 'x', 1 << 20);
    pid_t pid = start_peer(&job, &(struct peer){10, much, 1 << 20, false});
    not_scanned(job, write_file(job, "a.bin", 100, ""), "no end");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    host_free(job);
}

static void a_virus_that_is_found_counts_however_early_it_is_and_whatever_it_is_called(void **state)
{
    struct robot_job *job;
    struct err err;
    int status;
    (void)state;

    pid_t pid = start_peer(&job, &(struct peer){10, SAYS("stream: A\x1b[2J\xe4 B\n FOUND"), false});
    assert_int_equal(host_run_on(job, "/file/virusscan", "{\"error_on_decline\": true}",
                                 write_file(job, "a.bin", 100, ""), &err),
                     -1);
    assert_string_equal(err_name(&err), "FILE_VIRUSSCAN_DECLINED_FILE");
    assert_string_equal(err.virus, "A?[2J? B?");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    host_free(job);
}

static void a_file_that_shrinks_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *job = job_with(clamd_path);
    struct err err;
    (void)state;

    host_add_input(job, write_file(job, "a.bin", 1000, ""));
    write_file(job, "a.bin", 10, "");
    assert_int_equal(host_run(job, "/file/virusscan", "{}", &err), -1);
    assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
}

static void where_clamd_listens_is_a_path_or_an_address_with_a_port(void **state)
{
    static const char *const good[] = {"/run/clamav/clamd.ctl", "127.0.0.1:3310", "[::1]:3310",
                                       "10.1.2.3:65535"};
    static const char *const bad[] = {
        "",           "clamd",        "clamd:3310",       "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:0",  "127.0.0.1:65536",  "127.0.0.1:33x",
        "::1:3310",   "[::1]",        "[127.0.0.1]:3310", "/",
        "/run/",      "127.0.0.1:-1", "127.0.0.1: 1",     "1:2,3.4.5.6:7"};
    struct sockaddr_storage to;
    socklen_t len;
    struct err err;
    char path[200] = "/";
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (value_socket(&to, &len, good[i], &err) < 0)
            fail_msg("%s: %s", good[i], err.msg);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (value_socket(&to, &len, bad[i], &err) == 0)
            fail_msg("'%s' is taken", bad[i]);
    memset(path + 1, 'x', 107);
    assert_int_equal(value_socket(&to, &len, path, &err), -1);
    path[107] = 0;
    assert_int_equal(value_socket(&to, &len, path, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_file_goes_on_as_it_is),
        cmocka_unit_test(an_infected_file_is_left_out_and_the_others_go_on),
        cmocka_unit_test(an_infected_file_fails_the_assembly_if_it_shall),
        cmocka_unit_test(a_file_that_clamd_takes_only_a_part_of_is_not_clean),
        cmocka_unit_test(a_clamd_that_is_not_there_is_an_error),
        cmocka_unit_test(whatever_else_a_peer_says_is_not_clean),
        cmocka_unit_test(an_answer_without_end_is_an_error),
        cmocka_unit_test(
            a_virus_that_is_found_counts_however_early_it_is_and_whatever_it_is_called),
        cmocka_unit_test(a_file_that_shrinks_is_an_error),
        cmocka_unit_test(where_clamd_listens_is_a_path_or_an_address_with_a_port),
    };
    return cmocka_run_group_tests(tests, start_clamd, stop_clamd);
}
