/* The rules, played without a server: events in, state and effects out. */
#include "assembly/assembly.h"
#include "assembly/mask.h"
#include "assembly/variables.h"
#include "unit.h"

#include <stdlib.h>
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

static struct assembly *begin(struct effects *fx, const char *steps, int expected, bool body_done)
{
    struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
    AUTO(mem_free) char *json = mem_printf(
        "{\"workspace\":\"w\",\"base_url\":\"http://x\",\"steps\":%s,\"expected\":%d,\"body_done\":%s,\"max_attempts\":2}",
        steps, expected, body_done ? "true" : "false");

    assert_int_equal(apply(a, fx, EV_CREATED, json), 0);
    return a;
}

static int count(const struct effects *fx, enum effect_type type)
{
    int n = 0;

    for (int i = 0; i < fx->count; i++)
        n += fx->v[i].type == type;
    return n;
}

static const char upload[] = "{\"file\":{\"id\":\"a30bd0776e7f4ac3817b056d102e8219\",\"name\":\"a b.jpg\",\"size\":10,"
                             "\"md5\":\"m\",\"field\":\"f\"}}";
static const char probed[] = "{\"job\":0,\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/jpeg\",\"ext\":\"jpg\","
                             "\"meta\":{\"width\":500}}}";
static const char resize[] = "{\"small\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":\"${file.meta.width}\"}}";

static struct assembly *with_running_job(struct effects *fx)
{
    struct assembly *a = begin(fx, resize, 0, false);

    assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, upload), 0);
    assert_int_equal(apply(a, fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    assert_int_equal(a->state, ASSEMBLY_EXECUTING);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, probed), 0);
    assert_int_equal(apply(a, fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_int_equal(a->job_count, 2);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    return a;
}

static const char made[] = "{\"job\":1,\"index\":0,\"file\":{\"id\":\"b30bd0776e7f4ac3817b056d102e8219\",\"name\":\"a b.jpg\","
                           "\"size\":5,\"md5\":\"n\",\"mime\":\"image/jpeg\",\"meta\":{},\"input\":0}}";

static void a_file_goes_through_a_step_and_the_assembly_completes(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    json_t *params;
    struct err err;
    (void)state;

    assert_int_equal(assembly_job_params(&params, a, a->jobs[1], "r", NULL, &err), 0);
    assert_int_equal(jint(params, "width", 0), 500);
    json_decref(params);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    assert_int_equal(a->result_counts[1], 1);
    assert_int_equal(count(&fx, FX_END), 1);
    effects_done(&fx);
    assembly_free(a);
}

static void an_import_gives_stubs_unless_a_step_needs_the_files(void **state)
{
    static const char *const users[] = {
        "\"robot\":\"/file/serve\"",
        "\"robot\":\"/video/ondemand\",\"variants\":{\"low\":{\"width\":64,\"height\":36}}"};
    (void)state;

    for (int i = 0; i < 2; i++) {
        AUTO(mem_free)
        char *steps = mem_printf("{\"in\":{\"robot\":\"/http/import\",\"url\":\"http://x/a.mp4\","
                                 "\"return_file_stubs\":true},\"out\":{%s,\"use\":\"in\"}}",
                                 users[i]);
        struct effects fx = {0};
        struct assembly *a = begin(&fx, steps, 0, false);
        AUTO(json_unref) json_t *params = NULL;
        struct err err;

        assert_int_equal(assembly_job_params(&params, a, a->jobs[0], "r", NULL, &err), 0);
        assert_string_equal(jstr_or(params, "url", ""), "http://x/a.mp4");
        assert_int_equal(jbool(params, "return_file_stubs", false), i == 0);
        effects_done(&fx);
        assembly_free(a);
    }
}

static void a_request_that_lost_a_file_on_its_way_fails(void **state)
{
    struct effects fx = {0};
    (void)state;

    for (int told = 0; told <= 2; told++) {
        struct assembly *a = begin(&fx, resize, 0, false);
        AUTO(mem_free) char *done = mem_printf("{\"bytes\":20,\"files\":%d,\"fields\":{\"late\":\"yes\"}}", told);

        assert_int_equal(apply(a, &fx, EV_FILE_UPLOADED, upload), 0);
        assert_int_equal(apply(a, &fx, EV_BODY_DONE, done), 0);
        assert_string_equal(jstr(a->fields, "late"), "yes");
        assert_int_equal(a->state, told == 1 ? ASSEMBLY_EXECUTING : ASSEMBLY_FAILED);
        assert_string_equal(assembly_code(a), told == 1 ? "ASSEMBLY_EXECUTING" : "SERVER_500");
        assert_int_equal(apply(a, &fx, EV_BODY_DONE, done), -1);
        assembly_free(a);
    }
    effects_done(&fx);
}

static void after_a_cancel_nothing_changes_the_outcome(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_CANCEL, "{}"), 0);
    assert_int_equal(a->state, ASSEMBLY_CANCELED);
    assert_int_equal(a->jobs_stopped, 1);
    assert_int_equal(count(&fx, FX_STOP_JOBS), 1);
    int before = fx.count;
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), -1);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), -1);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":1}"), -1);
    assert_int_equal(apply(a, &fx, EV_FILE_UPLOADED, upload), -1);
    assert_int_equal(apply(a, &fx, EV_EXPIRE, "{}"), -1);
    assert_int_equal(apply(a, &fx, EV_CANCEL, "{}"), -1);
    assert_int_equal(a->state, ASSEMBLY_CANCELED);
    assert_int_equal(fx.count, before);
    effects_done(&fx);
    assembly_free(a);
}

static void a_completed_assembly_cannot_be_canceled(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    assert_int_equal(apply(a, &fx, EV_CANCEL, "{}"), -1);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    assert_null(a->cancel);
    effects_done(&fx);
    assembly_free(a);
}

static void a_dead_worker_is_retried_a_bounded_number_of_times(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    int starts = count(&fx, FX_START_JOB);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":1,\"retry\":\"now\",\"msg\":\"died\"}"), 0);
    assert_int_equal(a->jobs[1]->state, JOB_QUEUED);
    assert_int_equal(count(&fx, FX_START_JOB), starts + 1);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":1,\"retry\":\"now\",\"msg\":\"died\"}"), 0);
    assert_int_equal(a->state, ASSEMBLY_FAILED);
    assert_string_equal(assembly_code(a), "WORKER_JOB_ERROR");
    assert_string_equal(a->error_step, "small");
    effects_done(&fx);
    assembly_free(a);
}

static void a_repeated_run_gives_each_output_once(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":1,\"retry\":\"now\"}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    assert_int_equal(a->result_counts[1], 1);
    effects_done(&fx);
    assembly_free(a);
}

/* Random histories: whatever comes in whatever order, a terminal state is final, is announced once, and leaves no
 * open job. The seed is fixed, so a failure can be looked at. */
/* The first word of a probe on a picture whose pixels are still being looked at. */
static struct assembly *with_early_word(struct effects *fx, const char *steps)
{
    struct assembly *a = begin(fx, steps, 0, false);

    assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, upload), 0);
    assert_int_equal(apply(a, fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_OUTPUT,
                           "{\"job\":0,\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/jpeg\",\"ext\":\"jpg\","
                           "\"early\":true,\"meta\":{\"width\":500}}}"),
                     0);
    return a;
}

static const char probed_fully[] = "{\"job\":0,\"index\":1,\"same\":{\"input\":0,\"mime\":\"image/jpeg\",\"ext\":"
                                   "\"jpg\",\"meta\":{\"width\":500,\"average_color\":\"#000000\"}}}";

static void a_step_that_asks_for_no_meta_begins_with_the_probes_first_word(void **state)
{
    struct effects fx = {0};
    struct assembly *a =
        with_early_word(&fx, "{\"small\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":9}}");
    (void)state;

    assert_int_equal(a->job_count, 2);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    assert_false(assembly_is_over(a)); /* the probe is not done */
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, probed_fully), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_int_equal(a->job_count, 2); /* the consumer ran once */
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    assert_string_equal(jstr_or(a->files[0]->meta, "average_color", ""), "#000000");
    effects_done(&fx);
    assembly_free(a);
}

static void a_step_that_reads_meta_waits_for_all_of_it(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_early_word(&fx, resize);
    (void)state;

    assert_int_equal(a->job_count, 1);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, probed_fully), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_int_equal(a->job_count, 2);
    effects_done(&fx);
    assembly_free(a);
}

