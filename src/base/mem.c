#include "base/auto.h"
#include "base/clock.h"
#include "base/fault.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void *or_die(void *p)
{
    if (!p || FAULT(ALLOC)) {
        fputs("workcell: out of memory\n", stderr);
        abort();
    }
    return p;
}

#define WORTH_IT (4u << 20)
#define PAUSE_US (5 * SECOND_US)

static _Atomic(size_t) freed;

void mem_freed(size_t n) { atomic_fetch_add(&freed, n); }

void mem_give_back(void)
{
    static _Atomic(int64_t) last_us;
    int64_t now_us = clock_mono_us();

    if (freed < WORTH_IT || now_us - last_us < PAUSE_US)
        return;
    last_us = now_us;
    freed = 0;
    malloc_trim(0);
}

void *mem_alloc(size_t n) { return or_die(malloc(n ? n : 1)); }
void *mem_zalloc(size_t n) { return or_die(calloc(1, n ? n : 1)); }
void *mem_realloc(void *p, size_t n) { return or_die(realloc(p, n ? n : 1)); }
char *mem_strdup(const char *s) { return or_die(strdup(s)); }

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1);

    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    return or_die(s);
}
