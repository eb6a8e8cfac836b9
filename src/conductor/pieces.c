#include "conductor/pieces.h"
#include "base/clock.h"

#include <string.h>

void pieces_init(struct pieces *p)
{
    *p = (struct pieces){.fixed = mem_strdup(""), .head = mem_strdup("")};
}

static void texts_done(struct texts *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->v[i]);
    free(t->v);
}

void pieces_done(struct pieces *p)
{
    texts_done(&p->uploads);
    texts_done(&p->tus);
    texts_done(&p->started);
    texts_done(&p->ignored);
    texts_done(&p->replaced);
    for (int i = 0; i < p->steps; i++) {
        texts_done(&p->results[i]);
        free(p->step_names[i]);
    }
    free(p->results);
    free(p->step_names);
    free(p->fixed);
    free(p->head);
    *p = (struct pieces){0};
}

/* ---- changed ---- */

static void texts_put(struct texts *t, int index, char *text)
{
    while (index >= t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->v = mem_realloc(t->v, (size_t)t->cap * sizeof *t->v);
    }
    while (t->count <= index)
        t->v[t->count++] = NULL;
    t->v[index] = text;
}

static void drop_text(struct pieces *p, char *text)
{
    if (p->lent && text)
        texts_put(&p->replaced, p->replaced.count, text);
    else
        free(text);
}

void pieces_set_fixed(struct pieces *p, char *fixed)
{
    drop_text(p, p->fixed);
    p->fixed = fixed;
}

void pieces_set_head(struct pieces *p, char *head)
{
    drop_text(p, p->head);
    p->head = head;
}

static void put_piece(struct pieces *p, struct texts *t, int index, char *text)
{
    char *was = index < t->count ? t->v[index] : NULL;

    p->bytes += (int64_t)strlen(text) - (was ? (int64_t)strlen(was) : 0);
    drop_text(p, was);
    texts_put(t, index, text);
}

static void put_result(struct pieces *p, const struct effect *e, const struct assembly *a, char *text)
{
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
    put_piece(p, &p->results[e->step], e->index, text);
}

void pieces_put(struct pieces *p, const struct effect *e, const struct assembly *a, char *text)
{
    switch (e->list) {
    case LIST_UPLOADS: put_piece(p, &p->uploads, e->index, text); break;
    case LIST_TUS: put_piece(p, &p->tus, e->index, text); break;
    case LIST_STARTED: put_piece(p, &p->started, e->index, text); break;
    case LIST_IGNORED: put_piece(p, &p->ignored, e->index, text); break;
    case LIST_RESULTS: put_result(p, e, a, text); break;
    }
}

int64_t pieces_size(const struct pieces *p)
{
    return p->bytes + (int64_t)strlen(p->head) + (int64_t)strlen(p->fixed);
}

/* ---- lent ---- */

static struct texts texts_lend(const struct texts *t)
{
    struct texts lent = {.count = t->count};

    if (t->count) {
        lent.v = mem_alloc((size_t)t->count * sizeof *lent.v);
        memcpy(lent.v, t->v, (size_t)t->count * sizeof *lent.v);
    }
    return lent;
}

struct pieces *pieces_lend(struct pieces *p)
{
    struct pieces *lent = mem_alloc(sizeof *lent);

    *lent = *p;
    lent->uploads = texts_lend(&p->uploads);
    lent->tus = texts_lend(&p->tus);
    lent->started = texts_lend(&p->started);
    lent->ignored = texts_lend(&p->ignored);
    if (p->steps) {
        lent->results = mem_alloc((size_t)p->steps * sizeof *lent->results);
        lent->step_names = mem_alloc((size_t)p->steps * sizeof *lent->step_names);
        memcpy(lent->step_names, p->step_names, (size_t)p->steps * sizeof *lent->step_names);
    }
    for (int i = 0; i < p->steps; i++)
        lent->results[i] = texts_lend(&p->results[i]);
    p->lent++;
    return lent;
}

void pieces_return(struct pieces *p, struct pieces *lent)
{
    free(lent->uploads.v);
    free(lent->tus.v);
    free(lent->started.v);
    free(lent->ignored.v);
    for (int i = 0; i < lent->steps; i++)
        free(lent->results[i].v);
    free(lent->results);
    free(lent->step_names);
    free(lent);
    if (--p->lent)
        return;
    texts_done(&p->replaced);
    p->replaced = (struct texts){0};
}

/* ---- joined ---- */

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

static void add_durations(struct str *b, const struct pieces *p, int64_t now_us)
{
    const struct listing_figures *f = &p->figures;
    int64_t end = f->ended_us ? f->ended_us : now_us;

    add_duration(b, "upload_duration", f->created_us, f->uploaded_us ? f->uploaded_us : end);
    if (f->execution_us || !p->over)
        add_duration(b, "execution_duration", f->execution_us, end);
    else
        str_puts(b, ",\"execution_duration\":0");
}

static void add_results(struct str *b, const struct pieces *p)
{
    bool first = true;

    str_puts(b, ",\"results\":{");
    for (int i = 0; i < p->steps; i++) {
        if (!p->results[i].count)
            continue;
        if (!first)
            str_putc(b, ',');
        first = false;
        str_puts(b, p->step_names[i]);
        str_putc(b, ':');
        add_list(b, &p->results[i]);
    }
    str_puts(b, "}}");
}

#define HTTP_CODE ",\"http_code\":"
#define ROOM_FOR_NAMES 1024 /* keys, and what the figures take; more is made room for as well */

struct shared_text *pieces_join(size_t *code_at, const struct pieces *p, int http_code, int64_t now_us)
{
    struct shared_text head = {.refs = 1}, *joined;
    struct str b = {0};

    /* all of the room from the start, and the text where it stays: a large document is copied once */
    b.cap = sizeof head + (size_t)pieces_size(p) + ROOM_FOR_NAMES +
            (size_t)(p->uploads.count + p->tus.count + p->started.count + p->ignored.count);
    for (int i = 0; i < p->steps; i++)
        b.cap += (size_t)p->results[i].count + (p->step_names[i] ? strlen(p->step_names[i]) : 0) + 4;
    b.s = mem_alloc(b.cap);
    str_add(&b, &head, sizeof head);
    str_putc(&b, '{');
    str_puts(&b, p->head);
    str_puts(&b, HTTP_CODE);
    *code_at = b.len - sizeof head;
    str_addf(&b, "%03d,", http_code);
    str_puts(&b, p->fixed);
    add_durations(&b, p, now_us);
    str_puts(&b, ",\"started_jobs\":");
    add_list(&b, &p->started);
    str_puts(&b, ",\"tus_uploads\":");
    add_list(&b, &p->tus);
    str_puts(&b, ",\"ignored_errors\":");
    add_list(&b, &p->ignored);
    str_puts(&b, ",\"uploads\":");
    add_list(&b, &p->uploads);
    add_results(&b, p);
    joined = (struct shared_text *)(void *)mem_realloc(b.s, b.len + 1);
    joined->len = b.len - sizeof head;
    return joined;
}

struct shared_text *pieces_recode(const struct shared_text *t, size_t code_at, int http_code)
{
    struct shared_text *other = shared_text_new(t->s, t->len);
    char digits[16];

    snprintf(digits, sizeof digits, "%03d", http_code);
    memcpy(other->s + code_at, digits, 3);
    return other;
}
