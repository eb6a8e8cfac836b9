/* Notifications (api-notifications.md): a row in the transaction that ended the Assembly, delivered
 * by the courier at least once, each attempt in the ledger. */
#include "assembly/payload.h"
#include "conductor/private.h"

#include <math.h>
#include <string.h>

#define IN_FLIGHT_MAX 64
#define PER_HOST_MAX 8 /* of one receiver at a time */
#define ATTEMPTS_MAX 6
#define FIRST_PAUSE_US SECOND_US
#define PAUSE_FACTOR 1.97
#define LOST_PAUSE_US (SECOND_US / 2) /* when the courier died, or is not there yet */

struct delivery {
    struct delivery *next;
    char id[ID_LEN + 1], assembly_id[ID_LEN + 1];
    char *workspace, *key_id, *url, *host;
    bool replay, in_flight;
    bool fresh; /* its row is not committed yet */
    int attempts;
    int64_t next_us;
    conductor_reply reply; /* a replay that is waited for */
    void *ctx;
};

static const struct log log_ctx = {"room", "outbox", NULL};

static char *host_of(const char *url)
{
    const char *s = strstr(url, "://");

    s = s ? s + 3 : url;
    return mem_strndup(s, strcspn(s, "/?#"));
}

static struct delivery *remember(struct conductor *c, const struct store_notification *n)
{
    struct delivery *d = mem_zalloc(sizeof *d), **p = &c->deliveries;

    snprintf(d->id, sizeof d->id, "%s", n->id);
    snprintf(d->assembly_id, sizeof d->assembly_id, "%s", n->assembly_id);
    d->workspace = mem_strdup(n->workspace);
    d->key_id = mem_strdup(n->key_id);
    d->url = mem_strdup(n->url);
    d->host = host_of(n->url);
    d->replay = n->replay;
    d->attempts = n->attempts;
    d->next_us = n->next_us;
    while (*p)
        p = &(*p)->next;
    *p = d;
    return d;
}

static void forget(struct conductor *c, struct delivery *d)
{
    for (struct delivery **p = &c->deliveries; *p; p = &(*p)->next)
        if (*p == d) {
            *p = d->next;
            break;
        }
    free(d->workspace);
    free(d->key_id);
    free(d->url);
    free(d->host);
    free(d);
}

static int load_one(void *ctx, const struct store_notification *n)
{
    remember(ctx, n);
    return 0;
}

int outbox_open(struct conductor *c, struct err *err)
{
    return store_notifications_open(c->conf.store, load_one, c, err);
}

static struct delivery *delivery_find(struct conductor *c, const char *id)
{
    struct delivery *d = c->deliveries;

    while (d && strcmp(d->id, id))
        d = d->next;
    return d;
}

static int load_missing(void *ctx, const struct store_notification *n)
{
    if (!delivery_find(ctx, n->id))
        remember(ctx, n);
    return 0;
}

/* One that was forgotten as delivered, and by the store is not. */
int outbox_reload(struct conductor *c, struct err *err)
{
    return store_notifications_open(c->conf.store, load_missing, c, err);
}

void outbox_send(struct conductor *c, struct entry *e)
{
    struct store_notification n = {.id = e->notification,
                                   .assembly_id = e->a->id,
                                   .workspace = e->a->workspace,
                                   .key_id = e->a->key_id,
                                   .url = jstr(e->a->created, "notify_url")};

    if (!*e->notification)
        return;
    remember(c, &n);
    *e->notification = 0;
    outbox_pump(c);
}

/* ---- what an attempt changes ---- */

/* notify_* in the status: of a live Assembly by an event, of one that has left memory in its stored
 * document. */
