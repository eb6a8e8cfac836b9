/* refusals.c - a line in the log for each request that was refused, and no flood of them: of one code so many at once
 * and so many a second are written, the rest is counted and said once in a while. */
#include "base/clock.h"
#include "base/log.h"
#include "http/server_priv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LINES_PER_S 2
#define LINES_AT_ONCE 20
#define SAY_EVERY_US (10 * SECOND_US)

static const struct log log_ctx = {"room", "http", NULL};

static struct refusal_kind *kind_of(struct refusals *all, const char *code)
{
    struct refusal_kind *k = all->kinds;

    for (; k < all->kinds + ARRAY_LEN(all->kinds) - 1 && *k->code; k++)
        if (!strcmp(k->code, code))
            return k;
    if (!*k->code) /* the last one is for all that find no place */
        snprintf(k->code, sizeof k->code, "%s", code);
    return k;
}

static void say_unsaid(struct refusal_kind *k, int64_t now_us)
{
    if (k->unsaid)
        log_info(&log_ctx, "%lld more refused like this: %s", (long long)k->unsaid, k->code);
    k->unsaid = 0;
    k->said_us = now_us;
}

void refusal_note(struct http_request *req, const struct http_response *r)
{
    struct refusals *all = &req->server->refusals;
    int64_t now = clock_mono_us();
    char code[sizeof all->kinds->code];

    if (r->body == BODY_STREAM || (r->status < 400 && !*r->code)) /* a stream's status is another server's word */
        return;
    if (*r->code)
        snprintf(code, sizeof code, "%s", r->code);
    else
        snprintf(code, sizeof code, "HTTP %d", r->status);
    pthread_mutex_lock(&all->lock);
    struct refusal_kind *k = kind_of(all, code);
    bool is_said = rate_bucket_take(&k->rate, LINES_PER_S, LINES_AT_ONCE, now) == 0;
    if (is_said)
        say_unsaid(k, now);
    else
        k->unsaid++;
    pthread_mutex_unlock(&all->lock);
    if (!is_said)
        return;
    struct log ctx = {"request", req->id, NULL};
    log_info(&ctx, "refused: %.16s %.120s: %d %s, key %s, from %s", req->method, req->path_raw, r->status, code,
             *req->key ? req->key : "-", req->client);
}

void refusals_flush(struct refusals *all, bool all_of_them)
{
    int64_t now = clock_mono_us();

    pthread_mutex_lock(&all->lock);
    for (struct refusal_kind *k = all->kinds; k < all->kinds + ARRAY_LEN(all->kinds) && *k->code; k++)
        if (k->unsaid && (all_of_them || now - k->said_us > SAY_EVERY_US))
            say_unsaid(k, now);
    pthread_mutex_unlock(&all->lock);
}

/* ---- what a line says of who asked ---- */

static bool consists_of(const char *s, size_t len, const char *also)
{
    for (size_t i = 0; i < len; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
              strchr(also, s[i])))
            return false;
    return len > 0;
}

/* What a stranger sends must not look like anything else in a line. */
void http_set_key(struct http_request *req, const char *key)
{
    bool is_fit = strlen(key) < sizeof req->key && consists_of(key, strlen(key), "-_.:@");

    snprintf(req->key, sizeof req->key, "%s", is_fit ? key : "(unreadable)");
}

/* A proxy adds the address that it saw at the end; what stands before is the client's own word. */
static void read_client(struct http_request *req, const char *forwarded)
{
    const char *last = forwarded ? strrchr(forwarded, ',') : NULL;
    unsigned char address[16];

    last = last ? last + 1 : forwarded;
    while (last && *last == ' ')
        last++;
    snprintf(req->client, sizeof req->client, "%s", last ? last : req->peer);
    if (inet_pton(AF_INET, req->client, address) != 1 && inet_pton(AF_INET6, req->client, address) != 1)
        memcpy(req->client, req->peer, sizeof req->client);
}

void request_identify(struct http_request *req, const char *given, const char *forwarded)
{
    struct http_server *s = req->server;
    bool is_trusted = s->conf.trust_forwarded;
    size_t len = given ? strlen(given) : 0;

    if (is_trusted && len >= 8 && len < sizeof req->id && consists_of(given, len, "-_."))
        memcpy(req->id, given, len);
    else
        snprintf(req->id, sizeof req->id, "%.8s%08x", s->id_prefix, atomic_fetch_add(&s->id_last, 1) + 1);
    read_client(req, is_trusted ? forwarded : NULL);
}
