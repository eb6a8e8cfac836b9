#include "robot/values.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "25%", "12", "1.5": digits, with a fraction or not; percent are whole. */
static bool read_digits(double *out, bool *percent, const char *s)
{
    const char *end = s + strspn(s, "0123456789");

    *percent = end > s && !strcmp(end, "%");
    if (!*percent && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (!isdigit((unsigned char)*s) || strlen(s) > 20 || (*end && !*percent))
        return false;
    *out = strtod(s, NULL);
    return true;
}

static bool read_offset(double *out, bool *percent, const json_t *v)
{
    *percent = false;
    if (json_is_string(v))
        return read_digits(out, percent, json_string_value(v));
    *out = json_number_value(v);
    return json_is_number(v);
}

static int by_time(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return (a > b) - (a < b);
}

int value_offsets(double *out, int max, const json_t *list, double length, struct err *err)
{
    int n = 0, percents = 0;
    json_t *v;
    size_t i;

    if (!json_is_array(list))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "it must be a list of seconds, or of percent like \"25%%\"");
    if (json_array_size(list) > (size_t)max)
        return err_set(err, ERR_ROBOT_VALIDATION, "it has %zu entries, the most is %d",
                       json_array_size(list), max);
    json_array_foreach (list, i, v) {
        double at;
        bool percent;

        if (!read_offset(&at, &percent, v)) {
            AUTO(mem_free) char *text = json_text(v);
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "%.40s is neither seconds nor percent like \"25%%\"", text);
        }
        percents += percent;
        if (percents && percents != (int)i + 1)
            return err_set(err, ERR_ROBOT_VALIDATION, "seconds and percent can't be mixed");
        at = percent ? at / 100 * length : at;
        if (length > 0 && at >= 0 && at <= length)
            out[n++] = at;
    }
    if (n)
        qsort(out, (size_t)n, sizeof *out, by_time);
    return n;
}

int value_moments(double *out, int count, double length)
{
    for (int i = 0; i < count; i++)
        out[i] = length * (i + 1) / (count + 1);
    return count;
}

int value_refuse(struct err *err, const char *suffix, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_set_named(err, ERR_ROBOT_VALIDATION, suffix, "%s", text);
}

struct color value_rgba(const char *text)
{
    const char *digits = text + (*text == '#');
    unsigned long v = strtoul(digits, NULL, 16);

    if (strlen(digits) == 6)
        v = v << 8 | 0xff;
    return (struct color){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
}
