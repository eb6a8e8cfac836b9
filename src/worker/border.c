#include "worker/border.h"
#include "base/clock.h"
#include "base/id.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 24   /* nested brackets of a whole message */
#define UNDOS_MOST 16  /* and some for each input */
#define UNDOS_INPUT 8
#define HOSTS_MOST 4   /* a question and what was seen, and once more */
#define TOKENS_MOST 64 /* of half an hour each: more than a day */
#define SLACK_US INT64_C(1000000) /* two clocks are never the same */
/* A host says how far it is five times a second at most. Twice that, and a burst when it was held up,
 * is still honest. */
#define PROGRESS_US INT64_C(100000)
#define PROGRESS_BURST 50
#define UNHEARD_US (60 * SECOND_US)

/* ---- the table ---- */

enum { ZYGOTE = 1 << BORDER_ZYGOTE, WORKER = 1 << BORDER_WORKER, COURIER = 1 << BORDER_COURIER };
enum { MAY, MUST };

enum shape {
    OF_message, /* those of MESSAGE come one after the other */
#define MESSAGE(type, who, bytes, values)
#define SHAPE(name) OF_##name,
#define FIELD(name, kind, must, least, most)
#include "worker/border.def"
#undef SHAPE
    SHAPES
};

enum kind {
    INT = SHAPES, NUM, BOOL, TEXT, LINES, ANYTEXT, NAME, OUT, EXT, MIME, URL, CODE, ID, FREE, LIST,
    ROW_MESSAGE, ROW_SHAPE, /* where the fields of one begin */
    ROW_END,
};

struct row {
    int kind; /* enum kind or enum shape */
    const char *name;
    bool must;
    int64_t least, most;
    enum message type;
    enum shape shape;
};

static const struct row rows[] = {
#undef MESSAGE
#undef FIELD
#define MESSAGE(mtype, mwho, mbytes, mvalues) {.kind = ROW_MESSAGE, .type = mtype},
#define SHAPE(sname) {.kind = ROW_SHAPE, .shape = OF_##sname},
#define FIELD(fname, fkind, fmust, fleast, fmost)                                                                      \
    {.kind = fkind, .name = #fname, .must = fmust == MUST, .least = fleast, .most = fmost},
#include "worker/border.def"
#undef MESSAGE
#undef FIELD
#undef SHAPE
    {.kind = ROW_END}};

static const struct {
    int who;
    struct wire_bounds bounds;
} messages[MSG_COUNT] = {
#define MESSAGE(mtype, mwho, mbytes, mvalues) [mtype] = {mwho, {mbytes, mvalues, DEPTH_MAX}},
#define FIELD(name, kind, must, least, most)
#define SHAPE(name)
#include "worker/border.def"
#undef MESSAGE
#undef FIELD
#undef SHAPE
};

static bool ends_fields(const struct row *r) { return r->kind >= ROW_MESSAGE; }

static const struct row *fields_of(enum message type)
{
    const struct row *r = rows;

    while (r->kind != ROW_END && !(r->kind == ROW_MESSAGE && r->type == type))
        r++;
    return r->kind == ROW_END ? r : r + 1;
}

static const struct row *fields_of_shape(int shape)
{
    const struct row *r = rows;

    while (r->kind != ROW_END && !(r->kind == ROW_SHAPE && (int)r->shape == shape))
        r++;
    return r->kind == ROW_END ? r : r + 1;
}

/* ---- texts ---- */

static bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

/* C1 controls are two bytes in UTF-8; they move a terminal's cursor as well. */
static bool has_control(const char *s, bool lines)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (is_control(*p) && !(lines && (*p == '\n' || *p == '\t' || *p == '\r')))
            return true;
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            return true;
    }
    return false;
}

static bool only(const char *s, const char *more, bool upper)
{
    for (; *s; s++)
        if (!(*s >= '0' && *s <= '9') && !(upper ? *s >= 'A' && *s <= 'Z' : *s >= 'a' && *s <= 'z') &&
            !strchr(more, *s))
            return false;
    return true;
}

/* As base makes them of anybody's (str_file_name). */
static bool is_name(const char *s)
{
    if (!*s || strchr(s, '/') || !strcmp(s, ".") || !strcmp(s, ".."))
        return false;
    while (*s && !is_control((unsigned char)*s))
        s++;
    return !*s;
}

