/* flat_sheet.h - a CSV file as a flat OpenDocument spreadsheet: LibreOffice asks questions about
 * CSV, of this it asks none. What looks like a number is one and keeps its digits; all else is
 * text, formulas included. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    FLAT_SHEET_BYTES_MAX = 32 << 20,
    FLAT_SHEET_CELLS_MAX = 1000000,
    FLAT_SHEET_ROWS_MAX = 1048576,
    FLAT_SHEET_COLUMNS_MAX = 16384,
};

struct flat_sheet {
    int64_t rows, columns;
};

/* csv[len], UTF-8, to f, which the caller flushes and closes. Commas, semicolons, tabs or bars part
 * it: what parts its first lines most evenly, or what a first line "sep=;" says. Pure but for f.
 * Errors: ERR_INPUT: over a limit. */
MUST_CHECK int flat_sheet_write(struct flat_sheet *out, FILE *f, const char *csv, size_t len,
                                struct err *err);
