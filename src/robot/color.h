/* color.h - the colours of picture Robots' parameters (robots.md 3.4). In the daemon as well. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* 8 bit sRGB. What draws one (pad, rotate, flatten, make_transparent, text) brings the picture into
 * that space and depth first. */
struct color {
    uint8_t r, g, b, a; /* a: 0 or 255 */
};
/* "#rgb", "rrggbb", "red", "none"... (robots.md section 3.4), also "r,g,b". False: not a colour. */
bool color_parse(struct color *out, const char *text);
