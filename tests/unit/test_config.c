#include "base/log.h"
#include "config.h"
#include "tempdir.h"
#include "unit.h"

#include <string.h>

/* Load with up to five flags; file: contents of --config, or NULL; env: one variable, or NULL. */
struct fixture {
    struct arena *a;
    char *dir, *path;
    struct config c;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    f->a = arena_new();
    f->dir = tempdir_new(NULL);
    f->path = arena_printf(f->a, "%s/w.conf", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_free(f->a);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static int load(struct fixture *f, const char *file, const char *env, const char *flag,
                const char *flag2)
{
    char *argv[6] = {(char *)"workcell"};
    char *envp[] = {(char *)"HOME=/", (char *)"WORKCELL_SERVICE_HOST=10.0.0.1", (char *)env, NULL};
    int argc = 1;

    if (file) {
        FILE *to = fopen(f->path, "w");

        fputs(file, to);
        fclose(to);
        argv[argc++] = (char *)"--config";
        argv[argc++] = f->path;
    }
    if (flag)
        argv[argc++] = (char *)flag;
    if (flag2)
        argv[argc++] = (char *)flag2;
    return config_load(&f->c, f->a, argc, argv, envp, &f->err);
}

static void without_anything_the_defaults_hold(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, NULL, NULL, NULL, NULL), 0);
    assert_string_equal(f->c.listen, "127.0.0.1:8080");
    assert_int_equal(f->c.max_upload_size, INT64_C(200) << 30);
    assert_int_equal(f->c.log_level, LOG_INFO);
    assert_true(f->c.fsync_uploads);
    assert_false(f->c.require_jail || f->c.help || f->c.print_config);
}

static void a_flag_beats_the_environment_and_that_beats_the_file(void **state)
{
    struct fixture *f = *state;
    const char *file = "# ours\n\nworker-jobs = 5 # few\nregion = \"a \\\"b\\\" # c\" # d\n";

    assert_int_equal(load(f, file, NULL, NULL, NULL), 0);
    assert_int_equal(f->c.worker_jobs, 5);
    assert_string_equal(f->c.region, "a \"b\" # c");
    assert_int_equal(load(f, file, "WORKCELL_WORKER_JOBS=6", NULL, NULL), 0);
    assert_int_equal(f->c.worker_jobs, 6);
    assert_int_equal(load(f, file, "WORKCELL_WORKER_JOBS=6", "--worker-jobs", "7"), 0);
    assert_int_equal(f->c.worker_jobs, 7);
    assert_int_equal(load(f, NULL, NULL, "--worker_jobs=8", "--no-fsync-uploads"), 0);
    assert_int_equal(f->c.worker_jobs, 8);
    assert_false(f->c.fsync_uploads);
    assert_int_equal(load(f, NULL, NULL, "--require-jail", "--print-config"), 0);
    assert_true(f->c.require_jail && f->c.print_config);
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
    static const struct {
        const char *file, *env, *flag, *flag2, *says;
    } rows[] = {
        {"\nspeed = 5\n", NULL, NULL, NULL, "w.conf:2: there is no setting 'speed'"},
        {"config = x", NULL, NULL, NULL, "w.conf:1: there is no setting"},
        {"region = a\nregion = b", NULL, NULL, NULL, "w.conf:2: region was given before"},
        {"region = \"a", NULL, NULL, NULL, "w.conf:1: the quotes"},
        {"region", NULL, NULL, NULL, "w.conf:1: not of the form"},
        {"worker_jobs = many", NULL, NULL, NULL, "w.conf:1: worker_jobs is a whole number"},
        {NULL, "WORKCELL_MAX_PIXELS=-1", NULL, NULL, "WORKCELL_MAX_PIXELS"},
        {NULL, NULL, "--speed", "5", "no flag '--speed'"},
        {NULL, NULL, "--no-region", NULL, "no flag '--no-region'"},
        {NULL, NULL, "--region", NULL, "needs a value"},
        {NULL, NULL, "serve", NULL, "'serve'"},
        {NULL, NULL, "--data=", NULL, "must not be empty"},
        {NULL, NULL, "--isolation=none", NULL, "can not be 'none'"},
        {NULL, NULL, "--require-jail=maybe", NULL, "yes or no"},
        {NULL, NULL, "--job-file-size=9999999999T", NULL, "whole number"},
        {NULL, NULL, "--job-attempts=0", NULL, "allowed is 1 to 100"},
        {NULL, NULL, "--config=/no/such/file", NULL, "/no/such/file"},
        {NULL, NULL, "--ai-key=ai=hush", NULL, "as WORKCELL_AI_KEY"},
        {NULL, NULL, "--ai-key", "ai=hush", "ai_key is a secret"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(load(f, rows[i].file, rows[i].env, rows[i].flag, rows[i].flag2), -1);
        assert_int_equal(f->err.code, ERR_CONFIG);
        if (!strstr(f->err.msg, rows[i].says) || strstr(f->err.msg, "hush"))
            fail_msg("'%s' does not say '%s'", f->err.msg, rows[i].says);
    }
}

static char *printed(struct fixture *f)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    config_print(&f->c, to);
    fclose(to);
    return text;
}

static void what_is_printed_can_be_read_again_and_says_where_it_is_from(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        load(f, "max_frames = 7", "WORKCELL_REGION=a \"#\\", "--job-file-size=3G", NULL), 0);
    AUTO(mem_free) char *text = printed(f);
    assert_non_null(strstr(text, "w.conf:1\n"));
    assert_non_null(strstr(text, "max_frames = 7 # file "));
    assert_non_null(strstr(text, "# environment WORKCELL_REGION\n"));
    assert_non_null(strstr(text, "job_file_size = 3G # flag\n"));
    assert_non_null(strstr(text, "listen = \"127.0.0.1:8080\" # default\n"));
    assert_int_equal(load(f, text, NULL, NULL, NULL), 0);
    assert_string_equal(f->c.region, "a \"#\\");
    assert_int_equal(f->c.job_file_size, INT64_C(3) << 30);
    assert_int_equal(f->c.max_frames, 7);
}

static void a_secret_is_read_and_never_printed(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, "ai_key = ai=hush\nai_key = vision=hush-too", NULL, NULL, NULL), 0);
    assert_string_equal(f->c.ai_key, "ai=hush,vision=hush-too");
    AUTO(mem_free) char *text = printed(f);
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "\n# ai_key = \"****\" # file "));
    assert_int_equal(load(f, text, "WORKCELL_AI_KEY=ai=other", NULL, NULL), 0); /* a comment there: nothing is lost */
    assert_string_equal(f->c.ai_key, "ai=other");
}

static void help_and_documentation_name_every_setting(void **state)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    (void)state;

    config_help(to);
    config_print_markdown(to);
    fclose(to);
    assert_non_null(strstr(text, "--[no-]fsync-uploads"));
    assert_non_null(strstr(text, "--isolation worker|job"));
    assert_non_null(strstr(text, "| `drain_timeout_s` | number | `30` |"));
    free(text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(without_anything_the_defaults_hold),
        T(a_flag_beats_the_environment_and_that_beats_the_file),
        T(what_is_wrong_is_named_with_its_place),
        T(what_is_printed_can_be_read_again_and_says_where_it_is_from),
        T(a_secret_is_read_and_never_printed),
        T(help_and_documentation_name_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
