/* /ftp/import against a real vsftpd, and against a small server of the test's own that says what no
 * honest one does. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"
#include "sshd.h"
#include "vsftpd.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define ROBOT "/ftp/import"
#define BIG (3 * 1024 * 1024)

static struct vsftpd server;
static char *ca;

/* ---- a server that does as it is told ---- */

struct fake {
    pthread_t thread;
    int listener, port, wake[2];
    const char *listing;   /* of every directory */
    bool mlsd;             /* it knows that */
    const char *elsewhere; /* PASV says this address; NULL: the true one, by EPSV */
    size_t size, cut;      /* of a file; the first answer ends after so many bytes */
    int64_t rest;          /* where the last transfer began */
    int transfers, actives;
};

static void say(int sock, const char *text) { (void)!write(sock, text, strlen(text)); }

static bool next_line(int sock, char *line, size_t size)
{
    size_t n = 0;

    while (n < size - 1 && read(sock, line + n, 1) == 1)
        if (line[n++] == '\n') {
            line[n] = 0;
            return true;
        }
    return false;
}

static void give(struct fake *s, int control, int *data_listener, const char *data, size_t len)
{
    AUTO(fd_close) int data_sock = accept(*data_listener, NULL, NULL);
    char byte;

    say(control, "150 here it comes\r\n");
    for (size_t at = 0; at < len;) {
        ssize_t n = write(data_sock, data + at, len - at);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    shutdown(data_sock, SHUT_WR);
    (void)!read(data_sock, &byte, 1);
    fd_close(*data_listener);
    *data_listener = -1;
}

static bool transfer(struct fake *s, int control, int *data_listener, const char *line)
{
    AUTO(mem_free) char *data = mem_zalloc(s->size + 1);
    bool cuts = s->cut && !s->transfers;
    size_t from = (size_t)s->rest;

    if (*data_listener < 0)
        return false;
    if (strncmp(line, "RETR", 4) != 0) {
        give(s, control, data_listener, s->listing, strlen(s->listing));
        say(control, "226 done\r\n");
        return true;
    }
    for (size_t i = 0; i < s->size; i++)
        data[i] = (char)('a' + i * 7 % 25);
    s->transfers++;
    give(s, control, data_listener, data + from, cuts ? s->cut : s->size - from);
    if (!cuts)
        say(control, "226 done\r\n");
    return !cuts;
}

static void open_data(const struct fake *s, int control, int *data_listener)
{
    char text[100];
    int port;

    fd_close(*data_listener);
    *data_listener = sshd_listen(&port);
    if (s->elsewhere)
        snprintf(text, sizeof text, "227 go there (%s,%d,%d)\r\n", s->elsewhere, port >> 8,
                 port & 255);
    else
        snprintf(text, sizeof text, "229 go there (|||%d|)\r\n", port);
    say(control, text);
}

static void serve_one(struct fake *s, int control)
{
    AUTO(fd_close) int data = -1;
    char line[4096], text[100];
    int at_once = 1;

    setsockopt(control, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    say(control, "220 hello\r\n");
    s->rest = 0;
    while (next_line(control, line, sizeof line)) {
        if (!strncmp(line, "USER", 4)) {
            say(control, "331 and with what?\r\n");
        } else if (!strncmp(line, "PASS", 4)) {
            say(control, "230 come in\r\n");
        } else if (!strncmp(line, "PWD", 3)) {
            say(control, "257 \"/\"\r\n");
        } else if (!strncmp(line, "EPSV", 4) && s->elsewhere) {
            say(control, "500 what?\r\n");
        } else if (!strncmp(line, "EPSV", 4) || !strncmp(line, "PASV", 4)) {
            open_data(s, control, &data);
        } else if (!strncmp(line, "SIZE", 4)) {
            snprintf(text, sizeof text, "213 %zu\r\n", s->size);
            say(control, text);
        } else if (!strncmp(line, "MDTM", 4)) {
            say(control, "213 20310101000000\r\n");
        } else if (!strncmp(line, "REST", 4)) {
            s->rest = atoll(line + 5);
            say(control, "350 go on\r\n");
        } else if (!strncmp(line, "MLSD", 4) && !s->mlsd) {
            say(control, "500 what?\r\n");
        } else if (!strncmp(line, "MLSD", 4) || !strncmp(line, "LIST", 4) ||
                   !strncmp(line, "RETR", 4)) {
            if (!transfer(s, control, &data, line))
                return;
        } else if (!strncmp(line, "PORT", 4) || !strncmp(line, "EPRT", 4)) {
            s->actives++;
            say(control, "500 no\r\n");
        } else {
            say(control, "200 as you like\r\n");
        }
    }
}

static void *serve(void *arg)
{
    struct fake *s = arg;

    for (;;) {
        struct pollfd p[] = {{s->listener, POLLIN, 0}, {s->wake[0], POLLIN, 0}};

        if (poll(p, 2, -1) < 0 || p[1].revents)
            return NULL;
        AUTO(fd_close) int control = accept(s->listener, NULL, NULL);
        serve_one(s, control);
    }
}

static void fake_start(struct fake *s)
{
    s->listener = sshd_listen(&s->port);
    assert_int_equal(pipe(s->wake), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void fake_end(struct fake *s)
{
    assert_int_equal(write(s->wake[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    fd_close(s->listener);
    fd_close(s->wake[0]);
    fd_close(s->wake[1]);
}

/* ---- a run ---- */

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

static void make(const char *path, const char *data)
{
    AUTO(mem_free) char *full = vsftpd_at(&server, path);

    for (char *slash = strchr(full + strlen(server.dir) + 6, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)!mkdir(full, 0755);
        *slash = '/';
    }
    sshd_write(full, data, strlen(data));
}

static bool gave(const struct robot_job *j, const char *name, const char *data)
{
    for (int i = 0; i < host_output_count(j); i++) {
        AUTO(mem_free) char *got = sshd_read(host_output(j, i)->path);

        if (!strcmp(host_output(j, i)->name, name) && !strcmp(got, data))
            return true;
    }
    return false;
}

/* ---- tests ---- */

static void files_lists_and_directories_with_all_below_are_imported_by_one_login(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    json_t *step = step_at(server.port, "");

    (void)state;
    make("there/a.txt", "first");
    make("there/below/c d.txt", "third");
    make("there/-rf/\xff\xfe.txt", "fourth");
    make("there/below/ two  blanks", "fifth");
    runs(j, step_at(server.port, "there/a.txt"));
    assert_true(host_output_count(j) == 1 && gave(j, "a.txt", "first"));
    AUTO(mem_free)
    char *c = vsftpd_at(&server, "there/below/c d.txt"); /* it shows all of this machine */
    json_object_set_new(step, "path", json_pack("[s,s]", c, "there/a.txt"));
    runs(j, step);
    assert_true(host_output_count(j) == 2 && gave(j, "c d.txt", "third"));
    int before = vsftpd_logged(&server, "OK LOGIN");
    runs(j, step_at(server.port, "there/"));
    assert_int_equal(host_output_count(j), 4);
    assert_true(gave(j, "a.txt", "first") && gave(j, "c d.txt", "third"));
    assert_int_equal(vsftpd_logged(&server, "OK LOGIN") - before, 1);
    assert_int_equal(vsftpd_logged(&server, "\"PORT ") + vsftpd_logged(&server, "\"EPRT "), 0);
}

static void links_are_passed_by_and_circles_do_not_matter(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *circle = vsftpd_at(&server, "links/circle");

    (void)state;
    make("links/a.txt", "first");
    assert_int_equal(symlink(".", circle), 0);
    runs(j, step_at(server.port, "links/"));
    assert_int_equal(host_output_count(j), 1);
}

static void what_is_not_there_or_not_allowed_is_said_by_its_code(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    json_t *step = step_at(server.port, "a");

    (void)state;
    fails(j, step_at(server.port, "nothing.txt"), "FTP_IMPORT_NOT_FOUND", "550");
    fails(j, step_at(server.port, "nowhere/"), "FTP_IMPORT_NOT_FOUND", "holds no file");
    jset(step, "password", "wrong");
    fails(j, step, "FTP_IMPORT_ACCESS_DENIED", "does not let");
    step = step_at(server.port, "a");
    json_object_set_new(step, "passive_mode", json_false());
    fails(j, step, "FTP_IMPORT_VALIDATION", "passive_mode");
    fails(j, step_at(server.port, ""), "FTP_IMPORT_VALIDATION", "path");
    make("large.txt", "12345");
    json_object_set_new(host_settings(j), "max_file_size", json_integer(4));
    fails(j, step_at(server.port, "large.txt"), "FTP_IMPORT_FAILURE", "allows 4 bytes");
}

static void with_tls_only_who_is_trusted_is_asked(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    json_t *step = step_at(server.port, "secret.txt");

    (void)state;
    make("secret.txt", "secret");
    json_object_set_new(step, "secure", json_true());
    fails(j, json_incref(step), "FTP_IMPORT_ACCESS_DENIED", "is not trusted");
    jset(host_settings(j), "ftp_ca", ca);
    runs(j, step);
    assert_true(gave(j, "secret.txt", "secret"));
}

static void a_server_without_tls_gets_no_password(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct fake s = {.size = 10};

    (void)state;
    fake_start(&s);
    json_t *step = step_at(s.port, "a");
    json_object_set_new(step, "secure", json_true());
    fails(j, step, "FTP_IMPORT_FAILURE", "does not encrypt");
    fake_end(&s);
}

static void data_come_from_the_server_itself_wherever_it_says_they_lie(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct fake s = {.size = 1000, .elsewhere = "10,1,2,3"};

    (void)state;
    fake_start(&s);
    runs(j, step_at(s.port, "a.txt"));
    fake_end(&s);
    assert_int_equal(host_output(j, 0)->size, 1000);
    assert_int_equal(s.actives, 0);
}

static void what_breaks_in_the_middle_goes_on_where_it_was(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct fake s = {.size = BIG, .cut = BIG / 2};

    (void)state;
    fake_start(&s);
    runs(j, step_at(s.port, "big.bin"));
    fake_end(&s);
    assert_int_equal(host_output(j, 0)->size, BIG);
    assert_int_equal(s.rest, BIG / 2);
    AUTO(mem_free) char *got = sshd_read(host_output(j, 0)->path);
    for (size_t i = 0; i < BIG; i++)
        assert_int_equal(got[i], (char)('a' + i * 7 % 25));
}

static void lists_of_each_known_form_are_read(void **state)
{
    static const struct {
        bool mlsd;
        const char *listing;
    } forms[] = {{true, "type=cdir; .\r\ntype=pdir; ..\r\nType=File;Size=10;  a "
                        "b\r\ntype=OS.unix=slink:/etc;; l\r\n"},
                 {false, "total 8\r\n-rw-r--r--   1 u g   10 Jan 31 12:00  a b\r\nlrwxrwxrwx 1 u g "
                         "4 Jan  1  2031 l -> /etc\r\nprw-r--r-- 1 u g "
                         "0 Jan 1 12:00 p\r\n"},
                 {false, "-rw-r--r--   1 owner   10 Jan 31 12:00  a b\n"}, /* no group */
                 {false, "-rw-r--r--+  1 Jan users 10 2031-01-31 12:00  a b"},
                 {false, "01-31-31  12:00PM                   10  a b\r\n"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        AUTO(host_free) struct robot_job *j = new_job();
        struct fake s = {.size = 10, .mlsd = forms[i].mlsd, .listing = forms[i].listing};

        fake_start(&s);
        runs(j, step_at(s.port, "dir/"));
        fake_end(&s);
        assert_int_equal(host_output_count(j), 1);
    }
}

static void lists_that_lie_are_refused_in_bounds(void **state)
{
    AUTO(mem_free) char *longest = mem_zalloc(20001);
    AUTO(str_done) struct str many = {0};

    (void)state;
    memset(longest, 'a', 20000);
    for (int i = 0; i < 210000; i++)
        str_puts(&many, "type=x; a\n");
    const struct {
        bool mlsd;
        const char *listing, *says;
    } lies[] = {{true, "type=file; ../../etc/passwd\r\n", "a name with a slash"},
                {true, "type=dir; d\r\n", "too deep"},
                {true, "size=5; a\r\n", "no line of a form"},
                {false, "-rw-r--r-- 1 u g 5 Jan 1 12:00 a/b\r\n", "a name with a slash"},
                {false, "<html>\r\n", "no line of a form"},
                {false, "-rw-r--r-- 1 u g 5 Jan 1 12:00\r\n", "no line of a form"},
                {true, longest, "a line that is too long"},
                {true, many.s, "more entries"}};
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        AUTO(host_free) struct robot_job *j = new_job();
        struct fake s = {.size = 10, .mlsd = lies[i].mlsd, .listing = lies[i].listing};

        fake_start(&s);
        fails(j, step_at(s.port, "dir/"), "FTP_IMPORT_FAILURE", lies[i].says);
        fake_end(&s);
        assert_int_equal(host_output_count(j), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_lists_and_directories_with_all_below_are_imported_by_one_login),
        cmocka_unit_test(links_are_passed_by_and_circles_do_not_matter),
        cmocka_unit_test(what_is_not_there_or_not_allowed_is_said_by_its_code),
        cmocka_unit_test(with_tls_only_who_is_trusted_is_asked),
        cmocka_unit_test(a_server_without_tls_gets_no_password),
        cmocka_unit_test(data_come_from_the_server_itself_wherever_it_says_they_lie),
        cmocka_unit_test(what_breaks_in_the_middle_goes_on_where_it_was),
        cmocka_unit_test(lists_of_each_known_form_are_read),
        cmocka_unit_test(lists_that_lie_are_refused_in_bounds),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
