/* /progress/simulate: how long it takes, what it tells meanwhile, what it gives. */
#include "../../unit/unit.h"
#include "base/clock.h"
#include "base/str.h"
#include "host.h"
#include "media/mime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *write_file(struct robot_job *job, const char *name)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fputs("some words\n", f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char *step(struct robot_job *job, const char *duration, const char *files, bool tell)
{
    return arena_printf(robot_arena(job),
                        "{\"duration\": %s, \"output_files\": %s, \"emit_progress\": %s, \"predict_output\": false}",
                        duration, files, tell ? "true" : "false");
}

/* Runs with the inputs that it has; returns how long that took. */
static int64_t run(struct robot_job *job, const char *parameters)
{
    int64_t start_us = clock_mono_us();
    struct err err = {0};

    if (host_run(job, "/progress/simulate", parameters, &err) < 0)
        fail_msg("%s: %s", parameters, err.msg);
    return clock_mono_us() - start_us;
}

static struct robot_job *with_input(const char *name)
{
    struct robot_job *job = host_new();

    host_add_input(job, write_file(job, name));
    return job;
}

static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * SECOND_US + t.tv_nsec / 1000;
}

/* Of several tries the best: on a busy machine each may be late, but none may be early. */
static void it_takes_as_long_as_is_said(void **state)
{
    static const struct {
        const char *duration, *files;
        int64_t us;
    } rows[] = {{"0", "1", 0}, {"0.07", "1", 70000}, {"0.2", "0", 200000}, {"\"0.3\"", "2", 300000},
                {"0.45", "100", 450000}};
    AUTO(host_free) struct robot_job *job = with_input("a.txt");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t best_us = INT64_MAX;

        for (int k = 0; k < 20 && best_us > rows[i].us + 50000; k++) {
            int64_t us = run(job, step(job, rows[i].duration, rows[i].files, k % 2 == 0));

            assert_true(us >= rows[i].us);
            best_us = us < best_us ? us : best_us;
        }
        if (best_us > rows[i].us + 50000)
            fail_msg("%s s took %" PRId64 " us", rows[i].duration, best_us);
    }
}

static void it_sleeps_rather_than_turns(void **state)
{
    AUTO(host_free) struct robot_job *job = with_input("a.txt");
    int64_t before_us = cpu_us();
    (void)state;

    run(job, step(job, "1", "0", true));
    assert_in_range(cpu_us() - before_us, 0, 20000);
}

static void progress_is_told_five_times_a_second_if_at_all(void **state)
{
    AUTO(host_free) struct robot_job *told = with_input("a.txt"), *silent = with_input("a.txt");
    (void)state;

    run(told, step(told, "1.2", "1", true));
    assert_in_range(host_progress_steps(told), 4, 7);
    run(silent, step(silent, "0.5", "1", false));
    assert_int_equal(host_progress_steps(silent), 0);
}

/* What is in it, NUL-terminated. */
static void read_output(char out[static 500], const struct host_output *o)
{
    FILE *f = fopen(o->path, "r");
    size_t n = fread(out, 1, 499, f);

    out[n] = 0;
    assert_int_equal(n, o->size);
    fclose(f);
}

static void each_file_says_which_it_is(void **state)
{
    AUTO(host_free) struct robot_job *job = with_input("holiday.photo.jpg");
    char text[500], mime[MIME_LEN];
    (void)state;

    for (int again = 0; again < 2; again++) {
        run(job, step(job, "0", "3", false));
        assert_int_equal(host_output_count(job), 3);
        for (int i = 0; i < 3; i++) {
            const struct host_output *o = host_output(job, i);
            AUTO(mem_free) char *name = mem_printf("holiday.photo-dummy-%d.txt", i + 1);
            AUTO(mem_free) char *want =
                mem_printf("Dummy file %d of 3, made of 'holiday.photo.jpg' by /progress/simulate.\n", i + 1);

            assert_string_equal(o->name, name);
            read_output(text, o);
            assert_string_equal(text, want);
            assert_int_equal(mime_detect(mime, o->path, o->name, NULL), 0);
            assert_string_equal(o->mime, mime);
            assert_false(o->same);
            assert_int_equal(json_object_size(o->meta), 0);
        }
    }
}

