/* browser.h - Chromium without a network: it is a child of ours behind walls of its own (fence.h), driven over a pair
 * of pipes (cdp.h). Each of its requests, of pages, frames, pictures, scripts and workers, comes to us and is made by
 * the guarded client (errands.h), or refused. What comes of a page is a picture or a PDF.
 *
 * Nothing in the jail may send a signal, so a browser that does not end by itself can't be ended from here: the pool
 * has a worker of this role do one job, and the cell's init ends what is left of it.
 *
 * In workcell-browser only. One browser at a time. */
#pragma once
#include "base/err.h"
#include "robot/page_options.h"

struct browser;

/* The program, looked for once; NULL: none is installed. */
const char *browser_program(void);
/* dir: absolute, empty, for what the browser keeps; limits of the whole as below. Waits until it answers.
 * Errors: ERR_COMMAND (not installed, does not start), ERR_IO. */
MUST_CHECK int browser_start(struct browser **out, const char *dir, int64_t deadline_us, struct err *err);
/* The same with another program, for tests: argv, ended by NULL. */
MUST_CHECK int browser_start_as(struct browser **out, const char *const *argv, const char *dir, int64_t deadline_us,
                                struct err *err);
/* Tells it to end, and waits a moment. NULL is fine. */
void browser_end(struct browser *b);
DEFINE_AUTO(struct browser *, browser_end)

enum page_form { PAGE_PNG, PAGE_JPEG, PAGE_PDF };
enum page_moment { PAGE_COMMIT, PAGE_PARSED, PAGE_LOADED, PAGE_IDLE };

#define PAGE_SIDE_MAX 16384                    /* pixels: more Chromium can't draw in one piece */
#define PAGE_PIXELS_MAX (INT64_C(32) << 20)    /* of a picture */
#define PAGE_REQUESTS_MAX 3000                 /* of one page, redirects included */
#define PAGE_BYTES_MAX (INT64_C(256) << 20)    /* of all answers */
#define PAGE_ANSWER_MAX (INT64_C(32) << 20)    /* of one */

struct page_wish {
    const char *url;       /* http or https; NULL: html is given */
    const char *html;      /* a page, of html_len bytes, which is found at http://input.invalid/ */
    size_t html_len;
    const char *const *headers; /* "Name: value", for requests to the page's own origin; ended by NULL, or NULL */
    enum page_form form;
    int width, height;     /* of the window, pixels */
    bool whole;            /* all of the page, not only what is seen in the window */
    bool see_through;      /* PNG: where the page has no background there is none */
    enum page_moment until;
    int64_t delay_ms;
    const struct page_opts *paper; /* of a PDF; NULL: Letter, no margins */
    const char *guard;     /* networks that may be asked, besides public ones: http/guard.h */
    int64_t most_bytes;    /* of the file; 0: any */
    int64_t deadline_us;   /* clock_mono_us() */
};
/* Draw one page into path, which is made. Errors: ERR_COMMAND and ERR_TIMEOUT with err->url, url_host, browser_code and
 * is_private_address of the page; ERR_INPUT (the page is too large to be drawn). After a failure only browser_end() may
 * be called. */
MUST_CHECK int browser_draw(struct browser *b, const struct page_wish *wish, const char *path, struct err *err);