/* The type comes from the bytes; that their metadata can't be read does not change what they are. */
static void a_failed_probe_keeps_what_it_knew(void **state)
{
    static const struct {
        const char *mime, *ext, *type;
        int jobs; /* the probe, and the step's if it takes such a file */
    } rows[] = {{"image/webp", "webp", "image", 2}, {"video/mp4", "mp4", "video", 1}, {"application/pdf", "pdf", NULL, 2}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct effects fx = {0};
        struct assembly *a = begin(&fx,
                                   "{\":original\":{\"robot\":\"/upload/handle\",\"ignore_errors\":[\"meta\"]},"
                                   "\"s\":{\"robot\":\"/image/resize\",\"use\":\":original\"}}",
                                   0, false);
        AUTO(mem_free) char *told = mem_printf("{\"job\":0,\"index\":0,\"same\":{\"input\":0,\"mime\":\"%s\",\"ext\":\"%s\"}}",
                                               rows[i].mime, rows[i].ext);

        assert_int_equal(apply(a, &fx, EV_FILE_UPLOADED, upload), 0);
        assert_int_equal(apply(a, &fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, told), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":0,\"name\":\"FILE_META_DATA_ERROR\",\"msg\":\"m\",\"retry\":\"never\"}"), 0);
        assert_string_equal(a->files[0]->mime, rows[i].mime);
        if (rows[i].type)
            assert_string_equal(a->files[0]->type, rows[i].type);
        else
            assert_null(a->files[0]->type); /* no reader opened it */
        assert_int_equal(a->job_count, rows[i].jobs);
        assembly_free(a);
        effects_done(&fx);
    }
}

static void what_a_robot_cannot_read_is_passed_by_unless_forced(void **state)
{
    static const char *const mimes[] = {"image/x-xcf", "image/x-hasselblad-3fr", "text/plain", "application/zip"};
    static const char *const robots[] = {"/image/resize", "/image/facedetect"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(mimes) * 4; i++) {
        struct effects fx = {0};
        bool force = i & 1;
        AUTO(mem_free) char *steps = mem_printf("{\"s\":{\"robot\":\"%s\",\"use\":\":original\",\"force_accept\":%s}}",
                                                robots[i >> 1 & 1], force ? "true" : "false");
        struct assembly *a = begin(&fx, steps, 0, false);
        AUTO(mem_free) char *told = mem_printf("{\"job\":0,\"index\":0,\"same\":{\"input\":0,\"mime\":\"%s\",\"ext\":\"x\",\"meta\":{}}}",
                                               mimes[i / 4]);

        assert_int_equal(apply(a, &fx, EV_FILE_UPLOADED, upload), 0);
        assert_int_equal(apply(a, &fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, told), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":0}"), 0);
        assert_int_equal(a->state, force ? ASSEMBLY_EXECUTING : ASSEMBLY_COMPLETED);
        assembly_free(a);
        effects_done(&fx);
    }
}

/* An input with a role that nobody reads would be an input that nobody reads. */
static void a_role_that_the_robot_does_not_know_is_refused(void **state)
{
    static const char *const uses[] = {
        "[{\"name\":\":original\",\"as\":\"mask\"}]",
        "[{\"name\":\":original\",\"as\":\"video\"}]",
        "{\"steps\":[{\"name\":\":original\",\"as\":\"audio\"}]}",
        "{\"steps\":[\":original\",{\"name\":\":original\",\"as\":\"video_1\"}]}",
    };
    static const char *const robots[][2] = {{"/image/resize", "IMAGE_RESIZE_VALIDATION"},
                                            {"/image/facedetect", "IMAGE_FACEDETECT_VALIDATION"}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(uses) * 2; i++) {
        struct effects fx = {0};
        struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
        AUTO(mem_free) char *json = mem_printf("{\"workspace\":\"w\",\"base_url\":\"http://x\",\"expected\":0,\"body_done\":true,\"max_attempts\":2,"
                                               "\"steps\":{\"s\":{\"robot\":\"%s\",\"use\":%s}}}",
                                               robots[i & 1][0], uses[i / 2]);
        AUTO(json_unref) json_t *data = json_loads(json, 0, NULL);
        struct event ev = {EV_CREATED, data, now += 1000};
        struct err err = {0};

        (void)!assembly_apply(a, &ev, &fx, &err);
        assert_int_equal(a->state, ASSEMBLY_FAILED);
        assert_string_equal(assembly_code(a), robots[i & 1][1]);
        assembly_free(a);
        effects_done(&fx);
    }
}

#define MANY 3000

/* So many uploads, each looked into, for steps that take them in bundles. */
static struct assembly *with_many_uploads(struct effects *fx, const char *steps)
{
    struct assembly *a = begin(fx, steps, 0, false);

    for (int i = 0; i < MANY; i++) {
        AUTO(mem_free) char *file = mem_printf("{\"file\":{\"id\":\"%032d\",\"name\":\"x.jpg\",\"size\":3}}", i);

        assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, file), 0);
    }
    assert_int_equal(apply(a, fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    for (int i = 0; i < MANY; i++) {
        AUTO(mem_free) char *job = mem_printf("{\"job\":%d}", i);
        AUTO(mem_free) char *is = mem_printf("{\"job\":%d,\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/jpeg\","
                                             "\"ext\":\"jpg\",\"meta\":{}}}", i);

        assert_int_equal(apply(a, fx, EV_JOB_STARTED, job), 0);
        assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, is), 0);
        assert_int_equal(apply(a, fx, EV_JOB_DONE, job), 0);
        effects_reset(fx);
    }
    return a;
}

#define BUNDLED(more)                                                                                                  \
    "{\"z\":{\"robot\":\"/file/compress\",\"use\":{\"steps\":[\":original\"],\"bundle_steps\":true" more "}}}"

static void a_bundle_of_thousands_is_one_job_and_its_file_has_each_original_once(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_many_uploads(&fx, BUNDLED(""));
    (void)state;

    assert_int_equal(a->job_count, MANY + 1);
    const struct job *j = a->jobs[MANY];
    assert_int_equal(j->input_count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(j->inputs[i], a->files[i]);
    AUTO(mem_free) char *job = mem_printf("{\"job\":%d}", MANY);
    AUTO(mem_free) char *packed = mem_printf("{\"job\":%d,\"index\":0,\"file\":{\"id\":\"%032d\",\"name\":\"a.zip\","
                                             "\"size\":5,\"input\":0}}", MANY, MANY);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, job), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, packed), 0);
    const json_t *ids = a->files[MANY]->original_ids;
    assert_int_equal(json_array_size(ids), MANY);
    for (int i = 0; i < MANY; i++)
        assert_string_equal(json_string_value(json_array_get(ids, (size_t)i)), a->files[i]->id);
    effects_done(&fx);
    assembly_free(a);
}

static void a_bundle_of_thousands_by_original_is_a_job_for_each(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_many_uploads(&fx, BUNDLED(",\"group_by_original\":true"));
    (void)state;

    assert_int_equal(a->job_count, 2 * MANY);
    for (int i = 0; i < MANY; i++) {
        const struct job *j = a->jobs[MANY + i];

        assert_int_equal(j->input_count, 1);
        assert_ptr_equal(j->inputs[0], a->files[i]);
    }
    effects_done(&fx);
    assembly_free(a);
}

