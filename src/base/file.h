/* file.h - small files as a whole: made, and read. */
#pragma once
#include "base/err.h"

#include <stddef.h>

/* Makes the file at path, which must not be there yet, of these bytes. One that could not be written to its end stays
 * there, for whose directory it is. Errors: ERR_NOSPACE, ERR_IO. */
MUST_CHECK int file_make(const char *path, const void *data, size_t len, struct err *err);
/* The first size bytes of the file at path, and a NUL behind them; the caller has bounded size, and frees. name: its
 * own, for people. NULL: err. Errors: ERR_IO; ERR_INPUT: it is shorter. */
MUST_CHECK char *file_read(const char *path, const char *name, size_t size, struct err *err);
