/* Instructions, and a history of events after them. A line of JSON: {"steps", "expected", "body_done", ...}; then lines
 * of an event's name and its data.
 *
 * Who replays what an Assembly has accepted has the same Assembly, and every text that it shows is JSON. What jobs say
 * comes from workers and is passed as it stands, as far as the pool would let it; what we say ourselves has the form in
 * events.def, with any values. */
#include "fuzz.h"
#include "assembly/assembly.h"
#include "assembly/instructions.h"
#include "assembly/lint.h"
#include "assembly/listing.h"
#include "assembly/mask.h"
#include "assembly/payload.h"

#include <stdio.h>
#include <string.h>

#define MAX_EVENTS 60

struct history {
    struct {
        enum event_type type;
        json_t *data;
        int64_t at_us;
        bool kept; /* in the store */
    } log[MAX_EVENTS];
    int count;
    bool is_over;
    int64_t now_us;
};

static void is_json(const char *text)
{
    AUTO(json_unref) json_t *j = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    CHECK(j);
}

static void is_members(const char *text) /* what stands between the braces of an object */
{
    AUTO(mem_free) char *whole = mem_printf("{%s}", text);

    is_json(whole);
}

/* ---- what an Assembly shows ---- */

/* state: without what only volatile events bring */
static char *picture(struct assembly *a, bool state)
{
    struct str b = {0};

    str_addf(&b, "%d %s %d jobs, %d open, %d files, %d results", a->state, assembly_code(a), a->job_count, a->jobs_open,
             a->file_count, a->ignored_count);
    for (int i = 0; i < a->job_count; i++)
        str_addf(&b, "\njob %d %d %d", a->jobs[i]->state, a->jobs[i]->outputs, a->jobs[i]->failures);
    for (int i = 0; i < a->file_count; i++) {
        AUTO(mem_free) char *file = status_file(a, a->files[i], i % 2);
        is_json(file);
        str_addf(&b, "\n%s", file);
    }
    if (state)
        return str_take(&b);
    for (int i = 0; i < a->tus_count; i++) {
        AUTO(mem_free) char *tus = status_tus(&a->tus[i]);
        if (*tus)
            is_json(tus);
        str_addf(&b, "\n%s", tus);
    }
    AUTO(mem_free) char *head = status_head(a);
    AUTO(mem_free) char *fixed = status_fixed(a, "i", "local", "b");
    AUTO(json_unref) json_t *entry = listing_item(a, "i", "local", 2000000000000000);
    AUTO(mem_free) char *item = json_text(entry);
    AUTO(mem_free) char *words = listing_search(a);
    AUTO(mem_free) char *progress = progress_json(a);
    is_members(head);
    is_members(fixed);
    is_json(item);
    is_json(progress);
    str_addf(&b, "\n%s\n%s\n%s", head, fixed, words);
    return str_take(&b);
}

static void look_at_effects(const struct assembly *a, const struct effects *fx)
{
    for (int i = 0; i < fx->count; i++) {
        const struct effect *e = &fx->v[i];
        AUTO(json_unref) json_t *params = NULL;
        struct err err;

        if (e->text && *e->text)
            is_json(e->text);
        if (e->type == FX_START_JOB) {
            CHECK(e->job >= 0 && e->job < a->job_count);
            AUTO(json_unref) json_t *asks = assembly_job_asks(a, a->jobs[e->job], "local");
            CHECK(!asks || json_array_size(json_object_get(asks, "expressions")));
            if (assembly_job_params(&params, a, a->jobs[e->job], "local", NULL, &err) == 0)
                CHECK(json_is_object(params));
        }
    }
}

/* ---- events ---- */

static int64_t clamped(const json_t *d, const char *key, int64_t def, int64_t min, int64_t max)
{
    int64_t n = jint(d, key, def);

    return n < min ? min : n > max ? max : n;
}

static json_t *numbered_id(const json_t *d, const char *key, unsigned first)
{
    char id[ID_LEN + 1];

    snprintf(id, sizeof id, "%032x", first + (unsigned)clamped(d, key, 0, 0, 3));
    return json_string(id);
}

#define BIG (INT64_C(1) << 53)

/* The pool names and measures files; what else stands in the record is the worker's. */
static json_t *job_event(const json_t *d)
{
    static const char *const kinds[] = {"file", "stored", "same"};
    json_t *out = json_deep_copy(d);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        json_t *record = json_object_get(out, kinds[i]);

        if (!record)
            continue;
        if (!json_is_object(record)) {
            json_object_del(out, kinds[i]);
            continue;
        }
        if (*kinds[i] == 'f') {
            json_object_set_new(record, "id", numbered_id(record, "n", 200));
            json_object_set_new(record, "size", json_integer(clamped(record, "size", 1, 0, BIG)));
        }
    }
    return out;
}

