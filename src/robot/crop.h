/* crop.h - the rectangle of a `crop` parameter: {x1, y1, x2, y2}, or that as JSON text; pixels ("12", 12, "12px") or percent
 * of the side ("60%"); half open, what is left out is the picture's own edge, what lies outside is cut off (robots.md 3.6). */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "media/fit.h"

/* What can be told before there is a picture. Errors of both: ERR_ROBOT_VALIDATION, naming what is wrong. */
MUST_CHECK int crop_check(const json_t *v, struct err *err);
/* Of a picture of w x h px. Nothing left is an error. */
MUST_CHECK int crop_read(struct rect *out, const json_t *v, int64_t w, int64_t h, struct err *err);
