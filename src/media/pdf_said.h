/* pdf_said.h - what the programs that read PDFs print about them: qpdf, pdfinfo, pdfimages, pdftotext. For the files
 * pdf*.c beside this one. */
#pragma once
#include "media/pdf.h"
#include "media/pdf_images.h"

/* qpdf's answer to "how many pages, and how encrypted?"; changed, may be NULL. Errors: as of pdf_look(). */
MUST_CHECK int pdf_said_look(struct pdf_facts *out, char *said, const char *name, struct err *err);
/* pdfinfo -box, of one page: the size of the sheet in points. False: it has none. said may be NULL. */
bool pdf_said_box(double *w, double *h, const char *said);
/* A line of pdfimages -list. False: it is no row. */
bool pdf_said_image(struct pdf_image *out, const char *line);
/* pdftotext, of so many pages: each of their texts, appended to pages[i]. False, and nothing is appended: there
 * is another number of ends of pages, which may be among the letters of one; of a single page it is true
 * unless nothing was printed. */
bool pdf_said_pages(struct str *pages, int64_t count, const char *said, size_t len);