static void random_histories_keep_the_invariants(void **state)
{
    static const char *const steps[] = {
        "{\":original\":{\"robot\":\"/upload/handle\",\"result\":true}}",
        "{\"a\":{\"robot\":\"/image/resize\",\"use\":\":original\"},\"b\":{\"robot\":\"/image/resize\",\"use\":[\"a\",\":original\"]}}",
        "{\"a\":{\"robot\":\"/image/resize\",\"use\":{\"steps\":[\":original\"],\"bundle_steps\":true},\"ignore_errors\":true}}",
        "{\"i\":{\"robot\":\"/http/import\",\"url\":\"http://x/\"},\"s\":{\"robot\":\"/s3/store\",\"use\":\"i\",\"credentials\":\"c\"}}",
    };
    (void)state;
    srandom(20311);

    for (int round = 0; round < 3000; round++) {
        struct effects fx = {0};
        struct assembly *a = begin(&fx, steps[round % 4], (int)(random() % 3), random() % 2);
        int ends = 0;

        for (int i = 0; i < 60; i++) {
            AUTO(mem_free) char *json = NULL;
            int job = a->job_count ? (int)(random() % a->job_count) : 0;
            bool was_over = assembly_is_over(a);
            enum assembly_state before = a->state;
            char id[ID_LEN + 1];

            id_new(id);
            switch (random() % 12) {
            case 0:
                json = mem_printf("{\"id\":\"%s\",\"filename\":\"f\",\"fieldname\":\"f\",\"size\":3,\"url\":\"u\"}", id);
                apply(a, &fx, EV_UPLOAD_CREATED, json);
                break;
            case 1:
            case 2: {
                const char *u = a->tus_count ? a->tus[random() % a->tus_count].id : NULL;

                json = mem_printf("{\"file\":{\"id\":\"%s\",\"name\":\"x.jpg\",\"size\":3}%s%s%s}", id,
                                  u ? ",\"upload\":\"" : "", u ? u : "", u ? "\"" : "");
                apply(a, &fx, EV_FILE_UPLOADED, json);
                break;
            }
            case 3: apply(a, &fx, EV_BODY_DONE, "{\"bytes\":1}"); break;
            case 4:
            case 5:
                json = mem_printf("{\"job\":%d}", job);
                if (a->job_count && a->jobs[job]->state == JOB_QUEUED)
                    apply(a, &fx, EV_JOB_STARTED, json);
                break;
            case 6:
                json = mem_printf("{\"job\":%d,\"same\":{\"input\":0,\"mime\":\"image/jpeg\",\"meta\":{}}}", job);
                if (a->job_count && a->jobs[job]->probe)
                    apply(a, &fx, EV_JOB_OUTPUT, json);
                break;
            case 7:
                json = mem_printf("{\"job\":%d,\"file\":{\"id\":\"%s\",\"name\":\"y.jpg\",\"mime\":\"image/png\",\"size\":1,"
                                  "\"input\":%d}}",
                                  job, id, a->job_count && a->jobs[job]->input_count ? 0 : -1);
                if (a->job_count && !a->jobs[job]->probe && !a->is_export[a->jobs[job]->step])
                    apply(a, &fx, EV_JOB_OUTPUT, json);
                break;
            case 8:
            case 9:
                json = mem_printf("{\"job\":%d}", job);
                if (a->job_count && a->jobs[job]->state == JOB_RUNNING)
                    apply(a, &fx, EV_JOB_DONE, json);
                break;
            case 10:
                json = mem_printf("{\"job\":%d,\"retry\":\"%s\"}", job, random() % 2 ? "now" : "never");
                if (random() % 4 == 0)
                    apply(a, &fx, EV_JOB_FAILED, json);
                break;
            case 11:
                if (random() % 20 == 0)
                    apply(a, &fx, random() % 2 ? EV_CANCEL : EV_EXPIRE, "{}");
                break;
            }
            assert_false(was_over && a->state != before);
        }
        for (int i = 0; i < fx.count; i++)
            ends += fx.v[i].type == FX_END;
        assert_int_equal(ends, assembly_is_over(a) ? 1 : 0);
        int open = 0, running = 0;
        for (int i = 0; i < a->job_count; i++) {
            open += a->jobs[i]->state == JOB_QUEUED || a->jobs[i]->state == JOB_RUNNING;
            running += a->jobs[i]->state == JOB_RUNNING;
        }
        assert_int_equal(open, a->jobs_open);
        assert_int_equal(running, a->running_count);
        assert_false(assembly_is_over(a) && open);
        AUTO(mem_free) char *head = status_head(a);
        AUTO(mem_free) char *doc = mem_printf("{%s}", head);
        AUTO(json_unref) json_t *parsed = json_loads(doc, 0, NULL);
        assert_non_null(parsed);
        effects_done(&fx);
        assembly_free(a);
    }
}

static void slugs_are_safe_names(void **state)
{
    static const char *const rows[][3] = {
        {"joe-gardner-149699", "jpg", "joe-gardner-149699.jpg"}, {"a b", "png", "a-b.png"},
        {"..", "", "file"},   {"\xc3\xa4\xc3\xb6?", "x", "ao_.x"},  {"a/../b", "", "a_._b"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *got = variables_slug(rows[i][0], rows[i][1]);

        assert_null(strchr(got, '/'));
        assert_true(*got && *got != '.');
        if (i < 4)
            assert_string_equal(got, rows[i][2]);
    }
}

static void secrets_of_steps_are_masked_wherever_they_stand(void **state)
{
    static const char *const table[][2] = {
        {"{\"auth\":{\"key\":\"k\",\"secret\":\"s\"},\"steps\":{\"a\":{\"key\":\"K\",\"secret\":\"S\",\"tags\":{\"key\":\"v\"}}}}",
         "{\"auth\":{\"key\":\"****\"},\"steps\":{\"a\":{\"key\":\"****\",\"secret\":\"****\",\"tags\":{\"key\":\"v\"}}}}"},
        {"{\"steps\":{\"a\":{\"deep\":[{\"Password\":\"p\"}],\"headers\":{\"Authorization\":\"Bearer x\",\"X-A\":\"b\"}}}}",
         "{\"steps\":{\"a\":{\"deep\":[{\"Password\":\"****\"}],\"headers\":{\"Authorization\":\"****\",\"X-A\":\"b\"}}}}"},
        {"{\"steps\":{\"a\":{\"headers\":[\"Cookie: c=1\",\"X-Api-Key:1\",\"A: b\",5,{\"TOKEN\":1}]}}}",
         "{\"steps\":{\"a\":{\"headers\":[\"Cookie: ****\",\"X-Api-Key: ****\",\"A: b\",5,{\"TOKEN\":\"****\"}]}}}"},
        {"{\"steps\":{\"a\":{\"headers\":\"{\\\"Authorization\\\":1}\"},\"b\":{\"headers\":\"x\"}}}",
         "{\"steps\":{\"a\":{\"headers\":\"****\"},\"b\":{\"headers\":\"x\"}}}"},
        {"{\"steps\":{\"a\":{\"url\":[\"https://u:p@h/a:b@c\",\"http://u@h/\",\"http://h/x:y@z\"],\"path\":\"ftp://u:p@h\"}}}",
         "{\"steps\":{\"a\":{\"url\":[\"https://u:****@h/a:b@c\",\"http://u@h/\",\"http://h/x:y@z\"],\"path\":\"ftp://u:****@h\"}}}"},
        {"{\"steps\":[1]}", "{\"steps\":[1]}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(json_unref) json_t *params = json_loads(table[i][0], 0, NULL);

        instructions_mask(params);
        AUTO(mem_free) char *text = json_text(params);
        assert_string_equal(text, table[i][1]);
    }
}

static void places_are_reserved_before_files_are_named_and_no_more_than_expected(void **state)
{
    struct effects fx = {0};
    struct assembly *a = begin(&fx, resize, 2, true);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_FILE_ADDED, "{\"url\":\"http://h/a\"}"), -1);
    assert_int_equal(apply(a, &fx, EV_FILE_RESERVED, "{\"size\":7}"), 0);
    assert_int_equal(apply(a, &fx, EV_UPLOAD_CREATED,
                           "{\"id\":\"c30bd0776e7f4ac3817b056d102e8219\",\"filename\":\"t\",\"fieldname\":\"f\",\"size\":3}"),
                     0);
    assert_true(a->tus[0].counted);
    assert_int_equal(apply(a, &fx, EV_FILE_RESERVED, "{\"size\":7}"), -1); /* one is reserved, one uploaded */
    assert_int_equal(apply(a, &fx, EV_FILE_ADDED, "{\"url\":\"http://h/a\",\"size\":7,\"fieldname\":\"f1\"}"), 0);
    assert_int_equal(apply(a, &fx, EV_FILE_ADDED, "{\"url\":\"http://h/a\"}"), -1);
    assert_int_equal(a->job_count, 1);
    assert_string_equal(job_robot(a, a->jobs[0])->name, "/http/import");
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT,
                           "{\"job\":0,\"index\":0,\"file\":{\"id\":\"d30bd0776e7f4ac3817b056d102e8219\",\"name\":\"x.png\","
                           "\"size\":9,\"md5\":\"m\",\"input\":-1}}"),
                     0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_int_equal(a->upload_count, 1);
    assert_string_equal(a->files[0]->field, "f1");
    assert_int_equal(a->finished_uploads, 1);
    assert_int_equal(a->tus_expected, 12); /* 9 instead of the 7 that were announced, and the 3 by tus */
    assert_int_equal(a->state, ASSEMBLY_UPLOADING);
    assert_int_equal(apply(a, &fx, EV_FILE_RESERVED, "{\"size\":7}"), -1);
    assembly_free(a);
    effects_done(&fx);
}

static void a_replay_begins_with_its_inputs(void **state)
{
    struct effects fx = {0};
    struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
    (void)state;

    assert_int_equal(apply(a, &fx, EV_CREATED,
                           "{\"workspace\":\"w\",\"base_url\":\"http://x\",\"steps\":{\"s\":{\"robot\":\"/image/resize\",\"use\":"
                           "\":original\"}},\"expected\":0,\"body_done\":true,\"parent_id\":\"p\",\"inputs\":[{\"id\":"
                           "\"a30bd0776e7f4ac3817b056d102e8219\",\"name\":\"a.jpg\",\"size\":10,\"field\":\"f\"}]}"),
                     0);
    assert_int_equal(a->state, ASSEMBLY_EXECUTING);
    assert_int_equal(a->upload_count, 1);
    assert_int_equal(a->job_count, 1); /* its metadata */
    assert_true(a->jobs[0]->probe);
    assembly_free(a);
    effects_done(&fx);
}

