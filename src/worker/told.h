/* told.h - what a worker says in words of a tool's or a library's, as it goes over the border. */
#pragma once
#include "base/err.h"
#include "base/json.h"

/* A string of one line, or of several: whatever a tool said, nothing in it moves a terminal. The caller's. */
json_t *told_text(const char *s, bool lines);
/* The body of `failed`. The caller's. */
json_t *told_failure(const struct err *why);
