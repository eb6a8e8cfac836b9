/* The half of vimeo.h that sends videos.
 *
 * A video is made under a name that says whose it is, seen by nobody, and gets its title and its watchers when all of
 * it has arrived: nobody sees half a video, and what a killed run left is found by that name. */
#include "base/id.h"
#include "transfer/values.h"
#include "transfer/vimeo.h"

#include <stdio.h>
#include <string.h>

#define PIECE (INT64_C(128) << 20) /* bytes of one request, as Vimeo advises */
#define WORTH (INT64_C(1) << 20)   /* an attempt that brought so many counts as none */
#define PAUSE_MS 500
#define PAGES 3 /* of the newest videos, among which one is looked for */

/* ---- what is taken back ---- */

static int remove_video(struct vimeo *v, const char *uri, struct err *err)
{
    return vimeo_do(v, "DELETE", uri, /* or_gone= */ true, err);
}

/* Those of that name, which is nobody else's. */
static int remove_marked(int *removed, struct vimeo *v, const char *mark, struct err *err)
{
    for (int number = 1; number <= PAGES; number++) {
        AUTO(mem_free)
        char *path = mem_printf("/me/videos?page=%d&per_page=100&sort=date&direction=desc&fields=uri,name", number);
        AUTO(json_unref) json_t *page = vimeo_call(v, "GET", path, NULL, false, err);
        const json_t *all = json_object_get(page, "data");
        json_t *video;
        size_t i;

        if (!page)
            return number > 1 && err->code == ERR_NOT_FOUND ? 0 : -1;
        json_array_foreach (all, i, video) {
            if (strcmp(jstr_or(video, "name", ""), mark) != 0 || !vimeo_is_video(jstr(video, "uri")))
                continue;
            if (remove_video(v, jstr(video, "uri"), err) < 0)
                return -1;
            ++*removed;
        }
        if (!json_is_string(json_object_get(json_object_get(page, "paging"), "next")))
            break;
    }
    return 0;
}

