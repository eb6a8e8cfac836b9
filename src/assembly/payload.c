#include "assembly/payload.h"

#include <string.h>

static void drop_meta(json_t *file)
{
    if (json_is_object(file))
        json_object_del(file, "meta");
}

static void without_uploads(json_t *s) { json_object_del(s, "uploads"); }
static void without_results(json_t *s) { json_object_del(s, "results"); }

static void without_upload_meta(json_t *s)
{
    json_t *file;
    size_t i;

    json_array_foreach (json_object_get(s, "uploads"), i, file)
        drop_meta(file);
}

static void without_result_meta(json_t *s)
{
    const char *step;
    json_t *list, *file;
    size_t i;

    json_object_foreach (json_object_get(s, "results"), step, list)
        json_array_foreach (list, i, file)
            drop_meta(file);
}

static void without_params(json_t *s)
{
    json_object_del(s, "params");
    json_object_del(s, "template");
    json_object_del(s, "merged_params");
}

static const struct filter {
    const char *name;
    void (*apply)(json_t *status);
} filters[] = {
    {"without_uploads", without_uploads},
    {"without_results", without_results},
    {"without_upload_meta_data", without_upload_meta},
    {"without_result_meta_data", without_result_meta},
    {"without_params", without_params},
};

static const struct filter *filter_of(const json_t *name)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (json_is_string(name) && !strcmp(json_string_value(name), filters[i].name))
            return &filters[i];
    return NULL;
}

char *payload_text(const char *status)
{
    static const char *const before[] = {"notify_start",         "notify_status", "notify_response_code",
                                         "notify_response_data", "notify_error",  "notify_duration"};
    AUTO(json_unref) json_t *s = json_reads(status);
    AUTO(json_unref) json_t *params = s ? json_reads(jstr_or(s, "merged_params", "{}")) : NULL;
    json_t *name;
    size_t i;

    if (!json_is_object(s))
        return mem_strdup(status);
    for (i = 0; i < ARRAY_LEN(before); i++)
        json_object_set_new(s, before[i], json_null());
    json_array_foreach (json_object_get(params, "notification_payload"), i, name)
        if (filter_of(name))
            filter_of(name)->apply(s);
    return json_text(s);
}

int payload_check(const json_t *v, struct err *err)
{
    json_t *name;
    size_t i;

    if (!v || json_is_null(v))
        return 0;
    if (!json_is_array(v))
        return err_set(err, ERR_ROBOT_VALIDATION, "notification_payload must be an array");
    json_array_foreach (v, i, name)
        if (!filter_of(name))
            return err_set(err, ERR_ROBOT_VALIDATION, "notification_payload holds '%.100s', which is unknown",
                           json_is_string(name) ? json_string_value(name) : "something that is no text");
    return 0;
}
