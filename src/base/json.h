/* json.h - jansson with our habits: cleanup, lenient getters, limits on what comes from outside. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <jansson.h>
#include <string.h>

static inline void json_unref(json_t *j) { json_decref(j); }
DEFINE_AUTO(json_t *, json_unref)

/* Memory for JSON is like any other: when it is out, the process ends (auto.h). Before the first use of jansson. */
void json_setup(void);

/* ---- what comes from outside ----
 *
 * It is read as JavaScript's JSON.parse reads it, because clients are JavaScript: half a surrogate pair, \u0000, bytes
 * that are not UTF-8 (U+FFFD), integers beyond 64 bits (the nearest double), 1e400 (null, as JSON.stringify shows
 * Infinity), the last one of equal keys. What no C string can hold is kept as characters of a private plane and becomes
 * an escape again in str_add_json() and str_add_json_value(), so what is stored and told is what came. */

#define JSON_MOST_VALUES 200000 /* for who is known already; those who are not get a bound of their own */

struct json_bounds {
    int depth;     /* nested brackets */
    size_t values; /* of all kinds, keys not counted */
    size_t passed; /* json_look(): of the whole text, those that nothing is made of as well; 0: any number */
};

/* The text is checked and its values are counted before the first of them is made. Returns NULL with err->msg set; the
 * caller picks the code. */
json_t *json_parse(const char *text, size_t len, int max_depth, struct err *err) MUST_CHECK; /* JSON_MOST_VALUES */
json_t *json_parse_within(const char *text, size_t len, const struct json_bounds *most, struct err *err) MUST_CHECK;

/* A cheap look at a text of anybody's: all of it is checked, but values are made only of the members of the outermost
 * object that `names` lists (NULL at the end), and only while these are at most max_bytes long and within most->values
 * each. A text with more than most->passed values is not looked at any further. An object with those members; null when
 * the text is JSON, but no object. NULL: err as above. */
json_t *json_look(const char *text, size_t len, const char *const *names, size_t max_bytes,
                  const struct json_bounds *most, struct err *err) MUST_CHECK;

/* Text that we wrote: as json_parse(), without its bounds. NULL: it is damaged. */
json_t *json_read(const char *text, size_t len) MUST_CHECK;
static inline json_t *json_reads(const char *text) { return json_read(text, strlen(text)); }

/* Where the value lies in a JSON text, that is known to be one: lines and columns (of characters) from 1. */
struct json_place {
    int line, column;
    size_t at; /* bytes before it */
};
/* path: names of members, and NULL; of equal names the last one counts. key: where its name stands instead.
 * False: there is no such value, and *at is where the last one stands that there is. */
bool json_where(struct json_place *at, const char *text, size_t len, const char *const *path, bool key);

/* Adds the contents of a file that somebody names on the command line, the first 8 MiB of it; "-": what comes on stdin.
 * Errors: ERR_IO. */
#define JSON_FILE_MOST (8u << 20)
int json_file(struct str *text, const char *path, struct err *err) MUST_CHECK;
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
