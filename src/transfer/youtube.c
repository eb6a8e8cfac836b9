#include "transfer/youtube.h"
#include "transfer/google.h"

#include <stdio.h>
#include <string.h>

#define API "https://www.googleapis.com"
#define TOKENS "https://oauth2.googleapis.com"

static int youtube_sign_in(struct api *a, struct err *err)
{
    const struct youtube *y = a->ctx;
    AUTO(mem_free) char *url = mem_printf("%s/token", remote_endpoint(a->job, "youtube", TOKENS));
    AUTO(str_done) struct str form = {0};

    str_puts(&form, "grant_type=refresh_token&client_id=");
    str_add_urlencoded(&form, y->place->client_id, "");
    str_puts(&form, "&client_secret=");
    str_add_urlencoded(&form, y->place->client_secret, "");
    str_puts(&form, "&refresh_token=");
    str_add_urlencoded(&form, y->place->refresh_token, "");
    int rc = api_token(a, url, form.s, a->authorization != NULL, err);
    explicit_bzero(form.s, form.len);
    return rc;
}

int youtube_open(struct youtube *y, struct robot_job *job, const struct youtube_place *p, struct err *err)
{
    const char *missing = !str_given(p->client_id)       ? "client_id"
                          : !str_given(p->client_secret) ? "client_secret"
                          : !str_given(p->refresh_token) ? "refresh_token"
                                                         : NULL;

    *y = (struct youtube){.place = p};
    if (missing)
        return err_set(err, ERR_ROBOT_VALIDATION, "the credentials hold no '%s'", missing);
    y->endpoint = remote_endpoint(job, "youtube", API);
    y->api = (struct api){.job = job,
                          .client = http_client_new(),
                          .service = "YouTube",
                          .sign_in = youtube_sign_in,
                          .judge = google_judge};
    return 0;
}

void youtube_close(struct youtube y) { api_done(y.api); }

static char *youtube_describe(const struct youtube_video *v)
{
    AUTO(json_unref) json_t *d = json_object();
    json_t *snippet = json_object(), *status = json_object();

    json_object_set_new(snippet, "title", jstring(v->title));
    json_object_set_new(snippet, "description", jstring(v->description));
    json_object_set_new(snippet, "tags", youtube_tags(v->keywords));
    json_object_set_new(snippet, "categoryId", jstring(v->category));
    json_object_set_new(status, "privacyStatus", jstring(v->visibility));
    json_object_set_new(d, "snippet", snippet);
    json_object_set_new(d, "status", status);
    return json_text(d);
}

/* It goes into addresses. */
static const char *video_id(const json_t *answer)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *id = jstr_or(answer, "id", "");

    return *id && strlen(id) < sizeof((struct youtube *)0)->id && !id[strspn(id, plain)] ? id : NULL;
}

int youtube_put(struct youtube *y, struct remote_file *f, const struct youtube_video *v, struct err *err)
{
    struct google_session s = {.api = &y->api, .file = f, .secret = y->place->refresh_token, .once = true};
    AUTO(mem_free)
    char *url = mem_printf("%s/upload/youtube/v3/videos?uploadType=resumable&part=snippet%%2Cstatus", y->endpoint);
    AUTO(mem_free) char *body = youtube_describe(v);

    y->api.ctx = y;
    if (google_session_begin(&s, url, body, err) < 0) {
        google_session_cancel(&s);
        return -1;
    }
    AUTO(json_unref) json_t *answer = google_session_send(&s, err);
    if (answer)
        free(take(s.uri)); /* complete: there is nothing to be ended */
    google_session_cancel(&s);
    if (!answer)
        return -1;
    if (!video_id(answer))
        return api_odd(&y->api, err, "it does not say which video it has made");
    snprintf(y->id, sizeof y->id, "%s", video_id(answer));
    return 0;
}

/* The job is run again, or was cancelled: either way nobody will know of this one. */
static int withdraw(struct youtube *y, const char *id, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *url = mem_printf("%s/youtube/v3/videos?id=%s", y->endpoint, id);

    /* 403: what was granted does not go so far */
    return api_run(
        &r, &y->api,
        &(struct api_call){.method = "DELETE", .url = url, .length = -1, .fine = (const int[]){403, 404, 0}}, err);
}

int youtube_undo_put(struct youtube *y, const json_t *note, struct err *err)
{
    AUTO(mem_free) char *uri = google_session_open_note(note, y->place->refresh_token, y->endpoint);
    AUTO(json_unref) json_t *answer = NULL;
    int64_t offset;

    y->api.ctx = y;
    if (!uri)
        return remote_fail(y->api.job, REMOTE_FAILED, err,
                           "the note about the open session can't be read with these credentials");
    int rc = google_session_ask(&y->api, uri, jint(note, "size", 0), &answer, &offset, err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return offset < 0 ? 0 : google_session_end(&y->api, uri, err);
    return video_id(answer) ? withdraw(y, video_id(answer), err) : 0;
}
