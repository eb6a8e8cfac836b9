#include "http/client_priv.h"
#include "base/clock.h"
#include "http/address.h"
#include "http/decode.h"
#include "http/guard.h"
#include "http/manners.h"
#include "http/naming.h"

#include <assert.h>
#include <netdb.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define KEPT_MAX ((size_t)1024 * 1024) /* of an answer's body */
#define HEAD_MAX ((size_t)256 * 1024)  /* of an answer's headers */
#define PASSED_MAX ((size_t)64 * 1024)
#define SLOWEST 100 /* bytes in a second: no line is so slow, and who sends a byte now and then would go on for ever */
#define PIECE (256 * 1024) /* bytes that are read and written at once: curl's own 16 KB cost a system call each */

/* One hop: a request and its answer, seen from curl's callbacks. */
struct hop {
    const struct http_client_request *req;
    struct http_client_response *out;
    const char *method;
    bool send_body;
    int64_t sent; /* bytes of the body */
    int status;
    bool headers_done; /* of the answer that counts: not 1xx */
    bool follow;       /* that answer is a redirect we are going to follow */
    size_t passed;     /* bytes of its page */
    bool cut;          /* we stopped reading because we have enough */
    bool failed;       /* a callback reported an error, which is in err already */
    struct decoder *decoder; /* of the body that counts; NULL: it comes as it is */
    char refused[80];  /* address that the guard turned down; "" none */
    struct err *err;
};

void http_client_response_done(struct http_client_response r)
{
    str_done(r.body);
    str_done(r.headers);
    free(r.url);
}

char *http_client_header(const struct http_client_response *r, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = r->headers.s; p && *p;) {
        size_t len = strcspn(p, "\n");

        if (len > n && p[n] == ':' && !strncasecmp(p, name, n))
            return mem_strndup(p + n + 2, len - n - 2);
        p += len + (p[len] == '\n');
    }
    return NULL;
}

/* ---- curl's callbacks ---- */

/* curl has resolved the name and is about to connect: what is checked is what gets connected, so a
 * name that changes its address between two look-ups gains nothing. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct hop *h = ctx;

    (void)purpose;
    if (h->req->guard && !guard_allows(&a->addr, h->req->guard)) {
        if (getnameinfo(&a->addr, a->addrlen, h->refused, sizeof h->refused, NULL, 0,
                        NI_NUMERICHOST))
            snprintf(h->refused, sizeof h->refused, "an unusual address");
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int64_t content_length(const struct http_client_response *r)
{
    AUTO(mem_free) char *s = http_client_header(r, "content-length");
    char *end;

    if (!s || *s < '0' || *s > '9')
        return -1;
    long long n = strtoll(s, &end, 10);
    return *end ? -1 : n;
}

static bool is_good(const struct hop *h) { return h->status >= 200 && h->status < 300; }

/* RFC 9110 8.4: a Content-Encoding is undone by who reads the answer, asked for or not. Not that of a part (14.3: the
 * bytes of a range are those of the coded form), nor one that only says that a file is compressed. */
static int choose_decoder(struct hop *h)
{
    AUTO(mem_free) char *codings = http_client_header(h->out, "content-encoding");
    AUTO(mem_free) char *type = http_client_header(h->out, "content-type");
    AUTO(mem_free) char *disposition = http_client_header(h->out, "content-disposition");
    struct err why;

    if (!codings || h->status == 206 || !strcmp(h->method, "HEAD"))
        return 0;
    if (decoder_new(&h->decoder, codings, &why) < 0) {
        if (!is_good(h)) /* of an error's page the status counts */
            return 0;
        *h->err = why;
        return -1;
    }
    AUTO(mem_free) char *name = disposition ? naming_from_disposition(disposition) : NULL;
    const char *const names[] = {h->out->url, name};
    if (h->decoder && decoder_is_archive(type, names, ARRAY_LEN(names)))
        decoder_keep_archive(h->decoder);
    return 0;
}

