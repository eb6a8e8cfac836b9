/* What events are called, and what their data must look like: the table of events.def. */
#include "assembly/private.h"

#include <string.h>

enum { MAY, MUST };

enum record {
#define RECORD(name, fields) OF_##name,
#define X(name, text, durable, fields)
#include "assembly/events.def"
#undef RECORD
#undef X
    RECORDS
};

enum kind { INT = RECORDS, NUM, BOOL, TEXT, ID, OBJECT, ANY, EACH };

#define FIELDS_MOST 12 /* of a row, and its end */

struct field {
    const char *name;
    int kind; /* enum kind or enum record; EACH and a record: an array of such */
    bool must;
};

#define F(name, kind, must) {#name, kind, must == MUST},

static const struct field records[][FIELDS_MOST] = {
#define RECORD(name, fields) [OF_##name] = {fields},
#define X(name, text, durable, fields)
#include "assembly/events.def"
#undef RECORD
#undef X
};

static const struct {
    const char *name;
    bool durable;
    struct field fields[FIELDS_MOST];
} events[] = {
#define RECORD(name, fields)
#define X(name, text, durable, fields) [name] = {text, durable, {fields}},
#include "assembly/events.def"
#undef RECORD
#undef X
};

bool event_is_durable(enum event_type t) { return events[t].durable; }
const char *event_name(enum event_type t) { return events[t].name; }

const char *event_sealed(enum event_type t)
{
    return t == EV_CREATED ? "steps" : t == EV_JOB_VALUES ? "values" : NULL;
}

int event_type_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (!strcmp(events[i].name, name))
            return (int)i;
    return -1;
}

static bool is_kind(const json_t *v, int kind)
{
    switch (kind) {
    case INT:
    case NUM:
        return json_is_number(v);
    case BOOL:
        return json_is_boolean(v);
    case TEXT:
        return json_is_string(v);
    case ID:
        return json_is_string(v) && id_valid(json_string_value(v));
    case ANY:
        return true;
    default:
        return kind < RECORDS || kind == OBJECT ? json_is_object(v) : json_is_array(v);
    }
}

static const struct field *event_misfit(const struct field *f, const json_t *data);

static bool are_records(const json_t *list, int kind)
{
    const json_t *v;
    size_t i;

    json_array_foreach (list, i, v)
        if (!json_is_object(v) || event_misfit(records[kind], v))
            return false;
    return true;
}

/* The first field that does not read; NULL: all do. */
static const struct field *event_misfit(const struct field *f, const json_t *data)
{
    const struct field *inner;

    for (; f->name; f++) {
        const json_t *v = json_object_get(data, f->name);

        if (!v || json_is_null(v)) {
            if (f->must)
                return f;
            continue;
        }
        if (!is_kind(v, f->kind) || (f->kind >= EACH && !are_records(v, f->kind - EACH)))
            return f;
        if (f->kind < RECORDS && (inner = event_misfit(records[f->kind], v)))
            return inner;
    }
    return NULL;
}

int event_check(const struct event *ev, struct err *err)
{
    if ((size_t)ev->type >= ARRAY_LEN(events))
        return err_set(err, ERR_INTERNAL, "unknown event %d", (int)ev->type);
    const struct field *bad = event_misfit(events[ev->type].fields, ev->data);
    return bad ? err_set(err, ERR_INTERNAL, "the event %s does not read: %s", event_name(ev->type), bad->name) : 0;
}
