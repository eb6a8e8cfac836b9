/* /image/copyrightdetect: does a service know the picture as somebody's work? */
#include "transfer/made.h"

#include <math.h>

#define MATCHES_MAX 1000
#define TEXT_MAX 2000 /* bytes of what a match says of itself */

struct copyright_opts {
    double confidence_threshold;
    json_t *categories;
    bool error_on_decline;
    const char *error_msg;
    int format; /* 1: meta */
};
#define T struct copyright_opts
static const struct opt_choice copyright_formats[] = {{"json", 0}, {"meta", 1}, {0}};
static const char *const kinds[] = {"stock_photo", "brand_logo", "artwork", "watermarked"};

static const struct option options[] = {
    OPT_NUM(T, confidence_threshold, .min = 0, .max = 100, .def_num = 80,
            .help = "Percent from which on a match counts. Others are told, too."),
    OPT_JSON(
        T, categories, .def_str = "[\"all\"]", .example = "[\"artwork\"]",
        .help =
            "What is looked for: a list of stock_photo, brand_logo, artwork, watermarked, or all."),
    OPT_BOOL(T, error_on_decline,
             .help = "Let the Assembly fail for a picture with a match that counts."),
    OPT_STR(T, error_msg,
            .def_str = "One of your files matched a known stock photo or copyrighted work",
            .help = "Message of the Assembly that fails so."),
    OPT_ENUM(T, format, copyright_formats, .help = "A file, or meta.copyright of the input."),
    OPT_END,
};

static int kind_index(const char *name)
{
    for (int i = 0; name && i < (int)ARRAY_LEN(kinds); i++)
        if (!strcmp(kinds[i], name))
            return i;
    return -1;
}

/* wanted: which of kinds[]. */
static int copyright_read(bool wanted[ARRAY_LEN(kinds)], const json_t *list, struct err *err)
{
    const json_t *v;
    size_t i;

    memset(wanted, 0, ARRAY_LEN(kinds) * sizeof *wanted);
    json_array_foreach (list, i, v) {
        const char *name = json_string_value(v);
        int at = kind_index(name);

        if (at >= 0)
            wanted[at] = true;
        else if (name && !strcmp(name, "all"))
            memset(wanted, 1, ARRAY_LEN(kinds) * sizeof *wanted);
        else
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'categories' holds something else than stock_photo, brand_logo, "
                           "artwork, watermarked and "
                           "all");
    }
    return json_array_size(list)
               ? 0
               : err_set(err, ERR_ROBOT_VALIDATION, "'categories' must be a list, not empty");
}

extern const struct robot robot_image_copyrightdetect;

static int copyright_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    bool wanted[ARRAY_LEN(kinds)];

    if ((partial && options_have_expression(o->categories)) ||
        copyright_read(wanted, o->categories, err) == 0)
        return 0;
    return robot_refusal(err, &robot_image_copyrightdetect);
}

/* ---- the question ---- */

static json_t *copyright_ask(struct ai *a, const struct robot_input *in, const bool *wanted,
                             struct err *err)
{
    AUTO(str_done) struct str names = {0};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (wanted[i])
            str_addf(&names, "%s%s", names.len ? "," : "", kinds[i]);
    const struct ai_part parts[] = {{.name = "categories", .text = names.s},
                                    {.name = "file", .file = in}};
    return ai_call(a, &(struct ai_call){.path = "/detect", .parts = parts, .part_count = 2}, err);
}

/* ---- the answer ---- */

/* What we tell of a match. NULL: it is none. The caller unrefs. */
static json_t *copyright_match(const json_t *m, const bool *wanted)
{
    static const char *const told[] = {"source", "license", "title", "url"};
    const json_t *confidence = json_object_get(m, "confidence");
    int kind = kind_index(jstr(m, "category"));

    if (!json_is_number(confidence) || kind < 0 || !wanted[kind])
        return NULL;
    json_t *out = json_object();
    jset(out, "category", kinds[kind]);
    json_object_set_new(out, "confidence", json_real(json_number_value(confidence)));
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        if (jstr(m, told[i]) && strlen(jstr(m, told[i])) <= TEXT_MAX)
            jset(out, told[i], jstr(m, told[i]));
    return out;
}

/* The result; NULL with err. The caller unrefs. */
static json_t *copyright_judge(const struct ai *a, const json_t *answer, const T *o,
                               const bool *wanted, struct err *err)
{
    const json_t *list = json_object_get(answer, "matches"), *m;
    double most = 0;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > MATCHES_MAX) {
        api_odd(&a->api, err, "it has no list of at most 1000 matches");
        return NULL;
    }
    AUTO(json_unref) json_t *licenses = json_array();
    json_array_foreach (list, i, m) {
        double confidence = jnum(m, "confidence", -1);
        json_t *one = copyright_match(m, wanted);

        if (!json_is_object(m) || !(confidence >= 0 && confidence <= 100) || !jstr(m, "category")) {
            json_decref(one);
            api_odd(&a->api, err, "a match without a category or a confidence of 0 to 100");
            return NULL;
        }
        if (one) {
            most = fmax(most, confidence);
            json_array_append_new(licenses, one);
        }
    }
    return json_pack("{s:O,s:b,s:f,s:f}", "licenses", licenses, "flagged",
                     json_array_size(licenses) && most >= o->confidence_threshold, "max_confidence",
                     most, "confidence_threshold", o->confidence_threshold);
}

static int copyright_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(ai_done) struct ai a = {0};
    AUTO(str_done) struct str text = {0};
    bool wanted[ARRAY_LEN(kinds)];

    if (copyright_read(wanted, o->categories, err) < 0 ||
        ai_open(&a, job, "copyrightdetect", NULL, err) < 0)
        return -1;
    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    AUTO(json_unref) json_t *answer = copyright_ask(&a, in, wanted, err);
    if (!answer)
        return -1;
    AUTO(json_unref) json_t *result = copyright_judge(&a, answer, o, wanted, err);
    if (!result)
        return -1;
    if (o->error_on_decline && jbool(result, "flagged", false))
        return robot_fail(job, err, ERR_INPUT, "DECLINED_FILE", "%s", o->error_msg);
    if (o->format)
        return made_meta(job, "copyright", json_incref(result), err);
    str_add_json_value(&text, result);
    return made_text(job, &text, "json", "application/json", err);
}

const struct robot robot_image_copyrightdetect = {
    .name = "/image/copyrightdetect",
    .summary = "Find out whether pictures are known as somebody's work",
    .accepts = "image/",
    .role = ROLE_TRANSFER,
    .keys = AI_KEYS,
    .coded = "IMAGE_COPYRIGHT_DETECT",
    .passes_input = true,
    .price_factor = 1,
    .min_charge = 1572864,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .check = copyright_check,
    .run = IN_WORKER(copyright_run),
};
