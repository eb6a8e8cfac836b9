#include "media/probe.h"
#include "base/clock.h"
#include "base/filetype.h"
#include "base/str.h"
#include "media/av/av.h"
#include "media/av/sound.h"
#include "media/embedded.h"
#include "media/png_text.h"
#include "media/tool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SLOW_PIXELS (1 << 20) /* decoding more than these is worth a word beforehand */
#define TOOL_OUTPUT_MAX (4 * 1024 * 1024) /* bytes */

static const char *ext_of(const char *mime) { return filetype_ext(mime) ? filetype_ext(mime) : ""; }

static bool is_kind(const char *mime, const char *kind)
{
    return filetype_kind(mime) && !strcmp(filetype_kind(mime), kind);
}

static int as_meta_error(struct err *err)
{
    if (err && (err->code == ERR_COMMAND || err->code == ERR_INPUT))
        err->code = ERR_META;
    return -1;
}

/* ---- images ---- */

/* Whoever only needs the file to be what it is can begin with it now. 1: and finds out what its pixels tell. */
static int tell_early(json_t *meta, const struct image *img, const char *mime, const struct probe_want *want,
                      struct err *err)
{
    if (!want->early || image_width(img) * image_height(img) < SLOW_PIXELS)
        return 0;
    image_meta_header(meta, img);
    bool more = meta_wants(want->output_meta, "dominant_colors") || meta_wants(want->output_meta, "blurhash");
    return want->early(want->early_ctx, meta, mime, ext_of(mime), !more && image_measures(img), err);
}

static int probe_image(json_t *meta, const char *mime, const char *path, const struct probe_want *want, struct err *err)
{
    const struct image_load how = {.limits = want->limits};
    AUTO(image_free) struct image *img = NULL;
    const void *data;
    size_t len;

    if (!image_is_known(path)) /* what it is, is all that is said of it */
        return 0;
    if (image_open(&img, path, &how, err) < 0)
        return as_meta_error(err);
    if (image_frames_in_file(img) > want->limits.max_frames ||
        image_width(img) * image_height(img) > want->limits.max_pixels / image_frames_in_file(img))
        return err_set(err, ERR_META,
                       "the image has %" PRId64 " frames of %" PRId64 "x%" PRId64
                       " pixels, the limits are %" PRId64
                       " frames (setting max_frames) and %" PRId64
                       " pixels in all (setting max_pixels)",
                       image_frames_in_file(img), image_width(img), image_height(img),
                       want->limits.max_frames, want->limits.max_pixels);
    if ((data = image_blob(img, "exif-data", &len)))
        meta_add_exif(meta, data, len);
    if ((data = image_blob(img, "iptc-data", &len)))
        meta_add_iptc(meta, data, len);
    if ((data = image_blob(img, "photoshop-data", &len)))
        meta_add_iptc(meta, data, len);
    if ((data = image_blob(img, "xmp-data", &len)))
        meta_add_xmp(meta, data, len);
    if (image_is_raw(img))
        meta_add_raw(meta, path);
    meta_add_png_text(meta, img);
    if (!strcmp(image_format(img), "svg"))
        meta_add_svg(meta, path);
    int told = tell_early(meta, img, mime, want, err);
    if (told)
        return told < 0 ? -1 : 0;
    return image_meta(meta, img, want->output_meta, err) < 0 ? as_meta_error(err) : 0;
}

/* ---- video and audio ---- */

static double num_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v)   ? json_number_value(v)
           : json_is_string(v) ? strtod(json_string_value(v), NULL)
                               : NAN;
}

static void set_int(json_t *meta, const char *key, double v)
{
    if (isfinite(v) && fabs(v) < 9e15)
        json_object_set_new(meta, key, json_integer((int64_t)llround(v)));
}

static void set_num(json_t *meta, const char *key, double v, double steps)
{
    if (isfinite(v)) {
        v = round(v * steps) / steps;
        json_object_set_new(meta, key, v == floor(v) && fabs(v) < 9e15 ? json_integer((int64_t)v) : json_real(v));
    }
}

