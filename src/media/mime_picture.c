/* Pictures whose mark is so short, or so common, that more of the file has to fit. */
#include "base/auto.h"
#include "media/mime.h"
#include "media/still.h"

#include <ctype.h>
#include <jxl/decode.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* What is looked at: the file, its first bytes, and the extension of its name. */
struct look {
    int fd;
    const unsigned char *b;
    size_t n;
    const char *ext;
};

/* ---- BMP and icons: marks so short that the rest must fit as well ---- */

static uint32_t le32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool is_bmp(const struct look *l)
{
    static const uint32_t sizes[] = {12, 16, 40, 52, 56, 64, 108, 124};
    uint32_t len = l->n >= 30 && !memcmp(l->b, "BM", 2) ? le32(l->b + 14) : 0;

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        if (len == sizes[i])
            return l->b[len == 12 ? 22 : 26] == 1 &&
                   le32(l->b + 10) >= 14 + len; /* planes, and where the pixels are */
    return false;
}

/* Without a container a JPEG XL picture has a mark of two bytes: believed when all headers follow
 * that one needs. */
static bool is_bare_jxl(const struct look *l)
{
    const int headers = JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_FRAME;
    JxlDecoder *d = l->n > 4 && !memcmp(l->b, "\xFF\x0A", 2) ? JxlDecoderCreate(NULL) : NULL;
    JxlDecoderStatus at = JXL_DEC_ERROR;

    if (d && JxlDecoderSubscribeEvents(d, headers) == JXL_DEC_SUCCESS &&
        JxlDecoderSetInput(d, l->b, l->n) == JXL_DEC_SUCCESS)
        do
            at = JxlDecoderProcessInput(d);
        while (at == JXL_DEC_BASIC_INFO || at == JXL_DEC_COLOR_ENCODING);
    if (d)
        JxlDecoderDestroy(d);
    return at == JXL_DEC_FRAME ||
           (at == JXL_DEC_NEED_MORE_INPUT && l->n == MIME_HEAD); /* a profile may be long */
}

static bool is_icon(const struct look *l)
{
    const unsigned char *b = l->b;
    unsigned count = l->n >= 22 && !memcmp(b, "\0\0\1", 4) ? b[4] | (unsigned)b[5] << 8 : 0;
    struct stat st;
    unsigned char head[8];

    if (!count || count > 255 || fstat(l->fd, &st) < 0)
        return false;
    for (size_t i = 0; i < count && 6 + 16 * (i + 1) <= l->n; i++) {
        uint32_t len = le32(b + 6 + 16 * i + 8), at = le32(b + 6 + 16 * i + 12);

        if (b[6 + 16 * i + 3] || at < 6 + 16 * count || (uint64_t)at + len > (uint64_t)st.st_size)
            return false;
        if (pread(l->fd, head, 8, at) != 8 ||
            (memcmp(head, "\x89PNG\r\n\x1A\n", 8) && le32(head) != 40))
            return false;
    }
    return true;
}

/* ---- TIFF and what cameras make of it ---- */

/* Whose camera wrote this directory? Beside its thumbnail it names others, where the photograph is.
 */
static const char *camera_of(const struct look *l, size_t dir, bool big)
{
    static const struct {
        const char *make, *mime;
    } makers[] = {{"NIKON", "image/x-nikon-nef"},
                  {"SONY", "image/x-sony-arw"},
                  {"PENTAX", "image/x-pentax-pef"}};
    const unsigned char *b = l->b;
    const char *make = NULL;
    bool others = false;
    size_t count = big ? (size_t)b[dir] << 8 | b[dir + 1] : (size_t)b[dir + 1] << 8 | b[dir];

    for (size_t i = 0, at = dir + 2; i < count && at + 12 <= l->n; i++, at += 12) {
        unsigned tag = big ? b[at] << 8 | b[at + 1] : b[at + 1] << 8 | b[at];
        size_t where = big ? (size_t)b[at + 8] << 24 | (size_t)b[at + 9] << 16 |
                                 (size_t)b[at + 10] << 8 | b[at + 11]
                           : le32(b + at + 8);

        others |= tag == 0x014A;
        for (size_t m = 0; tag == 0x010F && m < ARRAY_LEN(makers); m++)
            if (where + strlen(makers[m].make) <= l->n &&
                !memcmp(b + where, makers[m].make, strlen(makers[m].make)))
                make = makers[m].mime;
    }
    return others ? make : NULL;
}

