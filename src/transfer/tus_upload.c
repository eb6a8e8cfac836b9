#include "http/address.h"
#include "http/naming.h"
#include "transfer/piece.h"
#include "transfer/tus_client.h"
#include "transfer/values.h"

#include <string.h>
#include <strings.h>

#define MIB (INT64_C(1024) * 1024)
#define CHECKED_MAX (64 * MIB) /* bytes under one checksum */
#define PIECE_FIRST (64 * MIB) /* what is tried when all that is left is too much at once */
#define PIECE_MIN (64 * 1024)  /* a server that takes no more is none */
#define ANEW_MAX 2             /* uploads that go lost on the way */
#define LOCATION_MAX 8000

/* One upload on its way. */
struct tus_way {
    struct tus_client *c;
    struct remote_file *f;
    const char *metadata;
    char *url;         /* NULL: there is none yet */
    bool foreign;      /* that address is not the endpoint's word */
    int64_t offset;    /* what the server says that it has */
    int64_t sent;      /* one past the highest byte that ever went out */
    int64_t piece;     /* most bytes of one request; 0: all */
    int64_t length;    /* of the request under way */
    int failures;      /* since bytes arrived the last time */
    int64_t requests;  /* altogether */
    int anew;
};

/* ---- what the server can do ---- */

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; p && *p;) {
        p += strspn(p, ", \t");
        size_t len = strcspn(p, ", \t");

        if (len == n && !strncasecmp(p, word, n))
            return true;
        p += len;
    }
    return false;
}

/* A whole header that is one number of bytes; -1: it is not. */
static int64_t tus_number(const struct http_client_response *r, const char *name)
{
    AUTO(mem_free) char *text = http_client_header(r, name);
    const char *rest = text;
    int64_t n;

    return text && value_offset(&n, &rest) && !*rest ? n : -1;
}

static const char *known_checksum(const char *offered)
{
    static const char *const algorithms[] = {"sha256", "sha1", "md5"};

    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (has_word(offered, algorithms[i]))
            return algorithms[i];
    return NULL;
}

/* Once a job. A server need not answer: then it can do what every one can. */
static int tus_ask(struct tus_client *c, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct err cause = {0};

    if (c->asked)
        return 0;
    int rc = tus_client_run(&r, c, &(struct tus_call){.method = "OPTIONS", .url = c->endpoint, .length = -1}, NULL,
                            &cause);
    if (rc < 0 && cause.code != ERR_IO)
        return tus_fail(c, "ask what the server can do", rc, &r, &cause, err);
    c->asked = rc == 0;
    if (rc < 0 || r.status / 100 != 2)
        return 0;
    AUTO(mem_free) char *versions = http_client_header(&r, "tus-version");
    AUTO(mem_free) char *extensions = http_client_header(&r, "tus-extension");
    AUTO(mem_free) char *checksums = http_client_header(&r, "tus-checksum-algorithm");
    if (versions && !has_word(versions, "1.0.0"))
        return remote_fail(c->job, REMOTE_FAILED, err, "the server at '%.150s' does not speak tus 1.0.0 but '%.80s'",
                           c->endpoint, versions);
    c->terminates = has_word(extensions, "termination");
    c->checksum = has_word(extensions, "checksum") ? known_checksum(checksums) : NULL;
    int64_t most = tus_number(&r, "tus-max-size");
    c->max_size = most > 0 ? most : 0;
    return 0;
}

/* ---- an end before its time ---- */

static int tus_terminate(struct tus_client *c, const char *url, bool foreign, struct err *err)
{
    for (int failures = 1;; failures++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct err cause = {0};
        int rc = tus_client_run(
            &r, c, &(struct tus_call){.method = "DELETE", .url = url, .length = -1, .foreign = foreign}, NULL, &cause);
        enum tus_verdict v = tus_judge(rc, &r, &cause);

        /* a server without the extension has nothing to take back with */
        if (v == TUS_FINE || v == TUS_GONE || (rc == 0 && (r.status == 405 || r.status == 501)))
            return 0;
        if (v != TUS_AGAIN || !tus_pause(c, &r, failures))
            return tus_fail(c, "remove the unfinished upload", rc, &r, &cause, err);
    }
}

int tus_undo(struct tus_client *c, const json_t *token, struct err *err)
{
    const char *url = jstr(token, "url");

    return url ? tus_terminate(c, url, jbool(token, "foreign", false), err)
               : err_set(err, ERR_INTERNAL, "the note about the open upload is incomplete");
}

/* What is left if we die. With a server that can't take anything back there is nothing to announce. */
static int tus_announce(struct tus_way *u, struct err *err)
{
    return u->c->terminates
               ? robot_set_undo(u->c->job, json_pack("{s:s,s:b}", "url", u->url, "foreign", u->foreign), err)
               : 0;
}

