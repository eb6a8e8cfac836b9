/* A refresh token of Box works once, and gives the next one with the access token. Whoever asks here is the only one
 * who does (store/renewed.h), and keeps both before anybody uses them. */
#include "transfer/box.h"

#include <string.h>

#define SILENCE_S 30

/* What no other try can change: OAuth 2.0 (RFC 6749, 5.2). All else may pass. */
static bool is_final(const json_t *body)
{
    static const char *const all[] = {"invalid_grant", "invalid_client", "unauthorized_client"};
    const char *error = jstr_or(body, "error", "");

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (!strcmp(error, all[i]))
            return true;
    return false;
}

static void judge_renewal(struct api *a, const struct http_client_response *r, const json_t *body,
                          enum remote_failure *kind, bool *again)
{
    bool *final = a->ctx;

    (void)kind;
    (void)again;
    *final = r->status / 100 == 4 && is_final(body);
}

static void add_field(struct str *form, const char *name, const json_t *content)
{
    str_addf(form, "&%s=", name);
    str_add_urlencoded(form, jstr_or(content, name, ""), "");
}

/* An answer that was lost on its way is asked for again: if the token was used with it, nothing is left to lose. */
int box_renew(struct robot_job *job, const json_t *content, json_t **out, struct err *err)
{
    bool final = false;
    struct api a = {.job = job,
                    .client = http_client_new(),
                    .service = "Box",
                    .secret = jstr(content, "client_secret"),
                    .authorization = mem_strdup(jstr_or(content, "refresh_token", "")), /* in no message, either */
                    .judge = judge_renewal,
                    .ctx = &final};
    AUTO(mem_free) char *url = mem_printf("%s/oauth2/token", remote_endpoint(job, "box", BOX_API));
    AUTO(str_done) struct str form = {0};

    str_puts(&form, "grant_type=refresh_token");
    add_field(&form, "client_id", content);
    add_field(&form, "client_secret", content);
    add_field(&form, "refresh_token", content);
    *out = NULL;
    json_t *answer = api_json(&a,
                              &(struct api_call){.method = "POST",
                                                 .url = url,
                                                 .type = "application/x-www-form-urlencoded",
                                                 .body = form.s,
                                                 .fd = -1,
                                                 .length = -1,
                                                 .idle_s = SILENCE_S,
                                                 .anonymous = true},
                              err);
    explicit_bzero(form.s, form.len);
    if (answer && !(jstr(answer, "access_token") && jstr(answer, "refresh_token")))
        api_odd(&a, err, "it does not give both tokens");
    else if (answer)
        *out = json_pack("{s:O?,s:O?,s:O?}", "access_token", json_object_get(answer, "access_token"), "refresh_token",
                         json_object_get(answer, "refresh_token"), "expires_in", json_object_get(answer, "expires_in"));
    else if (final)
        *out = json_pack("{s:o}", "refused", jstring(err->msg));
    json_decref(answer);
    api_done(a);
    return *out ? 0 : -1;
}
