/* log.h - structured lines on stderr, as text or JSON. A prefix chain runs from request to Assembly
 * to job, so that one grep by id gives one story. Thread-safe; a line is written in one call.
 *
 * error: an operator must look. warn: went on anyway. info: what happened. debug: with -v. */
#pragma once
#include "base/auto.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* One link of the chain, e.g. {"assembly", id}. Lives as long as whoever it describes. */
struct log {
    const char *key;
    const char *value;
    const struct log *up; /* may be NULL */
};

void log_setup(enum log_level level, bool json);
/* Text that must never appear in a line (secrets). Each occurrence is written as ****. Kept for the
 * life of the process; call before threads start or rarely. */
void log_mask(const char *secret);

void log_write(enum log_level level, const struct log *l, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_error(l, ...) log_write(LOG_ERROR, (l), __VA_ARGS__)
#define log_warn(l, ...) log_write(LOG_WARN, (l), __VA_ARGS__)
#define log_info(l, ...) log_write(LOG_INFO, (l), __VA_ARGS__)
#define log_debug(l, ...) log_write(LOG_DEBUG, (l), __VA_ARGS__)
