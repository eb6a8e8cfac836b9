/* The contract's parameters of the Robots that there are, against their option tables: each does something, or is refused
 * by its name. A row that is missing on either side fails. */
#include "robot/robot.h"
#include "unit.h"

#include <string.h>

enum state {
    BUILT,    /* a value that is not the default must change what the Robot is told */
    IGNORED,  /* accepted without effect, as help says: it names a tool or a service that we do not use */
    REFUSED,  /* known, not built: refused by name unless it asks for nothing */
    WITH_URL, /* the same, and without a watermark_url it asks for nothing */
    SHARED,   /* read by the instructions room for every Robot */
};

struct row {
    const char *name, *sample; /* JSON; not the default */
    enum state state;
};

#define EVERY_ROBOT                                                                                                    \
    {"force_accept", "true", SHARED}, {"ignore_errors", "true", SHARED}, {"interpolate", "false", SHARED},             \
        {"queue", "\"batch\"", SHARED}, {"result", "true", SHARED}, {"user_meta", "{\"a\": \"b\"}", REFUSED}

static const struct row upload_handle[] = {EVERY_ROBOT, {"output_meta", "false", SHARED}, {0}};

static const struct row http_import[] = {
    EVERY_ROBOT,
    {"output_meta", "false", SHARED},
    {"use", "\":original\"", SHARED},
    {"bucket", "\"b\"", REFUSED},
    {"credentials", "\"c\"", BUILT},
    {"fail_fast", "true", BUILT},
    {"force_name", "\"n\"", BUILT},
    {"force_original_id", "\"i\"", REFUSED},
    {"headers", "[\"A: b\"]", BUILT},
    {"import_on_errors", "[\"meta\"]", BUILT},
    {"max_file_size", "5", BUILT},
    {"range", "\"0-9\"", BUILT},
    {"return_file_stubs", "true", REFUSED},
    {"url", "\"http://b/\"", BUILT},
    {"url_delimiter", "\";\"", BUILT},
    {0}};

static const struct row s3_store[] = {
    EVERY_ROBOT,
    {"output_meta", "false", SHARED},
    {"use", "\":original\"", SHARED},
    {"acl", "\"private\"", BUILT},
    {"bucket", "\"other\"", BUILT},
    {"bucket_region", "\"eu-west-1\"", BUILT},
    {"check_integrity", "true", BUILT},
    {"credentials", "\"c\"", BUILT},
    {"headers", "{\"A\": \"b\"}", BUILT},
    {"host", "\"h.example\"", BUILT},
    {"key", "\"other\"", BUILT},
    {"no_vhost", "true", BUILT},
    {"path", "\"p\"", BUILT},
    {"secret", "\"other\"", BUILT},
    {"session_token", "\"t\"", BUILT},
    {"sign_urls_for", "60", BUILT},
    {"skip_region_lookup", "true", BUILT},
    {"tags", "{\"a\": \"b\"}", BUILT},
    {"url_prefix", "\"http://c/\"", BUILT},
    {0}};

static const struct row image_facedetect[] = {
    EVERY_ROBOT,
    {"output_meta", "false", BUILT},
    {"use", "\":original\"", SHARED},
    {"crop", "true", BUILT},
    {"crop_padding", "\"10%\"", BUILT},
    {"faces", "\"group\"", BUILT},
    {"format", "\"png\"", BUILT},
    {"min_confidence", "5", BUILT},
    {"provider", "\"aws\"", IGNORED},
    {0}};

