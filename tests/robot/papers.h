/* papers.h - PDF files for tests, written by hand; what is in others. */
#pragma once
#include "host.h"

struct paper {
    int w, h;            /* points */
    const char *content; /* of the page, in PDF's own words; /F is a font. NULL: it is empty */
    const char *more;    /* further keys of the page's dictionary; NULL: none */
};
#define PAPER_RED "1 0 0 rg 0 0 2000 2000 re f\n"
/* A file with these pages in the job's directory; lent. */
const char *paper_make(struct robot_job *job, const char *name, const struct paper *pages,
                       size_t n);
/* n pages that are 101, 102... points wide and 200 high. */
const char *paper_row(struct robot_job *job, const char *name, int n);
/* These objects, numbered from 1, of which the first is the root. */
const char *paper_objects(struct robot_job *job, const char *name, const char *const *objects,
                          size_t n);
const char *paper_file(struct robot_job *job, const char *name, const char *bytes, size_t len);
/* The same as the one at path, encrypted. */
const char *paper_lock(struct robot_job *job, const char *name, const char *path, const char *user,
                       const char *owner);

/* What `command` prints, the file at path behind it; lent. Fails the test when the command fails.
 */
const char *paper_say(struct robot_job *job, const char *command, const char *path);
/* How wide its pages are, in points, joined with blanks: "101 102"; lent. */
const char *paper_widths(struct robot_job *job, const char *path);
