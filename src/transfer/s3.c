/* Talking to a bucket: where it is, requests that are signed and repeated, what S3 says about a
 * failure. */
#include "transfer/s3.h"
#include "base/clock.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libxml/parser.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- where the bucket is ---- */

void s3_bucket_done(struct s3_bucket b) { http_client_free(b.client); }

static bool is_dns_bucket(const char *s)
{
    size_t n = strlen(s);

    return n >= 3 && n <= 63 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
           s[0] != '-' && s[n - 1] != '-';
}

static bool is_ip(const char *host)
{
    unsigned char a[16];

    return *host == '[' || inet_pton(AF_INET, host, a) == 1;
}

/* What was given, in its parts. */
static void read_host(struct s3_bucket *b, const char *given, bool plain)
{
    const char *sep = strstr(given, "://");
    char *rest = arena_strdup(robot_arena(b->job), sep ? sep + 3 : given);
    size_t n = strlen(rest);

    while (n && rest[n - 1] == '/')
        rest[--n] = 0;
    char *slash = strchr(rest, '/');
    b->folder = slash                ? arena_strdup(robot_arena(b->job), slash)
                : b->service->folder ? b->service->folder
                                     : "";
    if (slash)
        *slash = 0;
    b->host = rest;
    b->scheme = str_starts(given, "http://") || (!sep && plain) ? "http" : "https";
    b->has_port = *rest == '[' ? strstr(rest, "]:") != NULL : strchr(rest, ':') != NULL;
}

void s3_bucket_init(struct s3_bucket *b, struct robot_job *job, const struct s3_service *service,
                    const struct s3_place *p)
{
    bool own = !str_given(p->host) || (service->host && !strcasecmp(p->host, service->host));
    const char *endpoint =
        own && (service->host || service->regional) ? remote_endpoint(job, service->name, "") : "";

    *b = (struct s3_bucket){.job = job,
                            .client = http_client_new(),
                            .service = service,
                            .place = *p,
                            .name = p->bucket,
                            .scheme =
                                "https", /* nobody who left the host alone asked for an open line */
                            .folder = ""};
    if (*endpoint || !own)
        read_host(b, *endpoint ? endpoint : p->host, service->plain);
    /* A certificate for *.host does not cover a bucket with dots. */
    b->path_style = p->no_vhost || service->path_style || *b->folder || !is_dns_bucket(p->bucket) ||
                    (b->host && (b->has_port || is_ip(b->host)));
    b->keys = (struct sigv4_keys){.key = p->key,
                                  .secret = p->secret,
                                  .session_token = p->session_token,
                                  .service = "s3",
                                  .region = str_given(p->region) ? p->region : service->region};
}

char *s3_host(const struct s3_bucket *b)
{
    AUTO(str_done) struct str host = {0};

    if (!b->path_style)
        str_addf(&host, "%s.", b->name);
    if (b->host)
        str_puts(&host, b->host);
    else
        s3_service_host(&host, b->service, b->keys.region);
    return str_take(&host);
}

char *s3_path(const struct s3_bucket *b, const char *key)
{
    return mem_printf("%s/%s%s%s", b->folder, b->path_style ? b->name : "",
                      b->path_style && key ? "/" : "", key ? key : "");
}

/* ---- one request ---- */

/* What S3 says about a failure. */
struct s3_error {
    char code[64], message[300], region[40];
};

void s3_xml_free(xmlDoc *d)
{
    if (d)
        xmlFreeDoc(d);
}

xmlDoc *s3_xml(const struct str *text)
{
    xmlDoc *d = NULL;

    if (text->len)
        d = xmlReadMemory(text->s, (int)text->len, NULL, NULL,
                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                              XML_PARSE_NOCDATA);
    if (d && (d->intSubset || d->extSubset)) { /* S3 has no entities to declare */
        xmlFreeDoc(d);
        d = NULL;
    }
    return d;
}

bool s3_xml_is(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name);
}

