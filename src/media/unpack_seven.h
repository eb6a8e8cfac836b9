/* unpack_seven.h - for unpack.c alone: 7z archives that are encrypted, which libarchive does not read. The program 7zz
 * lists them and writes all contents, one behind the other, into one file of ours; nothing is made under a name of the
 * archive. The password goes to it by a pipe. */
#pragma once
#include "media/seven_list.h"

struct seven;

/* 1: this is no encrypted 7z archive, or there is no 7zz. 0: *out, the caller's. -1: *fault and err say why. */
MUST_CHECK int seven_open(struct seven **out, enum unpack_fault *fault, const char *path, const char *name,
                          const char *password, const struct unpack_limits *limits, struct err *err);
/* The next of all members, lent; NULL: that was all. */
const struct seven_member *seven_next(struct seven *s);
void seven_again(struct seven *s);
/* The contents of m into the empty file fd; -1: *fault and err. */
MUST_CHECK int seven_contents(struct seven *s, enum unpack_fault *fault, const struct seven_member *m, int fd,
                              struct err *err);
void seven_free(struct seven *s);
DEFINE_AUTO(struct seven *, seven_free)
