/* /file/verify: what a file is counts, and not what it is called. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/file/verify"

/* The least that each type begins with. */
static const struct sample {
    const char *name, *bytes;
    size_t len;
} pdf = {"a.pdf", "%PDF-1.4\n1 0 obj\n", 17},
  png = {"a.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\2\0\0\0\x90wS\xde", 33},
  jpeg = {"a.jpg", "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20},
  liar = {"invoice.pdf", "MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0", 16}, words = {"a.txt", "some words\n", 11},
  nothing = {"a.pdf", "", 0},
  wave = {"a.wav", "RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0", 44};

static const char *written(struct robot_job *job, const struct sample *s)
{
    const char *path = host_path(job, s->name);
    FILE *f = fopen(path, "w");

    assert_int_equal(fwrite(s->bytes, 1, s->len, f), s->len);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void a_file_goes_on_when_its_bytes_are_what_is_wanted(void **state)
{
    static const struct {
        const struct sample *s;
        const char *to_be;
        bool passes;
    } rows[] = {
        {&pdf, NULL, true},         {&png, NULL, false},         {&liar, NULL, false},
        {&nothing, NULL, false},    {&words, NULL, false},       {&pdf, "application/pdf", true},
        {&pdf, "PDF", true},        {&pdf, ".pdf", true},        {&pdf, "document", true},
        {&pdf, "image", false},     {&png, "image", true},       {&png, "png", true},
        {&png, "image/png", true},  {&png, "image/jpeg", false}, {&png, "jpg", false},
        {&png, "imag", false},      {&jpeg, "jpg", true},        {&jpeg, "jpeg", true},
        {&jpeg, "image/jpg", true}, {&jpeg, "image/jpeg", true}, {&jpeg, "video", false},
        {&wave, "audio", true},     {&wave, "wav", true},        {&wave, "audio/vnd.wave", true},
        {&words, "text", true},     {&words, "txt", true},       {&liar, "application/pdf", false},
        {&liar, "document", false}, {&png, "nonsense", false},   {&png, "/", false},
        {&png, ".", false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(mem_free)
        char *step = rows[i].to_be ? mem_printf("{\"verify_to_be\": \"%s\"}", rows[i].to_be) : mem_strdup("{}");
        struct err err = {0};

        if (host_run_on(job, ROBOT, step, written(job, rows[i].s), &err) < 0)
            fail_msg("%s: %s", step, err.msg);
        if (host_output_count(job) != rows[i].passes)
            fail_msg("%s with %s goes the wrong way", rows[i].s->name, step);
        if (rows[i].passes)
            assert_true(host_output(job, 0)->same &&
                        !host_output(job, 0)->passed); /* a new record of the same bytes */
    }
}

static void what_nobody_could_tell_before_is_looked_at_here(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    host_add_input(job, written(job, &pdf));
    host_input(job)->mime = "";
    host_add_input(job, written(job, &png));
    host_input(job)->mime = "";
    assert_int_equal(host_run(job, ROBOT, "{}", &err), 0);
    assert_int_equal(host_output_count(job), 1);
}

static void another_file_fails_the_job_when_that_is_asked_for(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    assert_int_equal(host_run_on(job, ROBOT, "{\"error_on_decline\": true, \"error_msg\": \"Only PDF\"}",
                                 written(job, &liar), &err),
                     -1);
    assert_string_equal(err_name(&err), "FILE_VERIFY_INVALID_FILE");
    assert_string_equal(err.msg, "Only PDF");
    assert_int_equal(host_run_on(job, ROBOT, "{\"verify_to_be\": \"a b\"}", written(job, &pdf), &err), -1);
    assert_string_equal(err_name(&err), "FILE_VERIFY_VALIDATION");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_goes_on_when_its_bytes_are_what_is_wanted),
        cmocka_unit_test(what_nobody_could_tell_before_is_looked_at_here),
        cmocka_unit_test(another_file_fails_the_job_when_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