static size_t client_on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct hop *h = ctx;
    struct str *b = &h->out->headers;
    size_t len = size * count, name;

    if (h->headers_done)
        return len; /* trailers after a chunked body */
    if (len >= 5 && !memcmp(data, "HTTP/", 5)) {
        const char *sp = memchr(data, ' ', len);

        str_reset(b);
        h->status = sp && (size_t)(sp - data) + 4 <= len ? atoi(sp + 1) : 0;
        return len;
    }
    while (len && (data[len - 1] == '\r' || data[len - 1] == '\n'))
        len--;
    if (len) {
        const char *colon = memchr(data, ':', len);

        if (b->len + len > HEAD_MAX) {
            err_set(h->err, ERR_IO, "the answer has more than %zu bytes of headers", HEAD_MAX);
            h->failed = true;
            return 0;
        }
        if (!colon)
            return size * count;
        name = (size_t)(colon - data);
        for (size_t i = 0; i < name; i++)
            str_putc(b, data[i] >= 'A' && data[i] <= 'Z' ? (char)(data[i] + 32) : data[i]);
        str_puts(b, ": ");
        for (name++; name < len && (data[name] == ' ' || data[name] == '\t');)
            name++;
        while (len > name && (data[len - 1] == ' ' || data[len - 1] == '\t'))
            len--;
        str_add(b, data + name, len - name);
        str_putc(b, '\n');
        return size * count;
    }
    if (h->status >= 100 && h->status < 200)
        return size * count;
    h->headers_done = true;
    if (is_redirect(h->status) && h->req->max_redirects > 0) {
        AUTO(mem_free) char *to = http_client_header(h->out, "location");

        h->follow = to && *to;
    }
    if (!h->follow && (choose_decoder(h) < 0 ||
                       (h->req->on_head && h->req->on_head(h->req->ctx, h->status,
                                                           h->decoder ? -1 : content_length(h->out), h->err) < 0))) {
        h->failed = true;
        return 0;
    }
    return size * count;
}

/* The body as it is meant. -1: err says why, or cut. */
static int take_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct hop *h = ctx;
    size_t room = KEPT_MAX - h->out->body.len;

    if (h->req->on_body && is_good(h))
        return h->req->on_body(h->req->ctx, data, len, err);
    str_add(&h->out->body, data, len < room ? len : room);
    if (len < room)
        return 0;
    h->cut = true;
    return -1;
}

static size_t client_on_data(char *data, size_t size, size_t count, void *ctx)
{
    struct hop *h = ctx;
    size_t len = size * count;

    if (h->follow) { /* the page that a redirect carries: the connection is worth a short one */
        h->cut = (h->passed += len) > PASSED_MAX;
        return h->cut ? 0 : len;
    }
    if ((h->decoder ? decoder_feed(h->decoder, data, len, take_body, h, h->err) : take_body(h, data, len, h->err)) == 0)
        return len;
    h->failed = !h->cut && is_good(h);
    h->cut = !h->failed;
    return 0;
}

static int64_t body_size(const struct http_client_request *r)
{
    int64_t all = 0;

    for (int i = 0; i < r->piece_count; i++)
        all += r->pieces[i].length;
    return all ? all : r->body ? (int64_t)strlen(r->body) : r->body_length > 0 ? r->body_length : 0;
}

/* At most n bytes of a file. 0, with err, when it has none there. */
static size_t read_file(char *out, size_t n, int fd, int64_t offset, struct hop *h)
{
    ssize_t got = pread(fd, out, n, offset);

    if (got > 0)
        return (size_t)got;
    if (got < 0)
        err_errno(h->err, "read the file to send");
    else
        err_set(h->err, ERR_INPUT, "the file to send is shorter than announced");
    h->failed = true;
    return 0;
}

static size_t read_piece(char *out, size_t n, struct hop *h)
{
    const struct http_client_piece *p = h->req->pieces;
    int64_t at = h->sent;

    for (; at >= p->length; p++)
        at -= p->length;
    if ((int64_t)n > p->length - at)
        n = (size_t)(p->length - at);
    if (!p->text)
        return read_file(out, n, p->fd, at, h);
    memcpy(out, p->text + at, n);
    return n;
}

static size_t read_body(char *out, size_t size, size_t count, void *ctx)
{
    struct hop *h = ctx;
    const struct http_client_request *r = h->req;
    int64_t left = body_size(r) - h->sent;
    size_t n = size * count;

    if (left <= 0)
        return 0;
    if ((int64_t)n > left)
        n = (size_t)left;
    if ((int64_t)n == left && r->on_end && r->on_end(r->ctx, h->err) < 0) {
        h->failed = true;
        return CURL_READFUNC_ABORT;
    }
    if (r->piece_count)
        n = read_piece(out, n, h);
    else if (r->body)
        memcpy(out, r->body + h->sent, n);
    else
        n = read_file(out, n, r->body_fd, r->body_offset + h->sent, h);
    h->sent += (int64_t)n;
    return n ? n : CURL_READFUNC_ABORT;
}

