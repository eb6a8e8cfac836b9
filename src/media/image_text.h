/* image_text.h - text becomes a picture, by Pango: any script, fonts that fontconfig knows. The
 * text is taken letter by letter: there is no markup. Errors: ERR_COMMAND: it would be larger than
 * a limit. */
#pragma once
#include "media/vips.h"
#include "robot/text_overlay.h"

/* As large as the text with its outline, over t->background, turned by t->rotate. A font that is
 * not there, nor another with the same measures, is a sans. most: pixels that it may have. */
MUST_CHECK int image_text(struct image **out, const struct text_overlay *t, int64_t most,
                          struct err *err);

/* The font that a text of this name would be drawn in, for programs that look for it by themselves
 * and would take any other where it is not. */
struct text_font {
    char family[200];
    bool bold, italic;
};
void image_text_font(struct text_font *out, const char *name);
