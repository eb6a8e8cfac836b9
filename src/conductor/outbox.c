/* Notifications (api-notifications.md): a row in the transaction that ended the Assembly, delivered
 * by the courier at least once, each attempt in the ledger. */
#include "assembly/payload.h"
#include "conductor/document.h"
#include "conductor/private.h"

#include <math.h>
#include <string.h>

#define ATTEMPTS_MAX 6
#define FIRST_PAUSE_US SECOND_US
#define PAUSE_FACTOR 1.97
#define LOST_PAUSE_US (SECOND_US / 2) /* when the courier died */
#define NO_COURIER_PAUSE_US (SECOND_US / 10)
#define FAILED_AT_ONCE 64

static const struct log log_ctx = {"room", "outbox", NULL};

/* Ready to be sent when its time comes, which may be now. */
static void expect(struct conductor *c, const struct store_notification *n)
{
    struct deliveries *all = &c->outbox.all;

    delivery_wait(all, delivery_add(all, n), n->next_us);
}

static int load_one(void *ctx, const struct store_notification *n)
{
    struct conductor *c = ctx;
    const struct entry *e = map_get(&c->entries.by_id, n->assembly_id);
    bool is_new = e && !strcmp(e->notification, n->id); /* in this turn: outbox_send() is to come */

    if (!is_new && !delivery_find(&c->outbox.all, n->id))
        expect(c, n);
    return 0;
}

/* After a lost turn: one that was forgotten as delivered, and by the store is not. */
int outbox_load(struct conductor *c, struct err *err)
{
    deliveries_unpark_all(&c->outbox.all);
    return store_notifications_open(c->conf.store, load_one, c, err);
}

void outbox_send(struct conductor *c, struct entry *e)
{
    struct store_notification n = {.id = e->notification,
                                   .assembly_id = e->a->id,
                                   .workspace = e->a->workspace,
                                   .key_id = e->a->key_id,
                                   .url = jstr(e->a->created, "notify_url"),
                                   .next_us = clock_now_us()};

    if (!*e->notification)
        return;
    expect(c, &n);
    *e->notification = 0;
    outbox_pump(c);
}

/* ---- what an attempt changes ---- */

