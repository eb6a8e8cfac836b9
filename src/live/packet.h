/* packet.h - the text of Engine.IO 3 and 4 and of Socket.IO packets (api-realtime.md 3.1). Pure. */
#pragma once
#include "base/str.h"

/* ---- Engine.IO: the first character of a packet ---- */
#define EIO_OPEN '0'
#define EIO_CLOSE '1'
#define EIO_PING '2'
#define EIO_PONG '3'
#define EIO_MESSAGE '4'
#define EIO_UPGRADE '5'
#define EIO_NOOP '6'

/* JavaScript's length of valid UTF-8. */
size_t utf16_length(const char *s, size_t len);

/* Add a packet to the body of a polling answer. version: 3 or 4. */
void eio_add(struct str *body, int version, const char *packet, size_t len);
/* The next packet of a polling request: 1, with *at moved on; 0 at the end; -1 when the body is none. The body, from
 * *at to end, is valid UTF-8. An empty body has no packet in version 3 and is bad in version 4. */
int eio_next(const char **packet, size_t *len, const char **at, const char *end, int version);

/* ---- Socket.IO: what an Engine.IO message holds ---- */
#define SIO_CONNECT '0'
#define SIO_DISCONNECT '1'
#define SIO_EVENT '2'
#define SIO_ACK '3'
#define SIO_ERROR '4'

struct sio_packet {
    char type;
    const char *space; /* the namespace, "/" first and without the comma; lent */
    size_t space_len;  /* 0: the default one */
    const char *data;  /* the rest, JSON; lent */
    size_t data_len;
};

/* -1: it is none, or one with binary parts. */
int sio_parse(struct sio_packet *out, const char *s, size_t len);
bool sio_is_default(const struct sio_packet *p); /* its namespace */
/* Add an event's packet, Engine.IO's type in front: json NULL: name alone; of "assembly_result_finished" json is the
 * list of the arguments, else it is the one argument. */
void sio_add_event(struct str *b, const char *name, const char *json);