char *s3_xml_text(const xmlNode *parent, const char *name)
{
    for (const xmlNode *n = parent ? parent->children : NULL; n; n = n->next) {
        if (!s3_xml_is(n, name))
            continue;
        if (n->children && n->children->content)
            return mem_strdup((const char *)n->children->content);
        break;
    }
    return mem_strdup("");
}

/* Server's text into a message: no control characters, and nothing of what we signed with. */
static void copy_clean(char *out, size_t size, const char *text, const struct s3_bucket *b)
{
    if (strstr(text, "Signature=") || strstr(text, b->keys.secret) ||
        (str_given(b->keys.session_token) && strstr(text, b->keys.session_token)))
        text = "(left out: it repeats credentials)";
    snprintf(out, size, "%s", text);
    for (; *out; out++)
        if ((unsigned char)*out < 0x20 || *out == 0x7F)
            *out = ' ';
}

/* True when the answer's body is an error document. */
static bool read_error(struct s3_error *out, const struct s3_bucket *b,
                       const struct http_client_response *r)
{
    AUTO(s3_xml_free) xmlDoc *doc = s3_xml(&r->body);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    AUTO(mem_free) char *header = http_client_header(r, "x-amz-bucket-region");
    bool is_error = root && s3_xml_is(root, "Error");
    AUTO(mem_free) char *code = s3_xml_text(is_error ? root : NULL, "Code");
    AUTO(mem_free) char *message = s3_xml_text(is_error ? root : NULL, "Message");
    AUTO(mem_free) char *region = s3_xml_text(is_error ? root : NULL, "Region");

    copy_clean(out->code, sizeof out->code, code, b);
    copy_clean(out->message, sizeof out->message, message, b);
    snprintf(out->region, sizeof out->region, "%s", header && *header ? header : region);
    for (const char *p = out->region; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-')
            out->region[0] = 0;
    return is_error;
}

static int set_s3_error(struct err *err, const struct s3_bucket *b, int status,
                        const struct s3_error *e)
{
    return remote_fail(b->job,
                       status == 401 || status == 403 ? REMOTE_DENIED
                       : status == 404                ? REMOTE_NOT_FOUND
                                                      : REMOTE_FAILED,
                       err, "S3 answered %d%s%s%s%s", status, *e->code ? " " : "", e->code,
                       *e->message ? ": " : "", e->message);
}

static int set_transport_error(struct err *err, const struct s3_bucket *b, const struct err *cause)
{
    char what[200];

    AUTO(mem_free) char *host = s3_host(b);
    snprintf(what, sizeof what, "can't talk to '%.150s'", host);
    if (cause->is_private_address)
        return remote_refused(b->job, err, what, cause->msg);
    return remote_fail(b->job, REMOTE_FAILED, err, "%s: %s", what, cause->msg);
}

/* One attempt, as the HTTP client's callbacks see it. */
struct attempt {
    const struct s3_call *c;
    const struct http_client_response *answer;
};

static void s3_on_progress(void *ctx, double fraction)
{
    const struct attempt *a = ctx;

    a->c->on_progress(a->c->ctx, fraction);
}

static int s3_on_head(void *ctx, int status, int64_t length, struct err *err)
{
    const struct attempt *a = ctx;

    return status / 100 == 2 && a->c->on_head
               ? a->c->on_head(a->c->ctx, status, a->answer, length, err)
               : 0;
}

static int s3_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    const struct attempt *a = ctx;

    return a->c->on_body(a->c->ctx, data, len, err);
}

static int s3_on_end(void *ctx, struct err *err)
{
    const struct attempt *a = ctx;

    return a->c->on_end(a->c->ctx, err);
}

static const char *payload_of(char hash[static 65], const struct s3_call *c)
{
    if (c->body) {
        sigv4_sha256(hash, c->body, strlen(c->body));
        return hash;
    }
    return c->length <= 0 ? SIGV4_EMPTY_PAYLOAD : c->sha256 ? c->sha256 : SIGV4_UNSIGNED_PAYLOAD;
}

