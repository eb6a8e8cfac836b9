/* embedded.h - what cameras and people wrote into a picture: EXIF, IPTC and XMP blocks, read into
 * the keys of a file's meta. Hostile input: nothing here trusts a length. A key that meta already
 * holds is left alone, so call in order of trust. Broken blocks are skipped. */
#pragma once
#include "base/json.h"

#include <stddef.h>

void meta_add_exif(json_t *meta, const void *data, size_t len);
/* Of a photograph as a camera stores it: it lies in the same directories as EXIF does, at the file's begin. */
void meta_add_raw(json_t *meta, const char *path);
/* Raw IIM records, or Photoshop resources that hold some (also finds the clipping path). */
void meta_add_iptc(json_t *meta, const void *data, size_t len);
void meta_add_xmp(json_t *meta, const void *data, size_t len);
/* svgViewBoxWidth and -Height. Opens no entity and no other file. */
void meta_add_svg(json_t *meta, const char *path);