/* curl starts over when a kept connection turns out to be dead. */
static int seek_body(void *ctx, curl_off_t offset, int origin)
{
    struct hop *h = ctx;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    h->sent = offset;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                       curl_off_t ulnow)
{
    struct hop *h = ctx;
    bool up = ultotal > dltotal;
    double total = (double)(up ? ultotal : dltotal), now = (double)(up ? ulnow : dlnow);

    if (h->req->on_progress && total > 0 && !h->follow)
        h->req->on_progress(h->req->ctx, now < total ? now / total : 1);
    return 0;
}

/* ---- one hop ---- */

/* Headers that say nothing about who asks. All others stay at the host they were written for. */
static bool may_travel(const char *header)
{
    static const char *const names[] = {"accept",       "accept-encoding", "accept-language",
                                        "content-type", "range",           "user-agent"};
    size_t n = strcspn(header, ":");

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == n && !strncasecmp(header, names[i], n))
            return true;
    return false;
}

static void slist_free(struct curl_slist *l) { curl_slist_free_all(l); }
DEFINE_AUTO(struct curl_slist *, slist_free)

static void slist_add(struct curl_slist **l, const char *line)
{
    struct curl_slist *more = curl_slist_append(*l, line);

    if (!more)
        abort();
    *l = more;
}

static int set_failure(struct err *err, const struct hop *h, CURLcode rc, const char *text)
{
    if (*h->refused && rc == CURLE_COULDNT_CONNECT) {
        err_set(err, ERR_SERVER_403, "the address %s is private or reserved", h->refused);
        if (err)
            err->is_private_address = true;
        return -1;
    }
    if (!*text)
        text = curl_easy_strerror(rc);
    switch (rc) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return err_set(err, ERR_INPUT, "%.300s", text);
    default:
        return err_set(err, ERR_IO, "%.300s", text);
    }
}

static bool is_header(const char *line, const char *name)
{
    size_t n = strlen(name);

    return !strncasecmp(line, name, n) && line[n] == ':';
}

/* The request's own lines, and ours where it has none. *cookie: of its Cookie line, which goes to the
 * jar; NULL: none. */
static int hop_headers(struct curl_slist **out, const char **cookie, const struct hop *h, bool same_origin)
{
    const struct http_client_request *r = h->req;
    bool has_agent = false, has_encoding = false, is_part = false;

    *cookie = NULL;
    for (const char *const *p = r->headers; p && *p; p++) {
        if (strpbrk(*p, "\r\n"))
            return err_set(h->err, ERR_INPUT, "a header line contains a line break");
        if (!same_origin && !may_travel(*p))
            continue;
        if (r->cookies && is_header(*p, "cookie") && !*cookie) { /* one line for these and the jar's */
            *cookie = *p + strlen("cookie:");
            *cookie += strspn(*cookie, " \t");
            continue;
        }
        has_agent |= is_header(*p, "user-agent");
        has_encoding |= is_header(*p, "accept-encoding");
        is_part |= is_header(*p, "range");
        slist_add(out, *p);
    }
    if (!has_agent)
        slist_add(out, "User-Agent: workcell");
    if (is_part && !has_encoding) /* a part of a coded form could never be decoded */
        slist_add(out, "Accept-Encoding: identity");
    return 0;
}

/* Where to, how, and with what of the client's. */
static void set_target(CURL *e, const struct http_client_request *r, const char *url, const struct address_login *login,
                       struct curl_slist *headers, const char *cookie)
{
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    /* not even one from the environment: it would connect where the guard can't see */
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    if (cookie)
        curl_easy_setopt(e, CURLOPT_COOKIE, cookie);
    if (login && login->user)
        curl_easy_setopt(e, CURLOPT_USERNAME, login->user);
    if (login && login->password)
        curl_easy_setopt(e, CURLOPT_PASSWORD, login->password);
}

/* text: for curl's own words of what failed. */
static void set_callbacks(CURL *e, struct hop *h, char text[static CURL_ERROR_SIZE])
{
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, client_on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, client_on_data);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)PIECE);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, h);
}

static int set_times(CURL *e, const struct hop *h, int64_t deadline_us)
{
    const struct http_client_request *r = h->req;

    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)(r->connect_timeout_s ? r->connect_timeout_s : 10));
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)(r->idle_timeout_s ? r->idle_timeout_s : 30));
    if (deadline_us) {
        int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;

        if (left_ms <= 0)
            return err_set(h->err, ERR_IO, "no answer within %d s", r->total_timeout_s);
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left_ms);
    }
    return 0;
}

