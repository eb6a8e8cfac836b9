/* ocr_options.h - the parameters of Robots that read what is written in pictures. In the daemon as
 * well. */
#pragma once
#include "robot/option.h"

enum ocr_granularity { OCR_FULL, OCR_LIST };
enum ocr_format { OCR_JSON, OCR_META, OCR_TEXT };

struct ocr_opts {
    const char *provider;
    int granularity, format;
};
extern const struct option ocr_options[];