int vimeo_upload_undo(struct vimeo *v, const json_t *token, struct err *err)
{
    const char *mark = jstr(token, "mark"), *uri = jstr(token, "uri");
    int removed = 0;

    if (vimeo_is_video(uri))
        return remove_video(v, uri, err);
    if (!mark)
        return err_set(err, ERR_INTERNAL, "the note about the open upload is incomplete");
    /* The request that makes the video may still be on its way when the run that sent it is dead: look twice. */
    for (int look = 0; look < 2 && !removed; look++) {
        if (look)
            remote_pause(v->api.job, 1, 1000);
        if (remove_marked(&removed, v, mark, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the bytes, by tus ---- */

struct upload {
    struct vimeo *v;
    struct remote_file *file;
    const char *to; /* an address that says all: the token is not for it */
    int64_t at;
};

static int64_t offset_of(const struct upload *u, const struct http_client_response *r)
{
    AUTO(mem_free) char *text = http_client_header(r, "upload-offset");
    const char *end = text;
    int64_t at;

    return text && value_offset(&at, &end) && !*end && at <= u->file->in->size ? at : -1;
}

/* Where it goes on, after an answer that was none. */
static int ask_offset(struct upload *u, struct err *err)
{
    static const char *const lines[] = {"Tus-Resumable: 1.0.0", NULL};
    AUTO(http_client_response_done) struct http_client_response r = {0};

    if (api_run(&r, &u->v->api,
                &(struct api_call){
                    .method = "HEAD", .url = u->to, .headers = lines, .fd = -1, .length = -1, .anonymous = true},
                err) < 0)
        return -1;
    if ((u->at = offset_of(u, &r)) < 0)
        return api_odd(&u->v->api, err, "it does not say how much of the video it has");
    return 0;
}

/* -1: u->at may be anywhere. status: of the answer, 0: there was none. */
static int send_piece(int *status, struct upload *u, struct err *err)
{
    int64_t size = u->file->in->size, length = size - u->at < PIECE ? size - u->at : PIECE;
    AUTO(mem_free) char *line = mem_printf("Upload-Offset: %lld", (long long)u->at);
    AUTO(http_client_response_done) struct http_client_response r = {0};
    int rc = api_run(&r, &u->v->api,
                     &(struct api_call){.method = "PATCH",
                                        .url = u->to,
                                        .headers = (const char *const[]){"Tus-Resumable: 1.0.0", line, NULL},
                                        .type = "application/offset+octet-stream",
                                        .fd = u->file->fd,
                                        .offset = u->at,
                                        .length = length,
                                        .once = true,
                                        .anonymous = true,
                                        .file = u->file,
                                        .from = (double)u->at / (double)size,
                                        .share = (double)length / (double)size},
                     err);

    *status = r.status;
    if (rc < 0)
        return -1;
    int64_t at = offset_of(u, &r);
    if (at < 0)
        return api_odd(&u->v->api, err, "it does not say how much of the video it has");
    u->at = at;
    return 0;
}

/* Is it worth asking where it goes on? No means no. */
static bool may_go_on(int status, const struct err *err)
{
    return !err->is_private_address &&
           (status / 100 != 4 || status == 408 || status == 409 || status == 423 || status == 429);
}

static int send_video(struct upload *u, struct err *err)
{
    int attempt = 1;

    while (u->at < u->file->in->size) {
        int64_t before = u->at;
        struct err ignored;
        int status, rc = send_piece(&status, u, err);

        if (rc < 0 && (!may_go_on(status, err) || attempt == REMOTE_ATTEMPTS || ask_offset(u, &ignored) < 0))
            return -1;
        if (u->at - before >= WORTH || (rc == 0 && u->at == u->file->in->size))
            attempt = 0;
        else if (attempt >= REMOTE_ATTEMPTS)
            return api_odd(&u->v->api, err, "it takes no more of the video");
        if (rc < 0 || u->at <= before)
            remote_pause(u->file->job, attempt ? attempt : 1, PAUSE_MS);
        attempt++;
    }
    return 0;
}

/* ---- the video ---- */

static json_t *create(struct vimeo *v, const struct remote_file *f, const char *mark, struct err *err)
{
    json_t *answer = vimeo_call(v, "POST", "/me/videos?fields=uri,link,upload",
                                json_pack("{s:{s:s,s:I},s:s,s:{s:s}}", "upload", "approach", "tus", "size",
                                          (json_int_t)f->in->size, "name", mark, "privacy", "view", "nobody"),
                                /* once= */ true, err);
    const char *to = jstr_or(json_object_get(answer, "upload"), "upload_link", "");

    if (!answer)
        return NULL;
    if (vimeo_is_video(jstr(answer, "uri")) && (str_starts(to, "https://") || str_starts(to, "http://")))
        return answer;
    json_decref(answer);
    api_odd(&v->api, err, "a video without an address to upload it to");
    return NULL;
}

/* All that was asked of it, at once; then its places. */
static json_t *publish(struct vimeo *v, const char *uri, const struct vimeo_video *o, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s?fields=uri,link,upload.status", uri);
    json_t *args = json_pack("{s:s,s:s,s:{s:s,s:b}}", "name", o->title, "description", o->description, "privacy",
                             "view", o->view, "download", o->downloadable);

    if (!strcmp(o->view, "password"))
        jset(args, "password", o->password);
    json_t *answer = vimeo_call(v, "PATCH", path, args, false, err);
    if (answer && !strcmp(jstr_or(json_object_get(answer, "upload"), "status", ""), "error")) {
        json_decref(take(answer));
        api_odd(&v->api, err, "it could not keep the video");
    }
    return answer;
}

static int put_into(struct vimeo *v, const char *what, const char *id, const char *uri, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("/me/%s/%s%.*s", what, id, (int)strcspn(uri, ":"), uri);

    return vimeo_do(v, "PUT", path, /* or_gone= */ false, err);
}

static int put_into_all(struct vimeo *v, const struct vimeo_video *o, const char *uri, struct err *err)
{
    json_t *id;
    size_t i;

    if (o->folder && put_into(v, "projects", o->folder, uri, err) < 0)
        return -1;
    json_array_foreach (o->showcases, i, id)
        if (put_into(v, "albums", json_string_value(id), uri, err) < 0)
            return -1;
    return 0;
}

static char *link_of(const json_t *video, const json_t *made, const char *uri)
{
    const char *link = jstr_or(video, "link", jstr_or(made, "link", ""));

    return str_starts(link, "https://") || str_starts(link, "http://")
               ? mem_strdup(link)
               : mem_printf("https://vimeo.com/%s", uri + strlen("/videos/"));
}

/* token: what is announced, which grows. */
static int make_video(char **link, struct vimeo *v, struct remote_file *f, const struct vimeo_video *o, json_t *token,
                      struct err *err)
{
    AUTO(json_unref) json_t *made = create(v, f, jstr(token, "mark"), err);
    const char *uri = jstr(made, "uri");

    if (!made)
        return -1;
    jset(token, "uri", uri);
    if (robot_set_undo(f->job, json_deep_copy(token), err) < 0 ||
        send_video(&(struct upload){.v = v, .file = f, .to = jstr(json_object_get(made, "upload"), "upload_link")},
                   err) < 0)
        return -1;
    AUTO(json_unref) json_t *video = publish(v, uri, o, err);
    if (!video || put_into_all(v, o, uri, err) < 0)
        return -1;
    *link = link_of(video, made, uri);
    return 0;
}

int vimeo_upload(char **link, struct vimeo *v, struct remote_file *f, const struct vimeo_video *video,
                 struct err *err)
{
    char id[ID_LEN + 1];
    struct err ignored;

    id_new(id);
    AUTO(mem_free) char *mark = mem_printf("workcell-%s", id);
    AUTO(json_unref) json_t *token = json_pack("{s:s}", "mark", mark);
    if (robot_set_undo(f->job, json_deep_copy(token), err) < 0)
        return -1;
    if (make_video(link, v, f, video, token, err) == 0)
        return robot_set_undo(f->job, NULL, err);
    /* What can't be taken back now stays announced. */
    if (vimeo_upload_undo(v, token, &ignored) < 0 || robot_set_undo(f->job, NULL, &ignored) < 0)
        return -1;
    /* the answer that would have made it was lost, and nothing is left of it: another one is as good */
    f->again = !jstr(token, "uri") && err->code == ERR_IMPORT;
    return -1;
}