/* What can't be taken back now stays announced. */
static void tus_give_up(struct tus_way *u)
{
    struct err ignored;

    if (u->url && u->c->terminates && tus_terminate(u->c, u->url, u->foreign, &ignored) == 0)
        (void)!robot_set_undo(u->c->job, NULL, &ignored);
}

/* ---- making one ---- */

static int tus_learn_location(struct tus_way *u, const struct http_client_response *r, struct err *err)
{
    AUTO(mem_free) char *text = http_client_header(r, "location");
    AUTO(mem_free) char *url = text && *text && strlen(text) < LOCATION_MAX ? address_resolve(r->url, text) : NULL;

    if (!url || strlen(url) > LOCATION_MAX)
        return remote_fail(u->c->job, REMOTE_FAILED, err,
                           "the server at '%.150s' answered with status %d, but not where the upload is",
                           u->c->endpoint, r->status);
    free(u->url);
    u->url = take(url);
    u->offset = u->sent = 0;
    return tus_announce(u, err);
}

static int tus_create(struct tus_way *u, struct err *err)
{
    char length[64];
    AUTO(mem_free) char *metadata = mem_printf("Upload-Metadata: %s", u->metadata);
    const char *headers[] = {length, *u->metadata ? metadata : NULL, NULL};

    snprintf(length, sizeof length, "Upload-Length: %lld", (long long)u->f->in->size);
    for (int failures = 1;; failures++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct err cause = {0};
        int rc = tus_client_run(
            &r, u->c,
            &(struct tus_call){.method = "POST", .url = u->c->endpoint, .headers = headers, .fd = -1, .length = 0},
            &u->foreign, &cause);
        enum tus_verdict v = tus_judge(rc, &r, &cause);

        if (v == TUS_FINE)
            return tus_learn_location(u, &r, err);
        if (v == TUS_SMALLER)
            return remote_fail(u->c->job, REMOTE_FAILED, err, "the file has %lld bytes, which '%.150s' does not take",
                               (long long)u->f->in->size, u->c->endpoint);
        if (v != TUS_AGAIN || !tus_pause(u->c, &r, failures))
            return tus_fail(u->c, "create the upload", rc, &r, &cause, err);
    }
}

/* ---- the bytes ---- */

/* The upload is gone: a server may forget what waited too long. */
static int tus_begin_anew(struct tus_way *u, struct err *err)
{
    if (u->anew++ == ANEW_MAX)
        return remote_fail(u->c->job, REMOTE_NOT_FOUND, err, "the server at '%.150s' keeps losing the upload",
                           u->c->endpoint);
    return tus_create(u, err);
}

static int tus_odd(const struct tus_way *u, const char *what, struct err *err)
{
    AUTO(mem_free) char *shown = naming_public_url(u->url);

    return remote_fail(u->c->job, REMOTE_FAILED, err, "the server of '%.150s' %s", shown, what);
}

/* What the server says of itself counts only if it can be true. */
static int tus_believe(struct tus_way *u, const struct http_client_response *r, struct err *err)
{
    int64_t at = tus_number(r, "upload-offset"), size = tus_number(r, "upload-length");

    if (at < 0)
        return tus_odd(u, "does not say how much of it has arrived", err);
    if (size >= 0 && size != u->f->in->size)
        return tus_odd(u, "says that the upload has another length", err);
    if (at > u->sent)
        return tus_odd(u, "claims more bytes than were sent", err);
    if (at > u->offset)
        u->failures = 0;
    u->offset = at;
    return 0;
}

/* How far did it get? */
static int tus_look(struct tus_way *u, struct err *err)
{
    for (;;) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct err cause = {0};
        int rc = tus_client_run(
            &r, u->c, &(struct tus_call){.method = "HEAD", .url = u->url, .length = -1, .foreign = u->foreign}, NULL,
            &cause);
        enum tus_verdict v = tus_judge(rc, &r, &cause);

        if (v == TUS_FINE)
            return tus_believe(u, &r, err);
        if (v == TUS_GONE)
            return tus_begin_anew(u, err);
        if (v != TUS_AGAIN || !tus_pause(u->c, &r, ++u->failures))
            return tus_fail(u->c, "ask how much of the upload has arrived", rc, &r, &cause, err);
    }
}

