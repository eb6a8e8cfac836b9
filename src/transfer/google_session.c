#include "transfer/google_session.h"
#include "transfer/values.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_MS 500
#define URI_MAX 8192
#define NONCE 12
#define TAG 16

void google_session_free(struct google_session *s) { free(take(s->uri)); }

bool google_same_origin(const char *url, const char *other)
{
    const char *host = strstr(url, "://");
    size_t n = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;

    return n && !strncmp(url, other, n) && other[n] == '/';
}

static bool is_address(const char *uri, const char *origin)
{
    size_t n = strlen(uri);

    for (size_t i = 0; i < n; i++)
        if (uri[i] <= ' ' || uri[i] > '~')
            return false;
    return n <= URI_MAX && google_same_origin(origin, uri);
}

int64_t google_session_range(const char *text)
{
    int64_t from, to;

    if (!text)
        return 0;
    if (!str_starts(text, "bytes="))
        return -1;
    text += strlen("bytes=");
    if (!value_offset(&from, &text) || from || *text++ != '-' || !value_offset(&to, &text) || *text || to == INT64_MAX)
        return -1;
    return to + 1;
}

/* ---- the note ---- */

static EVP_CIPHER_CTX *cipher_for(const char *secret, const unsigned char *nonce, int seal)
{
    static const char purpose[] = "workcell: address of a session\n";
    unsigned char key[SHA256_DIGEST_LENGTH];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    AUTO(mem_free) char *text = mem_printf("%s%s", purpose, secret);

    SHA256((const unsigned char *)text, strlen(text), key);
    if (!c || EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, seal) != 1)
        abort(); /* without memory only */
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(text, strlen(text));
    return c;
}

/* Notes lie in the database as they are: without the credentials nobody can go on with the session. */
static json_t *seal(const char *uri, int64_t size, const char *secret)
{
    size_t n = strlen(uri);
    AUTO(mem_free) char *all = mem_zalloc(NONCE + TAG + n + 16), *hex = mem_zalloc(2 * (NONCE + TAG + n) + 1);
    unsigned char *box = (unsigned char *)all;
    int len = 0, more = 0;

    if (RAND_bytes(box, NONCE) != 1)
        abort();
    EVP_CIPHER_CTX *c = cipher_for(secret, box, 1);
    if (EVP_CipherUpdate(c, box + NONCE + TAG, &len, (const unsigned char *)uri, (int)n) != 1 ||
        EVP_CipherFinal_ex(c, box + NONCE + TAG + len, &more) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, box + NONCE) != 1)
        abort();
    EVP_CIPHER_CTX_free(c);
    hex_encode(hex, box, NONCE + TAG + n);
    return json_pack("{s:s,s:I}", "session", hex, "size", (json_int_t)size);
}

static size_t from_hex(unsigned char *out, const char *hex)
{
    size_t n = strlen(hex) / 2;

    if (!hex_is(hex, strlen(hex)) || strlen(hex) % 2)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return n;
}

char *google_session_open_note(const json_t *note, const char *secret, const char *origin)
{
    const char *hex = jstr_or(note, "session", "");
    AUTO(mem_free) char *all = mem_zalloc(strlen(hex) / 2 + 1), *uri = NULL;
    unsigned char *box = (unsigned char *)all;
    size_t n = from_hex(box, hex);
    int len = 0, more = 0;

    if (n <= NONCE + TAG || n > NONCE + TAG + URI_MAX)
        return NULL;
    n -= NONCE + TAG;
    uri = mem_zalloc(n + 16);
    EVP_CIPHER_CTX *c = cipher_for(secret, box, 0);
    bool ok = EVP_CipherUpdate(c, (unsigned char *)uri, &len, box + NONCE + TAG, (int)n) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, box + NONCE) == 1 &&
              EVP_CipherFinal_ex(c, (unsigned char *)uri + len, &more) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok && is_address(uri, origin) ? take(uri) : NULL;
}

