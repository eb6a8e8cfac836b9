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