static const struct row image_resize[] = {
    EVERY_ROBOT,
    {"output_meta", "false", BUILT},
    {"use", "\":original\"", SHARED},
    {"adaptive_filtering", "true", BUILT},
    {"alpha", "\"Off\"", REFUSED},
    {"background", "\"red\"", BUILT},
    {"blur", "\"0x5\"", BUILT},
    {"blur_regions", "[{\"x\": 1, \"y\": 1, \"width\": 5, \"height\": 5}]", BUILT},
    {"brightness", "2", BUILT},
    {"clip", "true", REFUSED},
    {"clut", "true", REFUSED},
    {"colorspace", "\"Gray\"", BUILT},
    {"compress", "\"LZW\"", BUILT},
    {"contrast", "0.5", BUILT},
    {"correct_gamma", "true", BUILT},
    {"crop", "{\"x1\": 5}", BUILT},
    {"density", "\"300\"", BUILT},
    {"flatten", "false", BUILT},
    {"format", "\"png\"", BUILT},
    {"frame", "2", BUILT},
    {"gravity", "\"top\"", BUILT},
    {"height", "5", BUILT},
    {"hue", "50", BUILT},
    {"imagemagick_stack", "\"v2.0.10\"", IGNORED},
    {"monochrome", "true", BUILT},
    {"negate", "true", BUILT},
    {"preclip_alpha", "\"On\"", REFUSED},
    {"progressive", "true", BUILT},
    {"quality", "5", BUILT},
    {"resize_strategy", "\"pad\"", BUILT},
    {"rotation", "90", BUILT},
    {"saturation", "2", BUILT},
    {"sepia", "50", BUILT},
    {"shave", "\"5\"", BUILT},
    {"stack", "\"v3\"", IGNORED},
    {"strip", "true", BUILT},
    {"text", "[{\"text\": \"a\"}]", REFUSED},
    {"transparent", "\"red\"", BUILT},
    {"trim_whitespace", "true", BUILT},
    {"type", "\"Grayscale\"", BUILT},
    {"watermark_opacity", "0.5", WITH_URL},
    {"watermark_position", "\"top\"", WITH_URL},
    {"watermark_position_x", "5", WITH_URL},
    {"watermark_position_y", "5", WITH_URL},
    {"watermark_repeat_x", "true", WITH_URL},
    {"watermark_repeat_y", "true", WITH_URL},
    {"watermark_resize_strategy", "\"area\"", WITH_URL},
    {"watermark_size", "\"25%\"", WITH_URL},
    {"watermark_url", "\"http://w/\"", REFUSED},
    {"watermark_x_offset", "5", WITH_URL},
    {"watermark_y_offset", "5", WITH_URL},
    {"width", "5", BUILT},
    {"zoom", "false", BUILT},
    {0}};

static const struct {
    const char *robot, *least; /* what must be there at all */
    const struct row *rows;
} contract[] = {
    {"/upload/handle", "{}", upload_handle},
    {"/http/import", "{\"url\": \"http://a/\"}", http_import},
    {"/s3/store", "{\"bucket\": \"b\", \"key\": \"k\", \"secret\": \"s\", \"bucket_region\": \"us-east-1\"}", s3_store},
    {"/image/facedetect", "{}", image_facedetect},
    {"/image/resize", "{}", image_resize},
};

static const struct option *option_of(const struct robot *r, const char *name)
{
    for (const struct option *o = r->options; o->type != OPT_TYPE_END; o++)
        if (!strcmp(o->name, name))
            return o;
    return NULL;
}

/* Does the Robot hear something else at o in these two fillings? */
static bool differs(const struct option *o, const void *a, const void *b)
{
    const void *x = (const char *)a + o->offset, *y = (const char *)b + o->offset;

    switch (o->type) {
    case OPT_TYPE_INT: return *(const int64_t *)x != *(const int64_t *)y;
    case OPT_TYPE_NUM: return *(const double *)x != *(const double *)y;
    case OPT_TYPE_BOOL: return *(const bool *)x != *(const bool *)y;
    case OPT_TYPE_ENUM: return *(const int *)x != *(const int *)y;
    case OPT_TYPE_STR: {
        const char *s = *(const char *const *)x, *t = *(const char *const *)y;
        return strcmp(s ? s : "", t ? t : "") != 0;
    }
    case OPT_TYPE_JSON: return !json_equal(*(json_t *const *)x, *(json_t *const *)y);
    default: return false;
    }
}

