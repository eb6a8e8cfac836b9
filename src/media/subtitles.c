#include "media/subtitles_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- the bytes as lines ---- */

static void add_code(struct str *out, unsigned c)
{
    char b[5] = {0};

    if (c < 0x80)
        b[0] = (char)c;
    else if (c < 0x800)
        b[0] = (char)(0xC0 | c >> 6), b[1] = (char)(0x80 | (c & 0x3F));
    else if (c < 0x10000)
        b[0] = (char)(0xE0 | c >> 12), b[1] = (char)(0x80 | (c >> 6 & 0x3F)),
        b[2] = (char)(0x80 | (c & 0x3F));
    else
        b[0] = (char)(0xF0 | c >> 18), b[1] = (char)(0x80 | (c >> 12 & 0x3F)),
        b[2] = (char)(0x80 | (c >> 6 & 0x3F)), b[3] = (char)(0x80 | (c & 0x3F));
    str_puts(out, b);
}

/* A half of a surrogate pair alone becomes U+FFFD, a zero a control character, which goes later. */
static char *from_utf16(const unsigned char *p, size_t len, bool big)
{
    struct str out = {0};
    unsigned high = 0;

    for (size_t i = 0; i + 1 < len; i += 2) {
        unsigned u = big ? (unsigned)p[i] << 8 | p[i + 1] : (unsigned)p[i + 1] << 8 | p[i];

        if (high && u >= 0xDC00 && u < 0xE000) {
            add_code(&out, 0x10000 + ((high - 0xD800) << 10) + (u - 0xDC00));
            high = 0;
            continue;
        }
        if (high)
            add_code(&out, 0xFFFD);
        high = u >= 0xD800 && u < 0xDC00 ? u : 0;
        if (!high)
            add_code(&out, u >= 0xDC00 && u < 0xE000 ? 0xFFFD : u ? u : 0x1);
    }
    if (high)
        add_code(&out, 0xFFFD);
    return str_take(&out);
}

/* As UTF-8 without the mark; NULL: no text, as it holds zeroes. The caller frees it. */
static char *to_utf8(const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;

    if (len >= 2 && p[0] == 0xFF && p[1] == 0xFE)
        return from_utf16(p + 2, len - 2, false);
    if (len >= 2 && p[0] == 0xFE && p[1] == 0xFF)
        return from_utf16(p + 2, len - 2, true);
    if (len >= 4 && !p[0] != !p[1] && !p[0] == !p[2] && !p[1] == !p[3])
        return from_utf16(p, len, !p[0]);
    if (memchr(data, 0, len))
        return NULL;
    if (len >= 3 && !memcmp(data, "\xEF\xBB\xBF", 3))
        data += 3, len -= 3;
    return utf8_from_unknown(data, len);
}

struct reader {
    char *at;   /* the line behind this one */
    char *line; /* without its end */
    int number; /* of this line, from 1 */
    bool vtt;
    struct subtitles *s;
    size_t room;
    struct str text; /* of the cue that is being read */
    struct err *err;
};

static int wrong(struct reader *r, const char *what)
{
    return err_set(r->err, ERR_INPUT, "the subtitles can't be read, line %d: %s", r->number, what);
}

/* 0: there is none left; -1: one that is too long. Ends are CR, LF or both. */
static int next_line(struct reader *r)
{
    if (!*r->at)
        return 0;
    r->line = r->at;
    r->number++;
    size_t n = strcspn(r->at, "\r\n");
    r->at += n;
    if (*r->at)
        r->at += r->at[0] == '\r' && r->at[1] == '\n' ? 2 : 1;
    r->line[n] = 0;
    return n > SUBTITLES_LINE_MAX ? wrong(r, "it is too long") : 1;
}

static bool is_blank(const char *line) { return !line[strspn(line, " \t\n\x1a\f\v")]; }

static bool is_number(const char *line)
{
    size_t n = strspn(line, "0123456789");

    return n && is_blank(line + n);
}

/* ---- times ---- */

/* n digits at least, most at most; NULL: there is no such number there. */
static const char *digits(int64_t *out, const char *p, size_t least, size_t most)
{
    size_t n = strspn(p, "0123456789");

    if (n < least || n > most)
        return NULL;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out = *out * 10 + (p[i] - '0');
    return p + n;
}

