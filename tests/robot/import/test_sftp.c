/* /sftp/import against a real sshd, and against an SFTP server that lies: this program, started by
 * the same sshd as its subsystem. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"
#include "sshd.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ROBOT "/sftp/import"
#define BIG (6 * 1024 * 1024)

static char dir[64];
static const char *user;
static char *own_key;
static struct sshd normal, liar;

/* ---- the server that lies (draft-ietf-secsh-filexfer-02) ---- */

enum {
    INIT = 1,
    VERSION,
    OPEN,
    CLOSE,
    READ,
    LSTAT = 7,
    FSTAT,
    OPENDIR = 11,
    READDIR,
    STAT = 17,
    STATUS = 101,
    HANDLE,
    DATA,
    NAME,
    ATTRS
};
enum { OK, AT_END, NO_FILE };

static void u32(struct str *b, uint32_t n)
{
    const char be[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

    str_add(b, be, 4);
}

static void text(struct str *b, const char *s, size_t len)
{
    u32(b, (uint32_t)len);
    str_add(b, s, len);
}

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void send_packet(int type, uint32_t id, const struct str *rest)
{
    AUTO(str_done) struct str b = {0};

    u32(&b, (uint32_t)(rest->len + (type == VERSION ? 1 : 5)));
    str_putc(&b, (char)type);
    if (type != VERSION)
        u32(&b, id);
    str_add(&b, rest->s ? rest->s : "", rest->len);
    for (size_t at = 0; at < b.len;) {
        ssize_t n = write(1, b.s + at, b.len - at);

        if (n <= 0)
            _exit(0);
        at += (size_t)n;
    }
}

static void status(uint32_t id, uint32_t code)
{
    AUTO(str_done) struct str b = {0};

    u32(&b, code);
    text(&b, "x", 1);
    text(&b, "", 0);
    send_packet(STATUS, id, &b);
}

static void attrs(struct str *b, uint32_t mode, uint64_t size)
{
    u32(b, 1 | 4);
    u32(b, (uint32_t)(size >> 32));
    u32(b, (uint32_t)size);
    u32(b, mode);
}

static void name(struct str *b, const char *s, size_t len, uint32_t mode)
{
    text(b, s, len);
    text(b, "drwxr-xr-x a lie", 16);
    attrs(b, mode, 5);
}

#define SAY(s) name(&b, s, sizeof(s) - 1, S_IFREG | 0644)
/* What the directory holds, in one answer; false: that was all. */
static bool entries_of(uint32_t id, const char *what, int answered)
{
    AUTO(str_done) struct str b = {0}, count = {0};
    uint32_t n = 1;

    if (answered && strcmp(what, "endless/"))
        return false;
    if (!strcmp(what, "slash/")) {
        SAY("../../etc/passwd");
    } else if (!strcmp(what, "nul/")) {
        SAY("a\0b");
    } else if (!strcmp(what, "odd/")) {
        n = 9;
        SAY(".");
        SAY("..");
        SAY("a\n-rw-r--r-- 1 r r 5 Jan 1 00:00 b");
        SAY("\xff\xfe.txt");
        SAY("\xef\x9e\x80"); /* a character of the area that stands for bytes */
        name(&b, "link", 4, S_IFLNK | 0777);
        name(&b, "pipe", 4, S_IFIFO | 0644);
        name(&b, "disk", 4, S_IFBLK | 0644);
        name(&b, "sock", 4, S_IFSOCK | 0644);
    } else if (!strcmp(what, "endless/")) {
        n = 500;
        for (int i = 0; i < 500; i++)
            name(&b, "x", 1, S_IFIFO | 0644);
    } else if (!strcmp(what, "long/")) {
        AUTO(mem_free) char *s = mem_zalloc(6000);

        memset(s, 'a', 5000);
        name(&b, s, 5000, S_IFREG | 0644);
    } else {
        name(&b, "d", 1, S_IFDIR | 0755); /* and in it another one */
    }
    u32(&count, n);
    str_add(&count, b.s, b.len);
    send_packet(NAME, id, &count);
    return true;
}

/* What is asked for says what happens: "short" ends before its size, "grows" has no end. */
static void read_some(uint32_t id, const char *what, uint64_t offset, size_t most)
{
    AUTO(str_done) struct str b = {0};
    size_t end = !strcmp(what, "short") ? 3 : !strcmp(what, "grows") ? SIZE_MAX : 5;

    if (offset >= end) {
        status(id, AT_END);
        return;
    }
    most = most > 32768 ? 32768 : most > end - offset ? end - offset : most;
    AUTO(mem_free) char *data = mem_zalloc(32769);
    memset(data, 'z', 32768);
    text(&b, data, most);
    send_packet(DATA, id, &b);
}

static _Noreturn void lie(void)
{
    static unsigned char in[65536];
    char path[4096] = "";
    int answered = 0;

    for (;;) {
        AUTO(str_done) struct str b = {0};
        size_t have = 0, want = 4;

        while (have < want) {
            ssize_t n = read(0, in + have, want - have);

            if (n <= 0)
                _exit(0);
            have += (size_t)n;
            if (have == 4 && want == 4 && (want += read_u32(in)) > sizeof in)
                _exit(1);
        }
        int type = in[4];
        uint32_t id = read_u32(in + 5);
        size_t len = type == INIT || want < 13 ? 0 : read_u32(in + 9);
        if (type == OPEN || type == OPENDIR || type == STAT || type == LSTAT)
            snprintf(path, sizeof path, "%.*s", (int)len, (char *)in + 13);
        switch (type) {
        case INIT:
            u32(&b, 3);
            send_packet(VERSION, 0, &b);
            break;
        case OPEN:
        case OPENDIR:
            answered = 0;
            text(&b, "h", 1);
            send_packet(HANDLE, id, &b);
            break;
        case READDIR:
            if (!entries_of(id, path, answered++))
                status(id, AT_END);
            break;
        case READ:
            read_some(id, path, (uint64_t)read_u32(in + 13 + len) << 32 | read_u32(in + 17 + len),
                      read_u32(in + 21 + len));
            break;
        case STAT:
        case LSTAT:
            if (!strcmp(path, "huge"))
                attrs(&b, S_IFREG | 0644, UINT64_MAX);
            else
                attrs(&b, !strcmp(path, "device") ? S_IFCHR | 0644 : S_IFREG | 0644, 5);
            send_packet(ATTRS, id, &b);
            break;
        default:
            status(id, OK);
            break;
        }
    }
}

/* ---- the real one ---- */

static int begin(void **state)
{
    AUTO(mem_free) char *open = NULL, *host = NULL;
    char self[512];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (geteuid() == 0)
        mkdir("/run/sshd", 0755);
    strcpy(dir, "/tmp/workcell-sftp-XXXXXX");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (!mkdtemp(dir) || n < 0)
        return -1;
    self[n] = 0;
    user = getpwuid(geteuid())->pw_name;
    free(sshd_key(dir, "host", &host));
    own_key = sshd_key(dir, "own", &open);
    AUTO(mem_free) char *authorized = sshd_at(dir, "authorized");
    AUTO(mem_free) char *lies = mem_printf("%s lie", self);
    sshd_write(authorized, open, strlen(open));
    normal = sshd_start(dir, "normal", "internal-sftp");
    liar = sshd_start(dir, "liar", lies);
    return 0;
}

static int end(void **state)
{
    AUTO(mem_free) char *command = mem_printf("chmod -R u+rwX %s; rm -rf %s", dir, dir);

    (void)state;
    sshd_stop(&normal);
    sshd_stop(&liar);
    free(own_key);
    return system(command);
}

static struct robot_job *new_job(void)
{
    struct robot_job *j = host_new();

    jset(host_settings(j), "import_allow", "127.0.0.0/8");
    jset(host_settings(j), "sftp_key", own_key);
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
    AUTO(mem_free) char *text_ = json_text(given);

    *err = (struct err){0};
    return host_run(j, ROBOT, text_, err);
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
    if (!strstr(err.msg, says))
        fail_msg("'%s' says nothing of '%s'", err.msg, says);
}

static char *make(const char *path, const char *data, size_t len)
{
    AUTO(mem_free) char *full = sshd_at(dir, path);

    for (char *slash = strchr(full + strlen(dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)!mkdir(full, 0755);
        *slash = '/';
    }
    sshd_write(full, data, len);
    return take(full);
}

static bool gave(const struct robot_job *j, const char *name_, const char *data)
{
    for (int i = 0; i < host_output_count(j); i++) {
        AUTO(mem_free) char *got = sshd_read(host_output(j, i)->path);

        if (!strcmp(host_output(j, i)->name, name_) && !strcmp(got, data))
            return true;
    }
    return false;
}

/* ---- tests ---- */

static void a_file_a_list_and_a_directory_are_imported(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *a = make("there/a.txt", "first", 5);
    AUTO(mem_free) char *b = make("there/b", "", 0);
    AUTO(mem_free) char *c = make("there/below/c.txt", "third", 5);
    AUTO(mem_free) char *all = sshd_at(dir, "there/");

    (void)state;
    runs(j, step_at(normal.port, a));
    assert_int_equal(host_output_count(j), 1);
    assert_true(gave(j, "a.txt", "first"));
    assert_true(json_is_false(json_object_get(host_output(j, 0)->extra, "from_batch_import")));
    json_t *step = step_at(normal.port, "");
    json_object_set_new(step, "path", json_pack("[s,s]", c, b));
    runs(j, step);
    assert_int_equal(host_output_count(j), 2);
    assert_true(gave(j, "c.txt", "third") && gave(j, "b", ""));
    assert_true(json_is_true(json_object_get(host_output(j, 0)->extra, "from_batch_import")));
    runs(j, step_at(normal.port, all));
    assert_int_equal(host_output_count(j), 2);
    assert_true(gave(j, "a.txt", "first") && gave(j, "b", ""));
    step = step_at(normal.port, all);
    json_object_set_new(step, "recursive", json_true());
    runs(j, step);
    assert_int_equal(host_output_count(j), 3);
    assert_true(gave(j, "c.txt", "third"));
    step = step_at(normal.port, a);
    jset(step, "force_name", "other.txt");
    runs(j, step);
    assert_true(gave(j, "other.txt", "first"));
}

static void
links_pipes_and_sockets_in_a_directory_are_passed_by_and_circles_do_not_matter(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *all = sshd_at(dir, "links/");
    AUTO(mem_free) char *circle = sshd_at(dir, "links/circle");
    AUTO(mem_free) char *link = sshd_at(dir, "links/link");
    AUTO(mem_free) char *pipe = sshd_at(dir, "links/pipe");
    free(make("links/a.txt", "first", 5));
    json_t *step = step_at(normal.port, all);

    (void)state;
    assert_int_equal(symlink(".", circle), 0);
    assert_int_equal(symlink("a.txt", link), 0);
    assert_int_equal(mkfifo(pipe, 0644), 0);
    json_object_set_new(step, "recursive", json_true());
    runs(j, step);
    assert_int_equal(host_output_count(j), 1);
    assert_true(gave(j, "a.txt", "first"));
    runs(j, step_at(normal.port, link)); /* that is named is followed */
    assert_true(gave(j, "link", "first"));
    fails(j, step_at(normal.port, pipe), "SFTP_IMPORT_FAILURE", "is no file");
}

static void names_of_any_bytes_arrive_as_safe_ones(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    char longest[256];
    static const char *const names[] = {"odd/a\nb.txt", "odd/\xff\xfe.txt", "odd/\xef\x9e\x80.txt",
                                        "odd/ sp \"'\\*?.txt", "odd/-rf"};
    AUTO(mem_free) char *all = sshd_at(dir, "odd/");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char data[8];

        snprintf(data, sizeof data, "%zu", i);
        free(make(names[i], data, 1));
    }
    memset(longest, 'n', 255);
    longest[255] = 0;
    AUTO(mem_free) char *last = mem_printf("odd/%s", longest);
    free(make(last, "5", 1));
    runs(j, step_at(normal.port, all));
    assert_int_equal(host_output_count(j), 6);
    unsigned seen = 0;
    for (int i = 0; i < 6; i++) {
        const struct host_output *o = host_output(j, i);
        AUTO(mem_free) char *data = sshd_read(o->path);

        seen |= 1u << atoi(data);
        assert_true(utf8_valid(o->name, strlen(o->name)) && !strpbrk(o->name, "/\n") &&
                    strlen(o->name) <= 255);
    }
    assert_int_equal(seen, 63);
}

static void what_is_not_there_or_not_allowed_is_said_by_its_code(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *a = make("errors/a.txt", "first", 5);
    AUTO(mem_free) char *nothing = sshd_at(dir, "errors/nothing");
    AUTO(mem_free) char *parent = sshd_at(dir, "errors");
    AUTO(mem_free) char *nowhere = sshd_at(dir, "nowhere/");
    AUTO(mem_free) char *bare = sshd_at(dir, "bare/");

    (void)state;
    fails(j, step_at(normal.port, nothing), "SFTP_IMPORT_NOT_FOUND", "there is no such file");
    fails(j, step_at(normal.port, nowhere), "SFTP_IMPORT_NOT_FOUND", "there is no such");
    fails(j, step_at(normal.port, parent), "SFTP_IMPORT_NOT_FOUND", "with a slash at its end");
    assert_int_equal(mkdir(bare, 0755), 0);
    fails(j, step_at(normal.port, bare), "SFTP_IMPORT_NOT_FOUND", "holds no file");
    if (geteuid() != 0) {
        assert_int_equal(chmod(a, 0), 0);
        fails(j, step_at(normal.port, a), "SFTP_IMPORT_ACCESS_DENIED", "does not allow");
    }
    json_t *step = step_at(normal.port, a);
    jset(step, "private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n");
    fails(j, step, "SFTP_IMPORT_ACCESS_DENIED", "does not let");
    /* of several the others go on, when that is asked for */
    step = step_at(normal.port, "");
    json_object_set_new(step, "path", json_pack("[s,s]", nothing, a));
    jset(step, "ignore_errors", "true");
    assert_int_equal(chmod(a, 0644), 0);
    fails(j, step, "SFTP_IMPORT_NOT_FOUND", "1 of 2 files failed");
    assert_true(gave(j, "a.txt", "first"));
    fails(j, json_pack("{s:s,s:s}", "host", "h", "user", "u"), "SFTP_IMPORT_VALIDATION", "path");
    fails(j, json_pack("{s:s,s:s,s:s}", "host", "h", "user", "u", "path", ""),
          "SFTP_IMPORT_VALIDATION", "path");
}

static void a_file_that_is_too_large_is_refused_before_it_is_fetched(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *a = make("large/a.txt", "first", 5);

    (void)state;
    json_object_set_new(host_settings(j), "max_file_size", json_integer(4));
    fails(j, step_at(normal.port, a), "SFTP_IMPORT_FAILURE", "has 5 bytes");
    fails(j, step_at(liar.port, "huge"), "SFTP_IMPORT_FAILURE", "bytes");
}

static void a_connection_that_breaks_goes_on_where_it_was(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *data = mem_zalloc(BIG + 1);
    struct sshd_line l;

    (void)state;
    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)('a' + i * 7 % 25);
    AUTO(mem_free) char *big = make("big.bin", data, BIG);
    sshd_line_start(&l, normal.port, 3, BIG / 5 * 2);
    l.back = true;
    runs(j, step_at(l.port, big));
    sshd_line_end(&l);
    assert_true(gave(j, "big.bin", data));
    assert_int_equal(l.connections,
                     3); /* two fifths each: from the beginning it would have been a fourth */
}