static const char *tiff_family(const struct look *l)
{
    static const struct {
        const char *exts[2];
        const char *mime;
    } raws[] = {
        {{"cr2"}, "image/x-canon-cr2"},      {{"dng"}, "image/x-adobe-dng"},
        {{"nef"}, "image/x-nikon-nef"},      {{"nrw"}, "image/x-nikon-nef"},
        {{"arw"}, "image/x-sony-arw"},       {{"sr2"}, "image/x-sony-arw"},
        {{"pef"}, "image/x-pentax-pef"},     {{"srw"}, "image/x-samsung-srw"},
        {{"3fr"}, "image/x-hasselblad-3fr"},
    };
    const unsigned char *b = l->b;
    bool big = *b == 'M';

    if (l->n >= 12 && !memcmp(b + 8, "CR", 2))
        return "image/x-canon-cr2";
    /* A raw photograph is a TIFF file whose first picture is a thumbnail. */
    size_t dir = big ? (size_t)b[4] << 24 | (size_t)b[5] << 16 | (size_t)b[6] << 8 | b[7]
                     : (size_t)b[7] << 24 | (size_t)b[6] << 16 | (size_t)b[5] << 8 | b[4];
    if (dir >= 8 && dir + 2 <= l->n) {
        size_t count = big ? (size_t)b[dir] << 8 | b[dir + 1] : (size_t)b[dir + 1] << 8 | b[dir];

        for (size_t i = 0, at = dir + 2; i < count && at + 12 <= l->n; i++, at += 12)
            if ((big ? b[at] << 8 | b[at + 1] : b[at + 1] << 8 | b[at]) == 0xC612) /* DNGVersion */
                return "image/x-adobe-dng";
        const char *camera = camera_of(l, dir, big);
        if (camera)
            return camera;
    }
    for (size_t i = 0; i < ARRAY_LEN(raws); i++)
        for (size_t k = 0; k < ARRAY_LEN(raws[i].exts) && raws[i].exts[k]; k++)
            if (!strcasecmp(raws[i].exts[k], l->ext))
                return raws[i].mime;
    return "image/tiff";
}

/* ---- portable maps: a letter, a digit, and numbers ---- */

/* Behind blanks and comments. */
static size_t next_word(const unsigned char *b, size_t n, size_t at)
{
    while (at < n && (isspace(b[at]) || b[at] == '#'))
        if (b[at++] == '#')
            while (at < n && b[at] != '\n')
                at++;
    return at;
}

static const char *portable_map(const unsigned char *b, size_t n)
{
    static const char *const mimes[] = {"image/x-portable-bitmap", "image/x-portable-greymap",
                                        "image/x-portable-pixmap"};
    size_t at = 2;

    if (n < 8 || b[0] != 'P' || b[1] < '1' || b[1] > '6' || !isspace(b[2]))
        return NULL;
    bool plain = b[1] < '4';
    int kind = (b[1] - '1') % 3;
    for (int i = 0; i < (kind ? 3 : 2);
         i++) { /* width, height, and but for bitmaps the highest value */
        size_t from = at = next_word(b, n, at);

        while (at < n && isdigit(b[at]))
            at++;
        if (at == from || at - from > 9 || at == n || !isspace(b[at]))
            return NULL;
    }
    for (; plain && at < n; at++) /* a text that begins like one goes on differently */
        if (!isdigit(b[at]) && (at = next_word(b, n, at)) < n && !isdigit(b[at]))
            return NULL;
    return mimes[kind];
}

/* ---- Targa, which has no mark at its begin ---- */

static bool is_tga(const struct look *l)
{
    struct stat st;
    void *all;

    /* few files get beyond this; of those all is read */
    if (l->n < 18 || l->b[1] > 1 || !l->b[2] || (l->b[2] & ~11) || fstat(l->fd, &st) < 0)
        return false;
    if ((all = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, l->fd, 0)) == MAP_FAILED)
        return false;
    bool is = still_is_tga(all, (size_t)st.st_size);
    munmap(all, (size_t)st.st_size);
    return is;
}

const char *mime_picture(int fd, const unsigned char *head, size_t n, const char *ext)
{
    const struct look l = {fd, head, n, ext};

    if (is_bmp(&l))
        return "image/bmp";
    if (is_bare_jxl(&l))
        return "image/jxl";
    if (is_icon(&l))
        return "image/vnd.microsoft.icon";
    if (n >= 8 && (!memcmp(head, "II*\0", 4) || !memcmp(head, "MM\0*", 4)))
        return tiff_family(&l);
    const char *map = portable_map(head, n);
    return map ? map : is_tga(&l) ? "image/x-tga" : NULL;
}
