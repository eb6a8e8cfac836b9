/* page_options.h - the paper that a page in HTML is printed on: parameters of all Robots that make a PDF of one, and
 * what Chromium is told. In the daemon as well. */
#pragma once
#include "robot/option.h"

struct page_opts {
    const char *pdf_margin;
    bool pdf_print_background, pdf_display_header_footer;
    int pdf_format; /* index of a list of papers */
    const char *pdf_header_template, *pdf_footer_template;
};
/* The rows for a struct page_opts. The second table is for Robots whose contract does not have them. */
extern const struct option page_options[], page_options_beyond[];

/* Errors: ERR_ROBOT_VALIDATION, naming the parameter. */
MUST_CHECK int page_opts_check(const struct page_opts *o, bool partial, struct err *err);

/* Inches, which is what Chromium counts in. */
struct page_paper {
    double width, height, margin[4]; /* top, right, bottom, left */
    bool background, has_header_footer;
    const char *header, *footer; /* lent; may be NULL */
};
/* o has been checked; NULL: what is left out. */
struct page_paper page_paper(const struct page_opts *o);
