#include "base/near.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LONGEST 64 /* bytes; of longer names nobody mistypes one letter and asks */

static char fold(char c) { return c == '_' ? '-' : (char)tolower((unsigned char)c); }

static int least(int a, int b, int c) { return a < b ? (a < c ? a : c) : b < c ? b : c; }

/* Letters left out, too many, wrong, or two of them swapped (optimal string alignment). */
static int distance(const char *a, size_t n, const char *b, size_t m)
{
    int rows[3][LONGEST + 1];

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);

            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1, now[j]);
        }
    }
    return rows[n % 3][m];
}

/* How many slips a name of so many letters may have and still be meant. */
static int slips(size_t len) { return len < 3 ? 0 : len < 5 ? 1 : len < 9 ? 2 : 3; }

struct near near_to(const char *typed)
{
    return (struct near){.typed = typed && *typed && strlen(typed) <= LONGEST ? typed : NULL};
}

void near_try(struct near *n, const char *name)
{
    size_t typed = n->typed ? strlen(n->typed) : 0, len = strlen(name);

    if (!typed || len > LONGEST || !strcmp(n->typed, name))
        return;
    int most = slips(typed < len ? typed : len), d = distance(n->typed, typed, name, len);
    if (d > most || (n->name && d >= n->distance))
        return;
    n->name = name;
    n->distance = d;
}

int near_say(struct err *err, const struct near *n, const char *before)
{
    size_t len = err ? strlen(err->msg) : 0;

    if (err && n->name)
        snprintf(err->msg + len, sizeof err->msg - len, "; did you mean '%s%s'?", before, n->name);
    return -1;
}
