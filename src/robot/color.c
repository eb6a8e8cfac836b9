#include "robot/color.h"
#include "base/auto.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LESSER(a, b) ((a) < (b) ? (a) : (b))

bool color_parse(struct color *out, const char *text)
{
    static const struct {
        const char *name;
        struct color c;
    } names[] = {
        {"transparent", {255, 255, 255, 0}}, {"none", {255, 255, 255, 0}},
        {"black", {0, 0, 0, 255}},           {"white", {255, 255, 255, 255}},
        {"red", {255, 0, 0, 255}},           {"green", {0, 128, 0, 255}},
        {"blue", {0, 0, 255, 255}},          {"yellow", {255, 255, 0, 255}},
        {"cyan", {0, 255, 255, 255}},        {"magenta", {255, 0, 255, 255}},
        {"gray", {128, 128, 128, 255}},      {"grey", {128, 128, 128, 255}},
        {"opaque", {0, 0, 0, 255}},
    };
    unsigned r, g, b;
    int end = -1;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcasecmp(names[i].name, text)) {
            *out = names[i].c;
            return true;
        }
    if (sscanf(text, "%3u,%3u,%3u%n", &r, &g, &b, &end) == 3 && end == (int)strlen(text)) {
        *out = (struct color){(uint8_t)LESSER(r, 255), (uint8_t)LESSER(g, 255),
                              (uint8_t)LESSER(b, 255), 255};
        return true;
    }
    text += *text == '#';
    size_t n = strlen(text);
    if ((n != 3 && n != 6) || strspn(text, "0123456789abcdefABCDEF") != n)
        return false;
    sscanf(text, n == 3 ? "%1x%1x%1x" : "%2x%2x%2x", &r, &g, &b);
    unsigned k = n == 3 ? 17 : 1;
    *out = (struct color){(uint8_t)(r * k), (uint8_t)(g * k), (uint8_t)(b * k), 255};
    return true;
}