static void progress_rises_to_100_and_never_falls(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    double last = 0;
    (void)state;

    for (int i = 0; i <= 2; i++) {
        AUTO(mem_free) char *text = progress_json(a);
        AUTO(json_unref) json_t *p = json_loads(text, 0, NULL);

        assert_true(jnum(p, "progress_combined", -1) >= last);
        last = jnum(p, "progress_combined", -1);
        assert_int_equal(json_array_size(json_object_get(p, "progress_per_original_file")), 1);
        if (i == 0) {
            assert_int_equal((int)last, 50); /* metadata of two jobs */
            assert_int_equal(apply(a, &fx, EV_JOB_PROGRESS, "{\"job\":1,\"fraction\":0.5}"), 0);
        } else if (i == 1) {
            assert_int_equal((int)last, 75);
            assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
            assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
        }
    }
    assert_int_equal((int)last, 100);
    assembly_free(a);
    effects_done(&fx);
}

static void a_stored_error_is_known_by_its_name_whatever_number_it_had(void **state)
{
    static const struct {
        const char *json, *name;
        int code;
    } cases[] = {
        {"{\"code\":1,\"name\":\"MAX_SIZE_EXCEEDED\",\"msg\":\"m\"}", "MAX_SIZE_EXCEEDED", ERR_MAX_SIZE},
        {"{\"code\":99999,\"name\":\"ASSEMBLY_EXPIRED\",\"msg\":\"m\"}", "ASSEMBLY_EXPIRED", ERR_EXPIRED},
        {"{\"code\":99999,\"name\":\"\",\"msg\":\"m\"}", "SERVER_500", ERR_INTERNAL},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct effects fx = {0};
        struct assembly *a = begin(&fx, resize, 1, true);

        assert_int_equal(apply(a, &fx, EV_FAIL, cases[i].json), 0);
        assert_string_equal(assembly_code(a), cases[i].name);
        assert_int_equal(a->error->code, cases[i].code);
        assembly_free(a);
        effects_done(&fx);
    }
}

/* max_attempts is 2 here: six daemons. */
static void a_job_under_which_daemon_after_daemon_dies_is_deadly(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    (void)state;

    for (int boot = 1; boot <= 6; boot++) {
        AUTO(mem_free) char *started = mem_printf("{\"job\":1,\"boot\":%d}", boot);

        assert_false(job_is_deadly(a, a->jobs[1], boot));
        assert_int_equal(apply(a, &fx, EV_JOB_STARTED, started), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_STARTED, started), 0); /* the same daemon may begin it again as often as it likes */
        assert_int_equal(job_deaths(a->jobs[1], boot), boot - 1);
    }
    assert_true(job_is_deadly(a, a->jobs[1], 7));
    assert_int_equal(job_deaths(a->jobs[1], 7), 6);
    assert_false(job_is_deadly(a, a->jobs[1], 6));
    /* something new came of it: it is no such job */
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(job_deaths(a->jobs[1], 7), 1);
    /* and one that a stop in good order interrupted has killed nobody */
    assert_int_equal(apply(a, &fx, EV_JOB_INTERRUPTED, "{\"job\":1}"), 0);
    assert_int_equal(job_deaths(a->jobs[1], 7), 0);
    assert_int_equal(a->jobs[1]->state, JOB_QUEUED);
    effects_done(&fx);
    assembly_free(a);
}

/* /image/resize with a running job, whose width is an expression. */
static struct assembly *with_expression(struct effects *fx, const char *width)
{
    AUTO(mem_free) char *steps =
        mem_printf("{\"small\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":\"%s\"}}", width);
    struct assembly *a = begin(fx, steps, 0, false);

    assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, upload), 0);
    assert_int_equal(apply(a, fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, probed), 0);
    assert_int_equal(apply(a, fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    effects_reset(fx);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    return a;
}

static int64_t width_of(const struct assembly *a)
{
    AUTO(json_unref) json_t *params = NULL;
    struct err err = {0};

    if (assembly_job_params(&params, a, a->jobs[1], "r", NULL, &err) < 0) {
        assert_string_equal(err.name, "IMAGE_RESIZE_VALIDATION");
        return -1;
    }
    return jint(params, "width", 0);
}

static void a_job_with_expressions_begins_again_with_their_values_and_keeps_them(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_expression(&fx, "${Math.max(file.meta.width, 400)}");
    (void)state;

    AUTO(json_unref) json_t *asks = assembly_job_asks(a, a->jobs[1], "r");
    const json_t *first = json_array_get(json_object_get(asks, "expressions"), 0);
    const json_t *file = json_object_get(json_object_get(asks, "variables"), "file");
    assert_string_equal(jstr(first, "code"), "Math.max(file.meta.width, 400)");
    assert_int_equal(jint(json_object_get(file, "meta"), "width", 0), 500);
    assert_int_equal(width_of(a), -1);

    assert_int_equal(apply(a, &fx, EV_JOB_VALUES, "{\"job\":1,\"values\":[[640]]}"), 0);
    assert_int_equal(a->jobs[1]->state, JOB_QUEUED);
    assert_int_equal(a->running_count, 0);
    assert_int_equal(count(&fx, FX_START_JOB), 1);
    assert_null(assembly_job_asks(a, a->jobs[1], "r"));
    assert_int_equal(width_of(a), 640);
    /* what it began with stays, whatever else is evaluated */
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":1,\"code\":1,\"msg\":\"m\",\"retry\":\"now\"}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_VALUES, "{\"job\":1,\"values\":[[1]]}"), 0);
    assert_int_equal(width_of(a), 640);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_VALUES, "{\"job\":1,\"values\":[[1]]}"), -1);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    effects_done(&fx);
    assembly_free(a);
}

static void values_are_checked_as_given_ones_are(void **state)
{
    static const struct {
        const char *values;
        int64_t width;
    } rows[] = {{"[7]", 7}, {"[null]", 0}, {"[\"wide\"]", -1}, {"[{}]", -1}, {"[1,2]", -1}, {"[]", -1}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct effects fx = {0};
        struct assembly *a = with_expression(&fx, "${f()}");
        AUTO(mem_free) char *event = mem_printf("{\"job\":1,\"values\":[%s]}", rows[i].values);

        assert_int_equal(apply(a, &fx, EV_JOB_VALUES, event), 0);
        assert_int_equal(width_of(a), rows[i].width);
        effects_done(&fx);
        assembly_free(a);
    }
}

static void starts_of_an_older_version_blame_nobody(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    (void)state;

    for (int i = 0; i < 50; i++)
        assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_false(job_is_deadly(a, a->jobs[1], 7));
    effects_done(&fx);
    assembly_free(a);
}

static const char passed_on[] = "{\"job\":1,\"index\":0,\"passed\":{\"input\":0}}";

static struct assembly *with_passed_file(struct effects *fx, const char *steps)
{
    struct assembly *a = begin(fx, steps, 0, false);

    assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, upload), 0);
    assert_int_equal(apply(a, fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, probed), 0);
    assert_int_equal(apply(a, fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, passed_on), 0);
    assert_int_equal(apply(a, fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    return a;
}

static void a_file_that_is_passed_on_is_the_same_file(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_passed_file(&fx, "{\"f\":{\"robot\":\"/file/hash\",\"use\":\":original\","
                                               "\"result\":true,\"user_meta\":{\"k\":1}},"
                                               "\"small\":{\"robot\":\"/image/resize\",\"use\":\"f\",\"width\":10}}");
    (void)state;

    assert_int_equal(a->file_count, 1);
    assert_int_equal(a->result_counts[1], 1); /* it asked for its results */
    assert_int_equal(jint(a->files[0]->user_meta, "k", 0), 1);
    assert_int_equal(a->job_count, 3);
    assert_ptr_equal(a->jobs[2]->inputs[0], a->files[0]);
    assert_int_equal(a->jobs[2]->source, 1); /* ${previous_step.name} */
    effects_done(&fx);
    assembly_free(a);

    /* nobody uses it: its files are results */
    a = with_passed_file(&fx, "{\"f\":{\"robot\":\"/file/hash\",\"use\":\":original\"}}");
    assert_int_equal(a->result_counts[1], 1);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    effects_done(&fx);
    assembly_free(a);
}

static void a_passed_file_that_is_exported_is_listed_when_it_has_its_address(void **state)
{
    struct effects fx = {0};
    static const char stored[] = "{\"job\":2,\"index\":0,\"stored\":{\"input\":0,\"url\":\"http://b/k\","
                                 "\"ssl_url\":\"https://b/k\"}}";
    struct assembly *a = with_passed_file(&fx, "{\"f\":{\"robot\":\"/file/hash\",\"use\":\":original\","
                                               "\"result\":true},\"out\":{\"robot\":\"/s3/store\",\"use\":\"f\","
                                               "\"bucket\":\"b\",\"key\":\"k\",\"secret\":\"s\","
                                               "\"bucket_region\":\"r\"}}");
    (void)state;

    assert_int_equal(a->result_counts[1], 0);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":2}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, stored), 0);
    assert_int_equal(a->result_counts[1], 1); /* the step that passed it on asked for its results */
    assert_int_equal(a->result_counts[0], 1); /* the step that made it is told by the export */
    assert_string_equal(a->files[0]->url, "http://b/k");
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":2}"), 0);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    effects_done(&fx);
    assembly_free(a);
}