static void copy_text(json_t *meta, const char *key, const json_t *from, const char *name)
{
    const char *s = jstr(from, name);

    if (s && *s && strcmp(s, "unknown") != 0 && strcmp(s, "N/A") != 0)
        jset(meta, key, s);
}

static double ratio_of(const json_t *o, const char *key, char sep)
{
    const char *s = jstr(o, key), *c = s ? strchr(s, sep) : NULL;
    double b = c ? strtod(c + 1, NULL) : 0;

    return b > 0 ? strtod(s, NULL) / b : NAN;
}

static int rotation_of(const json_t *stream)
{
    size_t i;
    json_t *d;
    double r = num_of(json_object_get(stream, "tags"), "rotate");

    json_array_foreach (json_object_get(stream, "side_data_list"), i, d)
        if (json_object_get(d, "rotation"))
            r = -num_of(d, "rotation");
    return isfinite(r) ? ((int)lround(r) % 360 + 360) % 360 : 0;
}

/* "yuv420p10le" -> 10 */
static int bits_of(const char *pix_fmt)
{
    static const int depths[] = {9, 10, 12, 14, 16};
    char want[8];

    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        snprintf(want, sizeof want, "p%d", depths[i]);
        if (strstr(pix_fmt, want))
            return depths[i];
    }
    return 8;
}

static bool format_has_alpha(const char *pix_fmt)
{
    return str_starts(pix_fmt, "yuva") || str_starts(pix_fmt, "rgba") ||
           str_starts(pix_fmt, "bgra") || str_starts(pix_fmt, "argb") ||
           str_starts(pix_fmt, "abgr") || str_starts(pix_fmt, "gbrap") ||
           str_starts(pix_fmt, "ya8") || str_starts(pix_fmt, "ya16");
}

static void add_video(json_t *meta, const json_t *v, const json_t *output_meta)
{
    const char *pix_fmt = jstr_or(v, "pix_fmt", "");
    double w = num_of(v, "width"), h = num_of(v, "height"), t;
    double sar = ratio_of(v, "sample_aspect_ratio", ':'), fps = ratio_of(v, "avg_frame_rate", '/');
    int rotation = rotation_of(v);

    sar = isfinite(sar) && sar > 0 ? sar : 1;
    if (rotation % 180 == 90) {
        t = w, w = h, h = t;
        sar = 1 / sar;
    }
    set_int(meta, "width", w);
    set_int(meta, "height", h);
    if (h > 0)
        set_num(meta, "aspect_ratio", w * sar / h, 1000);
    if (!(fps > 0))
        fps = ratio_of(v, "r_frame_rate", '/');
    if (fps > 0)
        set_num(meta, "framerate", fps, 1000);
    copy_text(meta, "video_codec", v, "codec_name");
    copy_text(meta, "pixel_format", v, "pix_fmt");
    set_int(meta, "bit_depth", num_of(v, "bits_per_raw_sample") > 0 ? num_of(v, "bits_per_raw_sample")
                                                                    : bits_of(pix_fmt));
    set_int(meta, "reference_count", num_of(v, "refs"));
    copy_text(meta, "time_base", v, "time_base");
    copy_text(meta, "encoding_profile", v, "profile");
    if (num_of(v, "level") > 0) { /* a text in the contract's schema, as profiles are */
        AUTO(mem_free) char *level = mem_printf("%.0f", num_of(v, "level"));

        jset(meta, "encoding_level", level);
    }
    set_int(meta, "rotation", rotation);
    copy_text(meta, "colortransfer", v, "color_transfer");
    copy_text(meta, "colorprimaries", v, "color_primaries");
    copy_text(meta, "field_order", v, "field_order");
    if (meta_wants(output_meta, "colorspace"))
        copy_text(meta, "colorspace", v, "color_space");
    if (meta_wants(output_meta, "interlaced")) {
        const char *order = jstr_or(v, "field_order", "progressive");

        json_object_set_new(meta, "interlaced",
                            json_boolean(strcmp(order, "progressive") != 0 && strcmp(order, "unknown") != 0));
    }
    json_object_set_new(meta, "has_alpha_channel", json_boolean(format_has_alpha(pix_fmt)));
}

