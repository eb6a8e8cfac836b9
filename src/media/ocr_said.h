/* ocr_said.h - what tesseract prints: a table of words with their places, and which way up a page lies. For ocr.c. */
#pragma once
#include "media/ocr.h"

#define OCR_PLACE_MAX 1e7 /* px: what lies farther away is no place */

/* Reads the table of one picture. */
struct ocr_reader {
    struct ocr *out; /* lines are appended */
    struct arena *arena; /* where their texts live */
    int page;
    double scale;        /* of places */
    struct ocr_line now; /* whose words come; text NULL: none yet */
    struct str words;    /* of it */
};
void ocr_reader_done(struct ocr_reader r);
DEFINE_AUTO(struct ocr_reader, ocr_reader_done)

/* The next row; changed. reader: a struct ocr_reader. */
MUST_CHECK int ocr_said_row(void *reader, char *line, struct err *err);
/* There are no more. */
MUST_CHECK int ocr_said_end(struct ocr_reader *r, struct err *err);

/* How far a page must be turned clockwise: 0, 90, 180, 270. said may be NULL. */
int ocr_said_turn(const char *said);
