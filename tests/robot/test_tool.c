/* Programs that a Robot starts: what of them is heard, what they hear, and that none can do harm by what it prints or by hanging. */
#include "../unit/unit.h"
#include "base/clock.h"
#include "host.h"
#include "media/tool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SH(text) (const char *const[]){"sh", "-c", text, NULL}

static int text(struct str *out, const char *command, struct err *err)
{
    return tool_text(out, SH(command), 5000, 10000, err);
}

static void what_it_prints_comes_back(void **state)
{
    AUTO(str_done) struct str out = {0};
    struct err err;
    (void)state;

    assert_int_equal(text(&out, "printf one; echo two >&2", &err), 0);
    assert_string_equal(out.s, "one");
    assert_int_equal(text(&out, "printf ' more'", &err), 0);
    assert_string_equal(out.s, "one more");
}

static void how_it_failed_is_told(void **state)
{
    static const struct {
        const char *command, *said;
        int code, exited;
    } rows[] = {
        {"echo oops >&2; exit 3", "sh failed with status 3", ERR_COMMAND, 3},
        {"kill -SEGV $$", "sh was ended by signal 11", ERR_COMMAND, -11},
        {"yes", "sh printed more than 10000 bytes", ERR_COMMAND, 0},
        {"exit 127", "cannot start sh", ERR_COMMAND, 127},
    };
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(str_done) struct str out = {0};
        struct tool t = {.argv = SH(rows[i].command), .text = &out, .text_max = 10000, .timeout_ms = 5000};

        assert_int_equal(tool_run(NULL, &t, &err), -1);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(err.exited, rows[i].exited);
        if (!strstr(err.msg, rows[i].said))
            fail_msg("%s: %s", rows[i].command, err.msg);
        if (i == 0)
            assert_string_equal(err.detail, "oops\n");
        t.clients_options = true;
        assert_int_equal(tool_run(NULL, &t, &err), -1);
        assert_int_equal(err.code, i == 3 ? ERR_COMMAND : ERR_USER_COMMAND);
    }
    assert_int_equal(tool_text(&(struct str){0}, (const char *const[]){"no-such-program", NULL}, 5000, 10, &err), -1);
    assert_non_null(strstr(err.msg, "cannot start no-such-program"));
}

static void of_stderr_the_end_is_kept(void **state)
{
    AUTO(str_done) struct str out = {0};
    struct err err;
    (void)state;

    assert_int_equal(text(&out, "i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done >&2; printf 'a\\0b' >&2; exit 1", &err), -1);
    assert_true(str_ends(err.detail, "line-2999\na?b"));
    assert_true(strlen(err.detail) <= 1000);
}

static void what_hangs_is_left_in_time(void **state)
{
    static const char *const commands[] = {"exec sleep 1", "exec >&- 2>&-; exec sleep 1", "while :; do echo x >&2; done", "while :; do :; done"};
    int status;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        AUTO(str_done) struct str out = {0};
        int64_t before = clock_mono_us();
        struct err err;

        if (fork() == 0) /* the last one takes as long as its processor time does: it may leave a process stuck */
            _exit(tool_text(&out, SH(commands[i]), 300, 10000, &err) == -1 && err.code == ERR_TIMEOUT && (i == 3 || !tool_is_stuck()) ? 0 : 1);
        wait(&status);
        if (status)
            fail_msg("%s", commands[i]);
        assert_true(clock_mono_us() - before < 6 * SECOND_US);
    }
}