/* [hours:]minutes:seconds[,.]thousandths. NULL: it is none. */
static const char *read_time(int64_t *ms, const char *p)
{
    int64_t part[3] = {0}, fraction = 0;
    int n = 0;

    p += strspn(p, " \t");
    do
        if (!(p = digits(&part[n], p + (n && *p == ':'), 1, n ? 2 : 3)))
            return NULL;
    while (++n < 3 && *p == ':');
    if (n < 2)
        return NULL;
    if (*p == ',' || *p == '.') {
        size_t k = strspn(p + 1, "0123456789");

        if (!(p = digits(&fraction, p + 1, 1, 3)))
            return NULL;
        for (; k < 3; k++)
            fraction *= 10;
    }
    int64_t h = n == 3 ? part[0] : 0, m = part[n - 2], s = part[n - 1];
    if (m > 59 || s > 59 || h >= SUBTITLES_HOURS_MAX)
        return NULL;
    *ms = ((h * 60 + m) * 60 + s) * 1000 + fraction;
    return p;
}

/* ---- where a WebVTT cue is to stand ---- */

static int third(const char *percent)
{
    double v = strtod(percent, NULL);

    return v < 34 ? 0 : v < 67 ? 1 : 2;
}

static bool setting(const char **value, const char *word, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(word, name, n) != 0 || word[n] != ':')
        return false;
    *value = word + n + 1;
    return true;
}

static void place_word(struct cue *c, const char *word)
{
    const char *v;

    if (setting(&v, word, "line")) {
        if (strchr(v, '%'))
            c->row = third(v);
        else /* lines from the top, or with a minus from the bottom */
            c->row = *v == '-' ? 2 : strtod(v, NULL) < 5 ? 0 : strtod(v, NULL) < 10 ? 1 : 2;
    } else if (setting(&v, word, "align")) {
        if (!strcmp(v, "start") || !strcmp(v, "left"))
            c->column = 0;
        else if (!strcmp(v, "end") || !strcmp(v, "right"))
            c->column = 2;
    } else if (setting(&v, word, "position") && c->column < 0 && third(v) != 1) {
        c->column = third(v);
    }
}

static void place_cue(struct cue *c, const char *settings)
{
    AUTO(mem_free) char *words = mem_strdup(settings);
    char *rest = words, *word;

    while ((word = strtok_r(rest, " \t", &rest)))
        place_word(c, word);
}

/* ---- cues ---- */

/* 1: the line is the times of a cue. 0: it says nothing of the kind. */
static int read_times(struct cue *c, struct reader *r)
{
    const char *arrow = strstr(r->line, "-->"), *p;

    if (!arrow)
        return 0;
    p = read_time(&c->from_ms, r->line);
    if (!p || p + strspn(p, " \t") != arrow || !(p = read_time(&c->to_ms, arrow + 3)) ||
        !(is_blank(p) || *p == ' ' || *p == '\t'))
        return wrong(r, "the times must look like 00:00:01,000 --> 00:00:02,500, and below 100 "
                        "hours");
    if (c->to_ms < c->from_ms)
        return wrong(r, "the cue ends before it begins");
    if (r->vtt)
        place_cue(c, p);
    return 1;
}

static int begin_cue(struct reader *r, const struct cue *c)
{
    struct subtitles *s = r->s;

    if (s->count == SUBTITLES_MAX)
        return wrong(r, "there are too many cues");
    if ((size_t)s->count == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        s->cues = mem_realloc(s->cues, r->room * sizeof *s->cues);
    }
    s->cues[s->count] = *c;
    s->cues[s->count].order = s->count;
    s->count++;
    str_reset(&r->text);
    return 0;
}

static int add_line(struct reader *r)
{
    if (r->text.len + strlen(r->line) + 1 > SUBTITLES_TEXT_MAX)
        return wrong(r, "the text of a cue is too long");
    str_puts(&r->text, r->line);
    str_putc(&r->text, '\n');
    return 0;
}

/* The cue that was begun last is complete. One that is never seen, or says nothing, is dropped. */
static void end_cue(struct reader *r)
{
    struct cue *c = r->s->count ? &r->s->cues[r->s->count - 1] : NULL;

    if (!c || c->text)
        return;
    c->text = subtitles_text(c, r->text.s ? r->text.s : "", r->text.len, r->vtt);
    if (*c->text && c->to_ms > c->from_ms)
        return;
    free(c->text);
    r->s->count--;
}

/* ---- SRT ---- */

/* A number alone on the line before the times counts the cues, and is no text. */
static void drop_counter(struct reader *r, size_t line_before)
{
    struct str *t = &r->text;

    if (t->len > line_before && is_number(t->s + line_before)) {
        t->len = line_before;
        t->s[t->len] = 0;
    }
}

/* Empty lines part cues, but also stand within the texts of careless authors: what counts are the
 * lines with times. */