static int fill(void **opts, struct arena *a, const struct robot *r, json_t *step, struct err *err)
{
    *err = (struct err){0};
    return robot_options(opts, a, r, step, false, err);
}

static void check_row(const struct robot *r, const char *least, const struct row *row)
{
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(json_unref) json_t *plain = json_loads(least, 0, NULL), *step = json_loads(least, 0, NULL);
    const struct option *o = option_of(r, row->name);
    void *before, *after;
    struct err err;

    json_object_set_new(step, row->name, json_loads(row->sample, JSON_DECODE_ANY, NULL));
    if (row->state == WITH_URL) {
        assert_int_equal(fill(&after, a, r, step, &err), 0);
        json_object_set_new(step, "watermark_url", json_string("http://w/"));
    }
    int rc = fill(&after, a, r, step, &err);
    if (row->state == REFUSED || row->state == WITH_URL) {
        assert_int_equal(rc, -1);
        assert_string_equal(err_name(&err), r->validation_code);
        if (!strstr(err.msg, row->state == REFUSED ? row->name : "watermark_") ||
            !strstr(err.msg, "not supported by this server"))
            fail_msg("%s %s: %s", r->name, row->name, err.msg);
        return;
    }
    if (rc < 0)
        fail_msg("%s %s: %s", r->name, row->name, err.msg);
    if (row->state == SHARED && !o)
        return; /* a Robot may look at one as well */
    assert_non_null(o);
    assert_false(o->unsupported);
    assert_int_equal(fill(&before, a, r, plain, &err), 0);
    if (!differs(o, before, after))
        fail_msg("%s %s: %s is as if it was not there", r->name, row->name, row->sample);
    if (row->state == IGNORED && !strstr(o->help, "ignored") && !strstr(o->help, "Old name"))
        fail_msg("%s %s: its help does not say that it is ignored", r->name, row->name);
}

static void each_parameter_of_the_contract_is_built_or_refused_by_name(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(contract); i++) {
        const struct robot *r = robot_find(contract[i].robot);

        assert_non_null(r);
        for (const struct row *row = contract[i].rows; row->name; row++)
            check_row(r, contract[i].least, row);
    }
}

static void each_parameter_of_a_robot_is_in_the_contract(void **state)
{
    size_t robots = 0;
    (void)state;

    for (const struct robot *const *r = robot_table; *r; r++, robots++) {
        const struct row *rows = NULL;

        for (size_t i = 0; i < ARRAY_LEN(contract); i++)
            if (!strcmp(contract[i].robot, (*r)->name))
                rows = contract[i].rows;
        if (!rows)
            fail_msg("%s is not in the table of this test", (*r)->name);
        for (const struct option *o = (*r)->options; o->type != OPT_TYPE_END; o++) {
            const struct row *row = rows;

            while (row->name && strcmp(row->name, o->name))
                row++;
            if (!row->name)
                fail_msg("%s %s is not in the contract", (*r)->name, o->name);
        }
    }
    assert_int_equal(robots, ARRAY_LEN(contract));
}

static void what_the_contract_does_not_have_is_refused_by_name(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(contract); i++) {
        AUTO(arena_free) struct arena *a = arena_new();
        AUTO(json_unref) json_t *step = json_loads(contract[i].least, 0, NULL);
        struct err err;
        void *opts;

        json_object_set_new(step, "wdith", json_integer(5));
        assert_int_equal(fill(&opts, a, robot_find(contract[i].robot), step, &err), -1);
        assert_non_null(strstr(err.msg, "wdith"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_parameter_of_the_contract_is_built_or_refused_by_name),
        cmocka_unit_test(each_parameter_of_a_robot_is_in_the_contract),
        cmocka_unit_test(what_the_contract_does_not_have_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