/* "Upload-Checksum: sha1 BASE64" of the bytes that are sent next. */
static int tus_sum(char **line, const struct tus_way *u, struct err *err)
{
    struct piece_sum sum = {.digest = u->c->checksum};
    unsigned char text[EVP_MAX_MD_SIZE * 2];

    if (piece_sums(&sum, 1, u->f, u->offset, u->length, NULL, err) < 0)
        return -1;
    EVP_EncodeBlock(text, sum.md, (int)sum.len);
    *line = mem_printf("Upload-Checksum: %s %s", u->c->checksum, text);
    return 0;
}

static void tus_on_progress(void *ctx, double fraction)
{
    const struct tus_way *u = ctx;

    remote_progress(u->f, ((double)u->offset + fraction * (double)u->length) / (double)u->f->in->size);
}

static int64_t next_length(const struct tus_way *u)
{
    int64_t left = u->f->in->size - u->offset, most = u->piece;

    if (u->c->checksum && (!most || most > CHECKED_MAX))
        most = CHECKED_MAX;
    return most && left > most ? most : left;
}

/* The server, or what stands before it, takes no request of this size. */
static int tus_shrink(struct tus_way *u, struct err *err)
{
    if (u->length <= PIECE_MIN)
        return tus_odd(u, "takes not even small pieces (status 413)", err);
    u->piece = u->length > PIECE_FIRST ? PIECE_FIRST : u->length / 4;
    if (u->piece < PIECE_MIN)
        u->piece = PIECE_MIN;
    return tus_look(u, err);
}

/* After a PATCH that went well. */
static int tus_advance(struct tus_way *u, const struct http_client_response *r, struct err *err)
{
    int64_t at = tus_number(r, "upload-offset");

    if (at > u->offset && at <= u->offset + u->length) {
        u->offset = at;
        u->failures = 0;
        return 0;
    }
    if (at > u->offset + u->length)
        return tus_odd(u, "claims more bytes than were sent", err);
    if (at >= 0 && !tus_pause(u->c, r, ++u->failures))
        return tus_odd(u, "says that it takes the bytes, but none arrive", err);
    return tus_look(u, err);
}

static int tus_patch(struct http_client_response *r, struct tus_way *u, struct err *cause)
{
    AUTO(mem_free) char *sum = NULL;
    char offset[64];

    u->length = next_length(u);
    snprintf(offset, sizeof offset, "Upload-Offset: %lld", (long long)u->offset);
    if (u->c->checksum && tus_sum(&sum, u, cause) < 0)
        return -1;
    const char *headers[] = {offset, "Content-Type: application/offset+octet-stream", sum, NULL};
    if (u->sent < u->offset + u->length)
        u->sent = u->offset + u->length;
    return tus_client_run(r, u->c,
                          &(struct tus_call){.method = "PATCH",
                                             .url = u->url,
                                             .headers = headers,
                                             .fd = u->f->fd,
                                             .offset = u->offset,
                                             .length = u->length,
                                             .foreign = u->foreign,
                                             .on_progress = tus_on_progress,
                                             .ctx = u},
                          NULL, cause);
}

static int tus_send(struct tus_way *u, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct err cause = {0};

    /* one that takes a byte at a time would never end */
    if (u->requests++ > 1000 + u->f->in->size / PIECE_MIN * 2)
        return tus_odd(u, "takes too few bytes at a time", err);
    int rc = tus_patch(&r, u, &cause);
    switch (tus_judge(rc, &r, &cause)) {
    case TUS_FINE:
        return tus_advance(u, &r, err);
    case TUS_GONE:
        return tus_begin_anew(u, err);
    case TUS_SMALLER:
        return tus_shrink(u, err);
    case TUS_AGAIN:
        if (tus_pause(u->c, &r, ++u->failures))
            return tus_look(u, err);
        break;
    case TUS_REFUSED:
        break;
    }
    return tus_fail(u->c, "send the bytes", rc, &r, &cause, err);
}

static int tus_go(struct tus_way *u, struct err *err)
{
    if (tus_create(u, err) < 0)
        return -1;
    while (u->offset < u->f->in->size)
        if (tus_send(u, err) < 0)
            return -1;
    return u->c->terminates ? robot_set_undo(u->c->job, NULL, err) : 0;
}

int tus_upload(char **url, struct tus_client *c, struct remote_file *f, const char *metadata, struct err *err)
{
    struct tus_way u = {.c = c, .f = f, .metadata = metadata};

    if (tus_ask(c, err) < 0)
        return -1;
    if (c->max_size && f->in->size > c->max_size)
        return remote_fail(c->job, REMOTE_FAILED, err,
                           "the file has %lld bytes, but the server at '%.150s' takes at most %lld",
                           (long long)f->in->size, c->endpoint, (long long)c->max_size);
    if (tus_go(&u, err) < 0) {
        tus_give_up(&u);
        free(u.url);
        return -1;
    }
    *url = u.url;
    return 0;
}
