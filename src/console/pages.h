/* pages.h - the web console's files, compiled into the program (gen-pages.py). */
#pragma once
#include <stddef.h>

struct page {
    const char *name; /* below /console/; "" is the page itself */
    const char *type;
    const char *etag, *gzip_etag; /* with quotes */
    const unsigned char *data, *gzip_data;
    size_t len, gzip_len;
};
extern const struct page console_pages[]; /* name NULL at the end */
