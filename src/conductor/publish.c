#include "conductor/publish.h"
#include "base/clock.h"
#include "conductor/pieces.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_UNHEARD (1 << 20) /* bytes of events that the first listener is told */

struct published {
    atomic_int refs;
    char id[ID_LEN + 1];
    struct listened listened; /* in audience */
    struct audience *audience; /* may be NULL */
    pthread_mutex_t lock;
    struct pieces pieces;
    bool ready; /* there is something to show */
    bool rests; /* text is all there is of the document */
    double progress;
    int64_t max_size;
    int expected_uploads;
    char *report; /* NULL: none yet */
    struct shared_text *text; /* NULL: out of date */
    int text_code;
    size_t code_at; /* in text */
    int64_t text_us;
    int64_t changes; /* of the pieces */
    pthread_mutex_t joining; /* taken before lock: of a large document one text is made at a time */

    struct told *history; /* [id - 1] */
    int told;
    int coming; /* events whose fragments are in the document already */
    int known;  /* up to this id somebody heard them, or saw the document that holds what they say */
    struct listener **listeners;
    int listener_count, listener_cap;
    bool ended; /* the last event is out */
};

struct published *published_new(const char *id)
{
    struct published *p = mem_zalloc(sizeof *p);

    p->refs = 1;
    memcpy(p->id, id, ID_LEN);
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->joining, NULL);
    pieces_init(&p->pieces);
    return p;
}

void published_in(struct published *p, struct audience *a) { p->audience = a; }

struct published *published_ref(struct published *p)
{
    p->refs++;
    return p;
}

/* Somebody listens to it now, or nobody does any more; under its lock. */
static void follow_listeners(struct published *p)
{
    if (!p->audience)
        return;
    if (p->listener_count)
        audience_enter(p->audience, &p->listened);
    else
        audience_leave(p->audience, &p->listened);
}

