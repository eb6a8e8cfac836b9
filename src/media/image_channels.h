/* image_channels.h - colour spaces that files have no name for: what comes out are the numbers of
 * that space, scaled to 0..255 as ImageMagick does. Three of its newest, which Debian's release
 * does not have, are made here; the others by that program (image_save.channels). Errors:
 * ERR_COMMAND. */
#pragma once
#include "media/vips.h"

bool image_channels_own(const char *space); /* OkLab, OkLCH, Jzazbz */
/* Red, green and blue become the three numbers. */
MUST_CHECK int image_channels(struct image *img, const char *space, struct err *err);
