/* cdp.h - messages of the Chrome DevTools Protocol, each a JSON object that ends with a zero byte, over a pair of
 * pipes.
 *
 * The other side has drawn a stranger's page and may be in his hands: what it says is bounded in bytes, in number and
 * in what one message may hold, and is read by base/json_read.c alone. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#define CDP_MESSAGE_MAX ((size_t)96 << 20) /* bytes: a picture of the largest page, as base64 */
#define CDP_BYTES_MAX (INT64_C(1) << 30)   /* of all messages */
#define CDP_MESSAGES_MAX 200000
#define CDP_DEPTH_MAX 32
#define CDP_VALUES_MAX 100000
#define CDP_QUEUE_MAX ((size_t)256 << 20) /* bytes that wait to be written */

/* ---- what comes ---- */

struct cdp_reader {
    struct str part; /* of a message that has not ended */
    int64_t bytes;
    int messages;
};
/* -1 with err ends it all. The message is lent. */
typedef int cdp_hear(void *ctx, const json_t *message, struct err *err);
/* len bytes more; hear is called for each message that has ended: an object with an integer `id` or a text `method`.
 * Errors: ERR_COMMAND, or those of hear. */
MUST_CHECK int cdp_feed(struct cdp_reader *r, const char *data, size_t len, cdp_hear *hear, void *ctx,
                        struct err *err);

/* ---- both ways ---- */

struct cdp {
    int to, from; /* pipes that do not block; owned */
    struct cdp_reader in;
    struct str out; /* not written yet, from sent on */
    size_t sent;
    int last_id;
};
void cdp_close(struct cdp *c);

/* Queue a command for a session (NULL or "": for the browser itself). params is stolen; NULL: none. Returns its id. */
int cdp_send(struct cdp *c, const char *session, const char *method, json_t *params);
/* The same of which the last parameter is given as bytes, which go as base64. */
int cdp_send_bytes(struct cdp *c, const char *session, const char *method, json_t *params, const char *name,
                   const void *data, size_t len);
/* Write and read what goes without waiting, or wait at most wait_ms until something does, or until wake (-1: none) can
 * be read. Errors: ERR_COMMAND (the browser has gone, or says what it may not), those of hear. */
MUST_CHECK int cdp_turn(struct cdp *c, int wake, int wait_ms, cdp_hear *hear, void *ctx, struct err *err);