static void it_gives_as_many_files_as_are_asked_for(void **state)
{
    AUTO(host_free) struct robot_job *job = with_input("a.txt");
    (void)state;

    run(job, step(job, "0", "0", false));
    assert_int_equal(host_output_count(job), 0);
    run(job, step(job, "0", "1.0", false));
    assert_int_equal(host_output_count(job), 1);
    run(job, step(job, "0", "100", false));
    assert_int_equal(host_output_count(job), 100);
    assert_string_equal(host_output(job, 99)->name, "a-dummy-100.txt");
}

static void a_long_name_is_cut_between_characters_and_keeps_its_number(void **state)
{
    char name[255] = "a";
    (void)state;

    for (int i = 0; i < 124; i++)
        strcat(name, "\xc3\xbc");
    strcat(name, ".txt");
    AUTO(host_free) struct robot_job *job = with_input(name);
    run(job, step(job, "0", "100", false));
    for (int i = 0; i < 100; i++) {
        const char *is = host_output(job, i)->name;
        AUTO(mem_free) char *end = mem_printf("\xc3\xbc-dummy-%d.txt", i + 1);

        assert_in_range(strlen(is), 200, 255);
        assert_true(utf8_valid(is, strlen(is)));
        assert_true(str_ends(is, end));
    }
}

static void several_inputs_in_one_job_are_one_simulation(void **state)
{
    AUTO(host_free) struct robot_job *job = with_input("a.txt");
    (void)state;

    host_add_input(job, write_file(job, "b.txt"));
    host_add_input(job, write_file(job, "c.txt"));
    assert_in_range(run(job, step(job, "0.3", "2", false)), 300000, 599999);
    assert_int_equal(host_output_count(job), 2);
    assert_string_equal(host_output(job, 1)->name, "a-dummy-2.txt");
}

static void what_is_no_count_no_time_or_not_built_is_refused_by_name(void **state)
{
    static const char *const rows[][2] = {
        {"output_files", "'duration': 0, 'output_files': -1, 'emit_progress': true, 'predict_output': false"},
        {"output_files", "'duration': 0, 'output_files': 1.5, 'emit_progress': true, 'predict_output': false"},
        {"output_files", "'duration': 0, 'emit_progress': true, 'predict_output': false"},
        {"duration", "'duration': -0.5, 'output_files': 1, 'emit_progress': true, 'predict_output': false"},
        {"duration", "'output_files': 1, 'emit_progress': true, 'predict_output': false"},
        {"emit_progress", "'duration': 0, 'output_files': 1, 'predict_output': false"},
        {"predict_output", "'duration': 0, 'output_files': 1, 'emit_progress': true, 'predict_output': true"},
        {"predict_output", "'duration': 0, 'output_files': 1, 'emit_progress': true"},
    };
    AUTO(host_free) struct robot_job *job = with_input("a.txt");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *parameters = mem_printf("{%s}", rows[i][1]);
        struct err err = {0};

        for (char *c = parameters; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        if (host_run(job, "/progress/simulate", parameters, &err) == 0)
            fail_msg("taken: %s", rows[i][1]);
        assert_string_equal(err_name(&err), "PROGRESS_SIMULATE_VALIDATION");
        assert_non_null(strstr(err.msg, rows[i][0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_as_long_as_is_said),
        cmocka_unit_test(it_sleeps_rather_than_turns),
        cmocka_unit_test(progress_is_told_five_times_a_second_if_at_all),
        cmocka_unit_test(each_file_says_which_it_is),
        cmocka_unit_test(it_gives_as_many_files_as_are_asked_for),
        cmocka_unit_test(a_long_name_is_cut_between_characters_and_keeps_its_number),
        cmocka_unit_test(several_inputs_in_one_job_are_one_simulation),
        cmocka_unit_test(what_is_no_count_no_time_or_not_built_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
