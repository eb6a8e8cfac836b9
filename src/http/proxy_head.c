/* proxy_head.c - which headers go on, and in what form; and the address that they go to. */
#include "http/proxy_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define TOKEN                                                                                      \
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" /* RFC         \
                                                                                       9110 5.6.2  \
                                                                                     */

/* Is name (len bytes) one of the comma-separated words of list? */
static bool head_has_word(const char *list, const char *name, size_t len)
{
    while (*list) {
        size_t n;

        list += strspn(list, " \t,");
        n = strcspn(list, " \t,");
        if (n == len && !strncasecmp(list, name, len))
            return true;
        list += n;
    }
    return false;
}

static bool is_in(const char *const *names, size_t count, const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == len && !strncasecmp(names[i], name, len))
            return true;
    return false;
}

/* Headers of one connection, and those that say where a message ends. connection: the value of that
 * header. */
static bool stays(const char *name, size_t len, const char *connection)
{
    static const char *const names[] = {
        "Connection",          "Content-Length",   "Keep-Alive", "Proxy-Authenticate",
        "Proxy-Authorization", "Proxy-Connection", "TE",         "Trailer",
        "Transfer-Encoding",   "Upgrade"};

    return is_in(names, ARRAY_LEN(names), name, len) || head_has_word(connection, name, len);
}

/* ---- the request ---- */

/* What we say ourselves, or what has done its work already. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"Host",
                                        "Expect",
                                        "Forwarded",
                                        "X-Forwarded-For",
                                        "X-Forwarded-Host",
                                        "X-Forwarded-Proto",
                                        "X-HTTP-Method-Override"};

    return is_in(names, ARRAY_LEN(names), name, strlen(name));
}

struct gathering {
    struct curl_slist *list;
    struct str connection; /* the values of all headers of that name */
    struct str chain;      /* of X-Forwarded-For */
    bool is_bad;
};

static void add_line(struct gathering *g, const char *name, const char *value)
{
    /* libcurl's way to say a header without a value */
    AUTO(mem_free)
    char *line = *value ? mem_printf("%s: %s", name, value) : mem_printf("%s;", name);
    struct curl_slist *more = curl_slist_append(g->list, line);

    if (!more)
        abort();
    g->list = more;
}

static void hear_connection(void *arg, const char *name, const char *value)
{
    struct gathering *g = arg;

    if (!strcasecmp(name, "Connection"))
        str_addf(&g->connection, "%s,", value);
    if (!strcasecmp(name, "X-Forwarded-For"))
        str_addf(&g->chain, "%s, ", value);
}

static void hear_header(void *arg, const char *name, const char *value)
{
    struct gathering *g = arg;

    if (!*name || name[strspn(name, TOKEN)] || strpbrk(value, "\r\n"))
        g->is_bad = true;
    else if (!is_ours(name) && !stays(name, strlen(name), g->connection.s ? g->connection.s : ""))
        add_line(g, name, value);
}

static void add_forwarded(struct gathering *g, struct http_request *req,
                          const struct proxy_conf *conf)
{
    AUTO(mem_free) char *base = conf->base_url(req);
    const char *host = strstr(base, "://");
    AUTO(mem_free) char *scheme = mem_strndup(base, host ? (size_t)(host - base) : 0);
    AUTO(mem_free)
    char *name = host ? mem_strndup(host + 3, strcspn(host + 3, "/")) : mem_strdup("");
    AUTO(mem_free)
    char *chain =
        mem_printf("%s%s", conf->trust_forwarded && g->chain.s ? g->chain.s : "", http_peer(req));

    add_line(g, "X-Forwarded-For", chain);
    if (*scheme)
        add_line(g, "X-Forwarded-Proto", scheme);
    if (*name)
        add_line(g, "X-Forwarded-Host", name);
}

int proxy_request_headers(struct curl_slist **out, struct http_request *req,
                          const struct proxy_conf *conf, struct err *err)
{
    /* libcurl would say these by itself; a line without a value keeps it from that */
    static const char *const quiet[] = {"Accept", "Content-Type", "User-Agent", "Expect"};
    struct gathering g = {0};

    http_headers(req, hear_connection, &g);
    http_headers(req, hear_header, &g);
    for (size_t i = 0; i < ARRAY_LEN(quiet); i++)
        if (!http_header(req, quiet[i]) || is_ours(quiet[i])) {
            AUTO(mem_free) char *line = mem_printf("%s:", quiet[i]);
            struct curl_slist *more = curl_slist_append(g.list, line);

            if (!more)
                abort();
            g.list = more;
        }
    add_forwarded(&g, req, conf);
    str_done(g.connection);
    str_done(g.chain);
    if (g.is_bad) {
        curl_slist_free_all(g.list);
        return err_set(err, ERR_FORM, "A header of the request is malformed");
    }
    *out = g.list;
    return 0;
}

const char *proxy_method(const char *method)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                          "PATCH", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (!strcmp(methods[i], method))
            return methods[i];
    return NULL;
}

/* A step up would lead out of what lies below the prefix, for a server that takes it. */
static bool climbs(const char *path)
{
    for (const char *p = path; (p = strstr(p, "..")); p += 2)
        if ((p == path || p[-1] == '/' || p[-1] == '\\') && (!p[2] || p[2] == '/' || p[2] == '\\'))
            return true;
    return false;
}

static bool is_visible(const char *s)
{
    for (; s && *s; s++)
        if (*s <= ' ' || *s > '~' || *s == '#')
            return false;
    return true;
}

