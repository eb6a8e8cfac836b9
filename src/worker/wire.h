/* wire.h - messages between the conductor's pool, the zygotes and the workers: SOCK_SEQPACKET, one JSON
 * object a packet, descriptors beside it. A text over 48 KiB travels in a sealed memory file instead, so
 * a packet never exceeds the kernel's limit. A reader takes a message whole or refuses it.
 *
 * messages.def lists them all. */
#pragma once
#include "base/err.h"
#include "base/json.h"

enum message {
#define X(name, text) name,
#include "worker/messages.def"
#undef X
    MSG_COUNT
};

/* body is an object, stolen; NULL: empty. fd -1: none; lent. Blocks only if the peer does not read
 * (never on a non-blocking socket: -1 with ERR_BUSY). Errors: ERR_IO. */
MUST_CHECK int wire_send(int sock, enum message type, json_t *body, int fd, struct err *err);
/* 1: got one (*body is the caller's, *fd is -1 or the caller's), 0: the peer has closed, -1: error
 * (ERR_BUSY: nothing there on a non-blocking socket). */
MUST_CHECK int wire_recv(int sock, enum message *type, json_t **body, int *fd, struct err *err);

/* What a body may be, at most, before it is parsed. */
struct wire_bounds {
    size_t bytes, values; /* values: see wire_weigh() */
    int depth;
};
/* wire_recv() for who does not trust the peer: bounds() says what this type of message may hold, NULL: it may not come.
 * The body is in the packet or in a memory file that nobody can change any more; a descriptor that is neither is
 * closed, and the message refused. *bytes: how long the body was. -1: ERR_BUSY, ERR_WORKER (a rule was broken; the text
 * holds nothing of the peer's), ERR_IO. */
MUST_CHECK int wire_recv_bounded(int sock, const struct wire_bounds *(*bounds)(void *ctx, enum message type), void *ctx,
                                 enum message *type, json_t **body, size_t *bytes, struct err *err);
/* At most so many values and names are in this JSON: brackets, commas and colons outside of texts, and one. */
size_t wire_weigh(const char *text, size_t len);
const char *wire_name(enum message type);
