#include "base/fault.h"

#ifdef WORKCELL_FAULTS
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define X(id, name) name,
    FAULT_PLACES
#undef X
};
static atomic_long counts[FAULT_COUNT];
static int chosen = -1;
static long at;
static bool always;

void fault_setup(void)
{
    const char *s = getenv("WORKCELL_FAULT"), *colon = s ? strchr(s, ':') : NULL;

    for (int i = 0; colon && i < FAULT_COUNT; i++)
        if (strlen(names[i]) == (size_t)(colon - s) && !strncmp(names[i], s, (size_t)(colon - s))) {
            at = strtol(colon + 1, NULL, 10);
            always = strstr(colon, ":always") != NULL;
            chosen = i;
        }
}

bool fault_hit(enum fault_place place)
{
    long n = atomic_fetch_add(&counts[place], 1) + 1;

    return (int)place == chosen && (always ? n >= at : n == at);
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void fault_report(void)
{
    const char *path = getenv("WORKCELL_FAULT_COUNTS");
    FILE *f = path ? fopen(path, "w") : NULL;

    for (int i = 0; f && i < FAULT_COUNT; i++)
        fprintf(f, "%s %ld\n", names[i], atomic_load(&counts[i]));
    if (f)
        fclose(f);
    if (__lsan_do_recoverable_leak_check)
        __lsan_do_recoverable_leak_check();
}
#endif
