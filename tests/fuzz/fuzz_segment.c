/* A film of strangers is cut into segments: where its tables lie about times, sizes and order, segments come in their
 * order, each whole, or there is a failure with a name, and nothing is left open. The first bytes say how it is cut. */
#include "fuzz.h"
#include "media/av/segment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CUTS_MAX = 8 };

static char directory[] = "/tmp/fuzz-segment-XXXXXX";
static void directory_gone(void) { (void)rmdir(directory); }

struct made {
    const struct segment_cut *how;
    char path[100];
    int next; /* number that comes */
    bool head;
};

static const char *piece_open(void *ctx, int number)
{
    struct made *m = ctx;

    snprintf(m->path, sizeof m->path, "%s/%d", directory, number);
    return m->path;
}

static int piece_made(void *ctx, const struct segment *s, struct err *err)
{
    struct made *m = ctx;
    char *end;
    const long number = strtol(strrchr(s->path, '/') + 1, &end, 10);

    CHECK(!access(s->path, F_OK) && s->size >= 0 && number == s->number);
    (void)unlink(s->path);
    if (s->number < 0) {
        CHECK(m->how->form == SEGMENT_MP4 && !m->head);
        m->head = true;
        return 0;
    }
    CHECK(s->number == m->next++ && s->number <= m->how->cut_count);
    CHECK(m->how->form == SEGMENT_TS || m->head);
    CHECK(isfinite(s->from) && isfinite(s->length));
    return s->number < 100 ? 0 : err_set(err, ERR_COMMAND, "enough");
}

static void look_holds(const struct segment_look *l)
{
    CHECK(isfinite(l->zero) && l->key_count >= 0);
    for (int i = 0; i < l->key_count; i++)
        CHECK(isfinite(l->keys[i]));
    CHECK(!l->language[0] || strlen(l->language) == 3);
    if (l->video.is_there)
        CHECK(l->video.codec && memchr(l->video.name, 0, sizeof l->video.name));
    CHECK(l->orientation >= 1 && l->orientation <= 8);
    if (l->audio.is_there)
        CHECK(l->audio.codec && memchr(l->audio.name, 0, sizeof l->audio.name));
}

static void cut(const char *path, const struct segment_look *l, struct bytes *b, const struct media_limits *limits)
{
    unsigned how = take_byte(b);
    double cuts[CUTS_MAX];
    struct made m = {0};
    struct segment_cut c = {.path = path,
                            .limits = *limits,
                            .video = l->video.is_there && !(how & 1),
                            .audio = l->audio.is_there && !(how & 2),
                            .form = how & 4 ? SEGMENT_MP4 : SEGMENT_TS,
                            .zero = l->zero,
                            .cuts = cuts,
                            .only = -1,
                            .open = piece_open,
                            .made = piece_made,
                            .ctx = &m};
    struct err err = {0};

    m.how = &c;
    for (int n = (int)take_below(b, CUTS_MAX); c.cut_count < n; c.cut_count++)
        cuts[c.cut_count] = how & 8 && c.cut_count + 1 < l->key_count ? l->keys[c.cut_count + 1]
                                                                       : take_byte(b) / 50.0 + c.cut_count;
    if (how & 16) {
        c.only = m.next = c.cut_count / 2;
        c.is_alone = how & 32;
    }
    if (!c.video && !c.audio)
        return;
    if (segment_cut(&c, &err) < 0) {
        CHECK(err.code && *err.msg);
        for (int i = -1; i <= c.cut_count + 1; i++) /* the one that was not finished */
            (void)unlink(piece_open(&m, i));
        return;
    }
    CHECK(m.next == (c.only < 0 ? c.cut_count : c.only) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct media_limits limits = {.max_pixels = 1 << 20, .max_frames = 100, .timeout_s = 5};
    static bool begun;
    struct bytes b = {data, len};
    AUTO(arena_free) struct arena *a = arena_new();
    struct segment_look look;
    struct err err = {0};
    double zero;

    if (!begun) {
        CHECK(mkdtemp(directory));
        atexit(directory_gone);
        begun = true;
    }
    struct bytes how = {data, len < 16 ? len : 16};
    b.p += how.left;
    b.left -= how.left;
    const char *path = fuzz_file(b.p, b.left);
    int open = fuzz_descriptors();
    if (segment_look(&look, a, path, &limits, &err) < 0) {
        CHECK(err.code && *err.msg);
    } else {
        look_holds(&look);
        if (segment_zero(&zero, path, &limits, &err) == 0)
            CHECK(isfinite(zero));
        cut(path, &look, &how, &limits);
    }
    CHECK(fuzz_descriptors() == open);
    return 0;
}
