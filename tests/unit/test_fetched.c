/* A parameter that names a file by its address: the file is fetched, and goes into each job of its
 * step. */
#include "assembly/assembly.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static int64_t now = 1000000;

static int apply(struct assembly *a, struct effects *fx, enum event_type type, const char *json)
{
    AUTO(json_unref) json_t *data = json_loads(json, 0, NULL);
    struct event ev = {type, data, now += 1000};
    struct err err;

    assert_non_null(data);
    return assembly_apply(a, &ev, fx, &err);
}

static void must(struct assembly *a, struct effects *fx, enum event_type type, const char *fmt,
                 int n)
{
    char json[500];

    snprintf(json, sizeof json, fmt, n, n);
    if (apply(a, fx, type, json) < 0)
        fail_msg("%s was refused", json);
}

static struct assembly *begin(struct effects *fx, const char *steps)
{
    struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
    AUTO(mem_free) char *json = mem_printf("{\"workspace\":\"w\",\"base_url\":\"http://x\",\"steps\":%s,"
                                           "\"max_attempts\":2,\"expected\":0,\"body_done\":false,\"max_files\":2}",
                                           steps);

    assert_int_equal(apply(a, fx, EV_CREATED, json), 0);
    return a;
}

/* File n comes in, and its metadata is found by the job that looks for it. */
static void upload(struct assembly *a, struct effects *fx, int n)
{
    must(a, fx, EV_FILE_UPLOADED,
         "{\"file\":{\"id\":\"%032x\",\"name\":\"%d.jpg\",\"size\":10,\"field\":\"f\"}}", n);
    int probe = a->job_count - 1;
    must(a, fx, EV_JOB_STARTED, "{\"job\":%d}", probe);
    must(a, fx, EV_JOB_OUTPUT,
         "{\"job\":%d,\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/"
         "jpeg\",\"ext\":\"jpg\",\"meta\":{}}}",
         probe);
    must(a, fx, EV_JOB_DONE, "{\"job\":%d}", probe);
}

/* Job 0 fetches, and what it fetched is looked at. */
static void fetch(struct assembly *a, struct effects *fx)
{
    must(a, fx, EV_JOB_STARTED, "{\"job\":0}", 0);
    must(a, fx, EV_JOB_OUTPUT,
         "{\"job\":0,\"index\":0,\"file\":{\"id\":\"b30bd0776e7f4ac3817b056d102e8219\",\"name\":"
         "\"logo.png\",\"size\":5,\"input\":-1}}",
         0);
    must(a, fx, EV_JOB_DONE, "{\"job\":0}", 0);
    int probe = -1;
    for (int i = 0; i < a->job_count; i++)
        probe = a->jobs[i]->probe && a->jobs[i]->hidden ? i : probe;
    assert_true(probe > 0);
    must(a, fx, EV_JOB_STARTED, "{\"job\":%d}", probe);
    must(a, fx, EV_JOB_OUTPUT,
         "{\"job\":%d,\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/"
         "png\",\"ext\":\"png\",\"meta\":{}}}",
         probe);
    must(a, fx, EV_JOB_DONE, "{\"job\":%d}", probe);
}

static void end_body(struct assembly *a, struct effects *fx)
{
    must(a, fx, EV_BODY_DONE, "{\"bytes\":20}", 0);
}

/* Each job of the step that is open gives a file. */
static void work(struct assembly *a, struct effects *fx, int step)
{
    for (int i = 0; i < a->job_count; i++) {
        if (a->jobs[i]->step != step || a->jobs[i]->state != JOB_QUEUED)
            continue;
        must(a, fx, EV_JOB_STARTED, "{\"job\":%d}", i);
        must(a, fx, EV_JOB_OUTPUT,
             "{\"job\":%d,\"index\":0,\"file\":{\"id\":\"c%031x\",\"name\":\"r.jpg\",\"size\":5,"
             "\"mime\":\"image/jpeg\",\"input\":0}}",
             i);
        must(a, fx, EV_JOB_DONE, "{\"job\":%d}", i);
    }
}

static const struct job *job_of(const struct assembly *a, int step, int nth)
{
    for (int i = 0; i < a->job_count; i++)
        if (a->jobs[i]->step == step && !nth--)
            return a->jobs[i];
    fail_msg("step %d has no such job", step);
    return NULL;
}

#define MARKED "\"robot\":\"/image/resize\",\"watermark_url\":\"http://x/logo.png\""

static void each_job_gets_the_file_whatever_comes_first(void **state)
{
    (void)state;
    for (int early = 0; early < 3; early++) { /* uploads before and after it */
        struct effects fx = {0};
        struct assembly *a = begin(&fx, "{\"m\":{" MARKED ",\"use\":\":original\"}}");

        assert_int_equal(a->job_count, 1);
        for (int n = 1; n <= early; n++)
            upload(a, &fx, n);
        assert_int_equal(a->job_count, 1 + early); /* they wait */
        if (early == 2)
            end_body(a, &fx);
        assert_false(assembly_is_over(a));
        fetch(a, &fx);
        for (int n = early + 1; n <= 2; n++)
            upload(a, &fx, n);
        if (early < 2)
            end_body(a, &fx);
        for (int n = 0; n < 2; n++) {
            const struct job *j = job_of(a, 1, n);

            assert_int_equal(j->input_count, 2);
            assert_string_equal(j->inputs[1]->name, "logo.png");
            assert_string_equal(j->labels[0], "");
            assert_string_equal(j->labels[1], "watermark");
        }
        work(a, &fx, 1);
        assert_int_equal(a->state, ASSEMBLY_COMPLETED);
        assert_int_equal(a->result_counts[1], 2);
        assert_int_equal(a->result_counts[2], 0); /* nobody asked for what was fetched */
        assert_int_equal(a->import_count, 0);
        assert_int_equal(json_array_size(a->files[a->file_count - 1]->original_ids), 1);
        AUTO(mem_free) char *progress = progress_json(a);
        assert_null(strstr(progress, "b30bd0776e7f4ac3817b056d102e8219"));
        effects_done(&fx);
        assembly_free(a);
    }
}