void published_unref(struct published *p)
{
    if (!p || --p->refs > 0)
        return;
    if (p->audience)
        audience_leave(p->audience, &p->listened);
    for (int i = 0; i < p->listener_count; i++)
        p->listeners[i]->kind->end(p->listeners[i]);
    free(p->listeners);
    for (int i = 0; i < p->told; i++) {
        free((char *)p->history[i].name);
        free((char *)p->history[i].json);
    }
    free(p->history);
    free(p->report);
    pieces_done(&p->pieces);
    shared_text_unref(p->text);
    pthread_mutex_destroy(&p->joining);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

const char *published_id(const struct published *p) { return p->id; }

static void outdate(struct published *p)
{
    p->changes++;
    if (p->rests) /* it is being read again: until all of it is there, the text stays */
        return;
    shared_text_unref(p->text);
    p->text = NULL;
}

void published_set_fixed(struct published *p, char *fixed)
{
    pthread_mutex_lock(&p->lock);
    pieces_set_fixed(&p->pieces, fixed);
    outdate(p);
    pthread_mutex_unlock(&p->lock);
}

void published_set_head(struct published *p, const struct assembly *a, char *head)
{
    pthread_mutex_lock(&p->lock);
    pieces_set_head(&p->pieces, head);
    p->ready = true;
    p->rests = false;
    p->pieces.figures = listing_figures(a);
    p->pieces.over = assembly_is_over(a);
    p->progress = assembly_progress(a);
    p->max_size = a->max_size;
    p->expected_uploads = a->expected_uploads;
    outdate(p);
    pthread_mutex_unlock(&p->lock);
}

void published_fragment(struct published *p, const struct effect *e, const struct assembly *a)
{
    char *text = mem_strdup(e->text);

    pthread_mutex_lock(&p->lock);
    pieces_put(&p->pieces, e, a, text);
    outdate(p);
    pthread_mutex_unlock(&p->lock);
}

int64_t published_size(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    int64_t n = p->rests ? (int64_t)p->text->len : pieces_size(&p->pieces);
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* ---- the document ---- */

#define JOINED_INSIDE (64 << 10) /* bytes that are copied in less time than it takes to wait for a lock */
#define TEXT_GOOD_US (SECOND_US / 20) /* durations of a running Assembly grow */

static void keep_text(struct published *p, struct shared_text *t, size_t code_at, int http_code, int64_t now)
{
    shared_text_unref(p->text);
    p->text = t;
    p->code_at = code_at;
    p->text_code = http_code;
    p->text_us = now;
}

/* What has been made already. NULL: nothing that is right. Under the lock, as the next. */
static struct shared_text *text_kept(struct published *p, int http_code, int64_t now)
{
    if (!p->text || (!p->pieces.over && !p->rests && now - p->text_us > TEXT_GOOD_US))
        return NULL;
    return p->text_code == http_code ? shared_text_ref(p->text) : pieces_recode(p->text, p->code_at, http_code);
}

static struct shared_text *text_joined(struct published *p, int http_code, int64_t now)
{
    size_t code_at;
    struct shared_text *t = pieces_join(&code_at, &p->pieces, http_code, now);

    keep_text(p, t, code_at, http_code, now);
    return shared_text_ref(t);
}

/* The conductor puts pieces meanwhile, and other readers wait for this text instead of making their own. */
static struct shared_text *text_joined_outside(struct published *p, int http_code, int64_t now)
{
    struct pieces *lent = pieces_lend(&p->pieces);
    int64_t changes = p->changes;
    size_t code_at;

    pthread_mutex_unlock(&p->lock);
    struct shared_text *t = pieces_join(&code_at, lent, http_code, now);
    pthread_mutex_lock(&p->lock);
    pieces_return(&p->pieces, lent);
    if (changes == p->changes)
        keep_text(p, shared_text_ref(t), code_at, http_code, now);
    return t;
}

/* shown: to a client, who knows then what it says. */
static struct shared_text *text_of(struct published *p, int http_code, bool shown)
{
    int64_t now = clock_now_us();

    pthread_mutex_lock(&p->lock);
    struct shared_text *t = text_kept(p, http_code, now);
    bool outside = !t && pieces_size(&p->pieces) > JOINED_INSIDE;
    if (outside) {
        pthread_mutex_unlock(&p->lock);
        pthread_mutex_lock(&p->joining);
        pthread_mutex_lock(&p->lock);
        t = text_kept(p, http_code, now); /* the one before has made it */
    }
    if (shown)
        p->known = p->told + p->coming;
    if (!t)
        t = outside ? text_joined_outside(p, http_code, now) : text_joined(p, http_code, now);
    pthread_mutex_unlock(&p->lock);
    if (outside)
        pthread_mutex_unlock(&p->joining);
    return t;
}

struct shared_text *published_text(struct published *p, int http_code) { return text_of(p, http_code, false); }
struct shared_text *published_show(struct published *p, int http_code) { return text_of(p, http_code, true); }

int64_t published_rest(struct published *p)
{
    int64_t now = clock_now_us(), bytes = -1;

    pthread_mutex_lock(&p->lock);
    if (!p->pieces.lent) {
        if (!p->rests) {
            shared_text_unref(p->text && p->text_code == 200 ? shared_text_ref(p->text) : text_joined(p, 200, now));
            bool over = p->pieces.over;
            struct listing_figures figures = p->pieces.figures;
            pieces_done(&p->pieces);
            pieces_init(&p->pieces);
            p->pieces.over = over;
            p->pieces.figures = figures;
            p->rests = true;
        }
        bytes = (int64_t)(sizeof *p + p->text->len);
        for (int i = 0; i < p->told; i++)
            bytes += p->history[i].json ? (int64_t)strlen(p->history[i].json) : 0;
    }
    pthread_mutex_unlock(&p->lock);
    return bytes;
}

bool published_is_over(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    bool over = p->pieces.over;
    pthread_mutex_unlock(&p->lock);
    return over;
}

bool published_is_ready(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    bool ready = p->ready;
    pthread_mutex_unlock(&p->lock);
    return ready;
}

char *published_report(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    char *copy = p->report ? mem_strdup(p->report) : NULL;
    pthread_mutex_unlock(&p->lock);
    return copy;
}

void published_upload_limits(struct published *p, int64_t *max_size, int *files)
{
    pthread_mutex_lock(&p->lock);
    *max_size = p->max_size;
    *files = p->expected_uploads;
    pthread_mutex_unlock(&p->lock);
}

void published_set_report(struct published *p, char *json)
{
    pthread_mutex_lock(&p->lock);
    free(p->report);
    p->report = json;
    pthread_mutex_unlock(&p->lock);
}

struct listing_figures published_figures(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    struct listing_figures f = p->pieces.figures;
    pthread_mutex_unlock(&p->lock);
    return f;
}

double published_progress(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    double progress = p->progress;
    pthread_mutex_unlock(&p->lock);
    return progress;
}

/* ---- listeners ---- */

bool told_is_last(const struct told *e)
{
    return !strcmp(e->name, "assembly_finished") || !strcmp(e->name, "assembly_error");
}

static void drop_listener(struct published *p, int i)
{
    struct listener *l = p->listeners[i];

    p->listeners[i] = p->listeners[--p->listener_count];
    follow_listeners(p);
    l->kind->end(l);
}

/* An event in the forms it was needed in so far: there are two kinds of listeners, and thousands of each. */
struct spoken {
    const struct told *event;
    struct {
        const struct listener_kind *kind;
        struct shared_text *text;
    } form[2];
};

static int tell_once(struct listener *l, const struct told *e)
{
    struct shared_text *text = l->kind->encode(e);
    int rc = l->kind->hear(l, text);

    shared_text_unref(text);
    return rc;
}

static int speak(struct spoken *s, struct listener *l)
{
    size_t i = 0;

    while (i < ARRAY_LEN(s->form) && s->form[i].kind && s->form[i].kind != l->kind)
        i++;
    if (i == ARRAY_LEN(s->form)) /* of one kind more: it is told all the same */
        return tell_once(l, s->event);
    if (!s->form[i].kind) {
        s->form[i].kind = l->kind;
        s->form[i].text = l->kind->encode(s->event);
    }
    return l->kind->hear(l, s->form[i].text);
}

static void spoken_done(struct spoken *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->form); i++)
        shared_text_unref(s->form[i].text);
}

