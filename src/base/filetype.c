#include "base/filetype.h"
#include "base/auto.h"

#include <string.h>
#include <strings.h>

#define NO_KIND NULL

static const struct {
    const char *mime, *ext, *kind;
    bool picture;
} types[] = {
#define PICTURE true
#define OTHER false
#define TYPE(mime, ext, kind, reader) {mime, ext, kind, reader},
#define EXT(ext, mime)
#define ALIAS(name, mime)
#include "base/filetypes.def"
#undef TYPE
#undef EXT
#undef ALIAS
#undef PICTURE
#undef OTHER
};

static const struct {
    const char *name, *mime;
} aliases[] = {
#define TYPE(mime, ext, kind, reader)
#define EXT(ext, mime)
#define ALIAS(name, mime) {name, mime},
#include "base/filetypes.def"
#undef ALIAS
},
  exts[] = {
#define ALIAS(name, mime)
#undef EXT
#define EXT(ext, mime) {ext, mime},
#include "base/filetypes.def"
#undef TYPE
#undef EXT
#undef ALIAS
};

#define PICTURE(mime) mime "|"
#define OTHER(mime) ""
#define TYPE(mime, ext, kind, reader) reader(mime)
#define EXT(ext, mime)
#define ALIAS(name, mime)
const char filetype_pictures[] =
#include "base/filetypes.def"
    ;
const char filetype_pictures_and_films[] =
#include "base/filetypes.def"
    "video/";
const char filetype_pictures_and_pdf[] =
#include "base/filetypes.def"
    "application/pdf";

static bool same(const char *row, const char *mime, size_t n)
{
    return strlen(row) == n && !strncasecmp(row, mime, n);
}

/* Index in types[], or -1. */
static int find(const char *mime)
{
    size_t n = strcspn(mime, "; \t");

    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        if (same(aliases[i].name, mime, n)) {
            mime = aliases[i].mime;
            n = strlen(mime);
            break;
        }
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (same(types[i].mime, mime, n))
            return (int)i;
    return -1;
}

const char *filetype_ext(const char *mime)
{
    int i = find(mime);

    return i >= 0 && *types[i].ext ? types[i].ext : NULL;
}

const char *filetype_name(const char *mime)
{
    int i = find(mime);

    return i >= 0 ? types[i].mime : NULL;
}

const char *filetype_kind(const char *mime)
{
    static const char *const kinds[] = {"image", "video", "audio"};
    int i = find(mime);

    if (i >= 0)
        return types[i].kind;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        if (!strncasecmp(mime, kinds[k], 5) && mime[5] == '/')
            return kinds[k];
    return NULL;
}

const char *filetype_by_ext(const char *ext)
{
    for (size_t i = 0; *ext && i < ARRAY_LEN(types); i++)
        if (!strcasecmp(types[i].ext, ext))
            return types[i].mime;
    for (size_t i = 0; i < ARRAY_LEN(exts); i++)
        if (!strcasecmp(exts[i].name, ext))
            return exts[i].mime;
    return NULL;
}

bool filetype_is_picture(const char *mime)
{
    int i = find(mime);

    return i >= 0 && types[i].picture;
}
