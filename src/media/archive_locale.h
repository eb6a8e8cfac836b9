/* archive_locale.h - libarchive asks the thread's locale what bytes of a name are characters. While one is open it is
 * UTF-8, whatever the server was started with. */
#pragma once
#include <locale.h>

struct archive_locale {
    locale_t ours, before;
};

static inline struct archive_locale archive_locale_set(void)
{
    struct archive_locale l = {newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), (locale_t)0};

    l.before = l.ours ? uselocale(l.ours) : (locale_t)0;
    return l;
}

static inline void archive_locale_reset(struct archive_locale *l)
{
    if (!l->ours)
        return;
    uselocale(l->before);
    freelocale(l->ours);
    l->ours = (locale_t)0;
}
