#include "media/ocr_said.h"
#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 12, LEVEL_BLOCK = 2, LEVEL_LINE = 4, LEVEL_WORD = 5 };
#define SURE                                                                                       \
    1.0 /* how much likelier the best of the four directions must be than the next, by the         \
           program's own count */

void ocr_reader_done(struct ocr_reader r) { str_done(r.words); }

int ocr_said_end(struct ocr_reader *r, struct err *err)
{
    struct ocr *o = r->out;

    if (!r->words.len)
        return 0;
    if (o->n == OCR_LINES_MAX)
        return err_set(err, ERR_COMMAND, "there are more than %d lines of text", OCR_LINES_MAX);
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 64;
        o->line = mem_realloc(o->line, o->cap * sizeof *o->line);
    }
    r->now.text = arena_strdup(r->arena, r->words.s);
    o->line[o->n++] = r->now;
    r->now.begins = false;
    str_reset(&r->words);
    return 0;
}

static double ocr_place(const char *text, double scale)
{
    double v = strtod(text, NULL) * scale;

    return isfinite(v) && fabs(v) <= OCR_PLACE_MAX ? v : 0;
}

/* level page block par line word left top width height conf text */
int ocr_said_row(void *reader, char *line, struct err *err)
{
    struct ocr_reader *r = reader;
    char *column[COLUMNS], *save = NULL;
    int n = 0;

    for (char *c = strtok_r(line, "\t", &save); c && n < COLUMNS; c = strtok_r(NULL, "\t", &save))
        column[n++] = c;
    long level = n >= COLUMNS - 1 ? strtol(column[0], NULL, 10) : 0; /* the heading is none */
    if (level >= LEVEL_BLOCK && level <= LEVEL_LINE && ocr_said_end(r, err) < 0)
        return -1;
    if (level >= LEVEL_BLOCK && level < LEVEL_LINE)
        r->now.begins = true;
    if (level == LEVEL_LINE) {
        r->now.page = r->page;
        r->now.x = ocr_place(column[6], r->scale);
        r->now.y = ocr_place(column[7], r->scale);
        r->now.w = ocr_place(column[8], r->scale);
        r->now.h = ocr_place(column[9], r->scale);
    }
    if (level != LEVEL_WORD || n < COLUMNS)
        return 0;
    const char *word = column[COLUMNS - 1];
    if (strspn(word, " ") == strlen(word) || !utf8_valid(word, strlen(word)))
        return 0;
    str_addf(&r->words, "%s%s", r->words.len ? " " : "", word);
    return 0;
}

int ocr_said_turn(const char *said)
{
    static const char rotate[] = "Rotate: ", sure[] = "Orientation confidence: ";
    const char *turn = said ? strstr(said, rotate) : NULL, *by = said ? strstr(said, sure) : NULL;

    if (!turn || !by || !(strtod(by + strlen(sure), NULL) >= SURE))
        return 0;
    return (int)((strtol(turn + strlen(rotate), NULL, 10) % 360 + 360) % 360 / 90 * 90);
}
