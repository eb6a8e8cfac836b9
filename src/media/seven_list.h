/* seven_list.h - what 7zz prints of an archive (`l -slt`), line by line. For unpack_seven.c. */
#pragma once
#include "media/unpack.h"

struct seven_member {
    const char *path; /* as the archive has it */
    bool is_file;     /* and neither a directory nor a link */
    int64_t size, at; /* bytes, and where they are among all contents, one behind the other */
    unsigned long crc;
    bool has_crc;
};

struct seven_list {
    const char *name; /* of the archive; lent, as limits */
    const struct unpack_limits *limits;
    struct seven_member *members;
    int64_t count;
    int64_t total; /* bytes of all contents */
    bool is_encrypted;
    enum unpack_fault fault;
};
void seven_list_done(struct seven_list l);
DEFINE_AUTO(struct seven_list, seven_list_done)

/* The next line; changed. list: a struct seven_list. Errors: fault says which: more than limits allow, or no size. */
MUST_CHECK int seven_list_line(void *list, char *line, struct err *err);
