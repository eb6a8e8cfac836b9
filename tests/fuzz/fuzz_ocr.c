/* What tesseract prints of a picture of anybody's: lines of real text, at real places, and one of four directions. The
 * first byte is the scale, the second one the page. */
#include "fuzz.h"
#include "media/ocr_said.h"

#include <math.h>
#include <string.h>

static bool is_place(double v) { return isfinite(v) && fabs(v) <= OCR_PLACE_MAX; }

static void check_lines(const struct ocr *o, size_t len)
{
    size_t all = 0;

    CHECK(o->n <= o->cap && o->n <= OCR_LINES_MAX);
    for (size_t i = 0; i < o->n; i++) {
        const struct ocr_line *l = &o->line[i];

        CHECK(l->text && *l->text && !strpbrk(l->text, "\t\n") && utf8_valid(l->text, strlen(l->text)));
        CHECK(is_place(l->x) && is_place(l->y) && is_place(l->w) && is_place(l->h));
        all += strlen(l->text);
    }
    CHECK(all <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(arena_free) struct arena *a = arena_new();
    struct ocr found = {0};
    double scale = take_byte(&b) / 16.0;
    AUTO(ocr_reader_done)
    struct ocr_reader r = {.out = &found, .arena = a, .page = (int)take_byte(&b), .scale = scale};
    AUTO(mem_free) char *said = mem_strndup((const char *)b.p, b.left);
    struct err err = {0};
    int rc = 0, turn = ocr_said_turn(said);

    CHECK(turn == 0 || turn == 90 || turn == 180 || turn == 270);
    while (rc == 0 && b.left) {
        AUTO(mem_free) char *line = take_line(&b);
        rc = ocr_said_row(&r, line, &err);
    }
    if (rc == 0)
        rc = ocr_said_end(&r, &err);
    CHECK(rc == 0 || err.code);
    check_lines(&found, len);
    free(found.line);
    return 0;
}