static void note(struct conductor *c, const struct delivery *d, json_t *keys)
{
    struct entry *e = entry_awake(c, d->assembly_id);
    AUTO(json_unref) json_t *mine = keys;
    AUTO(str_done) struct str text = {0};
    struct err err;

    if (d->replay)
        return;
    if (e) {
        if (turn_apply(c, e, EV_NOTIFY, mine, &err) < 0)
            log_warn(&e->a->log, "notify: %s", err.msg);
        if (e->end >= ENTRY_SETTLED) /* before that, settling writes the document */
            entry_document_due(&c->entries, e);
        return;
    }
    if (store_status_read(&text, c->conf.store, d->assembly_id, &err) < 0) {
        if (err.code != ERR_NOT_FOUND) /* else purged meanwhile */
            log_error(&log_ctx, "notify_* of Assembly %s: %s", d->assembly_id, err.msg);
        return;
    }
    AUTO(json_unref) json_t *status = json_reads(text.s);
    json_object_update(status, mine);
    AUTO(mem_free) char *changed = json_text(status);
    if (turn_begin(c, &err) < 0 ||
        store_status_put(c->conf.store, d->assembly_id, changed, &err) < 0)
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
    forget(c, d);
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

    d->in_flight = false;
    d->next_us =
        clock_now_us() + (int64_t)((double)FIRST_PAUSE_US * pow(PAUSE_FACTOR, d->attempts));
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
    struct delivery *d = delivery_find(c, jstr_or(answer, "id", ""));

    if (!d || !d->in_flight)
        return;
    keep_attempt(c, d, (int)jint(answer, "status", 0), jstr_or(answer, "data", ""),
                 jstr(answer, "error"), jint(answer, "duration_us", 0));
    outbox_pump(c);
}

void outbox_courier_lost(struct conductor *c)
{
    for (struct delivery *d = c->deliveries; d; d = d->next)
        if (d->in_flight) { /* perhaps it arrived, perhaps not */
            d->in_flight = false;
            d->next_us = clock_now_us() + LOST_PAUSE_US;
        }
}

/* ---- sending ---- */

static int status_text(struct str *out, struct conductor *c, const struct delivery *d,
                       struct err *err)
{
    struct entry *e = entry_awake(c, d->assembly_id);

    if (!e)
        return store_status_read(out, c->conf.store, d->assembly_id, err);
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

static void send_one(struct conductor *c, struct delivery *d)
{
    char *body = NULL;
    struct err err;

    if (make_body(&body, c, d, &err) < 0) {
        keep_attempt(c, d, 0, NULL, err.msg, 0);
        return;
    }
    json_t *what = json_pack("{s:s,s:s,s:s,s:o,s:i,s:s}", "id", d->id, "delivery", d->id, "url",
                             d->url, "body", jstring(body), "timeout_s", c->conf.notify_timeout_s,
                             "guard", c->conf.notify_allow);
    free(body);
    if (pool_post(c->pool, what, &err) < 0) {
        d->next_us = clock_now_us() + LOST_PAUSE_US / 5;
        return;
    }
    d->in_flight = true;
    if (!d->attempts && !d->replay) {
        char date[DATE_LEN + 1];

        date_format(date, clock_now_us());
        note(c, d, json_pack("{s:s,s:s}", "notify_start", date, "notify_status", "processing"));
    }
}

static int in_flight(const struct conductor *c, const char *host)
{
    int n = 0;

    for (const struct delivery *d = c->deliveries; d; d = d->next)
        n += d->in_flight && (!host || !strcmp(d->host, host));
    return n;
}

void outbox_pump(struct conductor *c)
{
    int64_t now = clock_now_us();

    if (c->draining)
        return;
    for (struct delivery *d = c->deliveries, *next; d; d = next) {
        struct entry *e = entry_awake(c, d->assembly_id);

        next = d->next;
        /* the message of a canceled Assembly holds its receipt */
        if (d->fresh || d->in_flight || d->next_us > now ||
            (e && (e->waking || (!d->replay && e->end < ENTRY_SETTLED))))
            continue;
        if (in_flight(c, NULL) >= IN_FLIGHT_MAX)
            break;
        if (in_flight(c, d->host) < PER_HOST_MAX)
            send_one(c, d);
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
    struct delivery *d = remember(c, &n);
    d->fresh = true;
    d->reply = reply;
    d->ctx = ctx;
    return 0;
}

void outbox_committed(struct conductor *c, bool ok)
{
    for (struct delivery *d = c->deliveries, *next; d; d = next) {
        next = d->next;
        if (d->fresh && !ok)
            forget(c, d); /* whoever asked for it hears that the commit failed */
        else
            d->fresh = false;
    }
}

bool outbox_busy(const struct conductor *c) { return in_flight(c, NULL) > 0; }
