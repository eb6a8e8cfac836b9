/* filetype.h - what is known of a type of file by its name alone: extension, kind, whether we read it. One table,
 * filetypes.def; what a file *is* is told from its bytes (media/mime.h). Thread-safe. */
#pragma once
#include <stdbool.h>

/* Case and parameters ("; charset=...") of mime do not matter below. */
const char *filetype_ext(const char *mime);  /* preferred extension without the dot; NULL: unknown */
const char *filetype_name(const char *mime); /* the name we use for it ("image/jpg": "image/jpeg"); NULL: unknown */
/* What the status says under `type`: "image", "video", "audio", "pdf", "office", "xls", "swf", "document". A picture,
 * film or sound that is not in the table is one as well. NULL: none of these. */
const char *filetype_kind(const char *mime);
const char *filetype_by_ext(const char *ext); /* any case, without the dot; NULL: unknown */
/* Can media/vips.h open it? */
bool filetype_is_picture(const char *mime);
/* The MIME types for which that is so, with '|' between them: for a Robot's `accepts`. */
extern const char filetype_pictures[];
extern const char filetype_pictures_and_films[];
extern const char filetype_pictures_and_pdf[]; /* ... and the document of which it opens the pages */
