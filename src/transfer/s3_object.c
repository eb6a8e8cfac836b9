/* What an object is stored with, where it can be read then, and whether all that works. */
#include "base/clock.h"
#include "base/id.h"
#include "transfer/s3_upload.h"
#include "transfer/values.h"

#include <string.h>
#include <strings.h>

/* ---- headers ---- */

static void add_header(struct sigv4_pair *list, struct s3_bucket *b, const char *name,
                       const char *value)
{
    /* A map may name a header twice in different case; the wire must not. */
    for (; list->name; list++)
        if (!strcasecmp(list->name, name))
            return;
    *list = (struct sigv4_pair){arena_strdup(robot_arena(b->job), name),
                                arena_strdup(robot_arena(b->job), value)};
}

void s3_headers(struct sigv4_pair list[static S3_CALL_HEADERS_MAX], struct s3_bucket *b,
                const struct s3_object *o)
{
    AUTO(str_done) struct str tags = {0};
    const char *name;
    json_t *v;

    json_object_foreach (o->headers, name, v) {
        AUTO(mem_free) char *value = value_text(v);

        if (*value)
            add_header(list, b, name, value);
    }
    if (o->acl)
        add_header(list, b, "x-amz-acl", o->acl);
    json_object_foreach (o->tags, name, v) {
        AUTO(mem_free) char *value = value_text(v);

        if (tags.len)
            str_putc(&tags, '&');
        str_add_urlencoded(&tags, name, "");
        str_putc(&tags, '=');
        str_add_urlencoded(&tags, value, "");
    }
    if (tags.len)
        add_header(list, b, "x-amz-tagging", tags.s);
}

/* ---- addresses for people ---- */

/* The https form of an address. One with a port of its own has none that is known to work. */
static void add_https(struct str *out, const char *url, bool has_port)
{
    if (str_starts(url, "http://") && !has_port)
        str_addf(out, "https://%s", url + 7);
    else
        str_puts(out, url);
}

void s3_urls(struct str *url, struct str *ssl_url, const struct s3_bucket *b, const char *prefix,
             const char *key)
{
    const char *region = b->keys.region;
    const struct remote_word words[] = {{"bucket", b->name},
                                        {"space", b->name},
                                        {"region", region},
                                        {"bucket_region", region},
                                        {0}};
    AUTO(str_done) struct str path = {0};
    bool as_service = str_given(prefix) && !strcmp(prefix, S3_URL_PREFIX);

    str_add_urlencoded(&path, key, "/");
    if (str_given(prefix) && !as_service) {
        remote_fill(url, prefix, words);
        str_puts(url, path.s);
        add_https(ssl_url, url->s, false);
    } else if (as_service && !b->host) {
        remote_fill(url, prefix, words);
        str_puts(url, path.s);
        if (strchr(b->name, '.')) /* *.s3.amazonaws.com does not cover them */
            str_addf(ssl_url, "https://" S3_HOST "/%s/%s", b->name, path.s);
        else
            str_addf(ssl_url, "https://%s." S3_HOST "/%s", b->name, path.s);
    } else {
        AUTO(mem_free) char *host = s3_host(b);
        AUTO(mem_free) char *above = s3_path(b, "");

        str_addf(url, "%s://%s%s%s", b->scheme, host, above, path.s);
        add_https(ssl_url, url->s, b->has_port);
    }
}

char *s3_signed_url(const struct s3_bucket *b, const char *scheme, const char *key, int64_t good_for_s)
{
    AUTO(mem_free) char *host = s3_host(b);
    AUTO(mem_free) char *path = s3_path(b, key);
    AUTO(str_done) struct str target = {0};

    sigv4_presign(
        &target, &b->keys,
        &(struct sigv4_request){
            .method = "GET", .host = host, .path = path, .at_us = clock_now_us() + b->skew_us},
        good_for_s);
    return mem_printf("%s://%s%s", scheme, host, target.s);
}

json_t *s3_signed_urls(const struct s3_bucket *b, const char *key, int64_t good_for_s)
{
    AUTO(mem_free) char *url = s3_signed_url(b, b->host ? b->scheme : "http", key, good_for_s);
    AUTO(str_done) struct str ssl_url = {0};
    json_t *extra = json_object();

    add_https(&ssl_url, url, b->has_port);
    if (b->service->two_signed)
        jset(extra, "signed_url", url);
    jset(extra, "signed_ssl_url", ssl_url.s);
    return extra;
}