/* Send once. out, as http_client_run() leaves it. */
static int call_once(struct http_client_response *out, struct s3_bucket *b, const struct s3_call *c,
                     struct err *err)
{
    AUTO(mem_free) char *host = s3_host(b);
    AUTO(mem_free) char *path = s3_path(b, c->key);
    AUTO(str_done) struct str url = {0}, lines = {0};
    char hash[65];
    struct sigv4_request req = {.method = c->method,
                                .host = host,
                                .path = path,
                                .query = c->query,
                                .headers = c->headers,
                                .payload = payload_of(hash, c),
                                .at_us = clock_now_us() + b->skew_us};
    const char *list[S3_CALL_HEADERS_MAX + 8];
    struct attempt attempt = {c, out};
    int n = 0;

    str_addf(&url, "%s://%s", b->scheme, host);
    sigv4_target(&url, &req);
    sigv4_sign(&lines, &b->keys, &req);
    for (const struct sigv4_pair *p = c->headers; p && p->name; p++)
        str_addf(&lines, "%s: %s\n", p->name, p->value);
    for (char *line = lines.s, *end; *line && n < (int)ARRAY_LEN(list) - 1; line = end + 1) {
        end = strchr(line, '\n');
        *end = 0;
        list[n++] = line;
    }
    list[n] = NULL;
    return http_client_run(out, b->client,
                           &(struct http_client_request){
                               .method = c->method,
                               .url = url.s,
                               .headers = list,
                               .body = c->body,
                               .body_fd = c->fd,
                               .body_offset = c->offset,
                               .body_length = c->body ? -1 : c->length,
                               .idle_timeout_s = (int)jint(robot_settings(b->job), "idle_s", 0),
                               .guard = jstr_or(robot_settings(b->job), "import_allow", ""),
                               .on_progress = c->on_progress ? s3_on_progress : NULL,
                               .on_head = s3_on_head,
                               .on_body = c->on_body ? s3_on_body : NULL,
                               .on_end = c->on_end ? s3_on_end : NULL,
                               .ctx = &attempt,
                           },
                           err);
}

bool s3_learn_time(struct s3_bucket *b, const struct http_client_response *r)
{
    AUTO(mem_free) char *date = http_client_header(r, "date");
    struct tm tm = {0};

    if (!date || !strptime(date, "%a, %d %b %Y %H:%M:%S", &tm))
        return false;
    b->skew_us = timegm(&tm) * SECOND_US - clock_now_us();
    return true;
}

static bool learn_region(struct s3_bucket *b, const struct s3_error *e)
{
    if (b->settled || !*e->region || !strcmp(e->region, b->keys.region))
        return false;
    b->keys.region = arena_strdup(robot_arena(b->job), e->region);
    return true;
}

static bool s3_passing(int status, const struct s3_error *e)
{
    return status >= 500 || status == 429 || !strcmp(e->code, "SlowDown") ||
           !strcmp(e->code, "InternalError") || !strcmp(e->code, "RequestTimeout") ||
           !strcmp(e->code, "OperationAborted");
}

