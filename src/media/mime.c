#include "media/mime.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <magic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEAD_LEN 4096 /* enough for every signature below */

/* First row of a type: its preferred extension. First row of an extension: its type. */
static const struct {
    const char *mime, *ext;
} table[] = {
    {"image/jpeg", "jpg"},
    {"image/jpeg", "jpeg"},
    {"image/jpeg", "jpe"},
    {"image/jpeg", "jfif"},
    {"image/png", "png"},
    {"image/gif", "gif"},
    {"image/webp", "webp"},
    {"image/tiff", "tif"},
    {"image/tiff", "tiff"},
    {"image/avif", "avif"},
    {"image/heic", "heic"},
    {"image/heic", "heif"},
    {"image/jp2", "jp2"},
    {"image/jp2", "j2k"},
    {"image/jxl", "jxl"},
    {"image/svg+xml", "svg"},
    {"image/bmp", "bmp"},
    {"image/x-ms-bmp", "bmp"},
    {"image/vnd.microsoft.icon", "ico"},
    {"image/x-icon", "ico"},
    {"image/vnd.adobe.photoshop", "psd"},
    {"image/x-portable-pixmap", "ppm"},
    {"image/x-portable-graymap", "pgm"},
    {"image/x-portable-greymap", "pgm"},
    {"image/x-portable-bitmap", "pbm"},
    {"image/x-canon-cr2", "cr2"},
    {"video/mp4", "mp4"},
    {"video/x-m4v", "m4v"},
    {"video/quicktime", "mov"},
    {"video/webm", "webm"},
    {"video/x-matroska", "mkv"},
    {"video/x-msvideo", "avi"},
    {"video/mpeg", "mpg"},
    {"video/mpeg", "mpeg"},
    {"video/MP2T", "ts"},
    {"video/mp2t", "ts"},
    {"video/x-flv", "flv"},
    {"video/x-ms-wmv", "wmv"},
    {"video/x-ms-asf", "asf"},
    {"video/ogg", "ogv"},
    {"video/3gpp", "3gp"},
    {"video/3gpp2", "3g2"},
    {"audio/mpeg", "mp3"},
    {"audio/x-m4a", "m4a"},
    {"audio/mp4", "m4a"},
    {"audio/ogg", "ogg"},
    {"audio/ogg", "oga"},
    {"audio/opus", "opus"},
    {"audio/flac", "flac"},
    {"audio/x-wav", "wav"},
    {"audio/wav", "wav"},
    {"audio/vnd.wave", "wav"},
    {"audio/x-aiff", "aiff"},
    {"audio/x-aiff", "aif"},
    {"audio/aac", "aac"},
    {"audio/x-hx-aac-adts", "aac"},
    {"audio/x-ms-wma", "wma"},
    {"audio/amr", "amr"},
    {"audio/AMR", "amr"},
    {"audio/midi", "mid"},
    {"audio/webm", "weba"},
    {"application/pdf", "pdf"},
    {"application/postscript", "ps"},
    {"application/zip", "zip"},
    {"application/gzip", "gz"},
    {"application/x-tar", "tar"},
    {"application/x-bzip2", "bz2"},
    {"application/x-xz", "xz"},
    {"application/x-7z-compressed", "7z"},
    {"application/vnd.rar", "rar"},
    {"application/x-rar", "rar"},
    {"application/zstd", "zst"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
    {"application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"},
    {"application/vnd.oasis.opendocument.text", "odt"},
    {"application/vnd.oasis.opendocument.spreadsheet", "ods"},
    {"application/vnd.oasis.opendocument.presentation", "odp"},
    {"application/vnd.oasis.opendocument.graphics", "odg"},
    {"application/epub+zip", "epub"},
    {"application/java-archive", "jar"},
    {"application/msword", "doc"},
    {"application/vnd.ms-excel", "xls"},
    {"application/vnd.ms-powerpoint", "ppt"},
    {"application/rtf", "rtf"},
    {"text/rtf", "rtf"},
    {"application/json", "json"},
    {"application/javascript", "js"},
    {"text/plain", "txt"},
    {"text/html", "html"},
    {"text/html", "htm"},
    {"text/css", "css"},
    {"text/csv", "csv"},
    {"text/xml", "xml"},
    {"text/markdown", "md"},
    {"text/vtt", "vtt"},
    {"application/x-subrip", "srt"},
    {"application/octet-stream", "bin"},
};

const char *mime_ext(const char *mime)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (!strcasecmp(table[i].mime, mime))
            return table[i].ext;
    return NULL;
}

const char *mime_by_ext(const char *ext)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (!strcasecmp(table[i].ext, ext))
            return table[i].mime;
    return NULL;
}

const char *mime_kind(const char *mime)
{
    return !strncasecmp(mime, "image/", 6)   ? "image"
           : !strncasecmp(mime, "video/", 6) ? "video"
           : !strncasecmp(mime, "audio/", 6) ? "audio"
                                             : "";
}

/* ISO base media: the brand says which of ten formats it is. libmagic 5.44 misses some. */
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

