/* pdf.h - PDF files as a whole, by qpdf as a child: it parses, and nothing of a page is drawn. What
 * it is told goes through a file of its own, never through its arguments: those are for everybody
 * on the machine to read, and passwords are among it. Errors of all: ERR_TIMEOUT; ERR_COMMAND: a
 * program failed; others where they are said. */
#pragma once
#include "robot/page_list.h"
#include "robot/robot.h"

#define PDF_MIME "application/pdf"
#define PDF_PAGES_MAX PAGE_LIST_MAX /* of a document, and of what is made of several */
#define PDF_PASSWORD_MAX 127        /* bytes: more count for nothing */

struct pdf_facts {
    bool locked;    /* password does not open it; no more is known */
    bool encrypted; /* it opens, perhaps without any password, but is stored so */
    int64_t pages;
};

/* What the PDF at path is. password: NULL or "" for none. name: its own, for people. Errors:
 * ERR_INPUT: it is none that can be opened, has no page, or more than PDF_PAGES_MAX. */
MUST_CHECK int pdf_look(struct pdf_facts *out, struct robot_job *job, const char *path,
                        const char *password, const char *name, struct err *err);

/* The same of an input that is opened without a password, and whose pages are looked at one by one.
 * most: how many it may have (setting max_frames); 0: any number. Errors also: ERR_INPUT: it is
 * locked, or has more. */
MUST_CHECK int pdf_look_open(struct pdf_facts *out, struct robot_job *job,
                             const struct robot_input *in, int64_t most, struct err *err);

/* Do what a job of qpdf says (its JSON form; stolen). What is only odd about a file is not said,
 * and no failure. Errors: ERR_INPUT: it is too damaged. */
MUST_CHECK int pdf_write(struct robot_job *job, json_t *what, struct err *err);

struct tool;
/* Run a program of poppler's on a PDF. Errors: ERR_INPUT: it can't read that, or says more than t
 * allows, which is called much. */
MUST_CHECK int pdf_poppler(struct robot_job *job, const struct tool *t, const char *much,
                           struct err *err);
