/* publish.h - what the world sees of one Assembly: its document in pieces, and who listens to its events.
 *
 * The conductor writes, HTTP threads read; a lock guards each Assembly's pieces and is held for as long as
 * naming them takes. Reading a status asks nobody and costs one copy of it, of a large one outside the lock; the
 * text is kept until something changes. Contract: api-status.md, api-realtime.md 1-2. */
#pragma once
#include "assembly/listing.h"
#include "conductor/audience.h"
#include "conductor/shared_text.h"

#include <stdbool.h>
#include <stddef.h>

struct published;

struct told {
    int id;           /* counts up from 1; of an event in passing: the one before it; 0: none */
    const char *name; /* "assembly_finished"... */
    const char *json; /* NULL: a plain message, which has only a name */
};
bool told_is_last(const struct told *e);

/* Whoever hears an Assembly's events: a server-sent stream, a Socket.IO client. All calls come under the
 * document's lock, from any thread, and must not block. */
struct listener {
    const struct listener_kind *kind;
};
struct listener_kind {
    /* As it goes over the wire: the same text for all of a kind. */
    struct shared_text *(*encode)(const struct told *e);
    int (*hear)(struct listener *l, struct shared_text *text); /* -1: gone, or too slow; end() follows */
    int (*keep_alive)(struct listener *l);                     /* as hear(); NULL: needs none */
    void (*end)(struct listener *l);                           /* the last call: l may be freed */
};

struct published *published_new(const char *id);
/* While somebody listens to it, it is in a, which lives longer. At most once, before anybody listens. */
void published_in(struct published *p, struct audience *a);
struct published *published_ref(struct published *p);
void published_unref(struct published *p);
DEFINE_AUTO(struct published *, published_unref)
const char *published_id(const struct published *p);

/* ---- the conductor's side ---- */
void published_set_fixed(struct published *p, char *fixed); /* takes it */
/* head is taken; times for the durations that grow while nothing else changes. */
void published_set_head(struct published *p, const struct assembly *a, char *head);
void published_fragment(struct published *p, const struct effect *e, const struct assembly *a);
/* An event is coming whose fragment has just been published: whoever sees the document now knows of it. */
void published_announce(struct published *p);
/* An event: kept for those who come back, and told to whoever listens. */
void published_tell(struct published *p, const char *name, const char *json);
/* Who knows of the events so far is not known: all of them count as heard. */
void published_forget(struct published *p);
/* Of the moment only: not kept and not counted, as it would not be there after a restart. */
void published_tell_passing(struct published *p, const char *name, const char *json);

int64_t published_size(struct published *p); /* about the length of its document */
/* It is over, and changes no more: of its document only the text is kept. Bytes that it still takes; -1: somebody
 * reads its pieces just now. published_set_head() ends that, after all the pieces. */
int64_t published_rest(struct published *p);

/* ---- anybody's side ---- */
/* The whole document with this http_code. The caller unrefs it. */
struct shared_text *published_text(struct published *p, int http_code);
/* As published_text(), for a client: what it says need not be told to the first listener any more. */
struct shared_text *published_show(struct published *p, int http_code);
bool published_is_ready(struct published *p); /* its first turn is committed */
bool published_is_over(struct published *p);
/* What a file may have (0: no limit), and how many are expected. */
void published_upload_limits(struct published *p, int64_t *max_size, int *files);
/* The execution progress as it was when somebody asked, or was told: a copy, or NULL. */
char *published_report(struct published *p);
void published_set_report(struct published *p, char *json); /* takes it */
struct listing_figures published_figures(struct published *p);
double published_progress(struct published *p); /* 0..1, of the jobs known so far */

/* Listen: first what nobody has heard or seen yet and what api-realtime.md section 2 says about late
 * subscribers, then live. last_id -1: none given; else everything after that one. l ends with its end(),
 * which may come inside this call. */
void published_listen(struct published *p, struct listener *l, int64_t last_id);
/* Listen no more. Returns false when l has ended already; else its end() is not called any more. */
bool published_unlisten(struct published *p, struct listener *l);
/* Keeps idle listeners open and ends those whose peer has left. */
void published_keep_alive(struct published *p);
/* The same of all that are in a and were not kept alive since before_us (monotonic); of so many at most. */
void published_keep_all_alive(struct audience *a, int64_t before_us, int most);
/* For an Assembly that is not in memory any more: status is its final document. l ends inside the call. */
void listener_tell_end(struct listener *l, const json_t *status);