static void add_audio(json_t *meta, const json_t *a)
{
    set_int(meta, "audio_samplerate", num_of(a, "sample_rate"));
    set_int(meta, "audio_channels", num_of(a, "channels"));
    copy_text(meta, "audio_channel_layout", a, "channel_layout");
    copy_text(meta, "audio_sample_format", a, "sample_fmt");
    copy_text(meta, "audio_codec", a, "codec_name");
    copy_text(meta, "audio_profile", a, "profile");
    set_int(meta, "audio_bitrate", num_of(a, "bit_rate"));
}

/* One coordinate of ISO 6709: a sign, then degrees (whole: 2 or 3 digits), degrees and minutes, or all three. */
static bool read_coordinate(double *out, const char **s, int degree_digits)
{
    int sign = **s == '-' ? -1 : 1, whole;
    char *end;
    double v;

    if (**s != '+' && **s != '-')
        return false;
    whole = (int)strspn(++*s, "0123456789");
    if (!whole)
        return false;
    v = strtod(*s, &end);
    if (whole == degree_digits + 4)
        v = floor(v / 10000) + floor(fmod(v, 10000) / 100) / 60 + fmod(v, 100) / 3600;
    else if (whole == degree_digits + 2)
        v = floor(v / 100) + fmod(v, 100) / 60;
    *s = end;
    *out = sign * v;
    return true;
}

static void add_place(json_t *meta, const char *s)
{
    double lat, lon;

    if (!json_object_get(meta, "latitude") && read_coordinate(&lat, &s, 2) && read_coordinate(&lon, &s, 3) &&
        fabs(lat) <= 90 && fabs(lon) <= 180) {
        set_num(meta, "latitude", lat, 1e6);
        set_num(meta, "longitude", lon, 1e6);
    }
}

/* Rows of one key stand in order of trust. */
enum tag_kind { TAG_TEXT, TAG_NUMBER, TAG_DATE, TAG_PLACE };
/* Of files and streams; the first row that a file has wins. */
static const struct tag_row {
    const char *tag, *key;
    enum tag_kind kind;
} tag_rows[] = {
    {"encoder", "encoder", TAG_TEXT},
    {"title", "title", TAG_TEXT},
    {"com.apple.quicktime.title", "title", TAG_TEXT},
    {"com.apple.quicktime.displayname", "title", TAG_TEXT},
    {"description", "description", TAG_TEXT},
    {"com.apple.quicktime.description", "description", TAG_TEXT},
    {"comment", "comment", TAG_TEXT},
    {"com.apple.quicktime.comment", "comment", TAG_TEXT},
    {"album", "album", TAG_TEXT},
    {"com.apple.quicktime.album", "album", TAG_TEXT},
    {"artist", "artist", TAG_TEXT},
    {"com.apple.quicktime.artist", "artist", TAG_TEXT},
    {"album_artist", "band", TAG_TEXT},
    {"performer", "performer", TAG_TEXT},
    {"genre", "genre", TAG_TEXT},
    {"com.apple.quicktime.genre", "genre", TAG_TEXT},
    {"date", "year", TAG_TEXT},
    {"year", "year", TAG_TEXT},
    {"com.apple.quicktime.year", "year", TAG_TEXT},
    {"track", "track", TAG_TEXT},
    {"disc", "disc", TAG_TEXT},
    {"lyrics", "lyrics", TAG_TEXT},
    {"copyright", "copyright", TAG_TEXT},
    {"com.apple.quicktime.copyright", "copyright", TAG_TEXT},
    {"keywords", "keywords", TAG_TEXT},
    {"com.apple.quicktime.keywords", "keywords", TAG_TEXT},
    {"author", "creator", TAG_TEXT},
    {"composer", "creator", TAG_TEXT},
    {"com.apple.quicktime.author", "creator", TAG_TEXT},
    {"make", "device_vendor", TAG_TEXT},
    {"com.apple.quicktime.make", "device_vendor", TAG_TEXT},
    {"com.android.manufacturer", "device_vendor", TAG_TEXT},
    {"model", "device_name", TAG_TEXT},
    {"com.apple.quicktime.model", "device_name", TAG_TEXT},
    {"com.android.model", "device_name", TAG_TEXT},
    {"com.apple.quicktime.software", "device_software", TAG_TEXT},
    {"com.apple.quicktime.location.name", "location", TAG_TEXT},
    {"TBPM", "beats_per_minute", TAG_NUMBER},
    {"bpm", "beats_per_minute", TAG_NUMBER},
    /* when it was filmed, with the zone; creation_time may be when it was exported */
    {"com.apple.quicktime.creationdate", "date_recorded", TAG_DATE},
    {"creation_time", "date_recorded", TAG_DATE},
    {"com.apple.quicktime.location.ISO6709", "latitude", TAG_PLACE},
    {"location", "latitude", TAG_PLACE},
    {"location-eng", "latitude", TAG_PLACE},
};

