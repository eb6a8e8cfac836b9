/* document_type.h - what a document is for who converts it: by its type, which was told from its
 * bytes, and within a family by its name. */
#pragma once
#include "robot/robot.h"

enum document_kind {
    DOC_TEXT = 1 << 0,
    DOC_TABLE = 1 << 1,
    DOC_SLIDES = 1 << 2,
    DOC_DRAWING = 1 << 3,
    DOC_HTML = 1 << 4,
    DOC_PLAIN = 1 << 5,
    DOC_CSV = 1 << 6,
    DOC_MARKDOWN = 1 << 7,
    DOC_SUBTITLES = 1 << 8,
    DOC_POSTSCRIPT = 1 << 9,
    DOC_PICTURE = 1 << 10,
    DOC_SVG = 1 << 11,
    DOC_TEX = 1 << 12
};

struct document_type {
    const char *mime;        /* of the rows of a table */
    const char *ext;         /* by which LibreOffice knows it; "": it does not */
    enum document_kind kind; /* 0: none of these */
};

/* The file is opened when it is XML: that of OpenDocument says what it is. */
struct document_type document_type(const struct robot_input *in);