static int read_srt(struct reader *r)
{
    size_t last = 0; /* where the line before this one begins in the text */
    int rc;

    while ((rc = next_line(r)) > 0) {
        struct cue c = {.column = -1, .row = -1};
        int times = read_times(&c, r);

        if (times < 0)
            return -1;
        if (times) {
            drop_counter(r, last);
            end_cue(r);
            if (begin_cue(r, &c) < 0)
                return -1;
            last = 0;
        } else if (!r->s->count && !r->text.len) {
            if (!is_blank(r->line) && !is_number(r->line))
                return wrong(r, "this is neither SRT nor WebVTT");
        } else {
            last = r->text.len;
            if (add_line(r) < 0)
                return -1;
        }
    }
    return rc;
}

/* ---- WebVTT ---- */

static bool begins_block(const char *line, const char *name)
{
    size_t n = strlen(name);

    return !strncmp(line, name, n) && (!line[n] || line[n] == ' ' || line[n] == '\t');
}

/* To the empty line, which ends a block. */
static int skip_block(struct reader *r)
{
    int rc;

    while ((rc = next_line(r)) > 0 && !is_blank(r->line))
        if (strstr(r->line, "-->"))
            return wrong(r, "an empty line must stand before a cue");
    return rc;
}

static int read_vtt_cue(struct reader *r, const struct cue *c)
{
    int rc;

    if (begin_cue(r, c) < 0)
        return -1;
    while ((rc = next_line(r)) > 0 && !is_blank(r->line))
        if (add_line(r) < 0)
            return -1;
    end_cue(r);
    return rc;
}

static int read_vtt(struct reader *r)
{
    int rc = skip_block(r); /* the head */

    while (rc > 0 && (rc = next_line(r)) > 0) {
        struct cue c = {.column = -1, .row = -1};
        int times;

        if (is_blank(r->line))
            continue;
        if (begins_block(r->line, "NOTE") || begins_block(r->line, "STYLE") ||
            begins_block(r->line, "REGION")) {
            rc = skip_block(r);
            continue;
        }
        times = read_times(&c, r);
        if (!times) { /* the cue's name */
            if ((rc = next_line(r)) <= 0 || is_blank(r->line))
                continue;
            times = read_times(&c, r);
        }
        if (times < 0 || (!times && wrong(r, "the times of a cue must stand here") < 0))
            return -1;
        rc = read_vtt_cue(r, &c);
    }
    return rc;
}

/* ---- all of it ---- */

static int by_begin(const void *x, const void *y)
{
    const struct cue *a = x, *b = y;

    return a->from_ms != b->from_ms ? (a->from_ms > b->from_ms) - (a->from_ms < b->from_ms)
                                    : a->order - b->order;
}

/* Cues are in order. One that has ended gives its place away. */
static bool is_crowded(const struct subtitles *s)
{
    int64_t ends[SUBTITLES_AT_ONCE_MAX];
    int open = 0;

    for (int i = 0; i < s->count; i++) {
        int kept = 0;

        for (int k = 0; k < open; k++)
            if (ends[k] > s->cues[i].from_ms)
                ends[kept++] = ends[k];
        if (kept == SUBTITLES_AT_ONCE_MAX)
            return true;
        ends[kept++] = s->cues[i].to_ms;
        open = kept;
    }
    return false;
}

static int read_cues(struct reader *r)
{
    struct subtitles *s = r->s;

    r->vtt = begins_block(r->at, "WEBVTT") || str_starts(r->at, "WEBVTT\n") ||
             str_starts(r->at, "WEBVTT\r");
    if ((r->vtt ? read_vtt(r) : read_srt(r)) < 0)
        return -1;
    end_cue(r);
    if (!s->count)
        return err_set(r->err, ERR_INPUT, "there are no subtitles in the file");
    qsort(s->cues, (size_t)s->count, sizeof *s->cues, by_begin);
    return is_crowded(s)
               ? err_set(r->err, ERR_INPUT, "the subtitles have more than %d cues at one moment",
                         SUBTITLES_AT_ONCE_MAX)
               : 0;
}

int subtitles_read(struct subtitles **out, const char *data, size_t len, struct err *err)
{
    AUTO(subtitles_free) struct subtitles *s = mem_zalloc(sizeof *s);
    struct reader r = {.s = s, .err = err};

    if (len > SUBTITLES_BYTES_MAX)
        return err_set(err, ERR_INPUT, "a file of subtitles may have %d MB",
                       SUBTITLES_BYTES_MAX >> 20);
    AUTO(mem_free) char *text = to_utf8(data, len);
    if (!text)
        return err_set(err, ERR_INPUT, "the file with the subtitles is no text");
    r.at = text;
    int rc = read_cues(&r);
    str_done(r.text);
    if (rc < 0)
        return -1;
    *out = take(s);
    return 0;
}

void subtitles_free(struct subtitles *s)
{
    for (int i = 0; s && i < s->count; i++)
        free(s->cues[i].text);
    if (s)
        free(s->cues);
    free(s);
}

int subtitles_count(const struct subtitles *s) { return s->count; }
