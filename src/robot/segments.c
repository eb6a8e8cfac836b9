#include "robot/segments.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SECONDS 1e7 /* a third of a year */
#define MOST_TEXT 24     /* characters of a moment */

/* One field of digits; *s is behind it. */
static bool digits(double *out, const char **s, bool fraction)
{
    const char *end = *s + strspn(*s, "0123456789");

    if (!isdigit((unsigned char)**s))
        return false;
    if (fraction && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    *out = strtod(*s, NULL);
    *s = end;
    return true;
}

/* "90", "1:30", "00:01:30.250": what stands behind a colon is less than sixty. */
static bool timecode(double *out, const char *s)
{
    double part, sum = 0;

    if (strlen(s) > MOST_TEXT)
        return false;
    for (int i = 0; i < 3; i++) {
        if (!digits(&part, &s, true) || (i > 0 && part >= 60))
            return false;
        sum = sum * 60 + part;
        if (!*s) {
            *out = sum;
            return true;
        }
        if (*s != ':' || part != floor(part))
            return false;
        s++;
    }
    return false;
}

static bool moment(double *out, const json_t *v)
{
    if (json_is_string(v))
        return timecode(out, json_string_value(v)) && *out <= MOST_SECONDS;
    *out = json_number_value(v);
    return json_is_number(v) && *out >= 0 && *out <= MOST_SECONDS;
}

static int read_one(struct segment *s, const json_t *v, size_t i, struct err *err)
{
    static const char *const names[] = {"from", "to"};
    double at[2];

    if (!json_is_object(v) || json_object_size(v) != 2)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'segments': entry %zu is no object of the two keys from and to", i + 1);
    for (int k = 0; k < 2; k++) {
        const json_t *value = json_object_get(v, names[k]);

        if (!value || !moment(&at[k], value)) {
            AUTO(mem_free) char *text = value ? json_text(value) : mem_strdup("missing");
            return err_set(
                err, ERR_ROBOT_VALIDATION,
                "'segments': '%s' of entry %zu (%.40s) is neither seconds nor HH:MM:SS.mmm",
                names[k], i + 1, text);
        }
    }
    if (!(at[0] < at[1]))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'segments': entry %zu does not begin before it ends", i + 1);
    *s = (struct segment){at[0], at[1], (int)i};
    return 0;
}

int segments_check(const json_t *list, struct err *err)
{
    struct segment s;
    json_t *v;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list) || !json_array_size(list))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'segments' must be a list of at least one {\"from\": ..., \"to\": ...}");
    if (json_array_size(list) > SEGMENTS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'segments' has %zu entries, the most is %d",
                       json_array_size(list), SEGMENTS_MAX);
    json_array_foreach (list, i, v)
        if (read_one(&s, v, i, err) < 0)
            return -1;
    return 0;
}

int segments_read(struct segment *out, const json_t *list, double length)
{
    int n = 0;
    json_t *v;
    size_t i;

    json_array_foreach (list, i, v) {
        if (i == SEGMENTS_MAX)
            break;
        if (read_one(&out[n], v, i, NULL) < 0 || out[n].from >= length)
            continue;
        if (out[n].to > length)
            out[n].to = length;
        n++;
    }
    return n;
}

/* "00:01:30.250" */
static json_t *clock_text(double s)
{
    long long ms = llround(s * 1000);
    char text[40];

    snprintf(text, sizeof text, "%02lld:%02lld:%02lld.%03lld", ms / 3600000, ms / 60000 % 60,
             ms / 1000 % 60, ms % 1000);
    return json_string(text);
}

json_t *segment_meta(const struct segment *s)
{
    return json_pack("{s:i,s:o,s:o}", "segment_index", s->index, "starts_at", clock_text(s->from),
                     "ends_at", clock_text(s->to));
}
