#include "conductor/publish.h"
#include "base/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_STREAM_QUEUE (4 << 20) /* bytes a slow reader may fall behind */

struct texts {
    char **v;
    int count, cap;
};

struct told {
    bool plain;
    char *frame; /* as it goes over the wire */
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
    char *report; /* NULL: none yet */
    int64_t bytes; /* of all fragments */
    struct shared_text *text; /* NULL: out of date */
    int text_code;
    int64_t text_us;

    struct told *history; /* [seq - 1] */
    int told;
    struct http_stream **streams;
    int stream_count, stream_cap;
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
    for (int i = 0; i < p->stream_count; i++)
        http_stream_end(p->streams[i]);
    free(p->streams);
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
    for (int i = 0; i < p->told; i++)
        free(p->history[i].frame);
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

    struct shared_text *t = mem_alloc(sizeof *t + b.len + 1);
    t->refs = 1;
    t->len = b.len;
    memcpy(t->s, b.s, b.len + 1);
    return t;
}

struct shared_text *published_text(struct published *p, int http_code)
{
    int64_t now = clock_now_us();

    pthread_mutex_lock(&p->lock);
    /* durations of a running Assembly grow, so its text is good for a moment only */
    if (!p->text || p->text_code != http_code || (!p->over && now - p->text_us > SECOND_US / 20)) {
        outdate(p);
        p->text = render(p, http_code, now);
        p->text_code = http_code;
        p->text_us = now;
    }
    struct shared_text *t = p->text;
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
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

/* ---- streams ---- */

static void drop_stream(struct published *p, int i)
{
    http_stream_end(p->streams[i]);
    p->streams[i] = p->streams[--p->stream_count];
}

void published_tell(struct published *p, const char *name, const char *json)
{
    struct str frame = {0};
    bool last = !strcmp(name, "assembly_finished") || !strcmp(name, "assembly_error");

    pthread_mutex_lock(&p->lock);
    if (json)
        str_addf(&frame, "id: %d\nevent: %s\ndata: %s\n\n", p->told + 1, name, json);
    else
        str_addf(&frame, "id: %d\ndata: %s\n\n", p->told + 1, name);
    if ((p->told & (p->told - 1)) == 0)
        p->history = mem_realloc(p->history,
                                 (size_t)(p->told ? p->told * 2 : 1) * sizeof *p->history);
    p->history[p->told++] = (struct told){!json, frame.s};
    p->ended |= last;
    for (int i = p->stream_count - 1; i >= 0; i--)
        if (http_stream_write(p->streams[i], frame.s, frame.len, MAX_STREAM_QUEUE) < 0 || last)
            drop_stream(p, i);
    pthread_mutex_unlock(&p->lock);
}

void published_listen(struct published *p, struct http_stream *s, int64_t last_id)
{
    static const char hello[] = ":ok\n\nretry: 2000\n\n";
    int rc = http_stream_write(s, hello, sizeof hello - 1, MAX_STREAM_QUEUE);

    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->told && rc == 0; i++) {
        bool send = last_id >= 0 ? i >= last_id : p->history[i].plain || (p->ended && i == p->told - 1);

        if (send)
            rc = http_stream_write(s, p->history[i].frame, strlen(p->history[i].frame),
                                   MAX_STREAM_QUEUE);
    }
    if (rc < 0 || p->ended) {
        http_stream_end(s);
    } else {
        if (p->stream_count == p->stream_cap) {
            p->stream_cap = p->stream_cap ? p->stream_cap * 2 : 2;
            p->streams = mem_realloc(p->streams, (size_t)p->stream_cap * sizeof *p->streams);
        }
        p->streams[p->stream_count++] = s;
    }
    pthread_mutex_unlock(&p->lock);
}

void published_keep_alive(struct published *p)
{
    pthread_mutex_lock(&p->lock);
    for (int i = p->stream_count - 1; i >= 0; i--)
        if (http_stream_gone(p->streams[i]) ||
            http_stream_write(p->streams[i], ":\n\n", 3, MAX_STREAM_QUEUE) < 0)
            drop_stream(p, i);
    pthread_mutex_unlock(&p->lock);
}