static void one_login_is_enough_for_many_files(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *all = sshd_at(dir, "many/");
    struct sshd_line l;

    (void)state;
    for (int i = 0; i < 300; i++) {
        AUTO(mem_free) char *path = mem_printf("many/%d/%d", i % 7, i);

        free(make(path, "x", 1));
    }
    sshd_line_start(&l, normal.port, 0, 0);
    json_t *step = step_at(l.port, all);
    json_object_set_new(step, "recursive", json_true());
    runs(j, step);
    sshd_line_end(&l);
    assert_int_equal(host_output_count(j), 300);
    assert_int_equal(l.connections, 1);
}

static void a_server_that_lies_is_refused_in_bounds(void **state)
{
    static const struct {
        const char *path, *says;
    } lies[] = {{"slash/", "a name with a slash"},
                {"nul/", "a name with a slash"},
                {"endless/", "more entries"},
                {"long/", "a name is longer"},
                {"deep/", "too deep"},
                {"short", "it has 5 bytes, and 3 came"},
                {"grows", "more"},
                {"device", "is no file"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        AUTO(host_free) struct robot_job *j = new_job();
        json_t *step = step_at(liar.port, lies[i].path);

        json_object_set_new(step, "recursive", json_true());
        json_object_set_new(host_settings(j), "max_file_size", json_integer(BIG));
        fails(j, step, "SFTP_IMPORT_FAILURE", lies[i].says);
        assert_int_equal(host_output_count(j), 0);
    }
    AUTO(host_free) struct robot_job *j = new_job();
    runs(j, step_at(liar.port, "odd/"));
    assert_int_equal(host_output_count(j), 3); /* each has five bytes, whatever it is called */
    for (int i = 0; i < 3; i++)
        assert_true(!strpbrk(host_output(j, i)->name, "/\n"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_a_list_and_a_directory_are_imported),
        cmocka_unit_test(
            links_pipes_and_sockets_in_a_directory_are_passed_by_and_circles_do_not_matter),
        cmocka_unit_test(names_of_any_bytes_arrive_as_safe_ones),
        cmocka_unit_test(what_is_not_there_or_not_allowed_is_said_by_its_code),
        cmocka_unit_test(a_file_that_is_too_large_is_refused_before_it_is_fetched),
        cmocka_unit_test(a_connection_that_breaks_goes_on_where_it_was),
        cmocka_unit_test(one_login_is_enough_for_many_files),
        cmocka_unit_test(a_server_that_lies_is_refused_in_bounds),
    };

    if (argc > 1 && !strcmp(argv[1], "lie"))
        lie();
    return cmocka_run_group_tests(tests, begin, end);
}