int s3_call(struct http_client_response *out, struct s3_bucket *b, const struct s3_call *c,
            char code[static 64], bool *unsure, struct err *err)
{
    for (int attempt = 1;; attempt++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct s3_error e = {0};
        struct err cause = {0};

        if (c->before && c->before(c->ctx))
            attempt = 1;
        bool again, heard = call_once(&r, b, c, &cause) == 0;

        if (heard) {
            bool is_error = r.status / 100 != 2 || c->error_in_200;

            if (is_error)
                is_error = read_error(&e, b, &r) || r.status / 100 != 2;
            if (!is_error) {
                *out = r;
                r = (struct http_client_response){0};
                return 0;
            }
            again = s3_passing(r.status, &e);
            if (unsure && again)
                *unsure = true;
            if (!again && attempt < REMOTE_ATTEMPTS &&
                ((!strcmp(e.code, "RequestTimeTooSkewed") && s3_learn_time(b, &r)) ||
                 ((r.status == 301 || r.status == 307 || r.status == 400 || r.status == 403) &&
                  learn_region(b, &e))))
                continue;
        } else {
            again = cause.code == ERR_IO;
            if (unsure)
                *unsure = true;
        }
        if (again && attempt < REMOTE_ATTEMPTS && !(c->given_up && *c->given_up)) {
            remote_wait(b->job, attempt, S3_PAUSE_MS, heard ? remote_retry_after(&r) : 0);
            continue;
        }
        snprintf(code, 64, "%s", e.code);
        if (!*code && heard)
            snprintf(code, 64, "%d", r.status);
        if (!heard && (cause.code == ERR_IO || cause.code == ERR_INPUT || cause.is_private_address))
            return set_transport_error(err, b, &cause);
        if (!heard) { /* our own disk */
            *err = cause;
            return -1;
        }
        return set_s3_error(err, b, r.status == 200 ? 500 : r.status, &e);
    }
}

/* ---- the bucket's region ---- */

/* A worker serves more than one job of a workspace: each bucket is asked once. */
static struct {
    char id[320], region[40];
} region_cache[16];
static unsigned region_next;

/* What GetBucketLocation says. False: we may not ask, or the answer is none. */
static bool ask_location(char region[static 40], struct s3_bucket *b)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    const struct sigv4_pair query[] = {{"location", ""}, {0}};
    char code[64];
    struct err ignored;

    if (s3_call(&r, b, &(struct s3_call){.method = "GET", .fd = -1, .length = -1, .query = query},
                code, NULL, &ignored) < 0)
        return false;
    AUTO(s3_xml_free) xmlDoc *doc = s3_xml(&r.body);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    const char *text = root && root->children && root->children->content
                           ? (const char *)root->children->content
                           : "";
    snprintf(region, 40, "%s",
             !strcmp(text, "EU") ? "eu-west-1" : text); /* what the oldest buckets say */
    if (!*region || region[strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789-_")])
        snprintf(region, 40, "%s", b->service->region);
    return true;
}

/* HeadBucket names the region even to who may do nothing else: s3_call() learns it from the
 * refusal. */
static bool ask_head(char region[static 40], struct s3_bucket *b)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char code[64];
    struct err ignored;
    const char *before = b->keys.region;
    int rc = s3_call(&r, b, &(struct s3_call){.method = "HEAD", .fd = -1, .length = -1}, code, NULL,
                     &ignored);
    AUTO(mem_free) char *said = rc == 0 ? http_client_header(&r, "x-amz-bucket-region") : NULL;

    snprintf(region, 40, "%s", said && *said ? said : b->keys.region);
    return *region && !region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] &&
           (said || strcmp(before, b->keys.region) != 0);
}

void s3_find_region(struct s3_bucket *b)
{
    AUTO(mem_free) char *host = s3_host(b);
    AUTO(mem_free) char *id = mem_printf("%s/%s", host, b->name);
    char region[40] = "";

    if (str_given(b->place.region) || b->place.skip_region_lookup || !b->service->lookup)
        return;
    for (size_t i = 0; i < ARRAY_LEN(region_cache); i++)
        if (!strcmp(region_cache[i].id, id)) {
            b->keys.region = region_cache[i].region;
            return;
        }
    /* Path style at the service's own host answers for buckets of every region. Not being allowed
     * to ask is no reason to stop: a wrong guess is corrected by the answer to the upload. */
    bool path_style = b->path_style;
    b->path_style = true;
    bool known = ask_location(region, b) || ask_head(region, b);
    b->path_style = path_style;
    if (known) {
        b->keys.region = arena_strdup(robot_arena(b->job), region);
        unsigned i = region_next++ % ARRAY_LEN(region_cache);
        snprintf(region_cache[i].id, sizeof region_cache[i].id, "%s", id);
        snprintf(region_cache[i].region, sizeof region_cache[i].region, "%s", region);
    }
}
