#include "media/mime.h"
#include "base/filetype.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <libxml/xmlreader.h>
#include <magic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <zlib.h>

#define HEAD_LEN MIME_HEAD
#define PROLOGUE_MAX (1024 * 1024)  /* bytes before the root element of an XML file */
#define SILENCE_MAX (256 * 1024)    /* zero bytes before a sound begins */
#define TAIL_LEN 2048

/* What is looked at: the file, and its first bytes. */
struct look {
    int fd;
    const unsigned char *b;
    size_t n;
    const char *ext; /* of the client's name, without the dot; "" */
};

static bool ext_is(const struct look *l, const char *const list[])
{
    for (; *list; list++)
        if (!strcasecmp(*list, l->ext))
            return true;
    return false;
}

static size_t read_at(const struct look *l, void *to, size_t len, off_t at)
{
    ssize_t n = pread(l->fd, to, len, at);

    return n < 0 ? 0 : (size_t)n;
}

/* ---- ISO base media ---- */

/* The brand says which of ten formats it is. libmagic 5.44 misses some. */
static const char *iso_brand(const unsigned char *b, size_t n)
{
    static const struct {
        const char brand[5];
        const char *mime;
    } brands[] = {
        {"avif", "image/avif"},  {"avis", "image/avif"},  {"heic", "image/heic"},
        {"heix", "image/heic"},  {"heim", "image/heic"},  {"heis", "image/heic"},
        {"hevc", "image/heic"},  {"hevx", "image/heic"},  {"qt  ", "video/quicktime"},
        {"M4A ", "audio/x-m4a"}, {"M4B ", "audio/x-m4a"}, {"M4V ", "video/x-m4v"},
        {"3gp4", "video/3gpp"},  {"3gp5", "video/3gpp"},  {"3gp6", "video/3gpp"},
        {"3g2a", "video/3gpp2"}, {"isom", "video/mp4"},   {"iso2", "video/mp4"},
        {"iso4", "video/mp4"},   {"iso5", "video/mp4"},   {"iso6", "video/mp4"},
        {"mp41", "video/mp4"},   {"mp42", "video/mp4"},   {"avc1", "video/mp4"},
        {"dash", "video/mp4"},   {"MSNV", "video/mp4"},   {"jp2 ", "image/jp2"},
        {"crx ", "image/x-canon-cr3"},  {"f4v ", "video/mp4"},
    };
    if (n < 16 || memcmp(b + 4, "ftyp", 4))
        return NULL;
    size_t box = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    bool mif1 = !memcmp(b + 8, "mif1", 4) || !memcmp(b + 8, "msf1", 4);

    /* major brand, then (for the generic HEIF brands) the compatible ones */
    for (size_t at = 8; at + 4 <= n && at < box; at += at == 8 ? 8 : 4) {
        for (size_t i = 0; i < ARRAY_LEN(brands); i++)
            if (!memcmp(b + at, brands[i].brand, 4))
                return brands[i].mime;
        if (!mif1)
            break;
    }
    return mif1 ? "image/heic" : NULL;
}

/* ---- sound ---- */

