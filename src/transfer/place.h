/* place.h - polite to the other side: at most so many workers are connected to a host at a time, and none sends or
 * reads faster than its share. A worker asks its init for a place before it connects (worker/places.h has the other
 * end); it has one at a time, gives the old one back before it asks for another, and loses it when it dies. So nobody
 * who waits holds anything, and nobody waits for ever. Who has one may get some more at the same host, where they are
 * free, without waiting for them.
 *
 * A connection may outlive its job for a few seconds, in case that the next one goes to the same host; it is counted as
 * long, so a worker at rest looks whether anybody waits for its place. For workcell-transfer only. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* The question: connect() to the local address that begins with a zero byte, then this, then 16 hex digits that stand
 * for the host, or none to give all back. 0: it is ours. EAGAIN: all are taken. Anything else: nobody counts.
 * In place of the digits: PLACE_MORE, one more where we are; PLACE_FEWER, all but the first back; PLACE_WANTED, does
 * anybody wait for one at the host where ours is? EAGAIN: yes. 0: no. */
#define PLACE_NAME "workcell-place:"
#define PLACE_WANTED "?"
#define PLACE_MORE "+"
#define PLACE_FEWER "-"

/* Of the job that begins: settings bytes_per_s (of this worker; 0: any) and place_wait_s. */
void place_begin(const json_t *settings);
/* After a job: gives the place back, unless a connection is kept. */
void place_end(void);

#define PLACE_KEEP_S 5
/* Called in a job, by who has a connection to host and port that the next job may use. True: the place goes on being
 * ours, and drop() is called, once, when the connection must be closed: at another host, when somebody waits for the
 * place, or when nobody has asked for it in PLACE_KEEP_S. False: it is to be closed now. */
bool place_keep(const char *host, int port, void (*drop)(void));
/* The connection is used again, or gone: drop() will not be called. The place is ours as before. */
void place_kept_taken(void);
/* Between two jobs: returns when fd has something to read, or when nothing is kept any more. */
void place_rest(int fd);

/* Wait for a place at host (any case) and port, at most place_wait_s. Nothing when it is ours already. Errors:
 * ERR_BUSY, which has the job tried again later. Outside of a job everything is free. */
MUST_CHECK int place_take(const char *host, int port, struct err *err);
/* May this job have one more connection to the host at which it has its place? Does not wait. */
bool place_more(void);
void place_fewer(void); /* gives those back */
/* Bytes a second that this worker may send, or read; 0: any. */
int64_t place_speed(void);
/* For protocols that know no limit by themselves: so many bytes have passed; sleeps where that was too fast. */
void place_pace(int64_t bytes);
