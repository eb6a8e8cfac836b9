#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * SECOND_US + ts.tv_nsec / 1000;
}

int64_t clock_now_us(void) { return read_clock(CLOCK_REALTIME); }
int64_t clock_mono_us(void) { return read_clock(CLOCK_MONOTONIC); }

void date_format(char out[static DATE_LEN + 1], int64_t at_us)
{
    time_t t = (time_t)(at_us / SECOND_US);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, DATE_LEN + 1, "%Y/%m/%d %H:%M:%S GMT", &tm);
}

void date_format_iso(char out[static 25], int64_t at_us)
{
    time_t t = (time_t)(at_us / SECOND_US);
    struct tm tm;

    gmtime_r(&t, &tm);
    size_t n = strftime(out, 25, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 25 - n, ".%03dZ", (int)(at_us % SECOND_US / 1000));
}

void date_format_http(char out[static 30], int64_t at_us)
{
    time_t t = (time_t)(at_us / SECOND_US);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, 30, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

/* One or two digits: TransloaditKit writes seconds without padding. */
static int number(const char **s, int max_digits)
{
    int v = 0, n = 0;

    while (n < max_digits && isdigit((unsigned char)**s)) {
        v = v * 10 + (*(*s)++ - '0');
        n++;
    }
    return n ? v : -1;
}

int date_parse(int64_t *out_us, const char *s)
{
    struct tm tm = {0};
    int64_t fraction_us = 0, offset_s = 0;
    char sep;

    tm.tm_year = number(&s, 4) - 1900;
    sep = *s;
    if (sep != '-' && sep != '/')
        return -1;
    s++;
    tm.tm_mon = number(&s, 2) - 1;
    if (*s++ != sep)
        return -1;
    tm.tm_mday = number(&s, 2);
    if (*s != 'T' && *s != 't' && *s != ' ')
        return -1;
    s++;
    tm.tm_hour = number(&s, 2);
    if (*s++ != ':')
        return -1;
    tm.tm_min = number(&s, 2);
    if (*s++ != ':')
        return -1;
    tm.tm_sec = number(&s, 2);
    if (tm.tm_year < 0 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
        tm.tm_sec > 60)
        return -1;

    if (*s == '.') {
        int64_t unit = SECOND_US / 10;
        int digits = 0;

        for (s++; isdigit((unsigned char)*s) && digits < 9; s++, digits++, unit /= 10)
            fraction_us += (*s - '0') * unit;
        if (!digits)
            return -1;
    }
    if (!strcmp(s, "Z") || !strcmp(s, "z") || !strcmp(s, "") || !strcmp(s, " GMT") ||
        !strcmp(s, " UTC")) {
        offset_s = 0;
    } else if (*s == '+' || *s == '-') {
        int sign = *s++ == '-' ? -1 : 1, h = number(&s, 2), m = 0;

        if (*s == ':')
            s++;
        if (*s)
            m = number(&s, 2);
        if (h < 0 || h > 14 || m < 0 || m > 59 || *s)
            return -1;
        offset_s = sign * (h * 3600 + m * 60);
    } else {
        return -1;
    }
    *out_us = ((int64_t)timegm(&tm) - offset_s) * SECOND_US + fraction_us;
    return 0;
}

/* "Z", "+02:00", "-0700", "+01"; "" is GMT as well. -1: none of these. */
static int read_zone(int64_t *seconds, const char *s)
{
    int sign = *s == '-' ? -1 : 1, h, m = 0;

    *seconds = 0;
    if (!*s || !strcmp(s, "Z") || !strcmp(s, "z") || !strcmp(s, "GMT") || !strcmp(s, "UTC"))
        return 0;
    if (*s != '+' && *s != '-')
        return -1;
    s++;
    h = number(&s, 2);
    s += *s == ':';
    if (*s && (m = number(&s, 2)) < 0)
        return -1;
    if (h < 0 || h > 14 || m > 59 || *s)
        return -1;
    *seconds = sign * (h * 3600 + m * 60);
    return 0;
}

static int days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month] + (month == 1 && (year % 4 == 0) && (year % 100 != 0 || year % 400 == 0));
}

int date_read(int64_t *out_us, const char *s, const char *zone)
{
    static const char *const between[] = {":-/", ":-/", " Tt", ":", ":"};
    static const int digits[] = {4, 2, 2, 2, 2, 2};
    int v[6] = {0}; /* year, month, day, hour, minute, second */
    int64_t offset_s;
    char rest[16];
    int parts = 0;

    for (; parts < 6; parts++) {
        if (parts && (!*s || !strchr(between[parts - 1], *s)))
            break;
        s += parts > 0;
        if ((v[parts] = number(&s, digits[parts])) < 0)
            return -1;
    }
    if (parts < 5 || v[0] < 1 || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > days_in(v[0], v[1] - 1) || v[3] > 23 ||
        v[4] > 59 || v[5] > 59)
        return -1;
    if (parts == 6 && (*s == '.' || *s == ',')) /* no fractions in a status */
        for (s++; isdigit((unsigned char)*s); s++)
            ;
    s += strspn(s, " ");
    size_t n = strcspn(s, " ");
    if (n >= sizeof rest || s[n + strspn(s + n, " ")])
        return -1;
    memcpy(rest, s, n);
    rest[n] = 0;
    if (read_zone(&offset_s, rest) < 0)
        return -1;
    if (!*rest && zone && read_zone(&offset_s, zone) < 0)
        offset_s = 0;
    struct tm tm = {
        .tm_year = v[0] - 1900, .tm_mon = v[1] - 1, .tm_mday = v[2], .tm_hour = v[3], .tm_min = v[4], .tm_sec = v[5]};
    int64_t at = (int64_t)timegm(&tm) - offset_s;
    if (at < INT64_C(-62135596800) || at > INT64_C(253402300799)) /* years 1 to 9999 */
        return -1;
    *out_us = at * SECOND_US;
    return 0;
}
