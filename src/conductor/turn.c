/* Within a turn: events are applied and written into its transaction; effects and answers wait for
 * its commit (loop.c). */
#include "conductor/private.h"
#include "store/sealed.h"

#include <string.h>

/* The first refusal says why; what comes after it in this turn can't be committed. */
int turn_lost(struct conductor *c, const struct err *why)
{
    if (!c->turn.failure.code)
        c->turn.failure = *why;
    return -1;
}

int turn_begin(struct conductor *c, struct err *err)
{
    if (c->turn.failure.code) {
        *err = c->turn.failure;
        return -1;
    }
    if (c->turn.in_transaction)
        return 0;
    ballast_check(c); /* a disk can fill up faster than the clock ticks */
    if (store_begin(c->conf.store, err) < 0)
        return turn_lost(c, err);
    c->turn.in_transaction = true;
    return 0;
}

/* ---- what waits for the commit ---- */

void turn_answer(struct conductor *c, conductor_reply reply, void *ctx, const struct err *err,
                 struct entry *e)
{
    struct turn_queues *q = &c->turn.queues;

    if (!reply)
        return;
    if (q->answer_count == q->answer_cap) {
        q->answer_cap = q->answer_cap ? q->answer_cap * 2 : 64;
        q->answers = mem_realloc(q->answers, (size_t)q->answer_cap * sizeof *q->answers);
    }
    struct answer *a = &q->answers[q->answer_count++];
    *a = (struct answer){.reply = reply, .ctx = ctx, .entry = e};
    if (e)
        e->queued++;
    if (err)
        a->err = *err;
}

static void keep_effects(struct turn_queues *q, struct entry *e, struct effects *fx)
{
    for (int i = 0; i < fx->count; i++) {
        if (q->effect_count == q->effect_cap) {
            q->effect_cap = q->effect_cap ? q->effect_cap * 2 : 64;
            q->effects = mem_realloc(q->effects, (size_t)q->effect_cap * sizeof *q->effects);
        }
        q->effects[q->effect_count++] = (struct effect_item){e, fx->v[i]};
        e->queued++;
    }
    free(fx->v); /* the texts have moved */
}

struct turn_queues turn_take_queues(struct conductor *c)
{
    struct turn_queues q = c->turn.queues;

    c->turn.queues = (struct turn_queues){0};
    return q;
}

void turn_queues_done(struct turn_queues *q)
{
    for (int i = 0; i < q->effect_count; i++) {
        q->effects[i].entry->queued--;
        free(q->effects[i].fx.text);
    }
    for (int i = 0; i < q->answer_count; i++)
        if (q->answers[i].entry)
            q->answers[i].entry->queued--;
    free(q->effects);
    free(q->answers);
}

void turn_release(struct conductor *c)
{
    struct turn_queues q = turn_take_queues(c);

    turn_queues_done(&q);
    turn_release_claims(c);
    free(c->turn.claims);
    free(c->turn.acks);
    c->turn = (struct turn){0};
}

static void claim_blob(struct turn *t, const char *id)
{
    if (!id)
        return;
    if (t->claim_count == t->claim_cap) {
        t->claim_cap = t->claim_cap ? t->claim_cap * 2 : 16;
        t->claims = mem_realloc(t->claims, (size_t)t->claim_cap * sizeof *t->claims);
    }
    snprintf(t->claims[t->claim_count++], ID_LEN + 1, "%s", id);
}

void turn_claim(struct conductor *c, const json_t *data)
{
    json_t *input;
    size_t i;

    claim_blob(&c->turn, jstr(json_object_get(data, "file"), "id"));
    json_array_foreach (json_object_get(data, "inputs"), i, input)
        claim_blob(&c->turn, jstr(input, "id"));
}

void turn_release_claims(struct conductor *c)
{
    while (c->turn.claim_count)
        blob_release(c->conf.blobs, c->turn.claims[--c->turn.claim_count]);
}

/* ---- events ---- */

static bool has_ended(const struct effects *fx)
{
    for (int i = 0; i < fx->count; i++)
        if (fx->v[i].type == FX_END)
            return true;
    return false;
}

char *event_record(const struct seal_key *seal, const char *assembly_id, enum event_type type, const json_t *data)
{
    struct str b = {0};

    str_room(&b, 1023);
    str_putc(&b, '{');
    str_add_json_key(&b, "e");
    str_add_json(&b, event_name(type));
    str_add_json_key(&b, "d");
    sealed_data_text(&b, seal, assembly_id, event_sealed(type), data);
    str_putc(&b, '}');
    return str_take(&b);
}

/* The event, and the rows that go with it. */
static int save_event(struct conductor *c, struct entry *e, const struct event *ev, int64_t billed,
                      bool ended, struct err *err)
{
    const struct event_rule *rule = event_rule(ev->type);
    const struct row_source source = {ev->data, ev->at_us, billed};
    AUTO(mem_free) char *made = take(c->turn.record);
    AUTO(mem_free) char *made_now = made ? NULL : event_record(c->conf.seal, e->a->id, ev->type, ev->data);
    const char *text = made ? made : made_now;

    e->event_bytes += (int64_t)strlen(text);
    if (turn_begin(c, err) < 0 || (ev->type == EV_CREATED && save_assembly(c, e, err) < 0) ||
        store_event_add(c->conf.store, e->a->id, ++e->seq, ev->at_us, text, err) < 0 ||
        (rule->save && rule->save(c, e, &source, err) < 0) ||
        (ended && save_notification(c, e, err) < 0))
        return -1;
    return 0;
}

int turn_apply(struct conductor *c, struct entry *e, enum event_type type, json_t *data,
               struct err *err)
{
    struct event ev = {type, data, clock_now_us()};
    struct effects fx = {0};
    int64_t billed = e->a->bytes_usage;
    struct err why;

    if (e->rests)
        return assembly_refuse(e->a, type, err);
    int rc = event_is_durable(type) ? turn_begin(c, err) : 0;

    e->body_gone |= event_rule(type)->ends_body;
    if (e->stale || c->turn.failure.code)
        rc = err_set(err, c->turn.failure.code ? (enum err_code)c->turn.failure.code : ERR_IO,
                     "The database can't be used at the moment");
    if (rc < 0 && !e->stale)
        entry_touch(
            &c->entries,
            e); /* whoever says this won't say it again: look at what is stored, go on from there */
    if (rc == 0)
        rc = assembly_apply(e->a, &ev, &fx, err);
    if (rc < 0) {
        effects_done(&fx);
        return -1;
    }
    bool ended = has_ended(&fx); /* an end is kept, whatever brought it */
    e->passing |= type == EV_BODY_BYTES || type == EV_UPLOAD_OFFSET;
    if ((ended || event_is_durable(type)) &&
        save_event(c, e, &ev, e->a->bytes_usage - billed, ended, &why) < 0) {
        effects_done(&fx);
        if (why.code == ERR_EXISTS) {
            *err = why;
            return -1;
        }
        entry_touch(&c->entries, e);
        if (why.code == ERR_INTERNAL && !e->refused)
            e->refused = mem_strdup(why.msg);
        *err = why;
        return turn_lost(c, err);
    }
    entry_touch(&c->entries, e);
    if (e->end == ENTRY_WRITTEN && event_is_durable(type))
        entry_document_due(&c->entries, e); /* the end of a request that was cut, most often: its bytes count */
    tenant_follow(c, e);
    keep_effects(&c->turn.queues, e, &fx);
    return 0;
}
