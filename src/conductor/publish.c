#include "conductor/publish.h"
#include "base/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_UNHEARD (1 << 20) /* bytes of events that the first listener is told */

struct texts {
    char **v;
    int count, cap;
};

struct published {
    atomic_int refs;
    char id[ID_LEN + 1];
    pthread_mutex_t lock;
    char *fixed, *head;
    struct texts uploads, tus, started, ignored, *results;
    char **step_names;
    int steps;
    struct listing_figures figures;
    bool ready; /* there is something to show */
    bool over;
    double progress;
    int64_t max_size;
    int expected_uploads;
    char *report; /* NULL: none yet */
    int64_t bytes; /* of all fragments */
    struct shared_text *text; /* NULL: out of date */
    int text_code;
    int64_t text_us;

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
    p->fixed = mem_strdup("");
    p->head = mem_strdup("");
    return p;
}

struct published *published_ref(struct published *p)
{
    p->refs++;
    return p;
}

static void texts_done(struct texts *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->v[i]);
    free(t->v);
}

void published_unref(struct published *p)
{
    if (!p || --p->refs > 0)
        return;
    for (int i = 0; i < p->listener_count; i++)
        p->listeners[i]->kind->end(p->listeners[i]);
    free(p->listeners);
    texts_done(&p->uploads);
    texts_done(&p->tus);
    texts_done(&p->started);
    texts_done(&p->ignored);
    for (int i = 0; i < p->steps; i++) {
        texts_done(&p->results[i]);
        free(p->step_names[i]);
    }
    free(p->results);
    free(p->step_names);
    for (int i = 0; i < p->told; i++) {
        free((char *)p->history[i].name);
        free((char *)p->history[i].json);
    }
    free(p->history);
    free(p->fixed);
    free(p->head);
    free(p->report);
    shared_text_unref(p->text);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

const char *published_id(const struct published *p) { return p->id; }

static void outdate(struct published *p)
{
    shared_text_unref(p->text);
    p->text = NULL;
}

void published_set_fixed(struct published *p, char *fixed)
{
    pthread_mutex_lock(&p->lock);
    free(p->fixed);
    p->fixed = fixed;
    outdate(p);
    pthread_mutex_unlock(&p->lock);
}

void published_set_head(struct published *p, const struct assembly *a, char *head)
{
    pthread_mutex_lock(&p->lock);
    free(p->head);
    p->head = head;
    p->ready = true;
    p->figures = listing_figures(a);
    p->over = assembly_is_over(a);
    p->progress = assembly_progress(a);
    p->max_size = a->max_size;
    p->expected_uploads = a->expected_uploads;
    outdate(p);
    pthread_mutex_unlock(&p->lock);
}

static void put(struct published *p, struct texts *t, int index, char *text)
{
    p->bytes += (int64_t)strlen(text) - (index < t->count && t->v[index] ? (int64_t)strlen(t->v[index]) : 0);
    while (index >= t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->v = mem_realloc(t->v, (size_t)t->cap * sizeof *t->v);
    }
    while (t->count <= index)
        t->v[t->count++] = NULL;
    free(t->v[index]);
    t->v[index] = text;
}

void published_fragment(struct published *p, const struct effect *e, const struct assembly *a)
{
    char *text = mem_strdup(e->text);

    pthread_mutex_lock(&p->lock);
    switch (e->list) {
    case LIST_UPLOADS: put(p, &p->uploads, e->index, text); break;
    case LIST_TUS: put(p, &p->tus, e->index, text); break;
    case LIST_STARTED: put(p, &p->started, e->index, text); break;
    case LIST_IGNORED: put(p, &p->ignored, e->index, text); break;
    case LIST_RESULTS:
        if (!p->results) {
            p->steps = a->in->count;
            p->results = mem_zalloc((size_t)p->steps * sizeof *p->results);
            p->step_names = mem_zalloc((size_t)p->steps * sizeof *p->step_names);
        }
        if (!p->step_names[e->step]) {
            struct str name = {0};

            str_add_json(&name, a->in->steps[e->step].name);
            p->step_names[e->step] = str_take(&name);
        }
        put(p, &p->results[e->step], e->index, text);
        break;
    }
    outdate(p);
    pthread_mutex_unlock(&p->lock);
}

int64_t published_size(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    int64_t n = p->bytes + (int64_t)strlen(p->head) + (int64_t)strlen(p->fixed);
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* ---- the document ---- */

struct shared_text *shared_text_new(const char *s, size_t len)
{
    struct shared_text *t = mem_alloc(sizeof *t + len + 1);

    t->refs = 1;
    t->len = len;
    if (len)
        memcpy(t->s, s, len);
    t->s[len] = 0;
    return t;
}

struct shared_text *shared_text_ref(struct shared_text *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void shared_text_unref(void *t)
{
    struct shared_text *text = t;

    if (text && __atomic_sub_fetch(&text->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(text);
}

static void add_list(struct str *b, const struct texts *t)
{
    bool first = true;

    str_putc(b, '[');
    for (int i = 0; i < t->count; i++) {
        if (!t->v[i] || !*t->v[i])
            continue;
        if (!first)
            str_putc(b, ',');
        str_puts(b, t->v[i]);
        first = false;
    }
    str_putc(b, ']');
}

static void add_duration(struct str *b, const char *name, int64_t from, int64_t to)
{
    if (from)
        str_addf(b, ",\"%s\":%.3f", name, to > from ? (double)(to - from) / 1e6 : 0.0);
    else
        str_addf(b, ",\"%s\":null", name);
}

static struct shared_text *render(struct published *p, int http_code, int64_t now)
{
    AUTO(str_done) struct str b = {0};
    int64_t end = p->figures.ended_us ? p->figures.ended_us : now;
    bool first = true;

    str_putc(&b, '{');
    str_puts(&b, p->head);
    str_addf(&b, ",\"http_code\":%d,", http_code);
    str_puts(&b, p->fixed);
    add_duration(&b, "upload_duration", p->figures.created_us, p->figures.uploaded_us ? p->figures.uploaded_us : end);
    if (p->figures.execution_us || !p->over)
        add_duration(&b, "execution_duration", p->figures.execution_us, end);
    else
        str_puts(&b, ",\"execution_duration\":0");
    str_puts(&b, ",\"started_jobs\":");
    add_list(&b, &p->started);
    str_puts(&b, ",\"tus_uploads\":");
    add_list(&b, &p->tus);
    str_puts(&b, ",\"ignored_errors\":");
    add_list(&b, &p->ignored);
    str_puts(&b, ",\"uploads\":");
    add_list(&b, &p->uploads);
    str_puts(&b, ",\"results\":{");
    for (int i = 0; i < p->steps; i++) {
        if (!p->results[i].count)
            continue;
        if (!first)
            str_putc(&b, ',');
        first = false;
        str_puts(&b, p->step_names[i]);
        str_putc(&b, ':');
        add_list(&b, &p->results[i]);
    }
    str_puts(&b, "}}");

    return shared_text_new(b.s, b.len);
}

static struct shared_text *text_of(struct published *p, int http_code)
{
    int64_t now = clock_now_us();

    /* durations of a running Assembly grow, so its text is good for a moment only */
    if (!p->text || p->text_code != http_code || (!p->over && now - p->text_us > SECOND_US / 20)) {
        outdate(p);
        p->text = render(p, http_code, now);
        p->text_code = http_code;
        p->text_us = now;
    }
    return shared_text_ref(p->text);
}

struct shared_text *published_text(struct published *p, int http_code)
{
    pthread_mutex_lock(&p->lock);
    struct shared_text *t = text_of(p, http_code);
    pthread_mutex_unlock(&p->lock);
    return t;
}

struct shared_text *published_show(struct published *p, int http_code)
{
    pthread_mutex_lock(&p->lock);
    struct shared_text *t = text_of(p, http_code);
    p->known = p->told + p->coming;
    pthread_mutex_unlock(&p->lock);
    return t;
}

bool published_is_over(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    bool over = p->over;
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
    struct listing_figures f = p->figures;
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
