/* ftp_list.h - lines that FTP servers say of a directory's entries. Pure.
 *
 * MLSD (RFC 3659) has a form. LIST has none; two are read: that of `ls -l`, and that of Windows'
 * server. */
#pragma once
#include "transfer/walk.h"

#define FTP_LINE_MOST 8192 /* bytes of a line */

struct ftp_entry {
    enum walk_kind kind;
    const char *name; /* in the line; not ended by a NUL */
    size_t len;
};

/* line has no line break. 1: an entry. 0: nothing ("total 8", the directory itself). -1: that can't
 * be read. */
int ftp_list_mlsd(struct ftp_entry *out, const char *line, size_t len);
int ftp_list_line(struct ftp_entry *out, const char *line, size_t len);