/* A result whose metadata can't be read, of a step that does not mind. */
static void what_is_not_known_of_a_result_is_told_beside_it(void **state)
{
    static const char unread[] = "{\"job\":1,\"index\":0,\"file\":{\"id\":\"b30bd0776e7f4ac3817b056d102e8219\","
                                 "\"name\":\"b.jpg\",\"size\":5,\"mime\":\"image/jpeg\",\"meta\":{},"
                                 "\"unread\":\"it is cut off\",\"input\":0}}";
    static const char wanted[] = "\"phase\":\"meta\",\"error\":\"FILE_META_DATA_ERROR\",\"message\":\"it is cut off\"";
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, unread), 0);
    assert_int_equal(a->ignored_count, 1);
    bool told = false;
    for (int i = 0; i < fx.count; i++)
        told |= fx.v[i].type == FX_FRAGMENT && fx.v[i].text && strstr(fx.v[i].text, wanted);
    assert_true(told);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    assert_int_equal(a->result_counts[1], 1);
    effects_done(&fx);
    assembly_free(a);
}

#define UPLOAD "a30bd0776e7f4ac3817b056d102e8219"

/* A field that an event must have is missing, or one is of another kind: it is refused, and nothing of it is applied. */
static void events_that_do_not_read_are_refused(void **state)
{
    static const struct {
        enum event_type type;
        const char *good, *bad[6];
    } events[] = {
        {EV_FORM_FIELDS, "{\"fields\":{}}", {"{}", "{\"fields\":[]}", "{\"fields\":null}"}},
        {EV_UPLOAD_CREATED, "{\"id\":\"" UPLOAD "\",\"size\":7}",
         {"{\"size\":7}", "{\"id\":\"../x\"}", "{\"id\":\"" UPLOAD "\",\"size\":\"7\"}",
          "{\"id\":\"" UPLOAD "\",\"user_meta\":[1]}"}},
        {EV_UPLOAD_OFFSET, "{\"id\":\"" UPLOAD "\",\"offset\":3}",
         {"{\"id\":\"" UPLOAD "\"}", "{\"id\":7,\"offset\":3}"}},
        {EV_FILE_UPLOADED, "{\"file\":{\"id\":\"" UPLOAD "\",\"size\":7},\"upload\":\"" UPLOAD "\"}",
         {"{}", "{\"file\":{}}", "{\"file\":{\"id\":\"" UPLOAD "\",\"name\":{}}}", "{\"file\":\"" UPLOAD "\"}"}},
        {EV_JOB_STARTED, "{\"job\":0}", {"{}", "{\"job\":\"0\"}", "{\"job\":0,\"boot\":true}"}},
        {EV_JOB_FAILED, "{\"job\":0,\"retry\":\"never\"}",
         {"{\"retry\":\"never\"}", "{\"job\":0,\"retry\":5}", "{\"job\":0,\"private\":1}"}},
    };
    struct effects fx = {0};
    struct assembly *a = begin(&fx, "{\"a\":{\"robot\":\"/image/resize\",\"use\":\":original\"}}", 1, true);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        for (int k = 0; events[i].bad[k]; k++)
            assert_int_equal(apply(a, &fx, events[i].type, events[i].bad[k]), -1);
        assert_int_equal(apply(a, &fx, events[i].type, events[i].good), 0);
    }
    assert_int_equal(a->state, ASSEMBLY_FAILED); /* the good ones were applied */
    effects_done(&fx);
    assembly_free(a);
}

/* What the daemon once took from workers may lie in a store, and is read at each start. */
static void stored_outputs_that_cannot_be_do_nothing(void **state)
{
    static const char *const outputs[] = {
        "{\"job\":1,\"index\":0,\"same\":{\"input\":7,\"meta\":{},\"mime\":\"image/png\"}}",
        "{\"job\":1,\"index\":1,\"passed\":{\"input\":9}}",
        "{\"job\":1,\"index\":2,\"stored\":{\"input\":-1,\"url\":5}}",
        "{\"job\":1,\"index\":2,\"stored\":{\"input\":0}}",
        "{\"job\":1,\"index\":3,\"file\":true}",
        "{\"job\":1,\"index\":4,\"file\":{\"name\":\"x\",\"size\":4,\"mime\":\"image/png\",\"input\":0}}",
        "{\"job\":1,\"index\":5,\"file\":{\"id\":\"a\",\"name\":\"x\",\"input\":-1}}",
    };
    struct effects fx = {0};
    struct assembly *a = with_running_job(&fx);
    int files = a->file_count;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(outputs); i++) /* the first two read, but are about no input of the job */
        assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, outputs[i]), i > 1 ? -1 : 0);
    assert_int_equal(a->file_count, files);
    assert_int_equal(a->state, ASSEMBLY_EXECUTING);
    effects_done(&fx);
    assembly_free(a);

    /* an import has no input at all */
    a = begin(&fx, "{\"i\":{\"robot\":\"/http/import\",\"url\":\"http://x/\"}}", 0, true);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, "{\"job\":0,\"index\":0,\"same\":{\"input\":0,\"meta\":{}}}"), 0);
    assert_int_equal(a->file_count, 0);
    effects_done(&fx);
    assembly_free(a);
}

/* One upload of this type (NULL: none), its metadata, and as many jobs as follow, which give nothing. */
static struct assembly *play(struct effects *fx, const char *steps, const char *mime)
{
    struct assembly *a = begin(fx, steps, 0, false);
    AUTO(mem_free) char *same =
        mem_printf("{\"job\":0,\"index\":0,\"same\":{\"input\":0,\"mime\":\"%s\",\"ext\":\"x\",\"meta\":{}}}", mime ? mime : "");

    if (mime)
        assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, upload), 0);
    assert_int_equal(apply(a, fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    for (int i = 0; i < a->job_count; i++) {
        AUTO(mem_free) char *job = mem_printf("{\"job\":%d}", i);

        assert_int_equal(apply(a, fx, EV_JOB_STARTED, job), 0);
        if (i == 0)
            assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, same), 0);
        assert_int_equal(apply(a, fx, EV_JOB_DONE, job), 0);
    }
    assert_int_equal(a->state, ASSEMBLY_COMPLETED);
    effects_done(fx);
    *fx = (struct effects){0};
    return a;
}

static void what_had_nothing_to_do_is_told_when_it_is_over(void **state)
{
#define RESIZE(name, use) "\"" name "\":{\"robot\":\"/image/resize\",\"use\":" use ",\"width\":9}"
    static const struct {
        const char *steps, *mime, *says[2];
    } rows[] = {
        {"{" RESIZE("r", "\":original\"") "}", NULL, {"No file was sent, so there was nothing to do for: 'r'."}},
        {"{\":original\":{\"robot\":\"/upload/handle\"}}", NULL, {"No file was sent, so there was nothing to do."}},
        {"{\":original\":{\"robot\":\"/upload/handle\"}}", "text/plain", {NULL}},
        {"{" RESIZE("r", "\":original\"") "}", "text/plain",
         {"The step 'r' did nothing: /image/resize does not take 'a b.jpg' (text/plain)."}},
        /* what follows from that is not told again */
        {"{" RESIZE("r", "\":original\"") "," RESIZE("s", "\"r\"") "}", "text/plain",
         {"The step 'r' did nothing: /image/resize does not take 'a b.jpg' (text/plain)."}},
        {"{" RESIZE("r", "{\"steps\":[\":original\"],\"fields\":[\"other\"]}") "}", "image/png",
         {"The step 'r' did nothing: no file came in one of the form fields that it asks for."}},
        {"{\"f\":{\"robot\":\"/image/facedetect\",\"use\":\":original\",\"crop\":true}," RESIZE("s", "\"f\"") "," RESIZE("t", "{\"steps\":[\":original\",\"f\"],\"bundle_steps\":true}") "}",
         "image/png",
         {"The step 'f' gave no file: no face was found in 'a b.jpg' (image/png).",
          "The step 't' did nothing: it takes files of all the steps that it uses together, and one of them gave none."}},
    };
    struct effects fx = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct assembly *a = play(&fx, rows[i].steps, rows[i].mime);
        size_t n = 0;

        for (; n < 2 && rows[i].says[n]; n++) {
            const json_t *w = json_array_get(a->warnings, n);

            assert_string_equal(jstr_or(w, "msg", ""), rows[i].says[n]);
            assert_string_equal(jstr_or(w, "level", ""), "warning");
        }
        assert_int_equal(json_array_size(a->warnings), n);
        assembly_free(a);
    }
}