/* Of one that has left memory: in its stored document, or where that is made of its events, by one more of them. */
static int note_stored(struct conductor *c, const struct delivery *d, const json_t *keys, struct err *err)
{
    AUTO(store_made_done) struct store_made made = {0};
    AUTO(str_done) struct str text = {0};

    if (store_status_read(&text, &made, c->conf.store, d->assembly_id, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1; /* purged meanwhile */
    if (turn_begin(c, err) < 0)
        return -1;
    if (made.about) {
        AUTO(mem_free) char *event = event_record(c->conf.seal, d->assembly_id, EV_NOTIFY, keys);

        return store_event_append(c->conf.store, d->assembly_id, clock_now_us(), event, err);
    }
    AUTO(json_unref) json_t *status = json_reads(text.s);
    json_object_update(status, (json_t *)keys);
    AUTO(mem_free) char *changed = json_text(status);
    return store_status_put(c->conf.store, d->assembly_id, changed, err);
}

/* notify_* in the status: of a live Assembly by an event. */
static void note(struct conductor *c, const struct delivery *d, json_t *keys)
{
    struct entry *e = entry_awake(c, d->assembly_id);
    AUTO(json_unref) json_t *mine = keys;
    struct err err;

    if (d->replay)
        return;
    if (e && !e->rests) {
        if (turn_apply(c, e, EV_NOTIFY, mine, &err) < 0)
            log_warn(&e->a->log, "notify: %s", err.msg);
        if (e->end >= ENTRY_SETTLED) /* before that, settling writes the document */
            entry_document_due(&c->entries, e);
        return;
    }
    if (note_stored(c, d, mine, &err) < 0)
        log_error(&log_ctx, "notify_* of Assembly %s: %s", d->assembly_id, err.msg);
}

static void finish(struct conductor *c, struct delivery *d, bool ok, int status)
{
    if (d->reply) {
        struct err err;

        err_set_named(&err, ERR_IMPORT, "ASSEMBLY_NOTIFICATION_NOT_REPLAYED",
                      "The receiver did not accept the notification (HTTP %d)", status);
        turn_answer(c, d->reply, d->ctx, ok ? NULL : &err, NULL);
    }
    delivery_drop(&c->outbox.all, d);
}

static void keep_attempt(struct conductor *c, struct delivery *d, int status, const char *data,
                         const char *error, int64_t duration_us)
{
    bool ok = status >= 200 && status < 300;
    bool last = ok || d->replay || d->attempts + 1 >= ATTEMPTS_MAX;
    struct store_attempt a = {.notification_id = d->id,
                              .assembly_id = d->assembly_id,
                              .workspace = d->workspace,
                              .url = d->url,
                              .at_us = clock_now_us() - duration_us,
                              .duration_us = duration_us,
                              .response_code = status,
                              .response_data = status ? data : NULL,
                              .error = error};
    struct err err;

    delivery_wait(&c->outbox.all, d,
                  clock_now_us() +
                      (int64_t)((double)FIRST_PAUSE_US * pow(PAUSE_FACTOR, d->attempts)));
    d->attempts++;
    if (turn_begin(c, &err) < 0 || store_attempt_add(c->conf.store, &a, &err) < 0 ||
        store_notification_update(c->conf.store, d->id,
                                  ok     ? "successful"
                                  : last ? "failed"
                                         : "pending",
                                  d->attempts, d->next_us, &err) < 0) {
        log_warn(&log_ctx, "attempt %d of notification %s was not written down: %s", d->attempts,
                 d->id, err.msg);
        d->attempts--; /* it is sent again: twice is better than not at all */
        return;
    }
    note(c, d,
         json_pack("{s:s,s:o,s:o,s:s?,s:f}", "notify_status",
                   ok     ? "successful"
                   : last ? "failed"
                          : "processing",
                   "notify_response_code", status ? json_integer(status) : json_null(),
                   "notify_response_data", status ? jstring(data) : json_null(), "notify_error",
                   error, "notify_duration", fmax(0.001, (double)(duration_us / 1000) / 1000)));
    log_info(&log_ctx, "notification %s of Assembly %s: attempt %d: %d %s", d->id, d->assembly_id,
             d->attempts, status,
             error ? error
             : ok  ? "delivered"
                   : "refused");
    if (last)
        finish(c, d, ok, status);
}

void outbox_posted(struct conductor *c, const json_t *answer)
{
    struct delivery *d = delivery_find(&c->outbox.all, jstr_or(answer, "id", ""));

    if (!d || !delivery_is_flying(&c->outbox.all, d))
        return;
    keep_attempt(c, d, (int)jint(answer, "status", 0), jstr_or(answer, "data", ""),
                 jstr(answer, "error"), jint(answer, "duration_us", 0));
    outbox_pump(c);
}

void outbox_courier_lost(struct conductor *c)
{
    struct deliveries *all = &c->outbox.all;
    int64_t later = clock_now_us() + LOST_PAUSE_US;

    while (all->flying.first) /* perhaps they arrived, perhaps not */
        delivery_wait(all, all->flying.first, later);
}

/* ---- sending ---- */

static int status_text(struct str *out, struct conductor *c, const struct delivery *d,
                       struct err *err)
{
    struct entry *e = entry_awake(c, d->assembly_id);

    if (!e)
        return document_read(out, c->conf.store, c->conf.seal, d->assembly_id, err);
    if (e->waking)
        return err_set(err, ERR_BUSY, "The Assembly is being read from the database");
    struct shared_text *t = published_text(e->published, 200);
    str_add(out, t->s, t->len);
    shared_text_unref(t);
    return 0;
}

/* transloadit=...&signature=sha384:... over the exact text. */
static int make_body(char **out, struct conductor *c, const struct delivery *d, struct err *err)
{
    AUTO(str_done) struct str status = {0};
    AUTO(str_done) struct str body = {0};
    AUTO(mem_free) char *sealed = NULL;
    AUTO(mem_free) char *secret = NULL;
    AUTO(mem_free) char *context = mem_printf("auth_key/%s", d->key_id);
    char hex[129];

    if (status_text(&status, c, d, err) < 0 ||
        store_key_secret(&sealed, c->conf.store, d->key_id, err) < 0 ||
        unseal(&secret, c->conf.seal, context, sealed, err) < 0)
        return -1;
    AUTO(mem_free) char *text = payload_text(status.s);
    hmac_hex(hex, c->conf.notify_sha1 ? HMAC_ALG_SHA1 : HMAC_ALG_SHA384, secret, text,
             strlen(text));
    str_puts(&body, "transloadit=");
    str_add_urlencoded(&body, text, "");
    str_addf(&body, "&signature=%s%s", c->conf.notify_sha1 ? "" : "sha384%3A", hex);
    *out = str_take(&body);
    return 0;
}

enum sending { SENDING_BEGUN, SENDING_FAILED, SENDING_NO_COURIER };

static enum sending send_one(struct conductor *c, struct delivery *d)
{
    char *body = NULL;
    struct err err;

    if (make_body(&body, c, d, &err) < 0) {
        keep_attempt(c, d, 0, NULL, err.msg, 0);
        return SENDING_FAILED;
    }
    json_t *what = json_pack("{s:s,s:s,s:s,s:o,s:i,s:s}", "id", d->id, "delivery", d->id, "url",
                             d->url, "body", jstring(body), "timeout_s", c->conf.notify_timeout_s,
                             "guard", c->conf.notify_allow);
    free(body);
    if (pool_post(c->pool, what, &err) < 0) {
        delivery_wait(&c->outbox.all, d, clock_now_us() + NO_COURIER_PAUSE_US);
        return SENDING_NO_COURIER;
    }
    delivery_fly(&c->outbox.all, d);
    if (!d->attempts && !d->replay) {
        char date[DATE_LEN + 1];

        date_format(date, clock_now_us());
        note(c, d, json_pack("{s:s,s:s}", "notify_start", date, "notify_status", "processing"));
    }
    return SENDING_BEGUN;
}

/* The message of a canceled Assembly holds its receipt, so that must be committed and published.
 * What changes here puts the Assembly into ENTRIES_MAIL. */
static bool is_ready(const struct delivery *d, const struct entry *e)
{
    bool receipt_is_coming = e->a->cancel && entry_is_in(e, ENTRIES_TOUCHED);

    return !e->waking && (d->replay || (e->end >= ENTRY_SETTLED && !receipt_is_coming));
}

void outbox_pump(struct conductor *c)
{
    struct deliveries *all = &c->outbox.all;
    int64_t now = clock_now_us();
    int failed = 0; /* each is written down, and a turn has to end */
    struct delivery *d;

    if (c->draining)
        return;
    for (struct entry *e; (e = entry_pop(&c->entries, ENTRIES_MAIL));)
        deliveries_unpark(all, e->a->id);
    if (clock_mono_us() < c->outbox.pause_until_us)
        return;
    while (failed < FAILED_AT_ONCE && (d = delivery_take(all, now))) {
        struct entry *e = entry_awake(c, d->assembly_id);

        if (e && !is_ready(d, e)) {
            delivery_park(all, d);
            continue;
        }
        enum sending sent = send_one(c, d);
        failed += sent == SENDING_FAILED;
        if (sent == SENDING_NO_COURIER) { /* nor is there one for the others */
            c->outbox.pause_until_us = clock_mono_us() + NO_COURIER_PAUSE_US;
            return;
        }
    }
}

/* ---- replay ---- */

int conductor_replay_notification(struct conductor *c, const char *assembly_id,
                                  const char *workspace, const char *key_id, const char *url,
                                  char id[static ID_LEN + 1], conductor_reply reply, void *ctx,
                                  struct err *err)
{
    AUTO(mem_free) char *owner = NULL;
    AUTO(str_done) struct str text = {0};
    struct delivery probe = {0};

    snprintf(probe.assembly_id, sizeof probe.assembly_id, "%s", assembly_id);
    if (store_assembly_workspace(&owner, c->conf.store, assembly_id, err) < 0 ||
        (strcmp(owner, workspace) == 0 && status_text(&text, c, &probe, err) < 0)) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        text.len = 0;
    }
    if (!text.len)
        return err_set(err, ERR_ASSEMBLY_NOT_FOUND, "There is no such Assembly");
    AUTO(json_unref) json_t *status = json_reads(text.s);
    if (!url && !(url = jstr(status, "notify_url")))
        return err_set_named(err, ERR_NOTIFY_URL, "ASSEMBLY_NO_NOTIFY_URL",
                             "The Assembly has no notify_url, and the request gives none");
    id_new(id);
    struct store_notification n = {.id = id,
                                   .assembly_id = assembly_id,
                                   .workspace = workspace,
                                   .key_id = key_id,
                                   .url = url,
                                   .replay = true,
                                   .next_us = clock_now_us()};
    if (store_notification_add(c->conf.store, &n, err) < 0)
        return -1;
    struct delivery *d = delivery_add(&c->outbox.all, &n);
    delivery_hold_fresh(&c->outbox.all, d);
    d->reply = reply;
    d->ctx = ctx;
    return 0;
}

void outbox_committed(struct conductor *c, bool ok)
{
    struct deliveries *all = &c->outbox.all;

    while (all->fresh.first)
        if (ok)
            delivery_wait(all, all->fresh.first, all->fresh.first->next_us);
        else
            delivery_drop(all, all->fresh.first); /* whoever asked hears that the commit failed */
}

bool outbox_busy(const struct conductor *c) { return c->outbox.all.flying_count > 0; }

void outbox_done(struct conductor *c) { deliveries_done(&c->outbox.all); }
