#include "media/subtitles_private.h"

#include <stdio.h>
#include <string.h>

/* ---- SRT and WebVTT ---- */

static void write_time(struct str *out, int64_t ms, char point)
{
    str_addf(out, "%02d:%02d:%02d%c%03d", (int)(ms / 3600000), (int)(ms / 60000 % 60),
             (int)(ms / 1000 % 60), point, (int)(ms % 1000));
}

/* The tags of HTML, in which both formats write styles. */
static const char *html_of(char mark)
{
    static const char *const tags[] = {"<i>", "</i>", "<b>", "</b>", "<u>", "</u>", "<s>", "</s>"};

    return mark >= MARK_ITALIC && mark <= MARK_STRIKE_END ? tags[mark - MARK_ITALIC] : NULL;
}

static void srt_text(struct str *out, const char *text)
{
    bool colored = false;

    for (; *text; text++) {
        const char *tag = html_of(*text);

        if (tag) {
            str_puts(out, tag);
        } else if (*text == MARK_COLOR) {
            str_addf(out, "%s<font color=\"#%.6s\">", colored ? "</font>" : "", text + 1);
            text += 6;
            colored = true;
        } else if (*text == MARK_COLOR_END) {
            str_puts(out, colored ? "</font>" : "");
            colored = false;
        } else {
            str_putc(out, *text);
        }
    }
}

void subtitles_srt(struct str *out, const struct subtitles *s)
{
    for (int i = 0; i < s->count; i++) {
        const struct cue *c = &s->cues[i];

        str_addf(out, "%d\n", i + 1);
        write_time(out, c->from_ms, ',');
        str_puts(out, " --> ");
        write_time(out, c->to_ms, ',');
        str_putc(out, '\n');
        if (c->row >= 0 || c->column >= 0)
            str_addf(out, "{\\an%d}",
                     (2 - (c->row < 0 ? 2 : c->row)) * 3 + (c->column < 0 ? 1 : c->column) + 1);
        srt_text(out, c->text);
        str_puts(out, "\n\n");
    }
}

/* Colours are classes there, of a style sheet that a file need not have: they go. */
static void vtt_text(struct str *out, const char *text)
{
    char before = '\n'; /* an empty line would end the cue */

    for (; *text; text++) {
        const char *tag = html_of(*text);

        if (*text == MARK_STRIKE || *text == MARK_STRIKE_END || *text == MARK_COLOR_END ||
            (*text == '\n' && before == '\n'))
            continue;
        before = *text == MARK_COLOR ? before : *text;
        if (*text == MARK_COLOR)
            text += 6;
        else if (tag)
            str_puts(out, tag);
        else if (*text == '&' || *text == '<' || *text == '>')
            str_puts(out, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : "&gt;");
        else
            str_putc(out, *text);
    }
}

void subtitles_vtt(struct str *out, const struct subtitles *s)
{
    static const char *const rows[] = {" line:0", " line:50%", ""}, *const columns[] = {
                                                                        " position:0% align:start",
                                                                        "",
                                                                        " position:100% align:end"};

    str_puts(out, "WEBVTT\n\n");
    for (int i = 0; i < s->count; i++) {
        const struct cue *c = &s->cues[i];

        write_time(out, c->from_ms, '.');
        str_puts(out, " --> ");
        write_time(out, c->to_ms, '.');
        str_addf(out, "%s%s\n", c->row < 0 ? "" : rows[c->row],
                 c->column < 0 ? "" : columns[c->column]);
        vtt_text(out, c->text);
        str_puts(out, "\n\n");
    }
}

/* ---- ASS ---- */

/* aarrggbb as libass has it: blue before red. */
static void ass_color_value(struct str *out, uint32_t v)
{
    str_addf(out, "&H%02X%02X%02X%02X", (unsigned)(v >> 24), (unsigned)(v & 255),
             (unsigned)(v >> 8 & 255), (unsigned)(v >> 16 & 255));
}

static int keypad(int column, int row) { return (2 - row) * 3 + column + 1; }

static void ass_style(struct str *out, const struct subtitle_look *l)
{
    /* 4 is libass' own: one box behind all of a subtitle, as wide as the shadow would be. That of
     * ASS, 3, is one for each piece in a style of its own, and they overlap. */
    bool outline = l->border == SUBTITLE_OUTLINE;

    /* a comma would begin the next field */
    str_addf(out, "Style: Default,%.*s,%.3f,", (int)strcspn(l->font, ",\r\n"), l->font, l->size);
    ass_color_value(out, l->color);
    str_putc(out, ',');
    ass_color_value(out, l->color);
    str_putc(out, ',');
    ass_color_value(out, l->border_color);
    str_putc(out, ',');
    ass_color_value(out, l->border_color);
    str_addf(out, ",%d,%d,0,0,100,100,0,0,%d,%.3f,%.3f,%d,10,10,10,1\n", -l->bold, -l->italic,
             l->border == SUBTITLE_BOX ? 4 : 1, outline ? l->border_width : 0,
             outline ? 0 : l->border_width, keypad(l->column, l->row));
}

static void ass_time(struct str *out, int64_t ms)
{
    int64_t cs = (ms + 5) / 10;

    str_addf(out, "%d:%02d:%02d.%02d", (int)(cs / 360000), (int)(cs / 6000 % 60),
             (int)(cs / 100 % 60), (int)(cs % 100));
}

static void ass_text(struct str *out, const char *text)
{
    static const char *const tags[] = {"{\\i1}", "{\\i}", "{\\b1}", "{\\b}",
                                       "{\\u1}", "{\\u}", "{\\s1}", "{\\s}"};

    for (; *text; text++) {
        if (*text >= MARK_ITALIC && *text <= MARK_STRIKE_END) {
            str_puts(out, tags[*text - MARK_ITALIC]);
        } else if (*text == MARK_COLOR) {
            str_addf(out, "{\\c&H%.2s%.2s%.2s&}", text + 5, text + 3, text + 1);
            text += 6;
        } else if (*text == MARK_COLOR_END) {
            str_puts(out, "{\\c}");
        } else if (*text == '\n') {
            str_puts(out, "\\N");
        } else {
            if (*text == '{' || *text == '}')
                str_putc(out, '\\');
            str_putc(out, *text);
        }
    }
}

void subtitles_ass(struct str *out, const struct subtitles *s, const struct subtitle_look *look)
{
    str_addf(out,
             "[Script Info]\nScriptType: v4.00+\nPlayResX: %d\nPlayResY: %d\nWrapStyle: 0\n"
             "ScaledBorderAndShadow: yes\n\n[V4+ Styles]\n"
             "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, "
             "BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
             "BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n",
             (int)(SUBTITLE_LINES * look->aspect + 0.5), SUBTITLE_LINES);
    ass_style(out, look);
    str_puts(out, "\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, "
                  "Effect, Text\n");
    for (int i = 0; i < s->count; i++) {
        const struct cue *c = &s->cues[i];

        str_puts(out, "Dialogue: 0,");
        ass_time(out, c->from_ms);
        str_putc(out, ',');
        ass_time(out, c->to_ms);
        str_puts(out, ",Default,,0,0,0,,");
        if (c->row >= 0 || c->column >= 0)
            str_addf(
                out, "{\\an%d}",
                keypad(c->column < 0 ? look->column : c->column, c->row < 0 ? look->row : c->row));
        ass_text(out, c->text);
        str_putc(out, '\n');
    }
}
