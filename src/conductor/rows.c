/* What an event means apart from what the rules make of it: the rows that go into the store with
 * it, whether a create request has had its say. One table, looked
 * at by the turn. */
#include "conductor/document.h"
#include "conductor/private.h"

#include <time.h>

/* ---- the Assembly itself ---- */

#define SERVED_EXPIRY_US (60 * SECOND_US) /* its file has been sent, or is in the cache under a name of its own */

static struct store_end end_of(const struct conductor *c, const struct assembly *a)
{
    int64_t most = a->begun.by_url ? SERVED_EXPIRY_US : INT64_MAX;

    return (struct store_end){
        .code = assembly_code(a),
        .ended_us = a->ended_us,
        .expires_us = a->ended_us + (c->conf.result_expiry_us < most ? c->conf.result_expiry_us : most)};
}

int save_assembly(struct conductor *c, struct entry *e, struct err *err)
{
    const struct assembly *a = e->a;
    struct store_end end = end_of(c, a);

    if (!assembly_is_over(a) || assembly_leaves(a) || !entry_is_told_by_events(e))
        return store_assembly_add(c->conf.store, a->id, a->workspace, a->created_us, err);
    AUTO(mem_free) char *about = document_about(c->conf.instance, c->conf.region, c->conf.build_id);
    end.made = about;
    e->made = true;
    return store_assembly_add_made(c->conf.store, a->id, a->workspace, a->created_us, &end, err);
}

int save_end(struct conductor *c, struct entry *e, const char *document, struct err *err)
{
    struct store_end end = end_of(c, e->a);
    AUTO(mem_free) char *about =
        document ? NULL : document_about(c->conf.instance, c->conf.region, c->conf.build_id);

    end.status = document;
    end.made = about;
    e->made = !document;
    return store_assembly_end(c->conf.store, e->a->id, &end, err);
}

/* ---- which blobs exist, and what they are ---- */

static int save_file(struct conductor *c, struct entry *e, const json_t *file, struct err *err)
{
    return store_file_add(c->conf.store, jstr_or(file, "id", ""), e->a->id,
                          jstr_or(file, "name", "unnamed"), jstr_or(file, "mime", ""),
                          jint(file, "size", 0), err);
}

/* Files that an Assembly begins with: a replay. */
static int save_created(struct conductor *c, struct entry *e, const struct row_source *s,
                        struct err *err)
{
    const json_t *input;
    size_t i;

    json_array_foreach (json_object_get(s->data, "inputs"), i, input)
        if (save_file(c, e, input, err) < 0)
            return -1;
    return 0;
}

static int save_uploaded(struct conductor *c, struct entry *e, const struct row_source *s,
                         struct err *err)
{
    const json_t *file = json_object_get(s->data, "file");

    return file ? save_file(c, e, file, err) : 0;
}

static int save_type(struct conductor *c, struct entry *e, const struct row_source *s, const json_t *found,
                     struct err *err)
{
    const struct job *j = e->a->jobs[jint(s->data, "job", 0)];
    const char *mime = jstr(found, "mime");
    int64_t in = jint(found, "input", 0);
    bool known;

    if (!mime || !*mime || in < 0 || in >= j->input_count)
        return 0;
    const struct file *f = j->inputs[in];
    if (store_file_type(&known, c->conf.store, f->id, e->a->id, mime, err) < 0)
        return -1;
    /* in a damaged store it may be another's, which is refused */
    return known ? 0 : store_file_add(c->conf.store, f->id, e->a->id, f->name, mime, f->size, err);
}

static int save_types(struct conductor *c, struct entry *e, const struct row_source *s, struct err *err)
{
    const json_t *found;
    size_t i;

    json_array_foreach (json_object_get(s->data, "found"), i, found)
        if (save_type(c, e, s, found, err) < 0)
            return -1;
    return 0;
}

static int save_output(struct conductor *c, struct entry *e, const struct row_source *s, struct err *err)
{
    if (save_type(c, e, s, json_object_get(s->data, "same"), err) < 0 || save_types(c, e, s, err) < 0)
        return -1;
    return save_uploaded(c, e, s, err);
}

/* ---- the ledger ---- */

static int save_done(struct conductor *c, struct entry *e, const struct row_source *s,
                      struct err *err)
{
    int job = (int)jint(s->data, "job", 0);
    const struct job *j = e->a->jobs[job];
    int64_t raw = j->out_bytes;
    time_t t = (time_t)(s->at_us / SECOND_US);
    struct tm tm;
    char month[16];

    if (save_types(c, e, s, err) < 0)
        return -1;
    if (job_is_hidden(j))
        return 0; /* billed with the upload or import it belongs to */
    for (int i = 0; i < j->input_count; i++)
        raw += j->inputs[i]->size;
    gmtime_r(&t, &tm);
    strftime(month, sizeof month, "%Y-%m", &tm);
    return store_ledger_add(c->conf.store,
                            &(struct store_usage){.assembly_id = e->a->id,
                                                  .workspace = e->a->workspace,
                                                  .month = month,
                                                  .robot = job_robot(e->a, j)->name,
                                                  .job = job,
                                                  .raw_bytes = raw,
                                                  .bytes = s->billed},
                            err);
}

/* ---- the table ---- */

static const struct event_rule rules[] = {
    [EV_CREATED] = {.save = save_created},
    [EV_BODY_DONE] = {.ends_body = true},
    [EV_BODY_CUT] = {.ends_body = true},
    [EV_FAIL] = {.ends_body = true},
    [EV_FILE_UPLOADED] = {.save = save_uploaded},
    [EV_JOB_OUTPUT] = {.save = save_output},
    [EV_JOB_DONE] = {.save = save_done},
};

const struct event_rule *event_rule(enum event_type type)
{
    static const struct event_rule nothing;

    return type < ARRAY_LEN(rules) ? &rules[type] : &nothing;
}

int save_notification(struct conductor *c, struct entry *e, struct err *err)
{
    const char *url = jstr(e->a->created, "notify_url");
    struct store_notification n = {.id = e->notification,
                                   .assembly_id = e->a->id,
                                   .workspace = e->a->workspace,
                                   .key_id = e->a->key_id,
                                   .url = url,
                                   .next_us = clock_now_us()};

    if (!url)
        return 0;
    id_new(e->notification);
    return store_notification_add(c->conf.store, &n, err);
}
