#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
    enum err_retry retry;
} table[ERR_COUNT] = {
    [ERR_OK] = {"OK", 200, RETRY_NEVER},
#define X(code, name, http, retry) [code] = {name, http, RETRY_##retry},
#include "base/err.def"
#undef X
};

static void set_v(struct err *err, enum err_code code, const char *name, const char *fmt,
                  va_list ap)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    snprintf(err->name, sizeof err->name, "%s", name);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    set_v(err, code, "", fmt, ap);
    va_end(ap);
    return -1;
}

int err_set_named(struct err *err, enum err_code code, const char *name, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    set_v(err, code, name, fmt, ap);
    va_end(ap);
    return -1;
}

int err_errno(struct err *err, const char *fmt, ...)
{
    int saved = errno;
    size_t n;
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    set_v(err, saved == ENOSPC || saved == EDQUOT ? ERR_NOSPACE : ERR_IO, "", fmt, ap);
    va_end(ap);
    n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror(saved));
    return -1;
}

const char *err_name(const struct err *err)
{
    return err->name[0] ? err->name : table[err->code].name;
}

int err_http_status(const struct err *err) { return table[err->code].http; }

enum err_retry err_retry(const struct err *err) { return table[err->code].retry; }

enum err_code err_code_by_name(const char *public_name)
{
    for (int i = 1; i < ERR_COUNT; i++)
        if (!strcmp(table[i].name, public_name))
            return i;
    return ERR_INTERNAL;
}
