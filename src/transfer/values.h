/* values.h - parameters of Robots that talk to other servers and are richer than one row of a
 * table. Pure; in the daemon as well, whose check reads them as run() does. Errors:
 * ERR_ROBOT_VALIDATION, naming the parameter. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define VALUE_HEADERS_MAX 64
/* `headers`: a list of "Name: value", a list of maps, or either as JSON text. "Name: value" texts
 * are added to list; the protocol's own headers and control characters are refused. */
MUST_CHECK int value_headers(json_t *list, const json_t *v, struct err *err);

/* `headers` as a map of texts, at most VALUE_HEADERS_MAX / 2; reserved: names that can't be set by
 * hand, ended by NULL. */
MUST_CHECK int value_header_map(const json_t *v, const char *const *reserved, struct err *err);
/* Do the lines that value_headers() made hold one of these names? Ended by NULL. */
MUST_CHECK int value_headers_reserved(const json_t *list, const char *const *reserved, struct err *err);
/* A map of at most `most` texts. name: of the parameter, in the plural. */
MUST_CHECK int value_text_map(const json_t *v, const char *name, size_t most, struct err *err);
/* Is it an http or https address with a host? Blanks in front are fine. */
bool value_is_web(const char *url);
/* Is there a byte below a space, or DEL? */
bool value_has_control(const char *s);
/* Of a server's setting: "/path" of a local socket, or "ADDRESS:PORT" ("127.0.0.1:3310",
 * "[::1]:3310"). Names are none: who may be reached is known before anything is asked. Errors:
 * ERR_CONFIG. */
MUST_CHECK int value_socket(struct sockaddr_storage *out, socklen_t *len, const char *text,
                            struct err *err);
/* A map's value: the text of a string, number or boolean. The caller frees. */
char *value_text(const json_t *v);

#define VALUE_RANGES_MAX 64
struct value_range {
    int64_t from; /* -1: the tail */
    int64_t to;   /* inclusive; -1: the end; of a tail: its length */
};
/* `range`: "0-99", "100-", "-100" or a list of such. Returns their number, 0 when v is NULL; -1
 * with err. */
MUST_CHECK int value_ranges(struct value_range out[static VALUE_RANGES_MAX], const json_t *v,
                            struct err *err);
/* The digits at *s, which moves behind them. False: there are none, or too many. */
bool value_offset(int64_t *out, const char **s);

/* Of an answer: "bytes 0-99/1000". to: inclusive; total: -1 when it is not known ("*"). False: it can't be read, or
 * contradicts itself. */
bool value_content_range(int64_t *from, int64_t *to, int64_t *total, const char *text);
