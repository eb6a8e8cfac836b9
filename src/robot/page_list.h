/* page_list.h - pages of a document, as clients name them. In the daemon as well. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define PAGE_LIST_MAX 100000

/* The next page or range of a list like "5, 2-4" at *at, which is moved behind it: 1. 0: there is no
 * more. -1: it has another form. A range may run backwards. */
MUST_CHECK int page_list_next(int64_t *first, int64_t *last, const char **at);

/* A list of pages, numbered from 1, of a document that has so many: text is "5", "2-4" or "4-2",
 * several with a comma between them. They are appended to *list as qpdf takes them, a comma before
 * each but the first, and counted in *count. A range ends with the last page. NULL for list: only
 * the form is looked at. Errors: ERR_ROBOT_VALIDATION without a name of the parameter: wrong form,
 * a page that is not there, more than PAGE_LIST_MAX in all. */
MUST_CHECK int page_list_add(struct str *list, int64_t *count, const char *text, int64_t of,
                             struct err *err);
