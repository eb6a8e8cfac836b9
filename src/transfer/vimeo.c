#include "transfer/vimeo.h"

#include <string.h>

#define API "https://api.vimeo.com"

static const char *const accept[] = {"Accept: application/vnd.vimeo.*+json;version=3.4", NULL};

int vimeo_open(struct vimeo *v, struct robot_job *job, const char *access_token, struct err *err)
{
    *v = (struct vimeo){.base = remote_endpoint(job, "vimeo", API)};
    if (!str_given(access_token))
        return robot_fail(job, err, ERR_ROBOT_VALIDATION, "VALIDATION", "the stored credentials lack access_token");
    v->api = (struct api){.job = job,
                          .client = http_client_new(),
                          .service = "Vimeo",
                          .authorization = mem_printf("Bearer %s", access_token)};
    return 0;
}

void vimeo_done(struct vimeo v) { api_done(v.api); }

json_t *vimeo_call(struct vimeo *v, const char *method, const char *path, json_t *args, bool once, struct err *err)
{
    AUTO(json_unref) json_t *own = args;
    AUTO(mem_free) char *body = own ? json_text(own) : NULL, *url = mem_printf("%s%s", v->base, path);

    return api_json(&v->api,
                    &(struct api_call){.method = method,
                                       .url = url,
                                       .headers = accept,
                                       .type = body ? "application/json" : NULL,
                                       .body = body,
                                       .fd = -1,
                                       .length = -1,
                                       .once = once},
                    err);
}

int vimeo_do(struct vimeo *v, const char *method, const char *path, bool or_gone, struct err *err)
{
    static const int gone[] = {404, 410, 0};
    AUTO(mem_free) char *url = mem_printf("%s%s", v->base, path);
    AUTO(http_client_response_done) struct http_client_response r = {0};

    return api_run(
        &r, &v->api,
        &(struct api_call){
            .method = method, .url = url, .headers = accept, .fd = -1, .length = -1, .fine = or_gone ? gone : NULL},
        err);
}

bool vimeo_is_video(const char *uri)
{
    if (!uri || !str_starts(uri, "/videos/"))
        return false;
    uri += strlen("/videos/");
    size_t digits = strspn(uri, "0123456789");
    if (!digits || digits > 20)
        return false;
    uri += digits;
    if (!*uri)
        return true;
    size_t n = strspn(uri + 1, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return *uri == ':' && n && n <= 40 && !uri[n + 1];
}
