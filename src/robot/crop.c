#include "robot/crop.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One coordinate of a crop: 12, "12", "12px" or "60%". side 0: only check. */
static int read_coord(int64_t *out, const json_t *crop, const char *key, int64_t side, int64_t def,
                      struct err *err)
{
    const json_t *v = json_object_get(crop, key);
    const char *s = json_string_value(v);
    char *end = NULL;
    double n = def;

    if (json_is_number(v)) {
        n = json_number_value(v);
    } else if (s && strspn(s, "0123456789.") > 0) {
        n = strtod(s, &end);
        if (!strcmp(end, "%"))
            n = n * (double)side / 100;
        else if (*end && strcmp(end, "px") != 0)
            s = NULL;
    }
    if ((v && !json_is_null(v) && !json_is_number(v) && (!s || !end)) || !(fabs(n) < 1e9) || n < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'crop.%s' must be a number of pixels or a percentage like \"60%%\"",
                       key);
    *out = (int64_t)floor(n + 0.5);
    return 0;
}

/* The object itself, or the one that a JSON text holds. The caller unrefs. */
static json_t *crop_object(const json_t *v, struct err *err)
{
    const char *s = json_string_value(v);
    json_t *j = s ? json_parse(s, strlen(s), 4, NULL) : json_incref((json_t *)v);
    const char *key;
    json_t *item;

    if (!json_is_object(j)) {
        json_decref(j);
        err_set(err, ERR_ROBOT_VALIDATION, "'crop' must be an object with x1, y1, x2 and y2");
        return NULL;
    }
    json_object_foreach (j, key, item)
        if (strcmp(key, "x1") && strcmp(key, "y1") && strcmp(key, "x2") && strcmp(key, "y2")) {
            err_set(err, ERR_ROBOT_VALIDATION, "'crop' has an unknown key '%.50s'", key);
            json_decref(j);
            return NULL;
        }
    return j;
}

int crop_read(struct rect *out, const json_t *v, int64_t w, int64_t h, struct err *err)
{
    AUTO(json_unref) json_t *crop = crop_object(v, err);
    int64_t x1, y1, x2, y2;

    if (!crop || read_coord(&x1, crop, "x1", w, 0, err) < 0 ||
        read_coord(&y1, crop, "y1", h, 0, err) < 0 || read_coord(&x2, crop, "x2", w, w, err) < 0 ||
        read_coord(&y2, crop, "y2", h, h, err) < 0)
        return -1;
    x2 = x2 < w ? x2 : w;
    y2 = y2 < h ? y2 : h;
    if (x1 >= x2 || y1 >= y2)
        return err_set(err, ERR_ROBOT_VALIDATION, "'crop' leaves nothing of an image of %" PRId64 "x%" PRId64 " pixels",
                       w, h);
    *out = (struct rect){x1, y1, x2 - x1, y2 - y1};
    return 0;
}

#define ANY_SIDE (100 * 1000 * 1000) /* px; longer than any picture */

/* Percentages beside pixels say nothing before there is an image. */
int crop_check(const json_t *v, struct err *err)
{
    AUTO(json_unref) json_t *crop = crop_object(v, err);
    static const char *const keys[] = {"x1", "y1", "x2", "y2"};
    bool relative = false;
    struct rect r;
    int64_t n;

    for (size_t i = 0; crop && i < ARRAY_LEN(keys); i++) {
        const char *s = jstr(crop, keys[i]);

        if (read_coord(&n, crop, keys[i], 0, 0, err) < 0)
            return -1;
        relative = relative || (s && strchr(s, '%'));
    }
    if (!crop)
        return -1;
    if (!relative && crop_read(&r, crop, ANY_SIDE, ANY_SIDE, err) < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'crop' is an empty rectangle");
    return 0;
}
