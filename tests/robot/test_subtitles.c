/* Subtitles: what is read of files that people have, what of files that are made to do harm. */
#include "../unit/unit.h"
#include "media/subtitles.h"

#include <string.h>

static struct subtitles *read_bytes(const char *data, size_t len)
{
    struct subtitles *s = NULL;
    struct err err = {0};

    if (subtitles_read(&s, data, len, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

/* What becomes of a file, as SRT without the counters; the caller frees. */
static char *srt_of(const char *data, size_t len)
{
    AUTO(subtitles_free) struct subtitles *s = read_bytes(data, len);
    AUTO(str_done) struct str out = {0};

    subtitles_srt(&out, s);
    return str_take(&out);
}

static void becomes(const char *file, const char *srt)
{
    AUTO(mem_free) char *got = srt_of(file, strlen(file));

    assert_string_equal(got, srt);
}

static void refused(const char *file, size_t len, const char *why)
{
    AUTO(subtitles_free) struct subtitles *s = NULL;
    struct err err = {0};

    if (subtitles_read(&s, file, len, &err) == 0)
        fail_msg("'%.60s' is taken", file);
    assert_int_equal(err.code, ERR_INPUT);
    if (!strstr(err.msg, why))
        fail_msg("'%.60s': %s", file, err.msg);
}

static void refused_text(const char *file, const char *why) { refused(file, strlen(file), why); }

static void srt_of_careful_and_of_careless_authors_is_read(void **state)
{
    (void)state;
    static const char clean[] = "1\n00:00:01,000 --> 00:00:02,500\nOne\ntwo\n\n"
                                "2\n00:00:03,000 --> 01:02:04,000\nThree\n\n";

    becomes(clean, clean);
    becomes("1\r\n00:00:01,000 --> 00:00:02,500\r\nOne\r\ntwo\r\n\r\n2\r\n00:00:03,000 --> "
            "01:02:04,000\r\nThree",
            clean);
    /* no counters, points, short times, coordinates, no empty line between */
    becomes("\n\n0:01.000 --> 0:02.5 X1:10 X2:20\nOne  \n  two\n0:0:3 -->1:2:4\nThree\n\n\n",
            clean);
    /* an empty line in a text, a number that is text, cues out of order */
    becomes(
        "7\n00:00:03,000 --> 01:02:04,000\nThree\n\n9\n00:00:01,000 --> 00:00:02,500\nOne\n\ntwo\n",
        clean);
    becomes("1\n00:00:01,000 --> 00:00:02,000\n1984\n\n2\n00:00:03,000 --> 00:00:04,000\n\n\n",
            "1\n00:00:01,000 --> 00:00:02,000\n1984\n\n");
}

static void web_vtt_is_read(void **state)
{
    (void)state;
    becomes("WEBVTT a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE\nnothing\n\n"
            "first\n00:01.000 --> 00:02.000 align:start line:0\n<v Ann>Hi &lt;i&gt; &amp; "
            "<c.yellow>you</c> "
            "<00:01.500>now\n\n"
            "01:00:03.000 --> 01:00:04.000 line:-1\n<lang en>Bye</lang>\n",
            "1\n00:00:01,000 --> 00:00:02,000\n{\\an7}Hi <\xE2\x81\xA0i> & <font "
            "color=\"#ffff00\">you</font> now\n\n"
            "2\n01:00:03,000 --> 01:00:04,000\n{\\an2}Bye\n\n");
    becomes("WEBVTT\n\n00:01.000 --> 00:02.000 position:90%,line-right align:end line:50%\nx\n",
            "1\n00:00:01,000 --> 00:00:02,000\n{\\an6}x\n\n");
}

static void italics_bold_colours_and_places_survive(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"<i>a</i> <B>b</B> <u>c</u> <s>d</s>", "<i>a</i> <b>b</b> <u>c</u> <s>d</s>"},
        {"<i>a", "<i>a</i>"},
        {"a</i>", "a"},
        {"<i><i>a</i>b</i>", "<i>ab</i>"},
        {"{\\an8}a", "{\\an8}a"},
        {"{\\a6}a", "{\\an8}a"},
        {"{\\i1}a{\\i0}b", "<i>a</i>b"},
        {"{\\i1\\b1}a{\\i0\\b0}", "<i><b>a</i></b>"},
        {"<font color=\"red\">a<font color=#00FF00>b</font>c</font>d",
         "<font color=\"#ff0000\">a</font><font color=\"#00ff00\">b</font><font "
         "color=\"#ff0000\">c</font>d"},
        {"{\\c&H0000FF&}a{\\c}b", "<font color=\"#ff0000\">a</font>b"},
        {"<font face=x size=90>a</font>", "a"},
        {"I <3 you & a < b > c", "I <\xE2\x81\xA0"
                                 "3 you & a <\xE2\x81\xA0 b > c"},
        {"{note} a", "{\xE2\x81\xA0note} a"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *in = mem_printf("0:01 --> 0:02\n%s\n", rows[i].in);
        AUTO(mem_free)
        char *out = mem_printf("1\n00:00:01,000 --> 00:00:02,000\n%s\n\n", rows[i].out);

        becomes(in, out);
    }
}

static void every_usual_character_set_is_read(void **state)
{
    (void)state;
#define TIMES "0:01 --> 0:02\n"
    static const char utf8[] = "1\n00:00:01,000 --> 00:00:02,000\nGr\xC3\xBC\xC3\x9F"
                               "e \xF0\x9F\x98\x80\n\n";
    static const char latin[] = TIMES "Gr\xFC\xDF"
                                      "e";
    static const unsigned units[] = {'G', 'r', 0xFC, 0xDF, 'e', ' ', 0xD83D, 0xDE00};
    char wide[200], *to;

    becomes(TIMES "Gr\xC3\xBC\xC3\x9F"
                  "e \xF0\x9F\x98\x80",
            utf8);
    becomes("\xEF\xBB\xBF" TIMES "Gr\xC3\xBC\xC3\x9F"
            "e \xF0\x9F\x98\x80",
            utf8);
    becomes(latin, "1\n00:00:01,000 --> 00:00:02,000\nGr\xC3\xBC\xC3\x9F"
                   "e\n\n");
    for (int how = 0; how < 4; how++) { /* big end first; without a mark */
        bool big = how & 1, mark = how & 2;

        to = wide;
#define PUT(u) (*to++ = (char)(big ? (u) >> 8 : (u)&255), *to++ = (char)(big ? (u)&255 : (u) >> 8))
        if (mark)
            PUT(0xFEFFu);
        for (const char *c = TIMES; *c; c++)
            PUT((unsigned)*c);
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
            PUT(units[i]);
        AUTO(mem_free) char *got = srt_of(wide, (size_t)(to - wide));
        assert_string_equal(got, utf8);
    }
    static const char half[] = "\xFF\xFE"
                               "0\0:\0"
                               "0\0"
                               "1\0-\0-\0>\0"
                               "0\0:\0"
                               "0\0"
                               "2\0\n\0\x3D\xD8x\0";
    AUTO(mem_free) char *got = srt_of(half, sizeof half - 1);
    assert_string_equal(got, "1\n00:00:01,000 --> 00:00:02,000\n\xEF\xBF\xBDx\n\n");
}

static void what_is_over_a_limit_or_no_subtitle_is_refused_by_its_line(void **state)
{
    (void)state;
    AUTO(str_done) struct str s = {0};

    refused_text("", "no subtitles");
    refused_text("hello\n", "line 1: this is neither");
    refused_text("1\n\n", "no subtitles");
    refused("a\0b", sizeof "a\0b" - 1, "no text");
    refused_text("[Script Info]\nDialogue: x", "line 1");
    refused_text("1\n00:00:02,000 --> 00:00:01,000\nx", "line 2: the cue ends before");
    refused_text("0:01 --> 0:61\nx", "line 1: the times");
    refused_text("0:01 --> 100:00:00\nx", "below 100 hours");
    refused_text("0:01 --> 99999999999999999999:00:00\nx", "line 1: the times");
    refused_text("0:01 --> 0:02\nx\n0:03 -->\ny", "line 3");
    refused_text("WEBVTT\n\nx\ny\n0:01 --> 0:02\n", "line 4");
    refused_text("WEBVTT\n0:01 --> 0:02\nx\n", "line 2: an empty line");

    str_puts(&s, "0:01 --> 0:02\n");
    for (int i = 0; i < SUBTITLES_LINE_MAX + 1; i++)
        str_putc(&s, 'x');
    refused(s.s, s.len, "line 2: it is too long");
    str_reset(&s);
    str_puts(&s, "0:01 --> 0:02\n");
    for (int i = 0; i < SUBTITLES_TEXT_MAX; i++)
        str_puts(&s, "x\n");
    refused(s.s, s.len, "the text of a cue is too long");
    str_reset(&s);
    for (int i = 0; i <= SUBTITLES_AT_ONCE_MAX; i++)
        str_puts(&s, "0:01 --> 0:02\nx\n\n");
    refused(s.s, s.len, "at one moment");
    str_reset(&s);
    for (int i = 0; i <= SUBTITLES_MAX; i++)
        str_addf(&s, "%d:%02d:%02d,0 --> %d:%02d:%02d,9\nx\n\n", i / 3600, i / 60 % 60, i % 60,
                 i / 3600, i / 60 % 60, i % 60);
    refused(s.s, s.len, "too many cues");
    while (s.len <= SUBTITLES_BYTES_MAX)
        str_puts(&s, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
    refused(s.s, s.len, "may have 4 MB");
}

/* Of the script for libass the events' texts, one a line. */
static char *ass_of(const char *text)
{
    static const struct subtitle_look look = {
        .font = "Sans,&H0", .size = 16, .column = 1, .row = 2, .aspect = 16.0 / 9};
    AUTO(mem_free) char *in = mem_printf("0:01 --> 0:02\n%s\n", text);
    AUTO(subtitles_free) struct subtitles *s = read_bytes(in, strlen(in));
    AUTO(str_done) struct str out = {0};

    subtitles_ass(&out, s, &look);
    assert_non_null(strstr(out.s, "\nPlayResX: 512\nPlayResY: 288\n"));
    assert_non_null(strstr(out.s, "\nStyle: Default,Sans,16.000,"));
    char *at = strstr(out.s, "\nDialogue: ");
    assert_null(strstr(at + 1, "\nDialogue: "));
    assert_null(strstr(out.s, "\n[Fonts]"));
    return mem_strdup(strstr(at, ",,0,0,0,,") + strlen(",,0,0,0,,"));
}

static void no_command_of_a_file_reaches_the_renderer(void **state)
{
    (void)state;
#define J "\xE2\x81\xA0"
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"{\\p1}m 0 0 l 100 100{\\p0}", "m 0 0 l 100 100"},
        {"{\\fnEvil\\fs900\\pos(1,1)\\t(\\frz360)}a", "a"},
        {"{<i></i>\\p1}a", "\\{" J "{\\i1}{\\i}\\" J "p1\\}a"},
        {"{{\\q}\\p1}a", "\\{" J "\\" J "p1\\}a"},
        {"\\N\\h{\\\x01p1}", "\\" J "N\\" J "h"},
        {"{\\p1", "\\{" J "\\" J "p1"},
        {"{\\p1\n}a", "\\{" J "\\" J "p1\\N\\}a"},
        {"a\n[Fonts]\nfontname: x", "a\\N[Fonts]\\Nfontname: x"},
        {"a\x0b"
         "Dialogue: 0",
         "aDialogue: 0"},
        {"{\\i1\\shad9\\bord9\\clip(x)}a", "{\\i1}a{\\i}"},
        {"{\\an8}a", "{\\an8}a"},
        {"{\\an0}a", "a"},
        {"<font color=\"{\\p1}\">a", "a"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *got = ass_of(rows[i].in);
        char *end = strchr(got, '\n');

        *end = 0;
        if (strcmp(got, rows[i].out))
            fail_msg("'%s' became '%s', not '%s'", rows[i].in, got, rows[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(srt_of_careful_and_of_careless_authors_is_read),
        cmocka_unit_test(web_vtt_is_read),
        cmocka_unit_test(italics_bold_colours_and_places_survive),
        cmocka_unit_test(every_usual_character_set_is_read),
        cmocka_unit_test(what_is_over_a_limit_or_no_subtitle_is_refused_by_its_line),
        cmocka_unit_test(no_command_of_a_file_reaches_the_renderer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
