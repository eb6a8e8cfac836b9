#include "robot/ocr_options.h"

static const struct opt_choice ocr_granularities[] = {{"full", OCR_FULL}, {"list", OCR_LIST}, {0}};
static const struct opt_choice ocr_formats[] = {
    {"json", OCR_JSON}, {"meta", OCR_META}, {"text", OCR_TEXT}, {0}};

#define T struct ocr_opts
const struct option ocr_options[] = {
    OPT_STR(T, provider, .def_str = "auto", .pattern = "^(auto|aws|gcp|replicate|fal|transloadit)$",
            .example = "\"aws\"", .idle = "texts are read on this server",
            .help = "Accepted and ignored: texts are read on this server."),
    OPT_ENUM(
        T, granularity, ocr_granularities, .def = OCR_FULL,
        .help =
            "full: each line with the place where it stands; list: the lines alone. Not of text."),
    OPT_ENUM(T, format, ocr_formats, .def = OCR_JSON,
             .help = "A JSON file, a text file, or the input itself with `meta.recognized_text`."),
    OPT_END,
};
