/* /text/translate: a text in another language, by a translation service or by a chat model. */
#include "transfer/ai_translate.h"

struct translate_opts {
    const char *provider;
    int source_language, target_language; /* places in languages[] */
};
#define T struct translate_opts
/* clang-format off */
static const struct opt_choice languages[] = { /* each with its place */
    {"af", 0}, {"am", 1}, {"ar", 2}, {"az", 3}, {"be", 4}, {"bg", 5}, {"bn", 6}, {"bs", 7}, {"ca", 8},
    {"ceb", 9}, {"co", 10}, {"cs", 11}, {"cy", 12}, {"da", 13}, {"de", 14}, {"el", 15}, {"en", 16},
    {"en-US", 17}, {"eo", 18}, {"es", 19}, {"es-MX", 20}, {"et", 21}, {"eu", 22}, {"fa", 23}, {"fa-AF", 24},
    {"fi", 25}, {"fr", 26}, {"fr-CA", 27}, {"fy", 28}, {"ga", 29}, {"gd", 30}, {"gl", 31}, {"gu", 32},
    {"ha", 33}, {"haw", 34}, {"he", 35}, {"hi", 36}, {"hmn", 37}, {"hr", 38}, {"ht", 39}, {"hu", 40},
    {"hy", 41}, {"id", 42}, {"ig", 43}, {"is", 44}, {"it", 45}, {"iw", 46}, {"ja", 47}, {"jv", 48}, {"ka", 49},
    {"kk", 50}, {"km", 51}, {"kn", 52}, {"ko", 53}, {"ku", 54}, {"ky", 55}, {"la", 56}, {"lb", 57}, {"lo", 58},
    {"lt", 59}, {"lv", 60}, {"mg", 61}, {"mi", 62}, {"mk", 63}, {"ml", 64}, {"mn", 65}, {"mr", 66}, {"ms", 67},
    {"mt", 68}, {"my", 69}, {"ne", 70}, {"nl", 71}, {"no", 72}, {"ny", 73}, {"or", 74}, {"pa", 75}, {"pl", 76},
    {"ps", 77}, {"pt", 78}, {"ro", 79}, {"ru", 80}, {"rw", 81}, {"sd", 82}, {"si", 83}, {"sk", 84}, {"sl", 85},
    {"sm", 86}, {"sn", 87}, {"so", 88}, {"sq", 89}, {"sr", 90}, {"st", 91}, {"su", 92}, {"sv", 93}, {"sw", 94},
    {"ta", 95}, {"te", 96}, {"tg", 97}, {"th", 98}, {"tk", 99}, {"tl", 100}, {"tr", 101}, {"tt", 102},
    {"ug", 103}, {"uk", 104}, {"ur", 105}, {"uz", 106}, {"vi", 107}, {"xh", 108}, {"yi", 109}, {"yo", 110},
    {"zh", 111}, {"zh-CN", 112}, {"zh-TW", 113}, {"zu", 114}, {0}};
/* clang-format on */
#define ENGLISH 16
static const struct option options[] = {
    OPT_STR(T, provider, .def_str = "auto", .pattern = "^(auto|aws|gcp|replicate|fal|transloadit)$",
            .example = "\"aws\"", .idle = "the operator's service translates",
            .help = "Accepted and ignored: the operator's service translates."),
    OPT_ENUM(
        T, target_language, languages, .def = ENGLISH,
        .help =
            "Language to translate to. A region that the service does not know gets the language."),
    OPT_ENUM(T, source_language, languages, .def = ENGLISH, .help = "Language of the text."),
    OPT_END,
};

static int translate_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(mem_free) char *text = ai_text_of(in, AI_TRANSLATE_MAX, err);
    AUTO(str_done) struct str out = {0};

    if (!text || ai_translate(&out, job, text, languages[o->source_language].name,
                              languages[o->target_language].name, err) < 0)
        return -1;
    return ai_emit_file(job, out.s ? out.s : "", &(struct robot_output){.mime = in->mime}, err);
}

const struct robot robot_text_translate = {
    .name = "/text/translate",
    .summary = "Translate a text",
    .accepts = "text/",
    .role = ROLE_TRANSFER,
    .keys = AI_KEYS,
    .price_factor = 8e-05,
    .min_charge = 1048576,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"provider\": \"aws\"}",
    .run = IN_WORKER(translate_run),
};
