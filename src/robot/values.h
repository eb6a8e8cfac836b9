/* values.h - values that are richer than a row of a Robot's table. The readers say what is wrong in
 * words for the client, with ERR_ROBOT_VALIDATION; which code that gets is the caller's affair
 * (robot.h). In the daemon as well. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "media/vips.h"

/* Moments of something that lasts length seconds: an array of seconds (numbers, or digits in a
 * text), or of percent ("25%"), not of both. Those before its beginning and behind its end are left
 * out, the others stand in out in the order of time. Returns how many. length 0: only the form is
 * looked at, and out may be NULL. Errors: not such an array, or more than max entries. */
MUST_CHECK int value_offsets(double *out, int max, const json_t *list, double length,
                             struct err *err);
/* Moments that part length into count + 1 equal pieces. Returns count. */
int value_moments(double *out, int count, double length);

/* A value is wrong: ERR_ROBOT_VALIDATION with the end of the Robot's code for that ("INVALID_TEXT_VALUE"), which robot_refusal()
 * completes. Returns -1. */
int value_refuse(struct err *err, const char *suffix, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The colours of films, previews and waveforms: "rrggbb" or "rrggbbaa", with # or without. */
#define VALUE_RGBA "^#?[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$"
/* text has that form; without aa the colour is opaque. */
struct color value_rgba(const char *text);
