/* auto.h - scope-bound cleanup and ownership transfer (GNU C).
 *
 *     AUTO(fd_close) int fd = open(...);      closed when fd leaves its scope
 *     return thing_new(out, take(buf));       buf is NULL from here on
 *
 * DEFINE_AUTO(type, fn) makes fn(type) usable with AUTO. fn must accept NULL. */
#pragma once
#include <stdlib.h>
#include <unistd.h>

#define AUTO(fn) __attribute__((cleanup(auto_##fn)))
#define DEFINE_AUTO(type, fn)                                                                      \
    static inline __attribute__((unused)) void auto_##fn(type *p) { fn(*p); }
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Hand a pointer over: the variable holds NULL afterwards. */
#define take(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) take_tmp_ = (p);                                                             \
        (p) = NULL;                                                                                \
        take_tmp_;                                                                                 \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))

static inline void fd_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
DEFINE_AUTO(int, fd_close)

/* Like take() for descriptors. */
#define take_fd(fd)                                                                                \
    ({                                                                                             \
        int take_fd_ = (fd);                                                                       \
        (fd) = -1;                                                                                 \
        take_fd_;                                                                                  \
    })

static inline void mem_free(void *p) { free(p); }
DEFINE_AUTO(char *, mem_free)

/* malloc family that ends the process when memory is out: sizes from outside have met a limit
 * before they get here (style.md section 6). */
void *mem_alloc(size_t n);
/* So many bytes in small pieces were freed: malloc keeps them for itself, and after a crowd or a large request that is
 * much. mem_give_back() hands them to the system when it is worth it, at most every few seconds. Any thread. */
void mem_freed(size_t n);
void mem_give_back(void);
void *mem_zalloc(size_t n);
void *mem_realloc(void *p, size_t n);
char *mem_strdup(const char *s);
/* All n bytes and a NUL behind them: what comes from outside may hold NULs, and who keeps n relies on it. */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