char *proxy_target(struct http_request *req, const char *prefix, struct err *err)
{
    const char *raw = http_path_raw(req), *query = http_query_raw(req),
               *rest = raw + strlen(prefix);

    if (!is_visible(raw) || !is_visible(query) || climbs(http_path(req))) {
        err_set(err, ERR_URL_ENCODING, "The address holds what may not stand in one");
        return NULL;
    }
    if (!str_starts(raw, prefix) || (*rest && *rest != '/')) {
        err_set(err, ERR_NOT_FOUND, "There is nothing at %.200s", raw);
        return NULL;
    }
    while (rest[0] == '/' && rest[1] == '/')
        rest++;
    return mem_printf("%s%s%s%s", prefix, rest, query ? "?" : "", query ? query : "");
}

/* ---- the answer ---- */

int proxy_status(const struct str *head)
{
    const char *space = head->s ? strchr(head->s, ' ') : NULL;

    return space ? atoi(space + 1) : 0;
}

struct line {
    const char *name, *value;
    size_t name_len, value_len;
};

/* The next header at *at; false at the end. name_len 0: it is none. */
static bool next_line(struct line *out, const char **at)
{
    const char *s = *at, *end = strchr(s, '\n');
    size_t n;

    if (!end)
        return false;
    *at = end + 1;
    n = strspn(s, TOKEN);
    *out = (struct line){s, s, s[n] == ':' ? n : 0, 0};
    for (s += n + 1; s < end && (*s == ' ' || *s == '\t'); s++)
        ;
    while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    out->value = s;
    out->value_len = end > s ? (size_t)(end - s) : 0;
    return true;
}

static const char *headers_of(const struct str *head)
{
    const char *end = head->s ? strchr(head->s, '\n') : NULL;

    return end ? end + 1 : "";
}

static bool is_named(const struct line *l, const char *name)
{
    return l->name_len == strlen(name) && !strncasecmp(l->name, name, l->name_len);
}

bool proxy_is_websocket(const struct str *head)
{
    struct line l;

    if (proxy_status(head) != 101)
        return false;
    for (const char *at = headers_of(head); next_line(&l, &at);)
        if (is_named(&l, "Upgrade") && l.value_len == 9 && !strncasecmp(l.value, "websocket", 9))
            return true;
    return false;
}

/* Returns -1 when two lines disagree or it is no number. */
static int read_length(int64_t *length, const struct line *l)
{
    AUTO(mem_free) char *text = mem_strndup(l->value, l->value_len);
    int64_t n;

    if (!*text || text[strspn(text, "0123456789")])
        return -1;
    errno = 0;
    n = strtoll(text, NULL, 10);
    if (errno || (*length >= 0 && *length != n))
        return -1;
    *length = n;
    return 0;
}

struct http_response *proxy_answer(int64_t *length, const struct str *head)
{
    AUTO(str_done) struct str connection = {0};
    int64_t known = -1;
    bool is_bad = false, is_chunked = false;
    struct line l;

    for (const char *at = headers_of(head); next_line(&l, &at);) {
        if (!l.name_len)
            is_bad = true;
        if (is_named(&l, "Connection"))
            str_addf(&connection, "%.*s,", (int)l.value_len, l.value);
        is_chunked |= is_named(&l, "Transfer-Encoding");
        if (is_named(&l, "Content-Length") && read_length(&known, &l) < 0)
            is_bad = true;
    }
    if (is_bad)
        return NULL;
    struct http_response *r = http_response_new(proxy_status(head));

    for (const char *at = headers_of(head); next_line(&l, &at);) {
        bool is_upgrade = proxy_status(head) == 101 && is_named(&l, "Upgrade");

        if (stays(l.name, l.name_len, connection.s ? connection.s : "") && !is_upgrade)
            continue;
        AUTO(mem_free) char *name = mem_strndup(l.name, l.name_len);
        AUTO(mem_free) char *value = mem_strndup(l.value, l.value_len);

        http_response_header(r, name, value);
    }
    *length = is_chunked ? -1 : known;
    return r;
}

/* ---- the address ---- */

int proxy_take_apart(char **upstream, char **authority, const char *url, struct err *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *more = NULL;
    bool is_right;

    if (!u)
        abort();
    is_right = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
               curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
               !strcmp(scheme, "http") && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
               curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK && !strcmp(path, "/");
    for (CURLUPart part = 0; is_right && part <= CURLUPART_FRAGMENT; part++)
        if ((part == CURLUPART_USER || part == CURLUPART_PASSWORD || part == CURLUPART_QUERY ||
             part == CURLUPART_FRAGMENT) &&
            curl_url_get(u, part, &more, 0) == CURLUE_OK) {
            curl_free(more);
            is_right = false;
        }
    if (is_right) {
        curl_url_get(u, CURLUPART_PORT, &port, 0);
        *authority = mem_printf("%s%s%s", host, port ? ":" : "", port ? port : "");
        *upstream = mem_printf("http://%s", *authority);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(u);
    return is_right ? 0 : err_set(err, ERR_CONFIG, "'%s' is not of the form http://HOST:PORT", url);
}

int proxy_check_url(const char *url, struct err *err)
{
    AUTO(mem_free) char *upstream = NULL;
    AUTO(mem_free) char *authority = NULL;

    return proxy_take_apart(&upstream, &authority, url, err);
}