static void add_tag(json_t *meta, const struct tag_row *row, const char *text)
{
    char date[DATE_LEN + 1];
    int64_t at;

    switch (row->kind) {
    case TAG_TEXT: jset(meta, row->key, text); break;
    case TAG_NUMBER: set_num(meta, row->key, strtod(text, NULL), 100); break;
    case TAG_PLACE: add_place(meta, text); break;
    case TAG_DATE:
        if (date_read(&at, text, NULL) == 0) {
            date_format(date, at);
            jset(meta, row->key, date);
        }
    }
}

static void add_tags(json_t *meta, const json_t *tags)
{
    const char *key;
    json_t *v;

    for (size_t i = 0; i < ARRAY_LEN(tag_rows); i++)
        json_object_foreach ((json_t *)tags, key, v)
            if (!strcasecmp(tag_rows[i].tag, key) && json_is_string(v) && !json_object_get(meta, tag_rows[i].key))
                add_tag(meta, &tag_rows[i], json_string_value(v));
}

/* Is the index of an MP4 before its data? Other containers: true when a duration is known. */
static bool moov_first(const char *path)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char b[16];
    off_t at = 0;

    for (int i = 0; i < 64 && fd >= 0 && pread(fd, b, 16, at) >= 8; i++) {
        uint64_t size = (uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3];

        if (!memcmp(b + 4, "moov", 4))
            return true;
        if (!memcmp(b + 4, "mdat", 4))
            return false;
        if (size == 1) {
            size = 0;
            for (int k = 8; k < 16; k++)
                size = size << 8 | b[k];
        }
        if (size < 8 || size > INT64_MAX / 2)
            return false;
        at += (off_t)size;
    }
    return false;
}

/* What is in a film or a sound. */
struct streams {
    const json_t *video, *audio; /* the first of each; NULL: none */
    int videos, audios, subtitles;
    bool artwork;
};

static json_t *stream_record(const json_t *stream)
{
    static const char *const keys[] = {"index",    "codec_name",    "profile",     "width",
                                       "height",   "bit_rate",      "sample_rate", "channels",
                                       "duration", "avg_frame_rate"};
    json_t *one = json_object();

    for (size_t x = 0; x < ARRAY_LEN(keys); x++)
        if (json_object_get(stream, keys[x]))
            json_object_set(one, keys[x], json_object_get(stream, keys[x]));
    return one;
}

static void add_streams(struct streams *out, json_t *meta, const json_t *list)
{
    json_t *videos = json_array(), *audios = json_array(), *subtitles = json_array(), *s;
    size_t i;

    *out = (struct streams){0};
    json_array_foreach (list, i, s) {
        const char *kind = jstr_or(s, "codec_type", "");

        if (!strcmp(kind, "video") && jint(json_object_get(s, "disposition"), "attached_pic", 0)) {
            out->artwork = true;
        } else if (!strcmp(kind, "video")) {
            json_array_append_new(videos, stream_record(s));
            out->video = out->videos++ ? out->video : s;
        } else if (!strcmp(kind, "audio")) {
            json_array_append_new(audios, stream_record(s));
            out->audio = out->audios++ ? out->audio : s;
        } else if (!strcmp(kind, "subtitle")) {
            json_array_append_new(subtitles, stream_record(s));
            out->subtitles++;
        }
    }
    json_object_set_new(meta, "streams",
                        json_pack("{s:o,s:o,s:o}", "video", videos, "audio", audios, "subtitle", subtitles));
}

