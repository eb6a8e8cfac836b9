/* served.h - the headers of an answer that /file/serve decides on: what the Robot, which makes them, and the server,
 * which sends them, agree about. The server does not believe the Robot's process: it asks the same questions again.
 * Pure. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#define SERVED_META "serve" /* key of a result's meta; an object {"headers": {name: value}} */
#define SERVED_HEADERS_MOST 40
#define SERVED_NAME_MOST 100   /* bytes */
#define SERVED_VALUE_MOST 2000 /* bytes */
#define SERVED_BYTES_MOST 8000 /* of all */

/* May a Template set it? Not what frames or ranges the answer, nor what speaks for the whole origin. Errors:
 * ERR_ROBOT_VALIDATION. */
MUST_CHECK int served_header_check(const char *name, const char *value, struct err *err);
/* All of an object of texts. Errors: as above. */
MUST_CHECK int served_headers_check(const json_t *headers, struct err *err);

/* How long a cache that many share may keep an answer with this Cache-Control, in seconds: s-maxage, else max-age; 0:
 * not at all, also without the header. NULL is fine. */
int64_t served_age_s(const char *cache_control);
/* And anybody at all, a browser too. */
int64_t served_longest_s(const char *cache_control);