static json_t *file_record(const json_t *d)
{
    const json_t *f = json_object_get(d, "file");
    json_t *out = json_pack("{s:o,s:o,s:I}", "id", numbered_id(f, "n", 100), "name", jstring(jstr_or(f, "name", "x.jpg")), "size",
                            (json_int_t)clamped(f, "size", 3, 0, BIG));

    jset(out, "field", jstr(f, "field"));
    jset(out, "md5", jstr(f, "md5"));
    if (json_is_object(json_object_get(f, "user_meta")))
        json_object_set(out, "user_meta", json_object_get(f, "user_meta"));
    return out;
}

static json_t *own_event(enum event_type type, const json_t *d)
{
    json_t *out = json_object();
    const char *text;

    switch (type) {
    case EV_UPLOAD_CREATED:
        jset(out, "filename", jstr_or(d, "filename", "f"));
        jset(out, "fieldname", jstr_or(d, "fieldname", "f"));
        jset(out, "url", "http://x/resumable/files/1");
        json_object_set_new(out, "size", json_integer(clamped(d, "size", -1, -1, BIG)));
        if (json_is_object(json_object_get(d, "user_meta")))
            json_object_set(out, "user_meta", json_object_get(d, "user_meta"));
        json_object_set_new(out, "id", numbered_id(d, "id", 1));
        break;
    case EV_UPLOAD_LENGTH: json_object_set_new(out, "size", json_integer(clamped(d, "size", 0, 0, BIG))); /* fall through */
    case EV_UPLOAD_OFFSET: json_object_set_new(out, "offset", json_integer(clamped(d, "offset", 0, 0, BIG))); /* fall through */
    case EV_UPLOAD_REMOVED: json_object_set_new(out, "id", numbered_id(d, "id", 1)); break;
    case EV_FILE_UPLOADED:
        json_object_set_new(out, "file", file_record(d));
        if (json_object_get(d, "upload"))
            json_object_set_new(out, "upload", numbered_id(d, "upload", 1));
        break;
    case EV_FILE_ADDED:
        jset(out, "filename", jstr(d, "filename"));
        jset(out, "fieldname", jstr_or(d, "fieldname", "f"));
        jset(out, "url", jstr_or(d, "url", "http://x/"));
        /* fall through */
    case EV_FILE_RESERVED: json_object_set_new(out, "size", json_integer(clamped(d, "size", -1, -1, BIG))); break;
    case EV_BODY_DONE:
        if (json_object_get(d, "files"))
            json_object_set_new(out, "files", json_integer(clamped(d, "files", 0, 0, 3)));
        /* fall through */
    case EV_BODY_CUT:
    case EV_BODY_BYTES: json_object_set_new(out, "bytes", json_integer(clamped(d, "bytes", 0, 0, BIG))); /* fall through */
    case EV_FORM_FIELDS:
        if (json_is_object(json_object_get(d, "fields")))
            json_object_set(out, "fields", json_object_get(d, "fields"));
        break;
    case EV_FAIL:
        text = jstr_or(d, "name", "SERVER_500");
        json_object_update_new(out, json_pack("{s:i,s:o,s:o}", "code", 1, "name", jstring(text), "msg", jstring(jstr_or(d, "msg", ""))));
        break;
    case EV_NOTIFY:
        json_object_update(out, (json_t *)d);
        break;
    default: break;
    }
    return out;
}

static json_t *event_data(enum event_type type, const json_t *d)
{
    switch (type) {
    case EV_JOB_STARTED:
    case EV_JOB_PROGRESS:
    case EV_JOB_UNDO:
    case EV_JOB_VALUES:
    case EV_JOB_OUTPUT:
    case EV_JOB_DONE:
    case EV_JOB_FAILED: return job_event(d);
    default: return own_event(type, d);
    }
}

static json_t *created_data(const json_t *d)
{
    json_t *steps = json_object_get(d, "steps"), *fields = json_object_get(d, "fields");
    AUTO(mem_free) char *params = json_text(d);

    return json_pack("{s:s,s:s,s:O?,s:i,s:b,s:i,s:I,s:I,s:s,s:o,s:b}", "workspace", "w", "base_url", "http://x",
                     "steps", steps, "expected", (int)clamped(d, "expected", 0, 0, 5), "body_done",
                     jbool(d, "body_done", true), "max_attempts", 2,
                     "max_size", (json_int_t)clamped(d, "max_size", 0, 0, BIG), "max_files",
                     (json_int_t)clamped(d, "max_files", 0, 0, 100), "params", params, "fields",
                     json_is_object(fields) ? json_incref(fields) : json_object(), "notes",
                     jbool(d, "notes", true));
}

