/* https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
#include "http/sigv4.h"
#include "base/clock.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define MAX_PAIRS 64 /* headers or query arguments of one request: ours plus the user's */

/* Pairs on their way into a canonical form. */
struct list {
    struct sigv4_pair pairs[MAX_PAIRS];
    int n;
};

static void list_add(struct list *l, const char *name, const char *value)
{
    assert(l->n < MAX_PAIRS);
    l->pairs[l->n++] = (struct sigv4_pair){name, value ? value : ""};
}

static void list_add_all(struct list *l, const struct sigv4_pair *p)
{
    for (; p && p->name; p++)
        list_add(l, p->name, p->value);
}

void sigv4_sha256(char out[static 65], const void *data, size_t len)
{
    unsigned char md[EVP_MAX_MD_SIZE];

    if (!EVP_Digest(data, len, md, NULL, EVP_sha256(), NULL))
        abort(); /* SHA-256 of memory fails only without memory */
    hex_encode(out, md, 32);
}

static void hmac(unsigned char out[static 32], const void *key, size_t key_len, const char *text)
{
    unsigned char md[EVP_MAX_MD_SIZE];

    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), md, NULL))
        abort();
    memcpy(out, md, 32);
}

static int by_encoded_name(const void *a, const void *b)
{
    const struct sigv4_pair *x = a, *y = b;
    AUTO(str_done) struct str xs = {0}, ys = {0};

    str_add_urlencoded(&xs, x->name, "");
    str_putc(&xs, '\n'); /* sorts before every encoded byte: "a" before "a-b" */
    str_add_urlencoded(&xs, x->value, "");
    str_add_urlencoded(&ys, y->name, "");
    str_putc(&ys, '\n');
    str_add_urlencoded(&ys, y->value, "");
    return strcmp(xs.s, ys.s);
}

static int by_header_name(const void *a, const void *b)
{
    const struct sigv4_pair *x = a, *y = b;

    return strcasecmp(x->name, y->name);
}

static void add_query(struct str *out, struct list *l)
{
    qsort(l->pairs, (size_t)l->n, sizeof *l->pairs, by_encoded_name);
    for (int i = 0; i < l->n; i++) {
        if (i)
            str_putc(out, '&');
        str_add_urlencoded(out, l->pairs[i].name, "");
        str_putc(out, '=');
        str_add_urlencoded(out, l->pairs[i].value, "");
    }
}

static void add_lower(struct str *out, const char *s)
{
    for (; *s; s++)
        str_putc(out, *s >= 'A' && *s <= 'Z' ? (char)(*s + 'a' - 'A') : *s);
}

/* Blanks around the value go, runs of them inside become one. */
static void add_header_value(struct str *out, const char *s)
{
    bool gap = false;

    for (s += strspn(s, " \t"); *s; s++) {
        if (*s == ' ' || *s == '\t') {
            gap = true;
            continue;
        }
        if (gap)
            str_putc(out, ' ');
        gap = false;
        str_putc(out, *s);
    }
}

static void add_signed_names(struct str *out, const struct list *headers)
{
    for (int i = 0; i < headers->n; i++) {
        if (i)
            str_putc(out, ';');
        add_lower(out, headers->pairs[i].name);
    }
}

/* Times and names that every step of one signature uses. */
struct moment {
    char stamp[17]; /* 20130524T000000Z */
    char day[9];
    char *scope; /* day/region/service/aws4_request */
};

