#include "http/address.h"
#include "base/str.h"

#include <curl/curl.h>
#include <string.h>

static void address_done(CURLU *u) { curl_url_cleanup(u); }
DEFINE_AUTO(CURLU *, address_done)

static CURLU *address_read(const char *url)
{
    CURLU *u = curl_url();

    if (u && !curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS))
        return u;
    curl_url_cleanup(u);
    return NULL;
}

/* A part of it as ours to free; NULL: it has none. */
static char *address_part(CURLU *u, CURLUPart part, unsigned flags)
{
    char *text = NULL;

    if (!u || curl_url_get(u, part, &text, flags))
        return NULL;
    char *own = mem_strdup(text);
    curl_free(text);
    return own;
}

char *address_origin(const char *url)
{
    AUTO(address_done) CURLU *u = address_read(url);
    AUTO(mem_free) char *scheme = address_part(u, CURLUPART_SCHEME, 0);
    AUTO(mem_free) char *host = address_part(u, CURLUPART_HOST, 0);
    AUTO(mem_free) char *port = address_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);

    return scheme && host && port ? mem_printf("%s://%s:%s", scheme, host, port) : mem_strdup("");
}

char *address_resolve(const char *base, const char *reference)
{
    AUTO(address_done) CURLU *u = address_read(base);

    if (!u || curl_url_set(u, CURLUPART_URL, reference, CURLU_PATH_AS_IS | CURLU_URLENCODE) ||
        curl_url_set(u, CURLUPART_USER, NULL, 0) || curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) ||
        curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0))
        return NULL;
    AUTO(mem_free) char *scheme = address_part(u, CURLUPART_SCHEME, 0);
    if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return NULL;
    return address_part(u, CURLUPART_URL, 0);
}

char *address_follow(const char *base, const char *location)
{
    AUTO(address_done) CURLU *u = address_read(base);

    return u && !curl_url_set(u, CURLUPART_URL, location, CURLU_PATH_AS_IS | CURLU_URLENCODE)
               ? address_part(u, CURLUPART_URL, 0)
               : NULL;
}

struct address_login address_login(const char *url)
{
    AUTO(address_done) CURLU *u = address_read(url);

    return (struct address_login){address_part(u, CURLUPART_USER, CURLU_URLDECODE),
                                  address_part(u, CURLUPART_PASSWORD, CURLU_URLDECODE)};
}

void address_login_done(struct address_login l)
{
    if (l.password)
        explicit_bzero(l.password, strlen(l.password));
    free(l.user);
    free(l.password);
}

char *address_host(const char *url)
{
    AUTO(address_done) CURLU *u = address_read(url);
    AUTO(mem_free) char *host = address_part(u, CURLUPART_HOST, 0);
    AUTO(mem_free) char *port = address_part(u, CURLUPART_PORT, 0);

    return mem_printf("%s%s%s", host ? host : "", port ? ":" : "", port ? port : "");
}

char *address_path(const char *url)
{
    AUTO(address_done) CURLU *u = address_read(url);
    AUTO(mem_free) char *path = address_part(u, CURLUPART_PATH, 0);

    return mem_strdup(path && *path == '/' ? path + 1 : "");
}
