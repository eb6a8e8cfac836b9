/* clock.h - time is int64_t microseconds. Wall time is for people and for expiry, monotonic time for
 * measuring. */
#pragma once
#include <stdint.h>

#define SECOND_US INT64_C(1000000)
#define DATE_LEN 23

int64_t clock_now_us(void);  /* since the epoch */
int64_t clock_mono_us(void); /* since some moment before the process began */

/* "2031/05/06 07:08:09 GMT", the form of dates in an Assembly Status. */
void date_format(char out[static DATE_LEN + 1], int64_t at_us);
/* "2031-05-06T07:08:09.123Z", the form of dates everywhere else. out holds at least 25 bytes. */
void date_format_iso(char out[static 25], int64_t at_us);
/* RFC 7231, for HTTP headers: "Tue, 06 May 2031 07:08:09 GMT". out holds at least 30 bytes. */
void date_format_http(char out[static 30], int64_t at_us);
/* Every form of auth.expires in api.md 2.2. Returns 0, or -1 when it can't be read. */
int date_parse(int64_t *out_us, const char *s);
/* A moment as cameras, phones and programs write it into files: "2010:06:30 22:16:06", "2010-06-30T22:16+02:00",
 * "2010-06-30T22:16:06.5-0700". Separators do not matter, seconds and a fraction may be missing, the day must exist.
 * What the text does not say of its zone is looked up in zone ("+02:00"; NULL or no zone: GMT). Returns 0, or -1: no
 * moment (a day without a time is none), or before year 1 or after 9999. */
int date_read(int64_t *out_us, const char *s, const char *zone);
