/* office.h - office documents from one format into another, by LibreOffice in this process. It is
 * loaded by the first document and kept for the next ones. It does not say how far it is, it can't
 * be told to stop, and what it is asked may take for ever: whoever calls it is a worker that can be
 * ended. No macro is run, and no question is asked. */
#pragma once
#include "base/err.h"
#include "robot/robot.h"

extern const char *office_programs; /* the directory where LibreOffice lies; tests */

/* Is it installed, with what reads texts, tables, slides and drawings? */
bool office_is_there(void);
/* Loads it. Errors: ERR_COMMAND: it is not installed, or does not start. */
MUST_CHECK int office_open(const char *dir, struct err *err);

enum office_kind {
    OFFICE_TEXT,
    OFFICE_TABLE,
    OFFICE_SLIDES,
    OFFICE_DRAWING
}; /* as LibreOffice counts them */

struct office_work {
    const char *from;
    const char *ext; /* what the file at from is: its type was looked at before, LibreOffice would
                        take anything */
    enum office_kind kind; /* ... and what it must turn out to be */
    bool is_ours;   /* the file lies where it may be read under its own name, which ends in ext */
    const char *to; /* path to write */
    const char *filter;  /* LibreOffice's name of the format: "pdf", "docx", "fods" */
    const char *options; /* of that; NULL: none */
};

/* Errors: ERR_INPUT: locked by a password, broken, or something else than it seems; ERR_COMMAND:
 * LibreOffice is not installed or can't write that. */
MUST_CHECK int office_convert(struct robot_job *job, const struct office_work *work,
                              struct err *err);