/* What does not end then either can't be ended from here: nothing more is started, and the worker is told to end. */
static void what_computes_too_long_is_ended_and_the_worker_goes_on(void **state)
{
    struct tool t = {.argv = SH("while :; do :; done"), .timeout_ms = 30000, .cpu_s = 1};
    struct err err;
    (void)state;

    assert_int_equal(tool_run(NULL, &t, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(err.exited, -SIGXCPU);
    assert_false(tool_is_stuck());
    t.argv = SH("exit 0");
    assert_int_equal(tool_run(NULL, &t, &err), 0);
}

static void a_program_that_never_ends_makes_its_worker_end(void **state)
{
    AUTO(str_done) struct str out = {0};
    int status, ready[2];
    char pid[16] = "";
    (void)state;

    assert_int_equal(pipe(ready), 0);
    if (fork() == 0) {
        struct err err;
        struct tool t = {.argv = SH("echo $$ >&3; trap '' PIPE; exec sleep 30"), .text = &out, .text_max = 10000, .timeout_ms = 300,
                         .fds = &ready[1], .fd_count = 1};

        bool right = tool_run(NULL, &t, &err) == -1 && err.code == ERR_TIMEOUT && tool_is_stuck() &&
                     text(&out, "echo again", &err) == -1 && strstr(err.msg, "has not ended") && !out.len;
        _exit(right ? 0 : 1);
    }
    close(ready[1]);
    assert_true(read(ready[0], pid, sizeof pid - 1) > 0);
    wait(&status);
    kill(atoi(pid), SIGKILL);
    assert_int_equal(status, 0);
    close(ready[0]);
}

struct heard {
    int lines;
    size_t bytes;
    char all[300];
    int refuse; /* the line of that number */
};

static int on_line(void *ctx, char *line, struct err *err)
{
    struct heard *h = ctx;
    size_t n = strlen(line);

    if (strlen(h->all) + n + 2 < sizeof h->all)
        strcat(strcat(h->all, line), "|");
    h->bytes += n;
    return ++h->lines == h->refuse ? err_set(err, ERR_META, "no more of that") : 0;
}

static int lines(struct heard *h, const char *command, struct err *err)
{
    return tool_run(NULL, &(struct tool){.argv = SH(command), .line = on_line, .line_ctx = h, .timeout_ms = 20000}, err);
}

static void lines_come_one_by_one(void **state)
{
    struct heard h = {0};
    struct err err;
    (void)state;

    assert_int_equal(lines(&h, "printf 'a\\n\\nb\\r\\nlong'; sleep 0.05; printf 'er\\nc\\0d\\nlast'", &err), 0);
    assert_string_equal(h.all, "a||b|longer|c?d|last|");
    h = (struct heard){.refuse = 2};
    assert_int_equal(lines(&h, "echo a; echo b; echo c", &err), -1);
    assert_int_equal(err.code, ERR_META);
    assert_string_equal(h.all, "a|b|");
    h = (struct heard){0};
    assert_int_equal(lines(&h, "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done", &err), 0);
    assert_int_equal(h.lines, 20000);
    assert_int_equal(h.bytes, 200000);
}

static void a_line_without_end_is_an_error(void **state)
{
    struct heard h = {0};
    struct err err;
    (void)state;

    assert_int_equal(lines(&h, "head -c 10000000 /dev/zero | tr '\\0' x", &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    assert_non_null(strstr(err.msg, "a line of more than 65536 bytes"));
    assert_int_equal(h.lines, 0);
    assert_int_equal(lines(&h, "head -c 65536 /dev/zero", &err), 0);
    assert_int_equal(h.bytes, 65536);
}

static void it_reads_and_writes_files(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *in = host_path(job, "in"), *out = host_path(job, "out");
    struct tool t = {.argv = SH("tr a-z A-Z"), .input = in, .output = out, .timeout_ms = 5000};
    char text_of[20] = "";
    struct err err;
    FILE *f = fopen(in, "w");
    (void)state;

    fputs("some text", f);
    fclose(f);
    assert_int_equal(tool_run(NULL, &t, &err), 0);
    f = fopen(out, "r");
    assert_non_null(fgets(text_of, sizeof text_of, f));
    fclose(f);
    assert_string_equal(text_of, "SOME TEXT");
    assert_int_equal(tool_run(NULL, &t, &err), -1); /* it is there already */
    assert_int_equal(err.code, ERR_IO);
    t.input = host_path(job, "none");
    assert_int_equal(tool_run(NULL, &t, &err), -1);
}

static void of_our_environment_and_descriptors_it_sees_nothing(void **state)
{
    AUTO(str_done) struct str out = {0};
    int other = open("/dev/null", O_RDONLY), given = open("/etc/hostname", O_RDONLY); /* not even closed on exec */
    struct tool t = {.argv = SH("env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort; ls /proc/self/fd | wc -l; readlink /proc/self/fd/3"),
                     .text = &out, .text_max = 10000, .env = (const char *const[]){"MAGICK_X=1", NULL}, .fds = &given, .fd_count = 1,
                     .timeout_ms = 5000};
    struct err err;
    (void)state;

    fcntl(other, F_SETFD, FD_CLOEXEC);
    fcntl(given, F_SETFD, FD_CLOEXEC);
    setenv("SECRET", "hush", 1);
    assert_int_equal(tool_run(NULL, &t, &err), 0);
    assert_null(strstr(out.s, "SECRET"));
    assert_string_equal(out.s, "HOME=.\nLC_ALL=C.UTF-8\nMAGICK_X=1\nOMP_THREAD_LIMIT=1\nOPENSSL_CONF=/dev/null\nPATH=/usr/bin:/bin\nTMPDIR=.\n5\n/etc/hostname\n");
    close(other);
    close(given);
}

/* "-" begins no option, "$(...)" is no command: there is no shell. */
static void arguments_are_what_they_are(void **state)
{
    AUTO(str_done) struct str out = {0};
    const char *const argv[] = {"printf", "%s|", "$(id)", "a b", "`id`", "; id", NULL};
    struct err err;
    (void)state;

    assert_int_equal(tool_text(&out, argv, 5000, 1000, &err), 0);
    assert_string_equal(out.s, "$(id)|a b|`id`|; id|");
}

static void a_job_hears_how_far_ffmpeg_is(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *const argv[] = {"ffmpeg", "-v", "error", "-nostdin", TOOL_PROGRESS, "-f", "lavfi", "-i", "testsrc=d=20:r=25:s=640x360",
                                "-f", "null", "/dev/null", NULL};
    const char *const fake[] = {"sh", "-c", "for i in N/A 0 2500000 5000000 99000000 -1; do echo out_time_us=$i; done", NULL};
    struct heard h = {0};
    struct err err;
    (void)state;

    json_object_set_new(host_settings(job), "timeout_s", json_integer(60));
    assert_int_equal(tool_run(job, &(struct tool){.argv = argv, .progress_s = 20, .from = 0.2, .to = 0.4, .line = on_line, .line_ctx = &h}, &err), 0);
    assert_true(host_progress_steps(job) > 0);
    assert_true(h.lines > 10);
    AUTO(host_free) struct robot_job *second = host_new();
    assert_int_equal(tool_run(second, &(struct tool){.argv = fake, .progress_s = 10, .from = 0, .to = 1}, &err), 0);
    assert_int_equal(host_progress_steps(second), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_prints_comes_back),
        cmocka_unit_test(how_it_failed_is_told),
        cmocka_unit_test(of_stderr_the_end_is_kept),
        cmocka_unit_test(what_hangs_is_left_in_time),
        cmocka_unit_test(what_computes_too_long_is_ended_and_the_worker_goes_on),
        cmocka_unit_test(a_program_that_never_ends_makes_its_worker_end),
        cmocka_unit_test(lines_come_one_by_one),
        cmocka_unit_test(a_line_without_end_is_an_error),
        cmocka_unit_test(it_reads_and_writes_files),
        cmocka_unit_test(of_our_environment_and_descriptors_it_sees_nothing),
        cmocka_unit_test(arguments_are_what_they_are),
        cmocka_unit_test(a_job_hears_how_far_ffmpeg_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
