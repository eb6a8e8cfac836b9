/* cdn_flight.h - requests by URL that wait: all that ask for the same thing share one Assembly, which is canceled when
 * the last of them has gone. Thread-safe. */
#pragma once
#include "api/app.h"
#include "api/cdn_cache.h"
#include "api/cdn_result.h"

struct cdn_flights;
struct http_request;

/* One that waits, part of a request's own data. */
struct cdn_waiter {
    struct http_request *req; /* set by the caller; the rest is not the caller's while it waits */
    struct cdn_flight *flight;
    struct cdn_waiter *next, *previous;
    int64_t deadline_us; /* monotonic */
    /* how it ended, before http_go_on(req): one of them is set */
    struct cdn_entry *entry; /* the waiter's reference */
    struct err err;
};

struct cdn_flights_conf {
    struct app *app;
    struct cdn_cache *cache;
    int64_t wait_us;       /* a request waits no longer */
    int most_of_workspace; /* Assemblies at a time */
};
struct cdn_flights *cdn_flights_new(const struct cdn_flights_conf *conf);
/* When the conductor has stopped. */
void cdn_flights_free(struct cdn_flights *all);

/* 0: w waits, and http_go_on() follows, unless cdn_flights_leave() comes first. -1: it does not; err says why, or
 * w->entry is set: it was answered in this moment. Errors: ERR_RATE_429 (too many of this workspace), ERR_BUSY
 * (stopping), ERR_NOSPACE, and how the same request failed a moment ago. */
MUST_CHECK int cdn_flights_join(struct cdn_flights *all, struct cdn_waiter *w, const char *key,
                                const struct cdn_order *order, struct err *err);
/* The request is gone or over. Nothing when it does not wait. */
void cdn_flights_leave(struct cdn_flights *all, struct cdn_waiter *w);

/* The work of the one thread that calls it: waits at most wait_us for Assemblies that are over, puts what came of them
 * into the cache and wakes those who wait; looks after those who have left or waited too long. Entries to be kept are
 * given to the caller, with a reference each; returns how many. false in *running: everything was ended by
 * cdn_flights_stop(). */
int cdn_flights_turn(struct cdn_flights *all, struct cdn_entry **keep, int most, int64_t wait_us, bool *running);
/* Nothing begins any more; all that waits is refused, and every Assembly canceled. */
void cdn_flights_stop(struct cdn_flights *all);
