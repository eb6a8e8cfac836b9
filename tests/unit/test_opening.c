/* Who began after a process that died knows at which Assembly that was. */
#include "conductor/opening.h"
#include "tempdir.h"
#include "unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ONE "0123456789abcdef0123456789abcdef"
#define TWO "ffffffffffffffff0123456789abcdef"

static char *dir, *path;

static struct opening *begin(void)
{
    struct opening *o;
    struct err err;

    if (opening_open(&o, path, &err) < 0)
        fail_msg("%s", err.msg);
    return o;
}

/* A process that begins, reads `well` to its end if there is one, and dies while it reads `bad`. */
static void die_at(const char *well, const char *bad)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct opening *o = begin();

        if (well) {
            opening_begin(o, well);
            opening_end(o);
        }
        opening_begin(o, bad);
        abort();
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int deaths(const char *id)
{
    struct opening *o = begin();
    int n = opening_deaths(o, id);

    opening_close(o);
    return n;
}

static void deaths_are_counted_for_the_one_that_was_read(void **state)
{
    (void)state;
    assert_int_equal(deaths(ONE), 0);
    for (int i = 1; i <= 4; i++) {
        die_at(TWO, ONE);
        assert_int_equal(deaths(ONE), i);
        assert_int_equal(deaths(ONE), i); /* a start that reads nothing is no death */
        assert_int_equal(deaths(TWO), 0);
    }
    die_at(NULL, TWO);
    assert_int_equal(deaths(ONE), 4);
    assert_int_equal(deaths(TWO), 1);
}

static void one_that_was_read_to_its_end_begins_anew(void **state)
{
    (void)state;
    die_at(NULL, ONE);
    die_at(NULL, TWO);
    die_at(ONE, TWO);
    assert_int_equal(deaths(ONE), 0);
    assert_int_equal(deaths(TWO), 2);
}

static void a_file_that_others_have_touched_counts_as_nothing(void **state)
{
    static const char *const texts[] = {"",     "x",      "\n\n\n",
                                        "0123", ONE " 5", ONE "\n" ONE " 99999999999999999999\n"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        fputs(texts[i], f);
        fclose(f);
        assert_int_equal(deaths(ONE), 0);
        die_at(NULL, ONE);
        assert_int_equal(deaths(ONE), 1);
    }
}

static void without_a_file_nothing_is_counted(void **state)
{
    struct opening *o;
    struct err err;
    (void)state;

    assert_int_equal(opening_open(&o, "/nowhere/opening", &err), -1);
    opening_begin(NULL, ONE);
    opening_end(NULL);
    assert_int_equal(opening_deaths(NULL, ONE), 0);
    opening_close(NULL);
}

static int setup(void **state)
{
    (void)state;
    dir = tempdir_new(NULL);
    path = mem_printf("%s/opening", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(path);
    tempdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deaths_are_counted_for_the_one_that_was_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_that_was_read_to_its_end_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_others_have_touched_counts_as_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_a_file_nothing_is_counted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
