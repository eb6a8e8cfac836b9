/* pdf_page.h - one page of a PDF as a picture. Usually by libvips in this process; what that can't
 * do, a child of poppler's does, with the same library below. */
#pragma once
#include "media/vips.h"
#include "robot/robot.h"

struct pdf_page {
    const struct media_limits *limits;
    int64_t page;   /* from 1 */
    double dpi;     /* 0: 150 */
    bool bare;      /* without white paper below */
    bool jagged;    /* no smoothed edges */
    bool media_box; /* all of the sheet, not what its crop box shows */
};
/* Errors: ERR_COMMAND: it can't be drawn, or would have more pixels than the limits allow;
 * ERR_TIMEOUT. */
MUST_CHECK int pdf_draw(struct image **out, struct robot_job *job, const char *path,
                        const struct pdf_page *how, struct err *err);