/* ---- begin and end ---- */

int google_session_open(char **uri, int *status, struct api *api, const char *url, const char *body, const char *mime,
                        int64_t size, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *type = mem_printf("X-Upload-Content-Type: %s", mime);
    AUTO(mem_free) char *length = mem_printf("X-Upload-Content-Length: %lld", (long long)size);
    const char *const headers[] = {type, length, NULL};

    int rc = api_run(&r, api,
                     &(struct api_call){.method = "POST",
                                        .url = url,
                                        .headers = headers,
                                        .type = "application/json; charset=UTF-8",
                                        .body = body,
                                        .length = -1},
                     err);
    if (status)
        *status = r.status;
    if (rc < 0)
        return -1;
    AUTO(mem_free) char *to = http_client_header(&r, "location");
    if (!to || !is_address(to, url))
        return api_odd(api, err, "it begins a session, but not at an address of its own");
    *uri = take(to);
    return 0;
}

int google_session_begin(struct google_session *s, const char *url, const char *body, struct err *err)
{
    const struct robot_input *in = s->file->in;

    google_session_free(s);
    s->maybe_done = false;
    if (google_session_open(&s->uri, &s->status, s->api, url, body,
                            str_given(in->mime) ? in->mime : "application/octet-stream", in->size, err) < 0)
        return -1;
    s->noted = true;
    return robot_set_undo(s->api->job, seal(s->uri, in->size, s->secret), err);
}

int google_session_end(struct api *api, const char *uri, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};

    return api_run(
        &r, api,
        &(struct api_call){.method = "DELETE", .url = uri, .length = -1, .fine = (const int[]){499, 404, 410, 0}},
        err);
}

void google_session_cancel(struct google_session *s)
{
    struct err ignored;

    bool stays = s->uri && google_session_end(s->api, s->uri, &ignored) < 0;
    google_session_free(s);
    if (stays) /* what can't be taken back now stays announced */
        return;
    if (s->noted && robot_set_undo(s->api->job, NULL, &ignored) < 0)
        return; /* the server goes away: who comes after it finds the note */
    s->noted = false;
}

/* ---- pieces ---- */

enum outcome { DONE, MOVED, UNSURE, GONE, BROKEN };

static enum outcome read_whole(json_t **answer, struct api *api, const struct http_client_response *r, struct err *err)
{
    struct err ignored;

    *answer = json_parse_within(r->body.s ? r->body.s : "", r->body.len,
                                &(struct json_bounds){.depth = 32, .values = API_VALUES_MAX}, &ignored);
    if (json_is_object(*answer))
        return DONE;
    json_decref(take(*answer));
    api_odd(api, err, "it says nothing of what it has stored");
    return BROKEN;
}

/* A 308. */
static enum outcome read_offset(int64_t *offset, int64_t most, struct api *api, const struct http_client_response *r,
                                struct err *err)
{
    AUTO(mem_free) char *range = http_client_header(r, "range");

    *offset = google_session_range(range);
    if (*offset >= 0 && *offset <= most)
        return MOVED;
    api_odd(api, err, "it has other bytes than were sent");
    return BROKEN;
}

int google_session_ask(struct api *api, const char *uri, int64_t size, json_t **answer, int64_t *offset,
                       struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *range = mem_printf("Content-Range: bytes */%lld", (long long)size);
    const char *const headers[] = {range, NULL};

    *answer = NULL;
    *offset = -1;
    if (api_run(&r, api,
                &(struct api_call){.method = "PUT",
                                   .url = uri,
                                   .headers = headers,
                                   .body = "",
                                   .length = -1,
                                   .fine = (const int[]){308, 499, 404, 410, 0}},
                err) < 0)
        return -1;
    if (r.status == 308)
        return read_offset(offset, size, api, &r, err) == MOVED ? 0 : -1;
    if (r.status / 100 != 2)
        return 0;
    return read_whole(answer, api, &r, err) == DONE ? 1 : -1;
}

