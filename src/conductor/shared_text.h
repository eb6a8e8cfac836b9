/* shared_text.h - text that several hold; the last one frees it. From any thread. */
#pragma once
#include <stddef.h>

struct shared_text {
    int refs;
    size_t len;
    char s[]; /* and a NUL */
};
struct shared_text *shared_text_new(const char *s, size_t len); /* s NULL: to be filled in */
struct shared_text *shared_text_ref(struct shared_text *t);
void shared_text_unref(void *t);