static void a_branch_that_had_nothing_to_do_is_only_noted_when_another_had(void **state)
{
    struct effects fx = {0};
    struct assembly *a = play(&fx, "{\":original\":{\"robot\":\"/upload/handle\",\"result\":true}," RESIZE("r", "\":original\"") "}", "video/mp4");
    (void)state;

    assert_int_equal(json_array_size(a->warnings), 1);
    assert_string_equal(jstr_or(json_array_get(a->warnings, 0), "level", ""), "notice");
    assembly_free(a);
}

/* Plays a whole Assembly of one file and one resize; the user_meta of the upload and of the result. */
static void user_meta_of(const char *steps, const char *want_upload, const char *want_result, int warnings)
{
    struct effects fx = {0};
    struct assembly *a = begin(&fx, steps, 0, false);
    AUTO(json_unref) json_t *of_upload = json_loads(want_upload, 0, NULL), *of_result = json_loads(want_result, 0, NULL), *params = NULL;
    struct err err;

    assert_int_equal(apply(a, &fx, EV_FILE_UPLOADED,
                           "{\"file\":{\"id\":\"a30bd0776e7f4ac3817b056d102e8219\",\"name\":\"a b.jpg\",\"size\":10,\"md5\":\"m\","
                           "\"field\":\"f\",\"user_meta\":{\"from\":\"client\",\"kept\":\"yes\"}}}"), 0);
    assert_int_equal(apply(a, &fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, probed), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_int_equal(assembly_job_params(&params, a, a->jobs[1], "r", NULL, &err), 0);
    assert_null(json_object_get(params, "user_meta"));
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    if (!json_equal(a->files[0]->user_meta, of_upload))
        fail_msg("upload: %s", json_dumps(a->files[0]->user_meta, 0));
    if (!json_equal(a->files[1]->user_meta, of_result))
        fail_msg("result: %s", json_dumps(a->files[1]->user_meta, 0));
    assert_int_equal(json_array_size(a->warnings), warnings);
    effects_done(&fx);
    assembly_free(a);
}

static void a_step_adds_to_the_user_meta_of_what_it_makes(void **state)
{
    static const char given[] = "{\"from\":\"client\",\"kept\":\"yes\"}";
    (void)state;

    user_meta_of("{\"r\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"user_meta\":{\"from\":\"step\",\"n\":1}}}", given,
                 "{\"from\":\"step\",\"kept\":\"yes\",\"n\":1}", 0);
    /* of the result, not of the input */
    user_meta_of("{\"r\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"user_meta\":{\"id\":\"${file.id}\",\"size\":\"${file.size}\"}}}", given,
                 "{\"from\":\"client\",\"kept\":\"yes\",\"id\":\"b30bd0776e7f4ac3817b056d102e8219\",\"size\":5}", 0);
    /* of an upload, whose meta is known by then; its results inherit */
    user_meta_of("{\":original\":{\"robot\":\"/upload/handle\",\"user_meta\":{\"w\":\"${file.meta.width}\"}},"
                 "\"r\":{\"robot\":\"/image/resize\",\"use\":\":original\"}}",
                 "{\"from\":\"client\",\"kept\":\"yes\",\"w\":500}", "{\"from\":\"client\",\"kept\":\"yes\",\"w\":500}", 0);
    /* what can't be evaluated is said and left out */
    user_meta_of("{\"r\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"user_meta\":{\"a\":\"${1 + 1}\"}}}", given, given, 1);
    user_meta_of("{\"r\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"user_meta\":\"${file.name}\"}}", given, given, 1);
}

/* A file was made by job 1 of a Step whose `user_meta` needs the engine; job 2 makes the note. Then the Step behind may
 * have it. */
static struct assembly *with_note(struct effects *fx, const char *params)
{
    struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
    AUTO(mem_free) char *json = mem_printf(
        "{\"workspace\":\"w\",\"base_url\":\"http://x\",\"body_done\":false,\"notes\":true,\"max_attempts\":2,"
        "\"steps\":{"
        "\"r\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"result\":true,%s},"
        "\"h\":{\"robot\":\"/file/hash\",\"use\":\"r\"}}}",
        params);

    assert_int_equal(apply(a, fx, EV_CREATED, json), 0);
    assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, upload), 0);
    assert_int_equal(apply(a, fx, EV_BODY_DONE, "{\"bytes\":20}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, probed), 0);
    assert_int_equal(apply(a, fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_false(a->in->steps[1].needs_engine); /* before the Robot runs */
    assert_null(assembly_job_asks(a, a->jobs[1], "r"));
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, made), 0);
    assert_int_equal(apply(a, fx, EV_JOB_DONE, "{\"job\":1}"), 0);
    assert_int_equal(a->job_count, 3);
    assert_int_equal(a->jobs[2]->note, NOTE_THEN_READY);
    assert_int_equal(a->files[1]->listed_count, 0);
    return a;
}

static void the_step_behind_waits_until_the_user_meta_is_evaluated(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_note(&fx, "\"user_meta\":{\"n\":\"${file.size + 1}\",\"id\":\"${file.id}\","
                                        "\"t\":\"a ${[1]} b\"}");
    AUTO(json_unref) json_t *asks = assembly_job_asks(a, a->jobs[2], "r");
    const json_t *file = json_object_get(json_object_get(asks, "variables"), "file");
    (void)state;

    assert_int_equal(json_array_size(json_object_get(asks, "expressions")), 2); /* an id is looked up */
    assert_int_equal(jint(file, "size", 0), 5); /* of the result */
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":2}"), 0);
    AUTO(json_unref) json_t *values = json_loads("[6,\"1\"]", 0, NULL);
    AUTO(json_unref) json_t *groups = assembly_job_values(json_object_get(asks, "counts"), values);
    AUTO(json_unref) json_t *said = json_pack("{s:i,s:O}", "job", 2, "values", groups);
    AUTO(mem_free) char *text = json_text(said);
    assert_int_equal(apply(a, &fx, EV_JOB_VALUES, text), 0);
    AUTO(mem_free) char *got = json_text(a->files[1]->user_meta);
    assert_string_equal(got, "{\"n\":6,\"id\":\"b30bd0776e7f4ac3817b056d102e8219\",\"t\":\"a 1 b\"}");
    assert_int_equal(a->files[1]->listed_count, 1);
    assert_int_equal(a->job_count, 4);
    assert_int_equal(a->jobs[3]->inputs[0] == a->files[1], 1);
    assert_int_equal(a->jobs_open, 1);
    assert_int_equal(json_array_size(a->warnings), 0);
    effects_done(&fx);
    assembly_free(a);
}

static void user_meta_that_can_not_be_evaluated_is_said_and_the_file_goes_on(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_note(&fx, "\"user_meta\":{\"n\":\"${(() => { throw 1 })()}\"}");
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":2}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":2,\"retry\":\"now\",\"msg\":\"its worker died\"}"), 0);
    assert_int_equal(a->jobs[2]->state, JOB_QUEUED); /* again, as any job */
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":2}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":2,\"retry\":\"never\",\"msg\":\"it throws\"}"), 0);
    assert_false(assembly_is_over(a));
    assert_int_equal(json_array_size(a->warnings), 1);
    assert_non_null(strstr(jstr_or(json_array_get(a->warnings, 0), "msg", ""), "it throws"));
    assert_int_equal(a->job_count, 4);
    effects_done(&fx);
    assembly_free(a);
}

static void import_of(struct assembly *a, struct effects *fx, int from, int to)
{
    for (int i = from; i < to; i++) {
        AUTO(mem_free) char *one = mem_printf("{\"job\":0,\"index\":%d,\"file\":{\"id\":\"%032x\",\"name\":\"%d.png\",\"size\":5,\"md5\":\"n\",\"input\":-1}}", i, i + 1, i);

        assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, one), 0);
    }
}

static void tell_probed(struct assembly *a, struct effects *fx, int job, int from, int to)
{
    for (int i = from; i < to; i++) {
        AUTO(mem_free) char *one = mem_printf("{\"job\":%d,\"index\":%d,\"same\":{\"input\":%d,\"mime\":\"image/png\",\"ext\":\"png\",\"meta\":{\"width\":%d}}}", job, i, i, i);

        assert_int_equal(apply(a, fx, EV_JOB_OUTPUT, one), 0);
    }
}