static bool is_mime(const char *s)
{
    const char *slash = strchr(s, '/');

    if (!*s)
        return true;
    for (const char *p = s; *p; p++)
        if (p != slash && !((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                            strchr("!#$&^_.+-", *p)))
            return false;
    return slash && slash > s && slash[1];
}

/* Of the web, or without a scheme (a url_prefix may be as it likes, but a client may not be made to run anything). */
static bool is_url(const char *s)
{
    bool web = !strncmp(s, "http://", 7) || !strncmp(s, "https://", 8);

    return *s && (web || !memchr(s, ':', strcspn(s, "/?#"))) && !has_control(s, false) && !strpbrk(s, " \"<>\\");
}

/* NULL: it is one. Else what is wrong with it. */
static const char *bad_text(const struct row *f, const json_t *v)
{
    const char *s = json_string_value(v);
    size_t len = json_string_length(v), most = f->kind == OUT ? 255 : (size_t)f->most;

    if (!s)
        return "is no text";
    if (strlen(s) != len)
        return "holds a NUL";
    if (f->kind == ID)
        return id_valid(s) ? NULL : "is no id";
    if (len > most)
        return "is too long";
    switch (f->kind) {
    case TEXT: return has_control(s, false) ? "holds control characters" : NULL;
    case LINES: return has_control(s, true) ? "holds control characters" : NULL;
    case NAME: return is_name(s) ? NULL : "is no name of a file";
    case OUT: return str_starts(s, "out/") && is_name(s + 4) ? NULL : "is no file in out/";
    case EXT: return only(s, "", false) ? NULL : "is no extension";
    case MIME: return is_mime(s) ? NULL : "is no MIME type";
    case URL: return (!*s && f->least == 0) || is_url(s) ? NULL : "is no web address";
    case CODE: return only(s, "_", true) ? NULL : "is no error code";
    default: return NULL;
    }
}

/* ---- values ---- */

/* Depth was bounded before it was parsed. */
static const char *bad_names(const json_t *v, size_t most)
{
    const char *why = NULL, *key;
    json_t *inner;
    size_t i;

    if (json_is_array(v))
        json_array_foreach (v, i, inner) {
            if ((why = bad_names(inner, most)))
                return why;
        }
    if (json_is_object(v))
        json_object_foreach ((json_t *)v, key, inner) {
            if (strlen(key) > most)
                return "holds a name that is too long";
            if (has_control(key, false))
                return "holds a name with control characters";
            if ((why = bad_names(inner, most)))
                return why;
        }
    return NULL;
}

static const char *bad_value(const struct row *f, const json_t *v)
{
    switch (f->kind) {
    case INT:
        return !json_is_integer(v)                                                          ? "is no integer"
               : json_integer_value(v) < f->least || json_integer_value(v) > f->most ? "is out of range"
                                                                                             : NULL;
    case NUM: {
        double n = json_number_value(v);

        return !json_is_number(v) ? "is no number"
               : !isfinite(n) || n < (double)f->least || n > (double)f->most ? "is out of range"
                                                                             : NULL;
    }
    case BOOL: return json_is_boolean(v) ? NULL : "is neither true nor false";
    case FREE: return json_is_object(v) ? bad_names(v, (size_t)f->most) : "is no object";
    case LIST: return json_is_array(v) ? bad_names(v, 256) : "is no list";
    default: return bad_text(f, v);
    }
}

static int broken(struct err *err, enum message type, const char *inside, const char *field, const char *why)
{
    return err_set(err, ERR_WORKER, "%s%s%s%s%s %s", wire_name(type), *inside ? "." : "", inside, *field ? "." : "",
                   field, why);
}

static int check_fields(enum message type, const struct row *fields, const char *inside, const json_t *object,
                        struct err *err)
{
    size_t known = 0;

    if (!json_is_object(object))
        return broken(err, type, inside, "", "is no object");
    for (const struct row *f = fields; !ends_fields(f); f++) {
        const json_t *v = json_object_get(object, f->name);
        const char *why;

        known += v != NULL;
        if (!v || (json_is_null(v) && !f->must)) {
            if (f->must)
                return broken(err, type, inside, f->name, "is missing");
            continue;
        }
        if (f->kind < SHAPES) {
            if (check_fields(type, fields_of_shape(f->kind), f->name, v, err) < 0)
                return -1;
        } else if ((why = bad_value(f, v))) {
            return broken(err, type, inside, f->name, why);
        }
    }
    if (json_object_size(object) > known)
        return broken(err, type, inside, "", "holds a field that is none of it");
    return 0;
}

int border_check_body(enum border_peer peer, enum message type, const json_t *body, struct err *err)
{
    if (!(messages[type].who & 1 << peer))
        return broken(err, type, "", "", "is not for it to say");
    return check_fields(type, fields_of(type), "", body, err);
}

static const struct wire_bounds *bounds_of(void *peer, enum message type)
{
    return messages[type].who & 1 << *(enum border_peer *)peer ? &messages[type].bounds : NULL;
}

int border_recv(int sock, enum border_peer peer, enum message *type, json_t **body, size_t *bytes, struct err *err)
{
    AUTO(json_unref) json_t *got = NULL;
    int rc = wire_recv_bounded(sock, bounds_of, &peer, type, &got, bytes, err);

    if (rc <= 0)
        return rc;
    if (border_check_body(peer, *type, got, err) < 0)
        return -1;
    *body = take(got);
    return 1;
}

/* ---- the order ---- */

void border_run_begin(struct border_run *r, int inputs, bool probe, bool undo)
{
    *r = (struct border_run){.inputs = inputs, .probe = probe, .undo = undo};
}

void border_run_sent(struct border_run *r, int64_t now_us)
{
    r->sent = true;
    r->sent_us = r->calm_us = now_us;
}

static bool is_input(const struct border_run *r, const json_t *what, int64_t least)
{
    int64_t i = jint(what, "input", -2);

    return i >= least && i < r->inputs;
}

static const char *bad_output(struct border_run *r, const json_t *body)
{
    const json_t *file = json_object_get(body, "file"), *clone = json_object_get(body, "clone");
    const json_t *same = json_object_get(body, "same"), *stored = json_object_get(body, "stored");
    const json_t *passed = json_object_get(body, "passed");

    if (json_is_object(file) + json_is_object(clone) + json_is_object(same) + json_is_object(stored) +
            json_is_object(passed) != 1)
        return "must be one of file, clone, same, stored and passed";
    if (r->undo)
        return "comes from what only takes something back";
    if (jint(body, "index", -1) != r->outputs || r->outputs >= BORDER_OUTPUTS)
        return "has not the next index";
    if (json_is_object(file) && !is_input(r, file, -1))
        return "stems from an input that the job does not have";
    if (json_is_object(clone) && !is_input(r, clone, 0))
        return "is an input that the job does not have";
    if (json_is_object(stored) && (!is_input(r, stored, 0) || r->stored++ >= r->inputs))
        return "stores an input that the job does not have";
    if (json_is_object(passed) && (!is_input(r, passed, 0) || r->passed++ >= r->inputs))
        return "passes on an input that the job does not have";
    if (r->probe != json_is_object(same))
        return r->probe ? "is nothing that a probe finds" : "is what only a probe finds";
    if (json_is_object(same)) {
        if (!is_input(r, same, 0))
            return "tells of an input that the job does not have";
        if (jbool(same, "early", false) && (r->early || r->inputs != 1 || r->outputs))
            return "is early for the second time";
        if (jbool(same, "asks", false) && (!r->may_ask || !jbool(same, "early", false)))
            return "asks what it may not";
        r->early |= jbool(same, "early", false);
        r->next_open = jbool(same, "asks", false);
        if (r->outputs >= r->inputs + r->early)
            return "comes twice for an input";
    }
    r->outputs++;
    return NULL;
}

/* A bucket that empties by one in PROGRESS_US. What was not said is not lost at once: it may lie unheard, when the disk
 * has held the daemon up, and all of it comes in one moment. */
static bool too_often(struct border_run *r, int64_t now_us)
{
    if (r->calm_us < now_us - UNHEARD_US)
        r->calm_us = now_us - UNHEARD_US;
    r->calm_us += PROGRESS_US;
    return r->calm_us - now_us > PROGRESS_BURST * PROGRESS_US;
}

/* A job that evaluates says one thing. */
static const char *bad_values(struct border_run *r, enum message type, const json_t *body)
{
    if (type == MSG_VALUES) {
        if (!r->expressions)
            return "is nothing that this job finds";
        if (r->valued)
            return "comes twice";
        if (json_array_size(json_object_get(body, "values")) != (size_t)r->expressions)
            return "has not a value for each expression";
        r->valued = true;
    } else if (r->expressions && type == MSG_DONE) {
        return r->valued ? NULL : "comes before there are values";
    } else if (r->expressions && type != MSG_TAKEN && type != MSG_FAILED) {
        return "comes from what only evaluates";
    }
    return NULL;
}

/* Of the one host that a job is about. */
static const char *bad_host(struct border_run *r)
{
    if (!r->knows_hosts)
        return "is nothing that this job may ask";
    if (r->host_open)
        return "comes before the one before it was answered";
    if (r->hosts++ >= HOSTS_MOST)
        return "comes too often";
    r->host_open = true;
    return NULL;
}

static const char *bad_token(struct border_run *r)
{
    if (!r->renews)
        return "is nothing that this job may ask";
    if (r->token_open)
        return "comes before the one before it was answered";
    if (r->tokens++ >= TOKENS_MOST)
        return "comes too often";
    r->token_open = true;
    return NULL;
}

static const char *bad_now(struct border_run *r, enum message type, const json_t *body, int64_t now_us)
{
    if (!r->sent || r->over)
        return r->over ? "comes after the job was over" : "comes before there was a job";
    if ((type == MSG_TAKEN) == r->taken)
        return r->taken ? "comes twice" : "comes before the job was taken";
    if (r->next_open)
        return "comes before what it asked was answered";
    const char *why = bad_values(r, type, body);
    if (why)
        return why;
    switch (type) {
    case MSG_TAKEN: r->taken = true; return NULL;
    case MSG_VALUES: return NULL;
    case MSG_PROGRESS: return too_often(r, now_us) ? "comes too often" : NULL;
    case MSG_OUTPUT: return bad_output(r, body);
    case MSG_HOST: return bad_host(r);
    case MSG_TOKEN: return bad_token(r);
    case MSG_UNDO:
        if (r->undo)
            return "comes from what only takes something back";
        if (r->undo_open)
            return "comes before the one before it was confirmed";
        if (r->undos++ >= UNDOS_MOST + UNDOS_INPUT * r->inputs)
            return "comes too often";
        r->undo_open = true;
        return NULL;
    case MSG_KEPT:
        if (!r->undo || r->kept || !is_input(r, body, 0))
            return r->kept ? "comes twice" : "is nothing that this job finds";
        r->kept = true;
        return NULL;
    case MSG_DONE:
        if (r->undo_open)
            return "comes before its undo was confirmed";
        if (r->host_open || r->token_open)
            return "comes before what it asked was answered";
        if (jint(body, "exec_us", 0) > now_us - r->sent_us + SLACK_US)
            return "took longer than the job was there";
        r->over = true;
        return NULL;
    case MSG_FAILED: r->over = true; return NULL;
    default: return "is not for a job to say";
    }
}

int border_check(struct border_run *r, enum message type, const json_t *body, size_t bytes, int64_t now_us,
                 struct err *err)
{
    const char *why;

    r->bytes += bytes;
    why = r->bytes > BORDER_JOB_BYTES ? "is more than a job may say" : bad_now(r, type, body, now_us);
    return why ? broken(err, type, "", "", why) : 0;
}

/* ---- what clients see ---- */

/* Every place of what (and of "/" behind it, if a directory is meant) becomes instead, which is not longer. */
static void replace(char *text, const char *what, const char *instead)
{
    size_t len = strlen(what), put = strlen(instead);

    if (len < 2 || put > len)
        return;
    for (char *hit = text; (hit = strstr(hit, what));) {
        size_t skip = len + (!put && hit[len] == '/');

        memcpy(hit, instead, put);
        memmove(hit + put, hit + skip, strlen(hit + skip) + 1);
        hit += put;
    }
}

void border_scrub(char *text, const char *dir, const char *data)
{
    if (dir)
        replace(text, dir, "");
    if (data)
        replace(text, data, strlen(data) >= 4 ? "DATA" : "");
}
