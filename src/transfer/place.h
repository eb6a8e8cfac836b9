/* place.h - polite to the other side: at most so many workers are connected to a host at a time, and none sends or
 * reads faster than its share. A worker asks its init for a place before it connects (worker/places.h has the other
 * end); it has one at a time, gives the old one back before it asks for another, and loses it when it dies. So nobody
 * who waits holds anything, and nobody waits for ever. For workcell-transfer only. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

/* The question: connect() to the local address that begins with a zero byte, then this, then 16 hex digits that stand
 * for the host, or none to give the place back. 0: it is ours. EAGAIN: all are taken. Anything else: nobody counts. */
#define PLACE_NAME "workcell-place:"

/* Of the job that begins: settings bytes_per_s (of this worker; 0: any) and place_wait_s. */
void place_begin(const json_t *settings);
/* After a job. */
void place_end(void);

/* Wait for a place at host (any case) and port, at most place_wait_s. Nothing when it is ours already. Errors:
 * ERR_BUSY, which has the job tried again later. Outside of a job everything is free. */
MUST_CHECK int place_take(const char *host, int port, struct err *err);
/* Bytes a second that this worker may send, or read; 0: any. */
int64_t place_speed(void);
/* For protocols that know no limit by themselves: so many bytes have passed; sleeps where that was too fast. */
void place_pace(int64_t bytes);