/* Length of the MPEG audio frame that begins here, 0: none does. */
static size_t mpeg_frame(const unsigned char *b, size_t n)
{
    static const uint16_t rates[2][3][16] = {
        /* kbit/s; MPEG 1, layers I to III, then MPEG 2 and 2.5 */
        {{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
         {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
         {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}},
        {{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
         {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
         {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}}};
    static const unsigned hertz[3] = {44100, 48000, 32000};

    if (n < 4 || b[0] != 0xFF || (b[1] & 0xE0) != 0xE0)
        return 0;
    unsigned version = b[1] >> 3 & 3, layer = 4 - (b[1] >> 1 & 3), rate = b[2] >> 4, freq = b[2] >> 2 & 3;
    if (version == 1 || layer == 4 || rate == 0 || rate == 15 || freq == 3)
        return 0;
    unsigned bits = rates[version != 3][layer - 1][rate] * 1000u;
    unsigned hz = hertz[freq] >> (version == 3 ? 0 : version == 2 ? 1 : 2), pad = b[2] >> 1 & 1;
    return layer == 1 ? (12 * bits / hz + pad) * 4 : (layer == 3 && version != 3 ? 72 : 144) * bits / hz + pad;
}

/* Two frames in a row (one, when the file ends before): a single header is found in any noise. */
static bool is_mpeg_audio(const unsigned char *b, size_t n)
{
    size_t len = mpeg_frame(b, n);

    return len && (len + 4 > n || (mpeg_frame(b + len, n - len) && b[len + 1] == b[1]));
}

static bool is_adts(const unsigned char *b, size_t n)
{
    if (n < 7 || b[0] != 0xFF || (b[1] & 0xF6) != 0xF0)
        return false;
    size_t len = (size_t)(b[3] & 3) << 11 | (size_t)b[4] << 3 | b[5] >> 5;
    return len > 7 && (len + 2 > n || (b[len] == 0xFF && (b[len + 1] & 0xF6) == 0xF0));
}

/* Behind ID3 tags, and behind zeros that some encoders put there, a stream begins: its own first bytes tell. */
static const char *behind_tags(const struct look *l, bool tagged)
{
    unsigned char b[HEAD_LEN];
    off_t at = 0;
    size_t n;

    for (int tags = 0; tags < 8 && (n = read_at(l, b, sizeof b, at)) >= 10 && !memcmp(b, "ID3", 3); tags++)
        at += 10 + ((b[6] & 127) << 21 | (b[7] & 127) << 14 | (b[8] & 127) << 7 | (b[9] & 127)) + (b[5] & 16 ? 10 : 0);
    for (off_t end = at + SILENCE_MAX; at < end && (n = read_at(l, b, sizeof b, at));) {
        size_t zeros = 0;

        while (zeros < n && !b[zeros])
            zeros++;
        at += (off_t)zeros;
        if (zeros < n)
            break;
    }
    n = read_at(l, b, sizeof b, at);
    if (n >= 4 && !memcmp(b, "fLaC", 4))
        return "audio/flac";
    if (n >= 4 && !memcmp(b, "OggS", 4))
        return "audio/ogg";
    if (is_adts(b, n))
        return "audio/aac";
    return tagged || is_mpeg_audio(b, n) ? "audio/mpeg" : NULL;
}

/* ---- streams of packets ---- */

/* MPEG transport stream: a sync byte at every packet, which is 188 bytes long, or 192 (a time before it: camcorders) or
 * 204 (a checksum after it). A recording may begin inside a packet. */
static bool is_transport_stream(const unsigned char *b, size_t n)
{
    static const size_t sizes[] = {188, 192, 204};
    enum { ENOUGH = 5 };

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (size_t from = 0; from < sizes[i] && from + 4 <= n; from++) {
            size_t at = from, packets = 0;

            /* sync, and a packet that has a payload or an adaptation field and is not marked as broken */
            while (at + 4 <= n && b[at] == 0x47 && (b[at + 3] & 0x30) && !(b[at + 1] & 0x80)) {
                at += sizes[i];
                packets++;
            }
            if (at + 4 > n && (packets >= ENOUGH || (packets >= 2 && n < HEAD_LEN && from <= 4)))
                return true;
        }
    }
    return false;
}

/* ---- XML ---- */

struct text {
    const struct look *look;
    const uint8_t *data; /* NULL: read the file */
    size_t at, len;
};

static int read_text(void *arg, char *to, int want)
{
    struct text *t = arg;
    size_t n = t->at >= t->len ? 0 : MIN((size_t)want, t->len - t->at);

    if (t->data && n)
        memcpy(to, t->data + t->at, n);
    else if (n)
        n = read_at(t->look, to, n, (off_t)t->at);
    t->at += n;
    return (int)n;
}

/* Is the root element <svg>? What stands before it may be long: comments, instructions, a DOCTYPE with entities (none of
 * which is fetched). libxml2 knows every encoding that XML has. */
static bool root_is_svg(struct text *t)
{
    xmlTextReader *r = xmlReaderForIO(read_text, NULL, t, NULL, NULL,
                                      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    bool yes = false;

    while (r && xmlTextReaderRead(r) == 1)
        if (xmlTextReaderNodeType(r) == XML_READER_TYPE_ELEMENT) {
            const xmlChar *name = xmlTextReaderConstLocalName(r);

            yes = name && !strcmp((const char *)name, "svg");
            break;
        }
    xmlFreeTextReader(r);
    return yes;
}

/* Could this begin an XML document? *skip: blanks before it, which XML does not allow but people write. */
static bool looks_like_xml(const unsigned char *b, size_t n, size_t *skip)
{
    *skip = 0;
    if (n >= 4 && (!memcmp(b, "\xFF\xFE<\0", 4) || !memcmp(b, "\xFE\xFF\0<", 4) || !memcmp(b, "<\0?\0", 4) ||
                   !memcmp(b, "\0<\0?", 4)))
        return true;
    if (n >= 3 && !memcmp(b, "\xEF\xBB\xBF", 3)) {
        b += 3;
        n -= 3;
    }
    while (*skip < n && (b[*skip] == ' ' || b[*skip] == '\t' || b[*skip] == '\r' || b[*skip] == '\n'))
        ++*skip;
    return *skip + 1 < n && b[*skip] == '<';
}

static bool is_svg(const struct look *l)
{
    struct text t = {.look = l, .len = PROLOGUE_MAX};
    size_t skip;

    if (!looks_like_xml(l->b, l->n, &skip))
        return false;
    t.at = skip;
    return root_is_svg(&t);
}

bool gzip_begins(const void *head, size_t len) { return len > 3 && !memcmp(head, "\x1F\x8B\x08", 3); }

/* Has another member begun where one has ended? What else follows is padding. Reads on when all that was read is used up. */
static bool is_member_next(z_stream *z, unsigned char *in, size_t size, int fd, off_t *at)
{
    if (!z->avail_in) {
        ssize_t n = pread(fd, in, size, *at);

        z->next_in = in;
        z->avail_in = n > 0 ? (unsigned)n : 0;
        *at += z->avail_in;
    }
    return z->avail_in && *z->next_in == 0x1F;
}

uint8_t *gzip_inflate(size_t *len, int fd, size_t max, bool whole)
{
    z_stream z = {0};
    struct str out = {0};
    unsigned char in[16 * 1024], buf[64 * 1024];
    off_t at = 0;
    bool ended = false, is_more = false; /* is_more: than max */
    int rc = Z_OK;

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return NULL;
    while (!ended && !is_more && (rc == Z_OK || rc == Z_BUF_ERROR)) {
        if (!z.avail_in) {
            ssize_t n = pread(fd, in, sizeof in, at);

            if (n <= 0)
                break;
            at += n;
            z.next_in = in;
            z.avail_in = (unsigned)n;
        }
        z.next_out = buf;
        z.avail_out = sizeof buf;
        rc = inflate(&z, Z_NO_FLUSH);
        size_t made = sizeof buf - z.avail_out;
        is_more = made > max - out.len;
        if (made)
            str_add(&out, buf, is_more ? max - out.len : made);
        ended = rc == Z_STREAM_END && !is_member_next(&z, in, sizeof in, fd, &at);
        if (rc == Z_STREAM_END && !ended)
            rc = inflateReset(&z);
    }
    inflateEnd(&z);
    if (!out.len || (whole && (!ended || is_more))) {
        str_done(out);
        return NULL;
    }
    *len = out.len;
    return (uint8_t *)str_take(&out);
}

/* A gzipped drawing is one, unless its name says that the packing is what was meant (drawing.svg.gz). */
static bool is_svgz(const struct look *l)
{
    static const char *const packed[] = {"gz", "gzip", "tgz", NULL};
    AUTO(mem_free) char *data = NULL;
    struct text t = {.look = l};
    size_t skip;

    if (!gzip_begins(l->b, l->n) || ext_is(l, packed))
        return false;
    data = (char *)gzip_inflate(&t.len, l->fd, PROLOGUE_MAX, false);
    t.data = (const uint8_t *)data;
    if (!data || !looks_like_xml(t.data, t.len, &skip))
        return false;
    t.at = skip;
    return root_is_svg(&t);
}

/* ---- everything ---- */

/* PDF readers take up to 1,024 bytes of something else before the header. A text that only names it has no end of a PDF. */
static bool is_late_pdf(const struct look *l)
{
    size_t n = MIN(l->n, 1024 + 8);
    const unsigned char *at = memmem(l->b, n, "%PDF-", 5);
    unsigned char tail[TAIL_LEN];
    struct stat st;

    if (!at || at + 8 > l->b + l->n || at[5] < '1' || at[5] > '2' || at[6] != '.')
        return false;
    if (!memmem(at, l->n - (size_t)(at - l->b), " obj", 4) || fstat(l->fd, &st) < 0)
        return false;
    size_t len = read_at(l, tail, sizeof tail, st.st_size > TAIL_LEN ? st.st_size - TAIL_LEN : 0);
    return memmem(tail, len, "%%EOF", 5) != NULL;
}

static const char *riff(const unsigned char *b, size_t n)
{
    if (n < 16 || (memcmp(b, "RIFF", 4) && memcmp(b, "RF64", 4)))
        return NULL;
    return !memcmp(b + 8, "WEBP", 4)   ? "image/webp"
           : !memcmp(b + 8, "WAVE", 4) ? "audio/x-wav"
           : !memcmp(b + 8, "AVI ", 4) ? "video/x-msvideo"
                                       : NULL;
}

/* Signatures that need no database: most files are one of these, and asking libmagic costs ms. */
static const char *sniff(const struct look *l)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *mime;
    } sigs[] = {
        {"\xFF\xD8\xFF", 3, "image/jpeg"}, {"\x89PNG\r\n\x1A\n", 8, "image/png"},
        {"GIF87a", 6, "image/gif"},        {"GIF89a", 6, "image/gif"},
        {"II+\0\x08", 5, "image/tiff"},    {"MM\0+\0\x08", 6, "image/tiff"},
        {"%PDF-", 5, "application/pdf"},   {"\0\0\0\x0CjP  \r\n\x87\n", 12, "image/jp2"},
        {"\xFF\x4F\xFF\x51", 4, "image/jp2"}, {"fLaC", 4, "audio/flac"},
        {"caff\0\x01", 6, "audio/x-caf"},  {"wvpk", 4, "audio/x-wavpack"},
        {"TTA1", 4, "audio/x-tta"},        {"\x7F\xFE\x80\x01", 4, "audio/vnd.dts"},
        {"DKIF\0\0 \0", 8, "video/x-ivf"},
        {"8BPS\0\1\0\0\0\0\0\0", 12, "image/vnd.adobe.photoshop"},
        {"\0\0\0\x0CJXL \r\n\x87\n", 12, "image/jxl"},
        {"FUJIFILMCCD-RAW ", 16, "image/x-fuji-raf"}, {"IIU\0", 4, "image/x-panasonic-rw2"},
        {"IIRO", 4, "image/x-olympus-orf"}, {"IIRS", 4, "image/x-olympus-orf"}, {"MMOR", 4, "image/x-olympus-orf"},
    };
    const unsigned char *b = l->b;
    const char *mime;
    size_t n = l->n;

    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        if (n >= sigs[i].len && !memcmp(b, sigs[i].bytes, sigs[i].len))
            return sigs[i].mime;
    if ((mime = mime_picture(l->fd, b, n, l->ext)))
        return mime;
    if ((mime = riff(b, n)) || (mime = iso_brand(b, n)))
        return mime;
    if (n >= 10 && !memcmp(b, "ID3", 3))
        return behind_tags(l, true);
    if (n >= 64 && !memcmp(b, "OggS", 4)) /* the first packet names the codec */
        return memmem(b, n, "\x80theora", 7) || memmem(b, n, "BBCD", 4) ? "video/ogg" : "audio/ogg";
    if (is_svg(l) || is_svgz(l))
        return "image/svg+xml";
    return is_transport_stream(b, n) ? "video/mp2t" : NULL;
}

static magic_t magic; /* one per process; never closed: the database stays mapped */

int mime_init(struct err *err)
{
    /* What sits deepest is the mark of a disc image, at 32 KB. On bytes that match nothing, the time goes with
     * the length: 64 KB of them took 1.1 ms. */
    const size_t bytes = 36 * 1024, text = 4096;

    if (magic)
        return 0;
    magic_t m = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF | MAGIC_RAW);
    if (!m || magic_load(m, NULL) < 0) {
        err_set(err, ERR_INTERNAL, "libmagic: %s", m ? magic_error(m) : "out of memory");
        if (m)
            magic_close(m);
        return -1;
    }
    magic_setparam(m, MAGIC_PARAM_BYTES_MAX, &bytes);
    magic_setparam(m, MAGIC_PARAM_ENCODING_MAX, &text);
    magic = m;
    return 0;
}

static int ask_magic(char out[static MIME_LEN], int fd, struct err *err)
{
    if (mime_init(err) < 0)
        return -1;
    const char *mime = magic_descriptor(magic, fd);
    snprintf(out, MIME_LEN, "%s", mime && strchr(mime, '/') ? mime : "application/octet-stream");
    if (filetype_name(out))
        snprintf(out, MIME_LEN, "%s", filetype_name(out));
    return 0;
}

/* libmagic's answer, where the name or a longer look knows better. NULL: it stands. */
static const char *second_thoughts(const struct look *l, const char *mime)
{
    static const char *const zips[] = {"docx", "xlsx", "pptx", "odt", "ods", "odp", "odg", "epub", NULL};
    static const char *const texts[] = {"vtt", "srt", "md", "csv", "css", "json", "tex", "latex", NULL};
    static const char *const drawing[] = {"svg", NULL}, *const mkv[] = {"mkv", NULL}, *const pdf[] = {"pdf", NULL};
    static const char *const mpeg[] = {"mp3", "mp2", "mp1", "mpga", NULL}, *const aac[] = {"aac", "adts", NULL};
    bool unknown = !strcmp(mime, "application/octet-stream");
    bool noise = (!strcmp(mime, "audio/mpeg") && !ext_is(l, mpeg)) || (!strcmp(mime, "audio/aac") && !ext_is(l, aac));
    const char *sound;
    size_t skip;

    if (is_late_pdf(l))
        return "application/pdf";
    if (!strcmp(mime, "image/jxl") || !strcmp(mime, "image/bmp") || !strcmp(mime, "image/vnd.microsoft.icon") ||
        !strcmp(mime, "image/x-tga"))
        return "application/octet-stream"; /* for libmagic their first bytes are enough; more was looked at above */
    if (!strcmp(mime, "application/pdf") && !ext_is(l, pdf))
        return "text/plain"; /* somewhere it names the header of one */
    if (str_starts(mime, "image/x-portable-") && l->n > 1 && l->b[1] < '4')
        return "text/plain"; /* begins like one, and goes on differently */
    /* Inside a zip the first member's name tells; libmagic says application/zip when the order is odd. */
    if (!strcmp(mime, "application/zip") && ext_is(l, zips))
        return filetype_by_ext(l->ext);
    bool svg = !strcmp(mime, "image/svg+xml"); /* for libmagic <svg anywhere is enough; the root was looked at above */
    if ((svg || str_starts(mime, "text/")) && ext_is(l, drawing) && memmem(l->b, l->n, "<svg", 4))
        return "image/svg+xml"; /* broken before its root: called a drawing, to be refused as one */
    if (svg)
        return looks_like_xml(l->b, l->n, &skip) ? "text/xml" : "text/plain";
    if (!strcmp(mime, "text/plain") && ext_is(l, texts))
        return filetype_by_ext(l->ext);
    if (!strcmp(mime, "video/webm") && ext_is(l, mkv))
        return "video/x-matroska";
    if ((unknown || noise) && (sound = behind_tags(l, false)))
        return sound;
    return noise ? "application/octet-stream" : NULL; /* its two bytes are in one of 5,000 files of noise */
}

int mime_detect(char out[static MIME_LEN], const char *path, const char *name, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *dot = name ? strrchr(name, '.') : NULL, *mime = NULL;
    unsigned char head[HEAD_LEN];
    ssize_t n;

    if (fd < 0 || (n = pread(fd, head, sizeof head, 0)) < 0)
        return err_errno(err, "read '%s'", path);
    const struct look l = {fd, head, (size_t)n, dot ? dot + 1 : ""};
    if (n == 0)
        mime = "inode/x-empty";
    else if (!(mime = sniff(&l))) {
        if (ask_magic(out, fd, err) < 0)
            return -1;
        if (!(mime = second_thoughts(&l, out)))
            return 0;
    }
    snprintf(out, MIME_LEN, "%s", mime);
    return 0;
}