static void an_address_is_asked_once(void **state)
{
    struct effects fx = {0};
    struct assembly *a =
        begin(&fx, "{\"m\":{" MARKED ",\"use\":\":original\"},\"n\":{" MARKED ",\"use\":\"m\"}}");
    (void)state;

    assert_int_equal(a->job_count, 1);
    upload(a, &fx, 1);
    end_body(a, &fx);
    fetch(a, &fx);
    work(a, &fx, 1);
    assert_int_equal(job_of(a, 2, 0)->input_count, 2);
    work(a, &fx, 2);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    effects_done(&fx);
    assembly_free(a);
}

static void a_bundle_has_it_in_each_group(void **state)
{
    static const char *const steps[] = {
        "{\"m\":{" MARKED
        ",\"use\":{\"steps\":[\":original\"],\"bundle_steps\":true,\"group_by_original\":true}}}",
        "{\"m\":{" MARKED ",\"use\":{\"steps\":[\":original\"],\"bundle_steps\":true}}}",
    };
    (void)state;

    for (int whole = 0; whole < 2; whole++) {
        struct effects fx = {0};
        struct assembly *a = begin(&fx, steps[whole]);

        upload(a, &fx, 1);
        upload(a, &fx, 2);
        end_body(a, &fx);
        fetch(a, &fx);
        for (int n = 0; n < (whole ? 1 : 2); n++) {
            const struct job *j = job_of(a, 1, n);

            assert_int_equal(j->input_count, whole ? 3 : 2);
            assert_string_equal(j->labels[j->input_count - 1], "watermark");
            assert_string_equal(j->inputs[j->input_count - 1]->name, "logo.png");
            assert_string_equal(j->inputs[0]->name, n ? "2.jpg" : "1.jpg");
        }
        work(a, &fx, 1);
        assert_int_equal(a->state, ASSEMBLY_COMPLETED);
        effects_done(&fx);
        assembly_free(a);
    }
}

static void a_file_that_cannot_be_had_fails_the_step_that_names_it(void **state)
{
    struct effects fx = {0};
    struct assembly *a = begin(&fx, "{\"m\":{" MARKED ",\"use\":\":original\"}}");
    (void)state;

    upload(a, &fx, 1);
    must(a, &fx, EV_JOB_STARTED, "{\"job\":0}", 0);
    must(a, &fx, EV_JOB_FAILED,
         "{\"job\":0,\"code\":1,\"name\":\"HTTP_IMPORT_NOT_FOUND\",\"msg\":\"m\",\"retry\":"
         "\"never\"}",
         0);
    assert_string_equal(assembly_code(a), "HTTP_IMPORT_NOT_FOUND");
    assert_string_equal(a->error_step, "m");
    effects_done(&fx);
    assembly_free(a);
}

static void a_cancel_stops_the_fetch_and_what_waits_for_it(void **state)
{
    struct effects fx = {0};
    struct assembly *a = begin(&fx, "{\"m\":{" MARKED ",\"use\":\":original\"}}");
    (void)state;

    upload(a, &fx, 1);
    must(a, &fx, EV_JOB_STARTED, "{\"job\":0}", 0);
    must(a, &fx, EV_CANCEL, "{}", 0);
    assert_int_equal(a->jobs_stopped, 1);
    assert_int_equal(a->jobs_open, 0);
    effects_done(&fx);
    assembly_free(a);
}

static void what_is_no_address_is_refused_at_once(void **state)
{
    static const char *const bad[] = {"ftp://x/y", "logo.png", "file:///etc/passwd",
                                      "http://x/${file.name}"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(mem_free) char *text = mem_printf(
            "{\"m\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"watermark_url\":\"%s\"}}",
            bad[i]);
        AUTO(json_unref) json_t *steps = json_reads(text);
        struct instructions *in;
        const char *step;
        struct err err;

        assert_int_equal(instructions_parse(&in, steps, &step, &err), -1);
        assert_string_equal(err_name(&err), "IMAGE_RESIZE_VALIDATION");
        assert_string_equal(step, "m");
        assert_non_null(strstr(err.msg, "watermark_url"));
    }
}

static void an_empty_one_asks_for_nothing(void **state)
{
    struct effects fx = {0};
    struct assembly *a = begin(
        &fx, "{\"m\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"watermark_url\":\"\"}}");
    (void)state;

    assert_int_equal(a->job_count, 0);
    assert_int_equal(a->in->count, 2);
    effects_done(&fx);
    assembly_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_job_gets_the_file_whatever_comes_first),
        cmocka_unit_test(an_address_is_asked_once),
        cmocka_unit_test(a_bundle_has_it_in_each_group),
        cmocka_unit_test(a_file_that_cannot_be_had_fails_the_step_that_names_it),
        cmocka_unit_test(a_cancel_stops_the_fetch_and_what_waits_for_it),
        cmocka_unit_test(what_is_no_address_is_refused_at_once),
        cmocka_unit_test(an_empty_one_asks_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