static struct assembly *with_import(struct effects *fx, const char *more)
{
    struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
    AUTO(mem_free) char *json = mem_printf("{\"workspace\":\"w\",\"base_url\":\"http://x\",\"body_done\":true,\"max_attempts\":2%s,\"steps\":{\"i\":{\"robot\":"
                                           "\"/http/import\",\"url\":\"http://x/\"},\"r\":{\"robot\":\"/image/resize\",\"use\":\"i\"}}}", more);

    assert_int_equal(apply(a, fx, EV_CREATED, json), 0);
    assert_int_equal(apply(a, fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    return a;
}

static void imported_files_that_wait_are_looked_at_by_one_job(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_import(&fx, ",\"probe_batch\":4");
    (void)state;

    import_of(a, &fx, 0, 1);
    assert_int_equal(a->job_count, 2);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    import_of(a, &fx, 1, 6); /* the first one has begun: the next four share a job, and the sixth has one */
    assert_int_equal(a->job_count, 4);
    assert_int_equal(a->jobs[1]->input_count, 1);
    assert_int_equal(a->jobs[2]->input_count, 4);
    assert_int_equal(a->jobs[3]->input_count, 1);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":2}"), 0);
    tell_probed(a, &fx, 2, 0, 2); /* each goes on as soon as it is known */
    assert_int_equal(a->job_count, 6);
    assert_int_equal(a->jobs[5]->step, 2);
    tell_probed(a, &fx, 2, 2, 4);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":2}"), 0);
    assert_int_equal(a->job_count, 8); /* and not once more */
    effects_done(&fx);
    assembly_free(a);
}

static void the_bad_one_of_several_probed_files_is_found(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_import(&fx, ",\"probe_batch\":4");
    (void)state;

    import_of(a, &fx, 0, 4);
    assert_int_equal(a->job_count, 2);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":1}"), 0);
    tell_probed(a, &fx, 1, 0, 1);
    assert_int_equal(a->job_count, 3); /* resize of the first */
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":1,\"code\":1,\"name\":\"WORKER_JOB_ERROR\",\"msg\":\"m\",\"retry\":\"now\"}"), 0);
    assert_int_equal(a->state, ASSEMBLY_EXECUTING);
    assert_int_equal(a->job_count, 6); /* the three others, each alone */
    for (int i = 3; i < 6; i++) {
        assert_true(a->jobs[i]->probe);
        assert_int_equal(a->jobs[i]->input_count, 1);
        assert_ptr_equal(a->jobs[i]->inputs[0], a->files[i - 2]);
    }
    import_of(a, &fx, 4, 5);
    assert_int_equal(a->job_count, 7); /* no new file joins one of them */
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":3}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":3,\"name\":\"FILE_META_DATA_ERROR\",\"msg\":\"m\",\"retry\":\"never\"}"), 0);
    assert_int_equal(a->state, ASSEMBLY_FAILED);
    assert_string_equal(assembly_code(a), "FILE_META_DATA_ERROR");
    effects_done(&fx);
    assembly_free(a);
}

static struct assembly *with_uploads(struct effects *fx, const char *more, const int sizes[], int n)
{
    struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
    AUTO(mem_free) char *json =
        mem_printf("{\"workspace\":\"w\",\"base_url\":\"http://x\",\"body_done\":false,\"max_attempts\":2%s,"
                   "\"steps\":%s}", more, resize);

    assert_int_equal(apply(a, fx, EV_CREATED, json), 0);
    for (int i = 0; i < n; i++) {
        AUTO(mem_free) char *one = mem_printf("{\"file\":{\"id\":\"%032x\",\"name\":\"%d.png\",\"size\":%d,"
                                              "\"md5\":\"n\"}}", i + 1, i, sizes[i]);

        assert_int_equal(apply(a, fx, EV_FILE_UPLOADED, one), 0);
    }
    return a;
}

static void small_uploads_that_wait_are_looked_at_by_one_job(void **state)
{
    static const int sizes[] = {5, 131072, 131073, 5, 5, 5};
    struct effects fx = {0};
    struct assembly *a = with_uploads(&fx, ",\"upload_batch\":4", sizes, 6);
    (void)state;

    assert_int_equal(a->job_count, 3); /* the third is large: nobody waits for it, and it for nobody */
    assert_int_equal(a->jobs[0]->input_count, 4);
    assert_int_equal(a->jobs[1]->input_count, 1);
    assert_ptr_equal(a->jobs[1]->inputs[0], a->files[2]);
    assert_int_equal(a->jobs[2]->input_count, 1);
    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    tell_probed(a, &fx, 0, 0, 1);
    assert_int_equal(a->job_count, 4); /* resize of the first, which waits for none of the others */
    tell_probed(a, &fx, 0, 1, 4);
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":0}"), 0);
    assert_int_equal(a->job_count, 7);
    effects_done(&fx);
    assembly_free(a);
}

#define SEEN(input, mime) "{\"input\":" #input ",\"mime\":\"" mime "\",\"ext\":\"png\",\"meta\":{\"width\":" #input "}}"

static void what_is_known_of_several_files_may_be_one_event(void **state)
{
    static const int sizes[] = {5, 5, 5, 5};
    struct effects fx = {0};
    struct assembly *a = with_uploads(&fx, ",\"upload_batch\":4", sizes, 4);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT,
                           "{\"job\":0,\"index\":0,\"found\":[" SEEN(0, "image/png") "," SEEN(1, "image/png") "]}"), 0);
    assert_int_equal(a->job_count, 3); /* a resize of each */
    /* the next attempt begins at the first again: what is known stays, and nobody gets a second job */
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT,
                           "{\"job\":0,\"index\":0,\"found\":[" SEEN(0, "image/gif") "," SEEN(1, "image/gif") ","
                           SEEN(2, "image/gif") "]}"), 0);
    assert_int_equal(a->job_count, 4);
    assert_string_equal(a->files[1]->mime, "image/png");
    assert_string_equal(a->files[2]->mime, "image/gif");
    assert_int_equal(jint(a->files[2]->meta, "width", 0), 2);
    /* the end brings the last one */
    assert_int_equal(apply(a, &fx, EV_JOB_DONE, "{\"job\":0,\"index\":3,\"found\":[" SEEN(3, "image/png") "]}"), 0);
    assert_int_equal(a->job_count, 5);
    assert_int_equal(a->jobs[0]->state, JOB_DONE);
    assert_int_equal(a->jobs[0]->outputs, 4);
    effects_done(&fx);
    assembly_free(a);
}

static void what_is_known_before_one_fails_is_kept(void **state)
{
    static const int sizes[] = {5, 5, 5};
    struct effects fx = {0};
    struct assembly *a = with_uploads(&fx, ",\"upload_batch\":4", sizes, 3);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT,
                           "{\"job\":0,\"index\":0,\"found\":[" SEEN(0, "image/png") "," SEEN(1, "image/png") "]}"), 0);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":0,\"name\":\"WORKER_JOB_ERROR\",\"retry\":\"now\"}"), 0);
    assert_int_equal(a->job_count, 4); /* two of resize, and the third file alone */
    assert_true(a->jobs[3]->probe && a->jobs[3]->alone);
    assert_ptr_equal(a->jobs[3]->inputs[0], a->files[2]);
    effects_done(&fx);
    assembly_free(a);
}

static void a_list_of_what_is_known_is_held_against_its_row(void **state)
{
    static const char *const bad[] = {"{}", "\"a\"", "[1]", "[[]]", "[{\"input\":\"0\"}]", "[{\"mime\":1}]"};
    static const int sizes[] = {5, 5};
    struct effects fx = {0};
    struct assembly *a = with_uploads(&fx, ",\"upload_batch\":4", sizes, 2);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(mem_free) char *json = mem_printf("{\"job\":0,\"index\":0,\"found\":%s}", bad[i]);

        assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, json), -1);
        assert_int_equal(apply(a, &fx, EV_JOB_DONE, json), -1);
    }
    assert_int_equal(a->jobs[0]->outputs, 0);
    effects_done(&fx);
    assembly_free(a);
}

static void uploads_of_an_older_history_have_a_job_each(void **state)
{
    static const int sizes[] = {5, 5, 5};
    struct effects fx = {0};
    struct assembly *a = with_uploads(&fx, "", sizes, 3);
    (void)state;

    assert_int_equal(a->job_count, 3);
    effects_done(&fx);
    assembly_free(a);
}