/* What lies from *at on, a piece of it at most. UNSURE: err says why, in case that it stays so. */
static enum outcome put_chunk(json_t **answer, int64_t *at, int64_t *wait_ms, struct google_session *s,
                               struct err *err)
{
    static const int fine[] = {308, 404, 410, 499, 408, 429, 500, 502, 503, 504, 0};
    AUTO(http_client_response_done) struct http_client_response r = {0};
    int64_t size = s->file->in->size, most = jint(robot_settings(s->api->job), "google_piece", GOOGLE_PIECE),
            length = size - *at < most ? size - *at : most;
    AUTO(mem_free)
    char *range = length ? mem_printf("Content-Range: bytes %lld-%lld/%lld", (long long)*at,
                                      (long long)(*at + length - 1), (long long)size)
                         : mem_printf("Content-Range: bytes */%lld", (long long)size);
    const char *const headers[] = {range, NULL};
    int64_t offset;

    s->maybe_done |= *at + length == size;
    if (api_run(&r, s->api,
                &(struct api_call){.method = "PUT",
                                   .url = s->uri,
                                   .headers = headers,
                                   .body = length ? NULL : "",
                                   .fd = s->file->fd,
                                   .offset = *at,
                                   .length = length,
                                   .fine = fine,
                                   .once = true,
                                   .file = s->file,
                                   .from = size ? (double)*at / (double)size : 0,
                                   .share = size ? (double)length / (double)size : 1},
                err) < 0)
        return r.status || err->is_private_address || !remote_is_failure(s->api->job, err) ? BROKEN : UNSURE;
    if (r.status / 100 == 2)
        return read_whole(answer, s->api, &r, err);
    if (r.status == 404 || r.status == 410 || r.status == 499)
        return GONE;
    if (r.status != 308) {
        *wait_ms = remote_retry_after(&r);
        remote_fail(s->api->job, REMOTE_FAILED, err, "%s answered %d", s->api->service, r.status);
        return UNSURE;
    }
    if (read_offset(&offset, *at + length, s->api, &r, err) == BROKEN)
        return BROKEN;
    bool moved = offset > *at;
    *at = offset;
    if (moved && offset < size)
        return MOVED;
    api_odd(s->api, err, "it does not go on with what it has");
    return UNSURE;
}

static json_t *session_is_gone(struct google_session *s, struct err *err)
{
    google_session_free(s);
    s->file->again = !(s->once && s->maybe_done);
    remote_fail(s->api->job, REMOTE_FAILED, err, "%s has forgotten the session in which '%.100s' was sent%s",
                s->api->service, s->file->in->name,
                s->file->again ? "" : ", and it is not known whether all of it had arrived");
    return NULL;
}

json_t *google_session_send(struct google_session *s, struct err *err)
{
    int64_t at = 0, high = 0, size = s->file->in->size;
    json_t *answer = NULL;

    for (int failures = 0;;) {
        int64_t wait_ms = 0;
        enum outcome o = put_chunk(&answer, &at, &wait_ms, s, err);

        if (o == DONE)
            return answer;
        if (o == BROKEN)
            return NULL;
        if (o == GONE)
            return session_is_gone(s, err);
        if (at - high >= GOOGLE_GRANULE) { /* less is no way of getting on */
            high = at;
            failures = 0;
        } else if (++failures >= REMOTE_ATTEMPTS) {
            if (o == MOVED)
                api_odd(s->api, err, "it takes next to nothing of what it is sent");
            return NULL;
        }
        if (o == MOVED)
            continue;
        remote_wait(s->api->job, failures ? failures : 1, PAUSE_MS, wait_ms);
        int rc = google_session_ask(s->api, s->uri, size, &answer, &at, err);
        if (rc)
            return rc < 0 ? NULL : answer;
        if (at < 0)
            return session_is_gone(s, err);
    }
}
