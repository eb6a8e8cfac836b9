/* publish.h - what the world sees of one Assembly: its document in pieces, and the streams that listen.
 *
 * The conductor writes, HTTP threads read; a lock guards each Assembly's pieces and is held for as long as
 * copying them takes. Reading a status asks nobody and costs one copy of it; the text is kept until
 * something changes. Contract: api-status.md, api-realtime.md 1-2. */
#pragma once
#include "assembly/listing.h"
#include "http/server.h"

struct published;

struct published *published_new(const char *id);
struct published *published_ref(struct published *p);
void published_unref(struct published *p);
DEFINE_AUTO(struct published *, published_unref)
const char *published_id(const struct published *p);

/* ---- the conductor's side ---- */
void published_set_fixed(struct published *p, char *fixed); /* takes it */
/* head is taken; times for the durations that grow while nothing else changes. */
void published_set_head(struct published *p, const struct assembly *a, char *head);
void published_fragment(struct published *p, const struct effect *e, const struct assembly *a);
/* An event of the streams: kept for Last-Event-ID, and sent to whoever listens. */
void published_tell(struct published *p, const char *name, const char *json);

int64_t published_size(struct published *p); /* about the length of its document */

/* ---- anybody's side ---- */
struct shared_text {
    int refs;
    size_t len;
    char s[];
};
void shared_text_unref(void *t);
/* The whole document with this http_code. The caller unrefs it. */
struct shared_text *published_text(struct published *p, int http_code);
bool published_is_ready(struct published *p); /* its first turn is committed */
bool published_is_over(struct published *p);
/* The execution progress as it was when somebody asked, or was told: a copy, or NULL. */
char *published_report(struct published *p);
void published_set_report(struct published *p, char *json); /* takes it */
struct listing_figures published_figures(struct published *p);
double published_progress(struct published *p); /* 0..1, of the jobs known so far */

/* Listen: first what api-realtime.md section 2 says about late subscribers, then live. The stream belongs to
 * the published document from here on. last_id -1: none given. */
void published_listen(struct published *p, struct http_stream *s, int64_t last_id);
/* Comment lines that keep idle streams open; streams whose peer has left are ended. */
void published_keep_alive(struct published *p);