static int apply(struct assembly *a, enum event_type type, json_t *data, int64_t at_us)
{
    struct event ev = {type, data, at_us};
    struct effects fx = {0};
    struct err err = {0};
    enum assembly_state before = a->state;
    int rc = assembly_apply(a, &ev, &fx, &err);
    int ends = 0;

    if (rc < 0)
        CHECK(!fx.count && err.code && a->state == before);
    for (int i = 0; i < fx.count; i++)
        ends += fx.v[i].type == FX_END;
    CHECK(ends == (a->state != before && assembly_is_over(a)));
    CHECK(!assembly_is_over(a) || !a->jobs_open);
    look_at_effects(a, &fx);
    effects_done(&fx);
    return rc;
}

/* ---- the oracle ---- */

static struct assembly *replay(const struct history *h, bool durable_only)
{
    struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");

    for (int i = 0; i < h->count; i++)
        if (!durable_only || h->log[i].kept)
            CHECK(apply(a, h->log[i].type, h->log[i].data, h->log[i].at_us) == 0);
    return a;
}

static void compare(struct assembly *a, const struct history *h)
{
    AUTO(assembly_free) struct assembly *all = replay(h, false), *durable = replay(h, true);
    AUTO(mem_free) char *live = picture(a, false), *again = picture(all, false);
    AUTO(mem_free) char *live_state = picture(a, true), *stored = picture(durable, true);

    CHECK(!strcmp(live, again));
    CHECK(!strcmp(live_state, stored));
    /* a start after a crash begins each open job once, and nothing else */
    struct effects fx = {0};
    int starts = 0;
    assembly_recover(durable, &fx);
    for (int i = 0; i < fx.count; i++)
        starts += fx.v[i].type == FX_START_JOB;
    CHECK(starts == durable->jobs_open);
    look_at_effects(durable, &fx);
    effects_done(&fx);
}

static void remember(struct history *h, const struct assembly *a, enum event_type type, json_t *data)
{
    bool was_over = h->is_over;

    h->is_over = assembly_is_over(a);
    h->log[h->count].kept = event_is_durable(type) || (h->is_over && !was_over); /* as conductor/turn.c */
    h->log[h->count].type = type;
    h->log[h->count].data = json_incref(data);
    h->log[h->count++].at_us = h->now_us;
}

static void one_event(struct assembly *a, struct history *h, struct bytes *b)
{
    AUTO(mem_free) char *line = take_line(b);
    char *space = strchr(line, ' ');
    int type;

    if (!space)
        return;
    *space = 0;
    type = event_type_by_name(line);
    AUTO(json_unref) json_t *d = json_loads(space + 1, 0, NULL);
    if (type <= (int)EV_CREATED || !json_is_object(d))
        return;
    AUTO(json_unref) json_t *data = event_data((enum event_type)type, d);
    h->now_us += 1000;
    if (apply(a, (enum event_type)type, data, h->now_us) == 0)
        remember(h, a, (enum event_type)type, data);
}

static void count_refused(void *ctx, const struct finding *f)
{
    CHECK(*f->text);
    *(int *)ctx += f->kind == FINDING_REFUSED;
}

/* Who looks for all that is wrong finds something where the parser does, and nothing where it does not. */
static void lint(json_t *steps)
{
    AUTO(instructions_free) struct instructions *in = NULL;
    const char *bad_step;
    struct err err;
    int count = 0;

    CHECK(instructions_lint(steps, count_refused, &count) == count);
    CHECK((instructions_parse(&in, steps, &bad_step, &err) < 0) == (count > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(json_unref) json_t *first = take_json_line(&b);
    AUTO(assembly_free) struct assembly *a = assembly_new("0123456789abcdef0123456789abcdef");
    struct history h = {.now_us = 1900000000000000};

    if (!json_is_object(first))
        return 0;
    lint(json_object_get(first, "steps"));
    AUTO(json_unref) json_t *created = created_data(first);
    if (apply(a, EV_CREATED, created, h.now_us) < 0)
        return 0;
    remember(&h, a, EV_CREATED, created);
    while (b.left && h.count < MAX_EVENTS)
        one_event(a, &h, &b);
    compare(a, &h);
    for (int i = 0; i < h.count; i++)
        json_decref(h.log[i].data);
    /* what is shown of the parameters hides what is secret, and the text of a notification is JSON */
    instructions_mask(first);
    AUTO(mem_free) char *masked = json_text(first);
    AUTO(mem_free) char *payload = payload_text(masked);
    is_json(payload);
    return 0;
}
