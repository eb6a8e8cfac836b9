/* Playlists of segments of which nothing is as it should be: lengths and sizes that a file made up, texts with anything
 * in them. What is written is one line a thing, with no quote that ends early; a manifest is XML; figures are figures. */
#include "fuzz.h"
#include "media/av/playlist.h"

#include <libxml/parser.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RENDITIONS = 4, PIECES = 24 };

/* Seconds as a container may have them: 63 bits of any clock. */
static double take_seconds(struct bytes *b)
{
    static const double some[] = {0, 0.04, 1e-9, 10, 1e6, 1e15, 9.2e18, -1};
    unsigned n = take_byte(b);

    return n < 128 ? n / 10.0 : some[n % ARRAY_LEN(some)];
}

static int64_t take_number(struct bytes *b)
{
    static const int64_t some[] = {0, 1, INT32_MAX, INT64_MAX / 8, 1 << 20};
    unsigned n = take_byte(b);

    return n < 128 ? n : some[n % ARRAY_LEN(some)];
}

static void take_rendition(struct rendition *r, struct playlist_piece *pieces, struct arena *a, struct bytes *b)
{
    static const char *const video[] = {"avc1.64001f", "hvc1.1.6.L93.90", "av01.0.00M.08"};
    static const char *const sound[] = {"mp4a.40.2", "ac-3"};
    unsigned bits = take_byte(b), more = take_byte(b);
    AUTO(mem_free) char *name = take_line(b);

    *r = (struct rendition){.folder = arena_printf(a, "f%u", more % 8),
                            .name = arena_strdup(a, name),
                            .has_video = bits & 1,
                            .has_audio = bits & 2 || !(bits & 1),
                            .video_codec = video[more % ARRAY_LEN(video)],
                            .audio_codec = sound[more % ARRAY_LEN(sound)],
                            .language = bits & 4 ? "eng" : "",
                            .captions = bits & 8,
                            .is_mp4 = bits & 16,
                            .width = take_number(b),
                            .height = take_number(b),
                            .frame_rate = bits & 32 ? fabs(take_seconds(b)) : 0,
                            .sample_rate = (int)(take_number(b) & INT32_MAX),
                            .channels = bits & 64 ? (int)take_byte(b) : 0,
                            .scale = 1 + (int)take_byte(b),
                            .pieces = pieces,
                            .count = (int)take_below(b, PIECES)};
    for (int i = 0; i < r->count; i++)
        pieces[i] = (struct playlist_piece){.from = take_seconds(b),
                                            .length = take_seconds(b),
                                            .at = take_number(b) - 64,
                                            .lasts = take_number(b),
                                            .size = take_number(b)};
}

/* Each line is a tag or an address; quotes come in pairs; no number is what is no number. */
static void check_lines(const struct str *out)
{
    CHECK(out->len && strlen(out->s) == out->len && out->s[out->len - 1] == '\n' && str_starts(out->s, "#EXTM3U\n"));
    int quotes = 0;
    for (const char *p = out->s; *p; p++) {
        quotes += *p == '"';
        CHECK(*p != '\n' || !(quotes & 1));
        CHECK((unsigned char)*p >= 0x20 || *p == '\n');
    }
}

static void check_target(const char *text, const struct rendition *r)
{
    double target = strtod(strstr(text, "TARGETDURATION:") + 15, NULL);

    CHECK(target >= 1);
    for (int i = 0; i < r->count; i++)
        CHECK(r->pieces[i].length <= target + 0.5);
}

static void check_dash(const struct rendition *const *list, int count)
{
    AUTO(str_done) struct str out = {0};

    playlist_dash(&out, list, count);
    CHECK(strlen(out.s) == out.len );
    const int how = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
    xmlDocPtr doc = xmlReadMemory(out.s, (int)out.len, "x", NULL, how);
    CHECK(doc);
    xmlFreeDoc(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(str_done) struct str top = {0};
    struct rendition r[RENDITIONS];
    struct playlist_piece pieces[RENDITIONS][PIECES];
    const struct rendition *list[RENDITIONS];
    unsigned bits = take_byte(&b), count = 1 + take_below(&b, RENDITIONS), variants = 1 + take_below(&b, count);

    for (unsigned i = 0; i < count; i++) {
        AUTO(str_done) struct str out = {0};

        take_rendition(&r[i], pieces[i], a, &b);
        list[i] = &r[i];
        CHECK(rendition_peak(list[i]) > 0 && rendition_mean(list[i]) > 0);
        CHECK(*rendition_codecs(a, list[i]));
        playlist_hls_pieces(&out, list[i]);
        check_lines(&out);
        check_target(out.s, list[i]);
    }
    const struct playlist_hls p = {.variants = list,
                                   .variant_count = (int)variants,
                                   .sounds = list + variants,
                                   .sound_count = (int)(count - variants),
                                   .no_captions = bits & 1,
                                   .list_name = "playlist.m3u8"};
    playlist_hls_top(&top, &p);
    check_lines(&top);
    static const char begin[] = "\n#EXT-X-STREAM-INF:BANDWIDTH=";
    unsigned found = 0;
    for (const char *at = top.s; (at = strstr(at, begin)); found++) {
        at += sizeof begin - 1;
        CHECK(*at >= '1' && *at <= '9');
    }
    CHECK(found == variants);
    check_dash(list, (int)count);
    return 0;
}
