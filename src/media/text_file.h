/* text_file.h - files of text whose character set nobody names, whole. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

/* All bytes of the file at path, and a NUL behind them; the caller frees *out. Errors: ERR_INPUT:
 * more than max; ERR_IO. */
MUST_CHECK int text_file_bytes(char **out, size_t *len, const char *path, size_t max,
                               struct err *err);
/* The same as UTF-8 without its mark: UTF-16 with its mark is that, what is valid UTF-8 too,
 * anything else is Windows-1252. */
MUST_CHECK int text_file_read(char **out, size_t *len, const char *path, size_t max,
                              struct err *err);
/* text[len] with lines that end in \n, whatever they ended in, appended to *out. */
void text_lines(struct str *out, const char *text, size_t len);
/* data begins with the mark of UTF-16: as UTF-8, the caller frees. NULL: it does not. */
char *text_from_utf16(size_t *out_len, const char *data, size_t len);