/* Signatures that need no database: most files are one of these, and asking libmagic costs ms. */
static const char *sniff(const unsigned char *b, size_t n)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *mime;
    } sigs[] = {
        {"\xFF\xD8\xFF", 3, "image/jpeg"}, {"\x89PNG\r\n\x1A\n", 8, "image/png"},
        {"GIF87a", 6, "image/gif"},        {"GIF89a", 6, "image/gif"},
        {"II*\0", 4, "image/tiff"},        {"MM\0*", 4, "image/tiff"},
        {"%PDF-", 5, "application/pdf"},   {"\0\0\0\x0CjP  \r\n\x87\n", 12, "image/jp2"},
        {"fLaC", 4, "audio/flac"},         {"ID3", 3, "audio/mpeg"},
    };
    const char *mime;

    if (n >= 12 && !memcmp(b, "II*\0", 4) && !memcmp(b + 8, "CR", 2))
        return "image/x-canon-cr2";
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        if (n >= sigs[i].len && !memcmp(b, sigs[i].bytes, sigs[i].len))
            return sigs[i].mime;
    if (n >= 16 && !memcmp(b, "RIFF", 4) && !memcmp(b + 8, "WEBP", 4))
        return "image/webp";
    if ((mime = iso_brand(b, n)))
        return mime;
    if (n >= 64 && !memcmp(b, "OggS", 4)) /* the first packet names the codec */
        return memmem(b, n, "\x80theora", 7) || memmem(b, n, "BBCD", 4) ? "video/ogg" : "audio/ogg";
    return NULL;
}

/* Inside a zip the first member's name tells; libmagic says application/zip when the order is odd.
 */
static const char *zip_family(const char *ext)
{
    static const char *const exts[] = {"docx", "xlsx", "pptx", "odt", "ods", "odp", "odg", "epub"};

    for (size_t i = 0; i < ARRAY_LEN(exts); i++)
        if (!strcasecmp(ext, exts[i]))
            return mime_by_ext(ext);
    return NULL;
}

static bool is_svg(const unsigned char *b, size_t n)
{
    return memmem(b, n, "<svg", 4) || memmem(b, n, ":svg", 4);
}

/* An MPEG audio frame: sync, version, layer III, no reserved rate. */
static bool is_mp3_frame(const unsigned char *b, size_t n)
{
    return n > 4 && b[0] == 0xFF && (b[1] & 0xE6) == 0xE2 && (b[2] & 0xF0) != 0xF0 &&
           (b[2] & 0x0C) != 0x0C && (b[2] & 0xF0);
}

static int ask_magic(char out[static MIME_LEN], int fd, struct err *err)
{
    static magic_t magic; /* one per process; never closed: the database stays mapped */

    if (!magic) {
        magic_t m =
            magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF | MAGIC_RAW);
        if (!m || magic_load(m, NULL) < 0) {
            err_set(err, ERR_INTERNAL, "libmagic: %s", m ? magic_error(m) : "out of memory");
            if (m)
                magic_close(m);
            return -1;
        }
        /* What sits deepest is the mark of a disc image, at 32 KB. On bytes that match nothing, the time goes with
         * the length: 64 KB of them took 1.1 ms. */
        const size_t bytes = 36 * 1024, text = 4096;
        magic_setparam(m, MAGIC_PARAM_BYTES_MAX, &bytes);
        magic_setparam(m, MAGIC_PARAM_ENCODING_MAX, &text);
        magic = m;
    }
    const char *mime = magic_descriptor(magic, fd);
    snprintf(out, MIME_LEN, "%s", mime && strchr(mime, '/') ? mime : "application/octet-stream");
    return 0;
}

int mime_detect(char out[static MIME_LEN], const char *path, const char *name, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *dot = name ? strrchr(name, '.') : NULL, *ext = dot ? dot + 1 : "", *mime;
    unsigned char head[HEAD_LEN];
    ssize_t n;

    if (fd < 0 || (n = pread(fd, head, sizeof head, 0)) < 0)
        return err_errno(err, "read '%s'", path);
    if (n == 0)
        mime = "inode/x-empty";
    else
        mime = sniff(head, (size_t)n);
    if (mime) {
        snprintf(out, MIME_LEN, "%s", mime);
        return 0;
    }
    if (ask_magic(out, fd, err) < 0)
        return -1;
    if (!strcmp(out, "application/zip") && zip_family(ext))
        snprintf(out, MIME_LEN, "%s", zip_family(ext));
    else if ((!strcmp(out, "text/xml") || !strcmp(out, "application/xml") ||
              !strcmp(out, "text/plain") || !strcmp(out, "text/html") ||
              !strcmp(out, "image/svg")) &&
             is_svg(head, (size_t)n) && (head[0] == '<' || !strcasecmp(ext, "svg")))
        snprintf(out, MIME_LEN, "image/svg+xml");
    else if (!strcmp(out, "application/octet-stream") && is_mp3_frame(head, (size_t)n))
        snprintf(out, MIME_LEN, "audio/mpeg");
    else if (!strcmp(out, "video/webm") && !strcasecmp(ext, "mkv"))
        snprintf(out, MIME_LEN, "video/x-matroska");
    else if (!strcmp(out, "text/plain") &&
             (!strcasecmp(ext, "vtt") || !strcasecmp(ext, "srt") || !strcasecmp(ext, "md") ||
              !strcasecmp(ext, "csv") || !strcasecmp(ext, "css") || !strcasecmp(ext, "json")))
        snprintf(out, MIME_LEN, "%s", mime_by_ext(ext));
    else if (!strcmp(out, "image/x-ms-bmp"))
        snprintf(out, MIME_LEN, "image/bmp");
    return 0;
}
