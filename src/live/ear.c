/* ear.c - the listeners of sessions: a document calls them on its thread, and they leave notes for ours. */
#include "live/private.h"

#include <string.h>

void ear_unref(struct ear *e)
{
    if (e && atomic_fetch_sub(&e->refs, 1) == 1)
        free(e);
}

static struct shared_text *ear_encode(const struct told *e)
{
    AUTO(str_done) struct str b = {0};

    sio_add_event(&b, e->name, e->json);
    return shared_text_new(b.s, b.len);
}

static int ear_hear(struct listener *l, struct shared_text *text)
{
    struct ear *e = (struct ear *)l;
    struct note *n;

    if (atomic_load(&e->waiting) + text->len > MAX_QUEUE) {
        e->is_slow = true;
        return -1;
    }
    atomic_fetch_add(&e->waiting, text->len);
    n = mem_zalloc(sizeof *n);
    n->kind = NOTE_EVENT;
    n->text = shared_text_ref(text);
    n->ear = e;
    atomic_fetch_add(&e->refs, 1);
    return live_note(e->live, n) ? 0 : -1;
}

static void ear_end(struct listener *l)
{
    struct note *n = mem_zalloc(sizeof *n);

    n->kind = NOTE_END;
    n->ear = (struct ear *)l; /* with the document's reference */
    live_note(n->ear->live, n);
}

const struct listener_kind ear_kind = {ear_encode, ear_hear, NULL, ear_end};

struct listener *ear_lend(void *ear)
{
    struct ear *e = ear;

    atomic_fetch_add(&e->refs, 1); /* the document's */
    return &e->listener;
}

void ear_forget(struct ear *e)
{
    /* Else its end() has been called, and the note of that drops the document's reference. */
    if (e->doc && !e->has_ended && published_unlisten(e->doc, &e->listener))
        ear_unref(e);
    published_unref(take(e->doc));
    e->session = NULL;
    ear_unref(e);
}
