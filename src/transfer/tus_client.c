#include "transfer/tus_client.h"
#include "base/json.h"
#include "http/address.h"
#include "http/naming.h"
#include "transfer/values.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define REDIRECTS_MAX 5
#define LOCKED_ATTEMPTS 8 /* a lock outlives the connection that held it by what the server takes for a time-out */
#define PAUSE_MS 500
#define OWN_HEADERS_MAX 8
#define REASON_MAX 150

static const char version[] = "Tus-Resumable: 1.0.0";

static const char *add_login(struct tus_client *c, const char *endpoint)
{
    AUTO(address_login_done) struct address_login login = address_login(endpoint);

    if (!login.user && !login.password)
        return NULL;
    AUTO(mem_free)
    char *both = mem_printf("%s:%s", login.user ? login.user : "", login.password ? login.password : "");
    char *coded = arena_alloc(robot_arena(c->job), strlen(both) / 3 * 4 + 8);
    EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)both, (int)strlen(both));
    explicit_bzero(both, strlen(both));
    return arena_printf(robot_arena(c->job), "Authorization: Basic %s", coded);
}

int tus_client_open(struct tus_client *c, struct robot_job *job, const char *endpoint, const json_t *lines,
                    struct err *err)
{
    AUTO(mem_free) char *clean = naming_clean_url(endpoint);
    size_t n = 0, i;
    json_t *line;

    *c = (struct tus_client){.job = job};
    c->endpoint = clean ? address_resolve(clean, clean) : NULL;
    if (!c->endpoint) {
        err_set(err, ERR_ROBOT_VALIDATION, "'endpoint' is not an http or https address");
        robot_code_invalid(err->name, robot_of_job(job));
        return -1;
    }
    c->origin = address_origin(c->endpoint);
    c->http = http_client_new();
    c->headers = arena_alloc(robot_arena(job), (json_array_size(lines) + 2) * sizeof *c->headers);
    json_array_foreach (lines, i, line)
        c->headers[n++] = json_string_value(line);
    c->headers[n++] = add_login(c, clean);
    c->headers[n] = NULL;
    return 0;
}

void tus_client_done(struct tus_client c)
{
    http_client_free(c.http);
    free(c.endpoint);
    free(c.origin);
}

/* One hop of a request. */
static int tus_hop(struct http_client_response *out, struct tus_client *c, const struct tus_call *call,
                   const char *url, bool trusted, struct err *err)
{
    const char *headers[VALUE_HEADERS_MAX + OWN_HEADERS_MAX + 3];
    int n = 0;

    headers[n++] = version;
    for (const char *const *p = call->headers; p && *p; p++)
        headers[n++] = *p;
    for (const char *const *p = c->headers; trusted && *p; p++)
        headers[n++] = *p;
    headers[n] = NULL;
    return http_client_run(out, c->http,
                           &(struct http_client_request){
                               .method = call->method,
                               .url = url,
                               .headers = headers,
                               .body_fd = call->fd,
                               .body_offset = call->offset,
                               .body_length = call->length,
                               .idle_timeout_s = (int)jint(robot_settings(c->job), "idle_s", 0),
                               .guard = jstr_or(robot_settings(c->job), "import_allow", ""),
                               .on_progress = call->on_progress,
                               .ctx = call->ctx,
                           },
                           err);
}

int tus_client_run(struct http_client_response *out, struct tus_client *c, const struct tus_call *call, bool *foreign,
                   struct err *err)
{
    AUTO(mem_free) char *url = mem_strdup(call->url);
    bool trusted = !call->foreign;

    for (int hops = 0;; hops++) {
        AUTO(mem_free) char *origin = address_origin(url);

        /* Once away, never trusted again: the way back is somebody else's choice. */
        trusted = trusted && !strcasecmp(origin, c->origin);
        int rc = tus_hop(out, c, call, url, trusted, err);
        if (foreign)
            *foreign = !trusted;
        if (rc < 0 || (out->status != 307 && out->status != 308))
            return rc;
        AUTO(mem_free) char *to = http_client_header(out, "location");
        AUTO(mem_free) char *next = to ? address_resolve(url, to) : NULL;
        if (!next || hops == REDIRECTS_MAX)
            return err_set(err, ERR_INPUT, next ? "more than %d redirects" : "the redirect leads nowhere",
                           REDIRECTS_MAX);
        free(url);
        url = take(next);
        http_client_response_done(*out);
        *out = (struct http_client_response){0};
    }
}

enum tus_verdict tus_judge(int rc, const struct http_client_response *r, const struct err *cause)
{
    if (rc < 0)
        return cause->code == ERR_IO ? TUS_AGAIN : TUS_REFUSED;
    if (r->status / 100 == 2)
        return TUS_FINE;
    switch (r->status) {
    case 408: /* too slow */
    case 409: /* another offset */
    case 423: /* somebody holds it: mostly our own connection that broke */
    case 425:
    case 429:
    case 460: /* another checksum: the bytes changed on their way */
        return TUS_AGAIN;
    case 404:
    case 410:
        return TUS_GONE;
    case 413:
        return TUS_SMALLER;
    case 501:
    case 505:
        return TUS_REFUSED;
    default:
        return r->status >= 500 ? TUS_AGAIN : TUS_REFUSED;
    }
}

bool tus_pause(const struct tus_client *c, const struct http_client_response *r, int failures)
{
    if (failures >= (r->status == 423 ? LOCKED_ATTEMPTS : REMOTE_ATTEMPTS))
        return false;
    remote_wait(c->job, failures, PAUSE_MS, remote_retry_after(r));
    return true;
}

/* What the server says of it, the first line of a plain text; "": nothing. */
static void tus_reason(char out[static REASON_MAX + 1], const struct http_client_response *r)
{
    AUTO(mem_free) char *type = http_client_header(r, "content-type");
    const char *text = r->body.s;
    size_t n = text ? strcspn(text, "\r\n") : 0;

    *out = 0;
    if (!n || n > REASON_MAX || !utf8_valid(text, n) || (type && strncasecmp(type, "text/plain", 10) != 0))
        return;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    out[n] = 0;
}

int tus_fail(const struct tus_client *c, const char *what, int rc, const struct http_client_response *r,
             const struct err *cause, struct err *err)
{
    AUTO(mem_free) char *shown = naming_public_url(r->url ? r->url : c->endpoint);
    char words[200], reason[REASON_MAX + 1];

    snprintf(words, sizeof words, "can't %s at '%.120s'", what, shown);
    if (rc < 0 && cause->is_private_address)
        return remote_refused(c->job, err, words, cause->msg);
    if (rc < 0 && (cause->code == ERR_IO || cause->code == ERR_INPUT))
        return remote_fail(c->job, REMOTE_FAILED, err, "%s: %s", words, cause->msg);
    if (rc < 0) { /* ours */
        *err = *cause;
        return -1;
    }
    tus_reason(reason, r);
    return remote_fail(c->job,
                       r->status == 401 || r->status == 403   ? REMOTE_DENIED
                       : r->status == 404 || r->status == 410 ? REMOTE_NOT_FOUND
                                                              : REMOTE_FAILED,
                       err, "%s: it answered with status %d%s%s", words, r->status, *reason ? ": " : "", reason);
}
