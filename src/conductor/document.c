/* The final document is a function of an Assembly's events. Where they are few it is made again when somebody asks,
 * which is seldom, instead of being written, which would be always. */
#include "conductor/document.h"
#include "assembly/assembly.h"
#include "assembly/listing.h"
#include "base/clock.h"
#include "conductor/pieces.h"
#include "store/sealed.h"

struct making {
    struct assembly *a;
    struct pieces pieces;
    const struct seal_key *seal;
    const json_t *about;
    bool whole; /* the document, too */
};

char *document_about(const char *instance, const char *region, const char *build_id)
{
    struct str b = {0};

    str_putc(&b, '[');
    str_add_json(&b, instance);
    str_putc(&b, ',');
    str_add_json(&b, region);
    str_putc(&b, ',');
    str_add_json(&b, build_id);
    str_putc(&b, ']');
    return str_take(&b);
}

static const char *about(const struct making *m, size_t i)
{
    return json_string_value(json_array_get(m->about, i));
}

static void put_effects(struct making *m, const struct effects *fx)
{
    for (int i = 0; i < fx->count; i++)
        if (fx->v[i].type == FX_FRAGMENT)
            pieces_put(&m->pieces, &fx->v[i], m->a, mem_strdup(fx->v[i].text));
}

static int make_event(struct making *m, const struct store_event *stored, struct err *err)
{
    AUTO(json_unref) json_t *record = json_reads(stored->json);
    json_t *data = json_object_get(record, "d");
    int type = event_type_by_name(jstr_or(record, "e", ""));
    struct effects fx = {0};

    if (type < 0)
        return 0;
    if (sealed_data_open(m->seal, m->a->id, event_sealed((enum event_type)type), data, err) < 0)
        return -1;
    struct event ev = {(enum event_type)type, data, stored->at_us};
    (void)!assembly_apply(m->a, &ev, &fx, NULL); /* refused now, as it was then */
    if (type == EV_CREATED && m->whole)
        pieces_set_fixed(&m->pieces, status_fixed(m->a, about(m, 0), about(m, 1), about(m, 2)));
    if (m->whole)
        put_effects(m, &fx);
    effects_done(&fx);
    return 0;
}

static void join(struct str *out, struct making *m)
{
    size_t code_at;

    pieces_set_head(&m->pieces, status_head(m->a));
    m->pieces.figures = listing_figures(m->a);
    m->pieces.over = true;
    struct shared_text *t = pieces_join(&code_at, &m->pieces, 200, m->a->ended_us);
    str_add(out, t->s, t->len);
    shared_text_unref(t);
}

int document_make(struct str *text, json_t **item, const struct store_made *of, const struct seal_key *seal,
                  const char *id, struct err *err)
{
    AUTO(json_unref) json_t *about_it = json_reads(of->about);
    AUTO(assembly_free) struct assembly *a = assembly_new(id);
    struct making m = {.a = a, .seal = seal, .about = about_it, .whole = text};
    int rc = 0;

    pieces_init(&m.pieces);
    for (int i = 0; i < of->count && rc == 0; i++)
        rc = make_event(&m, &of->events[i], err);
    if (rc == 0 && !assembly_is_over(a))
        rc = err_set(err, ERR_INTERNAL, "The events of Assembly '%s' do not say how it ended", id);
    if (rc == 0 && text)
        join(text, &m);
    if (rc == 0 && item)
        *item = listing_item(a, about(&m, 0), about(&m, 1), a->ended_us);
    pieces_done(&m.pieces);
    return rc;
}

int document_get(struct str *out, struct store_reader *r, const struct seal_key *seal, const char *id,
                 struct err *err)
{
    AUTO(store_made_done) struct store_made made = {0};

    if (store_status_get(out, &made, r, id, err) < 0)
        return -1;
    return made.about ? document_make(out, NULL, &made, seal, id, err) : 0;
}

int document_read(struct str *out, struct store *s, const struct seal_key *seal, const char *id, struct err *err)
{
    AUTO(store_made_done) struct store_made made = {0};

    if (store_status_read(out, &made, s, id, err) < 0)
        return -1;
    return made.about ? document_make(out, NULL, &made, seal, id, err) : 0;
}

int document_item(json_t **out, struct store_reader *r, const struct seal_key *seal, const char *id, struct err *err)
{
    AUTO(store_made_done) struct store_made made = {0};
    AUTO(str_done) struct str text = {0};

    if (store_status_get(&text, &made, r, id, err) < 0)
        return -1;
    return made.about ? document_make(NULL, out, &made, seal, id, err)
                      : err_set(err, ERR_NOT_FOUND, "Assembly '%s' is stored whole", id);
}
