/* pdf_text.h - the text that is in a PDF, by poppler's pdftotext as a child. */
#pragma once
#include "base/str.h"
#include "robot/robot.h"

#define PDF_TEXT_MAX ((size_t)32 << 20) /* bytes, of all pages asked for */

/* The text of the pages first to last, in the order of reading, UTF-8, in texts[0] and following ones, which are empty.
 * *left: bytes that they may have together; becomes less. Errors: ERR_INPUT: too damaged, or more text than that;
 * ERR_TIMEOUT; ERR_COMMAND: the program failed. */
MUST_CHECK int pdf_text(struct str *texts, struct robot_job *job, const char *path, int64_t first, int64_t last,
                        size_t *left, struct err *err);