static void add_film(json_t *meta, const struct streams *in, double rate, const json_t *output_meta)
{
    double of_audio = in->audio ? num_of(in->audio, "bit_rate") : 0, own = num_of(in->video, "bit_rate");

    add_video(meta, in->video, output_meta);
    if (!(own > 0))
        own = rate - (isfinite(of_audio) ? of_audio : 0);
    if (own > 0)
        set_int(meta, "video_bitrate", own);
    set_int(meta, "num_video_streams", in->videos);
    set_int(meta, "num_subtitles", in->subtitles);
}

static void add_depth(json_t *meta, const json_t *audio)
{
    double raw = num_of(audio, "bits_per_raw_sample"), stored = num_of(audio, "bits_per_sample");

    if (raw > 0 || stored > 0)
        set_int(meta, "bit_depth", raw > 0 ? raw : stored);
}

static int probe_av(json_t *meta, char mime[static MIME_LEN], const char *path,
                    const struct probe_want *want, struct err *err)
{
    AUTO(json_unref) json_t *j = av_describe(path, &want->limits, err);
    const json_t *format = json_object_get(j, "format"), *first;
    struct streams in;

    if (!j)
        return as_meta_error(err);
    add_streams(&in, meta, json_object_get(j, "streams"));
    if (!in.video && !in.audio)
        return err_set(err, ERR_META, "the file holds neither video nor audio");
    first = in.video ? in.video : in.audio;
    double duration = num_of(format, "duration"), rate = num_of(format, "bit_rate");
    if (!(duration > 0))
        duration = num_of(first, "duration");
    set_num(meta, "duration", duration, 100);
    set_int(meta, "overall_bitrate", rate);
    if (in.audio)
        add_audio(meta, in.audio);
    if (in.video)
        add_film(meta, &in, rate, want->output_meta);
    else
        add_depth(meta, in.audio);
    set_int(meta, "num_audio_streams", in.audios);
    json_object_set_new(meta, "has_artwork", json_boolean(in.artwork));
    bool mp4 = strstr(jstr_or(format, "format_name", ""), "mp4");
    json_object_set_new(meta, "seekable", json_boolean(mp4 ? moov_first(path) : duration > 0));
    add_tags(meta, json_object_get(format, "tags"));
    add_tags(meta, json_object_get(first, "tags"));

    /* What is in it decides, not the container's usual use. */
    if (!in.video && is_kind(mime, "video"))
        memcpy(mime, "audio", 5);
    else if (in.video && is_kind(mime, "audio"))
        snprintf(mime, MIME_LEN, "%s", !strcmp(mime, "audio/x-m4a") ? "video/mp4" : "video/ogg");
    return 0;
}

struct loudness {
    int channels;
    double squares, samples;
};

static int hear_squares(void *ctx, const float *const *channels, int n, struct err *err)
{
    struct loudness *l = ctx;

    (void)err;
    for (int c = 0; c < l->channels; c++)
        for (int i = 0; i < n; i++)
            l->squares += isfinite(channels[c][i]) ? (double)channels[c][i] * channels[c][i] : 0;
    l->samples += (double)n * l->channels;
    return 0;
}

/* Decodes the whole sound: only on request. The mean over all channels, in dB of full scale. */
static int add_volume(json_t *meta, const char *path, const struct probe_want *want, struct err *err)
{
    AUTO(sound_close) struct sound *sound = NULL;
    struct loudness l = {0};

    if (sound_open(&sound, path, &(struct sound_open){.limits = want->limits}, err) < 0)
        return as_meta_error(err);
    l.channels = sound_info(sound)->channels;
    if (sound_hear(sound, hear_squares, &l, err) < 0)
        return as_meta_error(err);
    if (l.squares > 0)
        set_num(meta, "mean_volume", 10 * log10(l.squares / l.samples), 10);
    return 0;
}