static void set_method(CURL *e, struct hop *h)
{
    if (!strcmp(h->method, "HEAD")) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (h->send_body) {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, h->method);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)body_size(h->req));
        curl_easy_setopt(e, CURLOPT_READFUNCTION, read_body);
        curl_easy_setopt(e, CURLOPT_READDATA, h);
        curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, seek_body);
        curl_easy_setopt(e, CURLOPT_SEEKDATA, h);
    } else if (strcmp(h->method, "GET") != 0) {
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, h->method);
    }
}

/* Its decoder is for the caller to free. */
static int run_hop(struct hop *h, struct http_client *c, const char *url, const struct address_login *login,
                   bool same_origin, int64_t deadline_us)
{
    AUTO(slist_free) struct curl_slist *headers = NULL;
    char text[CURL_ERROR_SIZE] = "";
    const char *cookie;
    CURL *e = c->curl;

    if (hop_headers(&headers, &cookie, h, same_origin) < 0)
        return -1;
    curl_easy_reset(e); /* options only: connections and resolved names stay */
    set_target(e, h->req, url, login, headers, cookie);
    set_callbacks(e, h, text);
    if (manners_keep(e, c->host, c->port, h->err) < 0 || set_times(e, h, deadline_us) < 0)
        return -1;
    set_method(e, h);
    if (h->req->on_end && !body_size(h->req) && h->req->on_end(h->req->ctx, h->err) < 0)
        return -1;

    CURLcode rc = curl_easy_perform(e);
    if (h->failed)
        return -1;
    if (rc != CURLE_OK && !h->cut)
        return set_failure(h->err, h, rc, text);
    if (!h->headers_done)
        return err_set(h->err, ERR_IO, "the answer is not HTTP");
    h->out->status = h->status;
    if (h->decoder && !h->cut && decoder_end(h->decoder, take_body, h, h->err) < 0 && !h->cut)
        return is_good(h) ? -1 : 0;
    return 0;
}

/* ---- the whole road ---- */

int http_client_run(struct http_client_response *out, struct http_client *c,
                    const struct http_client_request *req, struct err *err)
{
    AUTO(mem_free) char *first = address_origin(req->url);
    AUTO(address_login_done) struct address_login login = address_login(req->url);
    const char *method = req->method;
    int64_t deadline_us =
        req->total_timeout_s ? clock_mono_us() + req->total_timeout_s * SECOND_US : 0;
    bool send_body = !strcmp(method, "PUT") || !strcmp(method, "POST") || body_size(req) > 0;
    bool same_origin = true;

    *out = (struct http_client_response){.url = mem_strdup(req->url)};
    client_use_guard(c, req->guard);
    client_use_host(c, req->url); /* before cookies: it may begin anew */
    /* A first cookie makes a jar in memory, for which curl keeps to RFC 6265. CURLOPT_COOKIEFILE makes one as well, and its list
     * is lost at each reset. */
    if (req->cookies)
        curl_easy_setopt(c->curl, CURLOPT_COOKIELIST, "Set-Cookie: first=none; domain=jar.invalid");
    /* connections are kept from one download to the next, cookies never: the next may be somebody else's */
    curl_easy_setopt(c->curl, CURLOPT_COOKIELIST, "ALL");
    for (int left = req->max_redirects;; left--) {
        struct hop h = {
            .req = req, .out = out, .method = method, .send_body = send_body, .err = err};

        str_reset(&out->headers);
        str_reset(&out->body);
        AUTO(address_login_done) struct address_login own = address_login(out->url);
        client_use_host(c, out->url);
        int rc = run_hop(&h, c, out->url, same_origin && !own.user ? &login : NULL, same_origin, deadline_us);
        decoder_free(h.decoder);
        if (rc < 0)
            return -1;
        if (!h.follow)
            return 0;
        if (left <= 0)
            return err_set(err, ERR_INPUT, "more than %d redirects", req->max_redirects);
        /* not CURLINFO_REDIRECT_URL, which is lost when a body is cut */
        AUTO(mem_free) char *location = http_client_header(out, "location");
        char *to = address_follow(out->url, location);
        if (!to)
            return err_set(err, ERR_INPUT, "the redirect's target is not an address");
        free(out->url);
        out->url = to;

        AUTO(mem_free) char *origin = address_origin(out->url);
        /* Once away, never trusted again: the way back may be an attacker's choice too. */
        same_origin = same_origin && !strcasecmp(origin, first);
        /* RFC 9110 15.4: 303 means look there; 301 and 302 turn a POST into a GET by custom. */
        if ((h.status == 303 && strcmp(method, "HEAD") != 0) ||
            (h.status <= 302 && !strcmp(method, "POST"))) {
            method = "GET";
            send_body = false;
        }
    }
}
