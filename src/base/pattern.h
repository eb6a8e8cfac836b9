/* pattern.h - regular expressions that a client wrote. They are foreign programs: RE2 runs them in time that grows with
 * the text alone, and within a fixed bound of memory. What it has no form for (back references, looking around) is
 * refused, and so is what would become too large. No other engine may see a client's pattern. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PATTERN_MAX 1000      /* bytes of a pattern */
#define PATTERN_TEXT_MAX 4096 /* bytes of a text; browsers send no longer Referer */
/* Bytes times instructions (of a pattern that people write: some 100): 15 ms at the worst. Other requests wait
 * meanwhile. */
#define PATTERN_WORK_MAX 1000000

enum pattern_result { PATTERN_MATCHES, PATTERN_DIFFERS, PATTERN_REFUSED };

/* Does pattern (JavaScript's syntax, as far as RE2 has it) occur anywhere in text? text NULL: only whether the pattern
 * is one: MATCHES or REFUSED. A text that is too long, for any pattern or for this one, DIFFERS. Bytes, not characters:
 * `.` is one byte. */
enum pattern_result pattern_search(const char *pattern, size_t pattern_len, const char *text, size_t text_len);

#define PATTERN_LONG_MAX (1 << 20)          /* bytes of a text that somebody has time for */
#define PATTERN_LONG_WORK_MAX 10000000000.0 /* bytes times instructions: some minutes at the worst */

/* The same in characters of UTF-8 and whatever their case, for a worker, whose time is its own: texts may be long.
 * A text that is longer, or would take too long by this pattern, is REFUSED too: who declines by a pattern must not
 * let pass what nobody has looked at. Bytes that are no UTF-8 match nothing. */
enum pattern_result pattern_find(const char *pattern, size_t pattern_len, const char *text, size_t text_len);

#ifdef __cplusplus
}
#endif
