#include "base/fault.h"

#ifdef WORKCELL_FAULTS
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SITES 16384 /* a power of two, and never full */
#define MAX_FRAMES 24
#define OWN_FRAMES 2 /* fault_hit(), with what is inlined there, and the function with the FAULT() */

/* Frames that tell one way to a call from another. SQLite's allocations come from deep inside of it. */
static const struct {
    const char *name;
    int frames;
} places[] = {
#define X(id, name, frames) {name, frames},
    FAULT_PLACES
#undef X
};

struct site {
    uint64_t key; /* 0: free */
    long count;
    uint64_t frames[MAX_FRAMES]; /* addresses within their module */
};

static atomic_long counts[FAULT_COUNT];
static struct site sites[FAULT_COUNT][MAX_SITES];
static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;
static bool by_site, always;
static int chosen = -1;
static long at;            /* the call that fails: of the place, or, by_site, of the site: the first */
static uint64_t site_key;

void fault_setup(void)
{
    const char *s = getenv("WORKCELL_FAULT"), *colon = s ? strchr(s, ':') : NULL;
    void *warm[2];

    backtrace(warm, 2); /* its first call loads a library */
    by_site = getenv("WORKCELL_FAULT_SITES") != NULL;
    for (int i = 0; colon && i < FAULT_COUNT; i++)
        if (strlen(places[i].name) == (size_t)(colon - s) && !strncmp(places[i].name, s, (size_t)(colon - s))) {
            if (colon[1] == '@') {
                site_key = strtoull(colon + 2, NULL, 16);
                by_site = true;
            } else {
                at = strtol(colon + 1, NULL, 10);
            }
            always = strstr(colon, ":always") != NULL;
            chosen = i;
        }
}

/* Where the call comes from, the same in every process of this build. */
static uint64_t where(enum fault_place place, uint64_t frames[MAX_FRAMES])
{
    void *stack[MAX_FRAMES];
    int depth = OWN_FRAMES + places[place].frames;
    int n = backtrace(stack, depth < MAX_FRAMES ? depth : MAX_FRAMES);
    uint64_t key = 14695981039346656037u;

    for (int i = OWN_FRAMES; i < n; i++) {
        Dl_info in;

        frames[i - OWN_FRAMES] = dladdr(stack[i], &in) ? (uint64_t)((char *)stack[i] - (char *)in.dli_fbase) : 0;
        key = (key ^ frames[i - OWN_FRAMES]) * 1099511628211u;
    }
    return key ? key : 1;
}

/* How often this site was passed, this time included. */
static long pass_site(enum fault_place place, uint64_t *key)
{
    uint64_t frames[MAX_FRAMES] = {0};
    long n;

    *key = where(place, frames);
    pthread_mutex_lock(&sites_lock);
    struct site *s = &sites[place][*key & (MAX_SITES - 1)];
    while (s->key && s->key != *key)
        s = s + 1 < sites[place] + MAX_SITES ? s + 1 : sites[place];
    s->key = *key;
    memcpy(s->frames, frames, sizeof frames);
    n = ++s->count;
    pthread_mutex_unlock(&sites_lock);
    return n;
}

static bool is_due(enum fault_place place)
{
    long n = atomic_fetch_add(&counts[place], 1) + 1;
    uint64_t key = 0;

    if (by_site && (chosen < 0 || (int)place == chosen)) {
        n = pass_site(place, &key);
        return (int)place == chosen && key == site_key && (always || n == 1);
    }
    return (int)place == chosen && (always ? n >= at : n == at);
}

bool fault_hit(enum fault_place place)
{
    static const char word[] = "fault: now\n";
    bool due = is_due(place);

    if (due)
        (void)!write(STDERR_FILENO, word, sizeof word - 1); /* a run that never gets there proves nothing */
    return due;
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void fault_report(void)
{
    const char *path = getenv("WORKCELL_FAULT_COUNTS");
    FILE *f = path ? fopen(path, "w") : NULL;

    for (int i = 0; f && i < FAULT_COUNT; i++) {
        fprintf(f, "%s %ld\n", places[i].name, atomic_load(&counts[i]));
        for (const struct site *s = sites[i]; s < sites[i] + MAX_SITES; s++) {
            if (!s->key)
                continue;
            fprintf(f, "%s@%llx %ld", places[i].name, (unsigned long long)s->key, s->count);
            for (int j = 0; j < MAX_FRAMES && s->frames[j]; j++)
                fprintf(f, " %llx", (unsigned long long)s->frames[j]);
            fputc('\n', f);
        }
    }
    if (f)
        fclose(f);
    if (__lsan_do_recoverable_leak_check)
        __lsan_do_recoverable_leak_check();
}
#endif