/* ---- PDF ---- */

/* pdfinfo -isodates: "2020-01-09T12:02:08Z" or with +01, which the parser wants as +01:00. */
static void set_pdf_date(json_t *meta, const char *key, const char *s)
{
    char fixed[40], text[DATE_LEN + 1];
    size_t n = strlen(s);
    int64_t at;

    if (n > 30)
        return;
    strcpy(fixed, s);
    if (n > 3 && (s[n - 3] == '+' || s[n - 3] == '-'))
        strcpy(fixed + n, ":00");
    if (date_parse(&at, fixed) == 0) {
        date_format(text, at);
        jset(meta, key, text);
    }
}

static int probe_pdf(json_t *meta, const char *path, const struct probe_want *want, struct err *err)
{
    const char *const argv[] = {"pdfinfo", "-isodates", "-enc", "UTF-8", path, NULL};
    static const struct {
        const char *label, *key;
    } rows[] = {{"Title", "title"},       {"Author", "author"},     {"Creator", "creator"},
                {"Producer", "producer"}, {"Keywords", "keywords"}, {"Page size", "page_size"}};
    AUTO(str_done) struct str out = {0};
    char *save = NULL;

    if (tool_text(&out, argv, want->limits.timeout_s * 1000, TOOL_OUTPUT_MAX, err) < 0)
        return as_meta_error(err);
    str_putc(&out, '\n');
    for (char *line = strtok_r(out.s, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, ':');

        if (!value)
            continue;
        *value++ = 0;
        value += strspn(value, " ");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (!strcmp(rows[i].label, line) && *value)
                jset(meta, rows[i].key, value);
        double w, h;
        if (!strcmp(line, "Pages"))
            json_object_set_new(meta, "page_count", json_integer(atoll(value)));
        else if (!strcmp(line, "Page size") && sscanf(value, "%lf x %lf", &w, &h) == 2) {
            set_num(meta, "width", w, 1000);
            set_num(meta, "height", h, 1000);
        } else if (!strcmp(line, "CreationDate"))
            set_pdf_date(meta, "create_date", value);
        else if (!strcmp(line, "ModDate"))
            set_pdf_date(meta, "modify_date", value);
    }
    return 0;
}

static int probe_kind(json_t *meta, char mime[static MIME_LEN], const char *path,
                      const struct probe_want *want, struct err *err)
{
    if (filetype_is_picture(mime)) /* others that no reader of ours knows still are what they are */
        return probe_image(meta, mime, path, want, err);
    if (is_kind(mime, "video") || is_kind(mime, "audio")) {
        if (!strcmp(mime, "audio/midi"))
            return 0;
        if (probe_av(meta, mime, path, want, err) < 0) {
            /* a kind that we do not know: no reader has to, and a byte or two were enough to call it so */
            if (!err || err->code != ERR_META || filetype_name(mime))
                return -1;
            json_object_clear(meta);
            return 0;
        }
        return meta_wants(want->output_meta, "mean_volume") && json_object_get(meta, "audio_codec")
                   ? add_volume(meta, path, want, err)
                   : 0;
    }
    if (!strcmp(mime, "application/pdf"))
        return probe_pdf(meta, path, want, err);
    return 0;
}

int probe_file(json_t **meta, char mime[static MIME_LEN], char ext_hint[static 16],
               const char *path, const char *name, const struct probe_want *want, struct err *err)
{
    AUTO(json_unref) json_t *m = json_object();
    int rc = 0;

    mime[0] = ext_hint[0] = 0;
    if (mime_detect(mime, path, name, err) < 0)
        return -1;
    if (!json_is_false(want->output_meta))
        rc = probe_kind(m, mime, path, want, err);
    snprintf(ext_hint, 16, "%s", ext_of(mime));
    if (rc < 0)
        return -1;
    /* Texts have no meta at all, not even dates (file-meta.md section 6). */
    if (json_object_size(m) && meta_add_dates(m, path, want->derived, err) < 0)
        return -1;
    *meta = take(m);
    return 0;
}