/* One that ends the worker is alone to blame, and each is paid for once, as if it had been alone. */
static void a_poison_upload_hurts_no_neighbour(void **state)
{
    static const int sizes[] = {100, 200, 300};
    struct effects fx = {0};
    struct assembly *a = with_uploads(&fx, ",\"upload_batch\":4", sizes, 3),
                    *each = with_uploads(&fx, "", sizes, 3);
    (void)state;

    assert_int_equal(apply(a, &fx, EV_JOB_STARTED, "{\"job\":0}"), 0);
    tell_probed(a, &fx, 0, 0, 1);
    assert_int_equal(apply(a, &fx, EV_JOB_FAILED, "{\"job\":0,\"name\":\"WORKER_JOB_ERROR\",\"retry\":\"now\"}"), 0);
    assert_int_equal(a->job_count, 4); /* resize of the first, and the two others, each alone */
    for (int i = 2; i < 4; i++) {
        AUTO(mem_free) char *began = mem_printf("{\"job\":%d}", i),
                            *ended = mem_printf("{\"job\":%d,\"exec_us\":1}", i),
                            *told = mem_printf("{\"job\":%d,\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/png\","
                                               "\"ext\":\"png\",\"meta\":{\"width\":1}}}", i);

        assert_true(a->jobs[i]->probe && a->jobs[i]->alone);
        assert_ptr_equal(a->jobs[i]->inputs[0], a->files[i - 1]);
        assert_int_equal(a->jobs[i]->failures, 0);
        assert_int_equal(apply(a, &fx, EV_JOB_STARTED, began), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_OUTPUT, told), 0);
        assert_int_equal(apply(a, &fx, EV_JOB_DONE, ended), 0);
    }
    for (int i = 0; i < 3; i++) {
        AUTO(mem_free) char *began = mem_printf("{\"job\":%d}", i),
                            *ended = mem_printf("{\"job\":%d,\"exec_us\":1}", i);

        assert_int_equal(apply(each, &fx, EV_JOB_STARTED, began), 0);
        assert_int_equal(apply(each, &fx, EV_JOB_DONE, ended), 0);
    }
    assert_int_equal(a->bytes_usage, each->bytes_usage);
    effects_done(&fx);
    assembly_free(a);
    assembly_free(each);
}

/* A job's number is in the events that follow it. */
static void an_older_history_is_played_with_a_job_for_each_file(void **state)
{
    struct effects fx = {0};
    struct assembly *a = with_import(&fx, "");
    (void)state;

    import_of(a, &fx, 0, 5);
    assert_int_equal(a->job_count, 6);
    effects_done(&fx);
    assembly_free(a);
}

static void what_a_robots_table_calls_secret_is_masked(void **state)
{
    int rows = 0;
    (void)state;

    for (const struct robot *const *r = robot_table; *r; r++) {
        const struct option *o;

        for (struct opt_walk w = opt_walk((*r)->options); (o = opt_next(&w));) {
            if (!o->secret)
                continue;
            AUTO(json_unref) json_t *params = json_pack("{s:{s:{s:s,s:s}}}", "steps", "a", "robot", (*r)->name, o->name, "hush-hush");
            AUTO(mem_free) char *text = instructions_masked(params);

            if (strstr(text, "hush"))
                fail_msg("%s", text);
            rows++;
        }
    }
    assert_true(rows > 2);
}

/* As stores hold it: each key that there is. */
static const char begun[] =
    "{\"steps\":{\"a\":{\"robot\":\"/image/resize\"}},\"body_done\":false,\"body_bytes\":1,\"body_expected\":2,"
    "\"expected\":3,\"max_size\":4,\"max_files\":5,\"max_attempts\":6,\"probe_batch\":7,\"upload_batch\":8,\"fields\":{\"f\":\"v\"},\"inputs\":[{\"id\":\"i\"}],"
    "\"workspace\":\"w\",\"account_name\":\"n\",\"key_id\":\"k\",\"base_url\":\"http://x\",\"nonce\":\"o\","
    "\"params\":\"{}\",\"merged_params\":\"{ }\",\"client\":\"c\",\"notify_url\":\"http://n\","
    "\"redirect_url\":\"http://r\",\"usage_tags\":\"u\",\"template_id\":\"t\",\"template_name\":\"tn\","
    "\"template\":\"{  }\",\"quiet\":true,\"ignore_upload_meta_data_errors\":true,"
    "\"emit_execution_progress\":true,\"by_url\":true,\"notes\":true,\"parent_id\":\"p\"}";

static void what_an_assembly_is_told_at_its_begin_is_written_as_it_was_read(void **state)
{
    AUTO(json_unref) json_t *data = json_loads(begun, 0, NULL);
    struct created c;
    (void)state;

    created_read(&c, data);
    AUTO(json_unref) json_t *again = created_json(&c);
    assert_true(json_equal(again, data));
    assert_int_equal(c.max_files, 5);
    assert_string_equal(c.template_params, "{  }");
}

static void what_an_older_store_does_not_say_has_its_default(void **state)
{
    AUTO(json_unref) json_t *data = json_loads("{\"workspace\":\"w\",\"error\":{\"code\":\"NO_STEPS\"}}", 0, NULL);
    struct created c;
    (void)state;

    created_read(&c, data);
    assert_true(c.body_done);
    assert_int_equal(c.max_attempts, 3);
    assert_string_equal(jstr(c.refusal, "code"), "NO_STEPS");
    assert_null(c.key_id);
    assert_false(c.tells_progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_adds_to_the_user_meta_of_what_it_makes),
        cmocka_unit_test(the_step_behind_waits_until_the_user_meta_is_evaluated),
        cmocka_unit_test(user_meta_that_can_not_be_evaluated_is_said_and_the_file_goes_on),
        cmocka_unit_test(what_a_robots_table_calls_secret_is_masked),
        cmocka_unit_test(imported_files_that_wait_are_looked_at_by_one_job),
        cmocka_unit_test(the_bad_one_of_several_probed_files_is_found),
        cmocka_unit_test(small_uploads_that_wait_are_looked_at_by_one_job),
        cmocka_unit_test(what_is_known_of_several_files_may_be_one_event),
        cmocka_unit_test(what_is_known_before_one_fails_is_kept),
        cmocka_unit_test(a_list_of_what_is_known_is_held_against_its_row),
        cmocka_unit_test(uploads_of_an_older_history_have_a_job_each),
        cmocka_unit_test(a_poison_upload_hurts_no_neighbour),
        cmocka_unit_test(an_older_history_is_played_with_a_job_for_each_file),
        cmocka_unit_test(what_an_assembly_is_told_at_its_begin_is_written_as_it_was_read),
        cmocka_unit_test(what_an_older_store_does_not_say_has_its_default),
        cmocka_unit_test(secrets_of_steps_are_masked_wherever_they_stand),
        cmocka_unit_test(places_are_reserved_before_files_are_named_and_no_more_than_expected),
        cmocka_unit_test(a_stored_error_is_known_by_its_name_whatever_number_it_had),
        cmocka_unit_test(a_replay_begins_with_its_inputs),
        cmocka_unit_test(progress_rises_to_100_and_never_falls),
        cmocka_unit_test(a_file_goes_through_a_step_and_the_assembly_completes),
        cmocka_unit_test(an_import_gives_stubs_unless_a_step_needs_the_files),
        cmocka_unit_test(a_request_that_lost_a_file_on_its_way_fails),
        cmocka_unit_test(after_a_cancel_nothing_changes_the_outcome),
        cmocka_unit_test(a_completed_assembly_cannot_be_canceled),
        cmocka_unit_test(a_dead_worker_is_retried_a_bounded_number_of_times),
        cmocka_unit_test(a_repeated_run_gives_each_output_once),
        cmocka_unit_test(a_step_that_asks_for_no_meta_begins_with_the_probes_first_word),
        cmocka_unit_test(a_step_that_reads_meta_waits_for_all_of_it),
        cmocka_unit_test(a_failed_probe_keeps_what_it_knew),
        cmocka_unit_test(what_a_robot_cannot_read_is_passed_by_unless_forced),
        cmocka_unit_test(a_role_that_the_robot_does_not_know_is_refused),
        cmocka_unit_test(a_bundle_of_thousands_is_one_job_and_its_file_has_each_original_once),
        cmocka_unit_test(a_bundle_of_thousands_by_original_is_a_job_for_each),
        cmocka_unit_test(random_histories_keep_the_invariants),
        cmocka_unit_test(a_job_under_which_daemon_after_daemon_dies_is_deadly),
        cmocka_unit_test(a_job_with_expressions_begins_again_with_their_values_and_keeps_them),
        cmocka_unit_test(values_are_checked_as_given_ones_are),
        cmocka_unit_test(starts_of_an_older_version_blame_nobody),
        cmocka_unit_test(events_that_do_not_read_are_refused),
        cmocka_unit_test(what_is_not_known_of_a_result_is_told_beside_it),
        cmocka_unit_test(a_file_that_is_passed_on_is_the_same_file),
        cmocka_unit_test(a_passed_file_that_is_exported_is_listed_when_it_has_its_address),
        cmocka_unit_test(stored_outputs_that_cannot_be_do_nothing),
        cmocka_unit_test(slugs_are_safe_names),
        cmocka_unit_test(what_had_nothing_to_do_is_told_when_it_is_over),
        cmocka_unit_test(a_branch_that_had_nothing_to_do_is_only_noted_when_another_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
