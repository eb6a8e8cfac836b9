/* Subtitles of strangers: what is read of them and written again holds no command but our own. */
#include "fuzz.h"
#include "media/subtitles.h"

#include <string.h>

/* Behind p stands one of our own tags of ASS; its length, 0: none. */
static size_t own_tag(const char *p)
{
    static const char *const tags[] = {"{\\i1}", "{\\i}",  "{\\b1}", "{\\b}", "{\\u1}",
                                       "{\\u}",  "{\\s1}", "{\\s}",  "{\\c}"};

    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        if (str_starts(p, tags[i]))
            return strlen(tags[i]);
    if (str_starts(p, "{\\c&H") && strspn(p + 5, "0123456789abcdef") == 6 &&
        !strncmp(p + 11, "&}", 2))
        return 13;
    if (str_starts(p, "{\\an") && p[4] >= '1' && p[4] <= '9' && p[5] == '}')
        return 6;
    return 0;
}

/* No brace that opens a block, and no backslash that begins anything, but ours. */
static void check_ass_text(const char *p)
{
    size_t n;

    while (*p) {
        if ((n = own_tag(p))) {
            p += n;
        } else if (*p == '\\') {
            CHECK(p[1] == 'N' || p[1] == '{' || p[1] == '}' || str_starts(p + 1, "\xE2\x81\xA0"));
            p += 2;
        } else {
            CHECK(*p != '{' && *p != '}' && (unsigned char)*p >= 0x20);
            p++;
        }
    }
}

static void check_ass(struct str *ass, int count)
{
    char *rest = strstr(ass->s, "[Events]\n"), *line;
    int n = 0;

    CHECK(rest && utf8_valid(ass->s, ass->len) && strlen(ass->s) == ass->len);
    strtok_r(rest, "\n", &rest);
    strtok_r(rest, "\n", &rest); /* the names of the fields */
    for (; (line = strtok_r(rest, "\n", &rest)); n++) {
        CHECK(str_starts(line, "Dialogue: 0,"));
        for (int comma = 0; comma < 9; comma++)
            CHECK((line = strchr(line, ',')) && line++);
        check_ass_text(line);
    }
    CHECK(n == count);
}

/* Our own SRT and WebVTT read as what they were written from: nothing grows, vanishes or moves. In
 * SRT, which can say all that we keep, to the byte. */
static void check_again(const struct subtitles *s, bool to_the_byte,
                        void (*write)(struct str *, const struct subtitles *))
{
    AUTO(str_done) struct str first = {0};
    AUTO(str_done) struct str second = {0};
    AUTO(subtitles_free) struct subtitles *again = NULL;
    struct err err;

    write(&first, s);
    CHECK(utf8_valid(first.s, first.len) && strlen(first.s) == first.len);
    if (subtitles_read(&again, first.s, first.len, &err) < 0) {
        /* tags and signs take more room than they had */
        CHECK(strstr(err.msg, "too long") || strstr(err.msg, " may have "));
        return;
    }
    CHECK(subtitles_count(again) == subtitles_count(s));
    write(&second, again);
    CHECK(!to_the_byte || (first.len == second.len && !memcmp(first.s, second.s, first.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct subtitle_look look = {
        .font = "Sans", .size = 16, .column = 1, .row = 2, .aspect = 1.5};
    AUTO(subtitles_free) struct subtitles *s = NULL;
    AUTO(str_done) struct str ass = {0};
    struct err err = {0};

    if (subtitles_read(&s, (const char *)data, len, &err) < 0) {
        CHECK(err.code == ERR_INPUT && *err.msg);
        return 0;
    }
    CHECK(subtitles_count(s) > 0 && subtitles_count(s) <= SUBTITLES_MAX);
    subtitles_ass(&ass, s, &look);
    check_ass(&ass, subtitles_count(s));
    check_again(s, true, subtitles_srt);
    check_again(s, false, subtitles_vtt);
    return 0;
}