static void moment_init(struct moment *m, const struct sigv4_keys *k, int64_t at_us)
{
    time_t t = (time_t)(at_us / SECOND_US);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(m->stamp, sizeof m->stamp, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(m->day, sizeof m->day, "%.8s", m->stamp);
    m->scope = mem_printf("%s/%s/%s/aws4_request", m->day, k->region, k->service);
}
static void moment_done(struct moment m) { free(m.scope); }
DEFINE_AUTO(struct moment, moment_done)

/* headers is sorted; query is the text that is sent. */
static void signature(char out[static 65], const struct sigv4_keys *k, const struct moment *m,
                      const struct sigv4_request *req, const char *query,
                      const struct list *headers, const char *payload)
{
    AUTO(str_done) struct str text = {0};
    AUTO(mem_free) char *first = mem_printf("AWS4%s", k->secret);
    char hash[65];
    unsigned char key[32];

    str_addf(&text, "%s\n", req->method);
    str_add_urlencoded(&text, req->path, "/");
    str_addf(&text, "\n%s\n", query);
    for (int i = 0; i < headers->n; i++) {
        add_lower(&text, headers->pairs[i].name);
        str_putc(&text, ':');
        add_header_value(&text, headers->pairs[i].value);
        str_putc(&text, '\n');
    }
    str_putc(&text, '\n');
    add_signed_names(&text, headers);
    str_addf(&text, "\n%s", payload);
    sigv4_sha256(hash, text.s, text.len);

    str_reset(&text);
    str_addf(&text, ALGORITHM "\n%s\n%s\n%s", m->stamp, m->scope, hash);
    hmac(key, first, strlen(first), m->day);
    hmac(key, key, sizeof key, k->region);
    hmac(key, key, sizeof key, k->service);
    hmac(key, key, sizeof key, "aws4_request");
    hmac(key, key, sizeof key, text.s);
    hex_encode(out, key, sizeof key);
    OPENSSL_cleanse(first, strlen(first));
}

void sigv4_target(struct str *out, const struct sigv4_request *req)
{
    struct list query = {0};

    str_add_urlencoded(out, req->path, "/");
    list_add_all(&query, req->query);
    if (query.n)
        str_putc(out, '?');
    add_query(out, &query);
}

void sigv4_sign(struct str *out, const struct sigv4_keys *keys, const struct sigv4_request *req)
{
    AUTO(moment_done) struct moment m = {0};
    AUTO(str_done) struct str query_text = {0}, names = {0};
    struct list query = {0}, headers = {0};
    char sig[65];

    moment_init(&m, keys, req->at_us);
    list_add_all(&query, req->query);
    add_query(&query_text, &query);
    list_add(&headers, "host", req->host);
    list_add(&headers, "x-amz-content-sha256", req->payload);
    list_add(&headers, "x-amz-date", m.stamp);
    if (keys->session_token && *keys->session_token)
        list_add(&headers, "x-amz-security-token", keys->session_token);
    for (int i = 1; i < headers.n; i++)
        str_addf(out, "%s: %s\n", headers.pairs[i].name, headers.pairs[i].value);
    list_add_all(&headers, req->headers);
    qsort(headers.pairs, (size_t)headers.n, sizeof *headers.pairs, by_header_name);
    add_signed_names(&names, &headers);
    signature(sig, keys, &m, req, query.n ? query_text.s : "", &headers, req->payload);
    str_addf(out, "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s\n",
             keys->key, m.scope, names.s, sig);
}

void sigv4_presign(struct str *out, const struct sigv4_keys *keys, const struct sigv4_request *req,
                   int64_t expires_s)
{
    AUTO(moment_done) struct moment m = {0};
    AUTO(str_done) struct str query_text = {0}, names = {0};
    AUTO(mem_free) char *credential = NULL;
    struct list query = {0}, headers = {0};
    char expires[24], sig[65];

    assert(expires_s >= 1 && expires_s <= SIGV4_EXPIRES_MAX_S);
    moment_init(&m, keys, req->at_us);
    credential = mem_printf("%s/%s", keys->key, m.scope);
    snprintf(expires, sizeof expires, "%lld", (long long)expires_s);
    list_add(&headers, "host", req->host);
    list_add_all(&headers, req->headers);
    qsort(headers.pairs, (size_t)headers.n, sizeof *headers.pairs, by_header_name);
    add_signed_names(&names, &headers);

    list_add_all(&query, req->query);
    list_add(&query, "X-Amz-Algorithm", ALGORITHM);
    list_add(&query, "X-Amz-Credential", credential);
    list_add(&query, "X-Amz-Date", m.stamp);
    list_add(&query, "X-Amz-Expires", expires);
    list_add(&query, "X-Amz-SignedHeaders", names.s);
    if (keys->session_token && *keys->session_token)
        list_add(&query, "X-Amz-Security-Token", keys->session_token);
    add_query(&query_text, &query);
    signature(sig, keys, &m, req, query_text.s, &headers, SIGV4_UNSIGNED_PAYLOAD);
    str_add_urlencoded(out, req->path, "/");
    str_addf(out, "?%s&X-Amz-Signature=%s", query_text.s, sig);
}
