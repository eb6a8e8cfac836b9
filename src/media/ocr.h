/* ocr.h - what is written in a picture, and which way up it stands, by tesseract as a child. It
 * gets to see a plain grey PNG that we wrote, never a file from outside. Errors of all:
 * ERR_COMMAND, ERR_TIMEOUT. */
#pragma once
#include "media/vips.h"
#include "robot/ocr_options.h"
#include "robot/robot.h"

enum { OCR_LINES_MAX = 200000, OCR_DPI = 200 /* in which pages are drawn to be read */ };

struct ocr_line {
    const char *text;  /* UTF-8, never empty */
    bool begins;       /* a paragraph */
    int page;          /* from 1; 0: a picture has none */
    double x, y, w, h; /* px */
};

struct ocr {
    struct ocr_line *line;
    size_t n, cap;
};
void ocr_done(struct ocr o);
DEFINE_AUTO(struct ocr, ocr_done)

/* Append what img shows, from top to bottom. dpi: of img, 0: nobody knows. Places are multiplied by
 * scale. Texts live as long as the job. Errors also: more than OCR_LINES_MAX lines. */
MUST_CHECK int ocr_read(struct ocr *out, struct robot_job *job, struct image *img, int dpi,
                        int page, double scale, struct err *err);

/* How far img must be turned clockwise to stand upright: 0, 90, 180 or 270 degrees. 0 as well where
 * nothing is sure: too little is written on it. */
MUST_CHECK int ocr_turn(int *degrees, struct robot_job *job, struct image *img, int dpi,
                        struct err *err);

/* What was read as plain text, appended: a line for each, an empty one between paragraphs. */
void ocr_text(struct str *out, const struct ocr *o);

/* Hand over what was read, as a file or in the meta of the job's input. */
MUST_CHECK int ocr_emit(struct robot_job *job, const struct ocr *o, const struct ocr_opts *how,
                        struct err *err);
