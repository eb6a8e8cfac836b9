#include "conductor/shared_text.h"
#include "base/auto.h"

#include <string.h>

struct shared_text *shared_text_new(const char *s, size_t len)
{
    struct shared_text *t = mem_alloc(sizeof *t + len + 1);

    t->refs = 1;
    t->len = len;
    if (s && len)
        memcpy(t->s, s, len);
    t->s[len] = 0;
    return t;
}

struct shared_text *shared_text_ref(struct shared_text *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void shared_text_unref(void *t)
{
    struct shared_text *text = t;

    if (text && __atomic_sub_fetch(&text->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(text);
}
