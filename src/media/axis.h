/* axis.h - marks and numbers along a drawing. Private to the files that draw. */
#pragma once
#include "media/surface.h"

#define AXIS_LETTERS 10 /* px, their size */
#define AXIS_BAND 14    /* px that a line of them needs */
#define AXIS_TEXT 32

/* 1, 2 or 5 of a power of ten: the distance of marks on a span of px pixels, so that they are
 * `apart` pixels apart at least. */
double axis_step(double span, int64_t px, double apart);
/* The same of seconds: a round number of them, of minutes or of hours. */
double axis_step_s(double seconds, int64_t px, double apart);
/* "1:05", "1:00:00"; "0:00.25" where the marks are so close that it needs that. */
void axis_time(char out[static AXIS_TEXT], double at_s, double step_s);
/* "440", "1k", "2.5k" */
void axis_hertz(char out[static AXIS_TEXT], double hz);
/* The text with its middle (or, share 0, its left end; 1, its right end) at x, below y, in the
 * colour that cr has. */
void axis_write(cairo_t *cr, const char *text, double x, double y, double share);
