/* err.h - how a failure travels: a code from err.def and a message, in a fixed-size struct that
 * crosses a process boundary as it is. Whoever detects a failure writes the message; everyone above
 * passes it on. */
#pragma once
#include "base/auto.h"

#include <stdbool.h>

enum err_code {
    ERR_OK,
#define X(code, name, http, retry) code,
#include "base/err.def"
#undef X
    ERR_COUNT
};

enum err_retry { RETRY_NEVER, RETRY_NOW, RETRY_LATER };

struct err {
    int code;       /* enum err_code */
    char name[64];  /* public name when it differs from the table's (robot codes); "" otherwise */
    char msg[512];  /* for people: what failed, with the value and the limit */
    char detail[1024]; /* tool output (stderr tail); "" when there is none */
    char virus[104];   /* what was found in a file that was refused for that; "" */
    char url[300], url_host[100]; /* of a page that a browser could not get or draw; "" */
    char browser_code[48];        /* what the browser calls that: "net::ERR_NAME_NOT_RESOLVED"; "" */
    int exited;        /* how a tool that failed ended: its status, or minus the signal; 0: it was none */
    int retry_s;       /* of a limit: in so many seconds there is room again; 0: nobody knows */
    bool is_private_address; /* an outbound request was refused by the address guard */
    bool broke_rules;        /* a worker said what it may not */
};

/* All return -1, so that a failing function can `return err_set(...)`. err may be NULL. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with a public name of its own, e.g. "IMAGE_RESIZE_VALIDATION". */
int err_set_named(struct err *err, enum err_code code, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Appends strerror(errno). ENOSPC and EDQUOT become ERR_NOSPACE, the rest ERR_IO. */
int err_errno(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *err_name(const struct err *err);  /* public code, never NULL */
int err_http_status(const struct err *err);   /* 4xx or 5xx */
enum err_retry err_retry(const struct err *err);
enum err_code err_code_by_name(const char *public_name); /* ERR_INTERNAL when unknown */