static void tell_all(struct published *p, const struct told *e)
{
    struct spoken s = {.event = e};

    for (int i = p->listener_count - 1; i >= 0; i--)
        if (speak(&s, p->listeners[i]) < 0 || p->ended)
            drop_listener(p, i);
    spoken_done(&s);
}

void published_announce(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    p->coming++;
    pthread_mutex_unlock(&p->lock);
}

void published_tell(struct published *p, const char *name, const char *json)
{
    struct told *e;

    pthread_mutex_lock(&p->lock);
    if (p->coming > 0)
        p->coming--;
    if ((p->told & (p->told - 1)) == 0)
        p->history = mem_realloc(p->history, (size_t)(p->told ? p->told * 2 : 1) * sizeof *p->history);
    e = &p->history[p->told++];
    *e = (struct told){p->told, mem_strdup(name), json ? mem_strdup(json) : NULL};
    p->ended |= told_is_last(e);
    if (p->listener_count)
        p->known = p->told;
    tell_all(p, e);
    pthread_mutex_unlock(&p->lock);
}

void published_forget(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    p->known = p->told;
    pthread_mutex_unlock(&p->lock);
}

void published_tell_passing(struct published *p, const char *name, const char *json)
{
    pthread_mutex_lock(&p->lock);
    if (!p->ended)
        tell_all(p, &(struct told){p->told, name, json});
    pthread_mutex_unlock(&p->lock);
}

/* Without an id: what nobody can know yet (clients upload while their connection is still being
 * made), what does no harm when it is heard twice (api-realtime.md 2), and how it ended. */
static bool is_due(const struct told *e, int64_t last_id, int known)
{
    return last_id >= 0 ? e->id > last_id : e->id > known || !e->json || told_is_last(e);
}

/* More of it than a listener's queue is for is left to the status document. */
static int known_enough(const struct published *p)
{
    size_t bytes = 0;

    for (int i = p->known; i < p->told && bytes <= MAX_UNHEARD; i++)
        bytes += p->history[i].json ? strlen(p->history[i].json) : 0;
    return bytes > MAX_UNHEARD ? p->told : p->known;
}

void published_listen(struct published *p, struct listener *l, int64_t last_id)
{
    int rc = 0;

    pthread_mutex_lock(&p->lock);
    int known = known_enough(p);
    for (int i = 0; i < p->told && rc == 0; i++)
        if (is_due(&p->history[i], last_id, known))
            rc = tell_once(l, &p->history[i]);
    if (rc == 0)
        p->known = p->told;
    if (rc < 0 || p->ended) {
        l->kind->end(l);
    } else {
        if (p->listener_count == p->listener_cap) {
            p->listener_cap = p->listener_cap ? p->listener_cap * 2 : 2;
            p->listeners = mem_realloc(p->listeners, (size_t)p->listener_cap * sizeof *p->listeners);
        }
        p->listeners[p->listener_count++] = l;
        follow_listeners(p);
    }
    pthread_mutex_unlock(&p->lock);
}

bool published_unlisten(struct published *p, struct listener *l)
{
    bool was_there = false;

    pthread_mutex_lock(&p->lock);
    for (int i = p->listener_count - 1; i >= 0 && !was_there; i--)
        if (p->listeners[i] == l) {
            p->listeners[i] = p->listeners[--p->listener_count];
            was_there = true;
            follow_listeners(p);
        }
    pthread_mutex_unlock(&p->lock);
    return was_there;
}

void published_keep_alive(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    for (int i = p->listener_count - 1; i >= 0; i--)
        if (p->listeners[i]->kind->keep_alive && p->listeners[i]->kind->keep_alive(p->listeners[i]) < 0)
            drop_listener(p, i);
    pthread_mutex_unlock(&p->lock);
}

/* While it is in the audience it is not freed yet; the last reference may be gone all the same. */
static bool hold(struct listened *l)
{
    struct published *p = (struct published *)(void *)((char *)l - offsetof(struct published, listened));
    int refs = p->refs;

    while (refs && !atomic_compare_exchange_weak(&p->refs, &refs, refs + 1))
        ;
    return refs != 0;
}

void published_keep_all_alive(struct audience *a, int64_t before_us, int most)
{
    for (struct listened *l; most-- && (l = audience_take(a, before_us, hold));) {
        struct published *p = (struct published *)(void *)((char *)l - offsetof(struct published, listened));

        published_keep_alive(p);
        published_unref(p);
    }
}

void listener_tell_end(struct listener *l, const json_t *status)
{
    const char *error = jstr(status, "error");
    AUTO(mem_free) char *json = error ? json_text(status) : NULL;
    const struct told all[] = {{0, "assembly_uploading_finished", NULL},
                               {0, "assembly_upload_meta_data_extracted", NULL},
                               {0, error ? "assembly_error" : "assembly_finished", json}};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (tell_once(l, &all[i]) < 0)
            break;
    l->kind->end(l);
}
