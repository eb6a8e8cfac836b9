/* json.h - jansson with our habits: cleanup, lenient getters, limits on what comes from outside. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <jansson.h>

static inline void json_unref(json_t *j) { json_decref(j); }
DEFINE_AUTO(json_t *, json_unref)

/* Memory for JSON is like any other: when it is out, the process ends (auto.h). Before the first use of jansson. */
void json_setup(void);

/* Parse text from outside. Refuses more than max_depth nested brackets before jansson recurses.
 * Duplicate keys: the last one wins. Returns NULL with err->msg set; the caller picks the code. */
json_t *json_parse(const char *text, size_t len, int max_depth, struct err *err) MUST_CHECK;

/* The object in a file that somebody names on the command line, at most 8 MiB; "-": what comes on stdin. NULL: err.
 * Errors: ERR_IO (can't be opened), ERR_INVALID_PARAMS (no JSON), ERR_CONFIG (no object). */
json_t *json_read_object(const char *path, struct err *err) MUST_CHECK;

const char *jstr(const json_t *obj, const char *key);                    /* NULL unless a string */
const char *jstr_or(const json_t *obj, const char *key, const char *def);
int64_t jint(const json_t *obj, const char *key, int64_t def);
double jnum(const json_t *obj, const char *key, double def);
bool jbool(const json_t *obj, const char *key, bool def);
/* Set key unless s is NULL. */
void jset(json_t *obj, const char *key, const char *s);
/* A string that is made valid UTF-8 first, so it never fails. */
json_t *jstring(const char *s);
void str_add_json_value(struct str *b, const json_t *j); /* compact, key order kept */
char *json_text(const json_t *j);                        /* compact; the caller frees */
