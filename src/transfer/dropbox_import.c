/* The half of dropbox.h that lists and fetches files. */
#include "transfer/dropbox.h"
#include "transfer/fetch.h"

#include <string.h>

#define PAGE 200 /* files of a page, which Dropbox takes for an advice: what it says of them must fit into 1 MiB */
#define CURSOR_MAX 8192
#define PAGES_MAX 100000 /* of a directory: pages may be empty */

/* ---- what a directory holds, with all that lies below ---- */

static int take_page(struct remote_page *page, const struct dropbox *d, const json_t *answer, struct err *err)
{
    const json_t *entries = json_object_get(answer, "entries");
    const char *cursor = jstr_or(answer, "cursor", "");
    json_t *entry;
    size_t i;

    if (!json_is_array(entries))
        return api_odd(&d->api, err, "a list without entries");
    json_array_foreach (entries, i, entry) {
        const char *path = jstr(entry, "path_display");

        if (!path)
            path = jstr(entry, "path_lower");
        if (strcmp(jstr_or(entry, ".tag", ""), "file") != 0 || !path)
            continue;
        if (!jbool(entry, "is_downloadable", true))
            continue; /* Paper and Google's documents: they have no bytes */
        json_array_append_new(page->places, jstring(path));
    }
    if (!jbool(answer, "has_more", false))
        return 0;
    if (page->number >= PAGES_MAX)
        return remote_fail(d->api.job, REMOTE_FAILED, err, "the pages of '%.150s' have no end", page->place);
    if (!*cursor || strlen(cursor) > CURSOR_MAX)
        return api_odd(&d->api, err, "it says that there is more, but not where");
    page->next = mem_strdup(cursor);
    return 0;
}

static int dropbox_list(void *ctx, struct remote_page *page, struct err *err)
{
    struct dropbox *d = ctx;
    AUTO(mem_free) char *path = dropbox_path(page->place);
    AUTO(json_unref)
    json_t *answer =
        page->after ? dropbox_call(d, "files/list_folder/continue", json_pack("{s:s}", "cursor", page->after), err)
                    : dropbox_call(d, "files/list_folder",
                                   json_pack("{s:s,s:b,s:i,s:b}", "path", path, "recursive", 1, "limit", PAGE,
                                             "include_non_downloadable_files", 0),
                                   err);

    return answer ? take_page(page, d, answer, err) : -1;
}

/* ---- one file ---- */

struct download {
    struct dropbox *d;
    struct dropbox_hash hash;
    char *arg, *content_hash; /* arg: names the revision, once it is known */
};

static void download_done(struct download w)
{
    dropbox_hash_done(w.hash);
    free(w.arg);
    free(w.content_hash);
}
DEFINE_AUTO(struct download, download_done)

static int dropbox_on_answer(struct fetch *f, const struct http_client_response *r, struct err *err)
{
    struct download *w = f->ctx;
    AUTO(json_unref) json_t *meta = dropbox_result(r);
    const char *rev = jstr(meta, "rev"), *hash = jstr(meta, "content_hash"), *name = jstr(meta, "name");

    if (w->content_hash) /* of a revision, which does not change */
        return 0;
    if (!rev || !hash || !name || jint(meta, "size", -1) < 0)
        return api_odd(f->api, err, "a file without a description of it");
    f->size = jint(meta, "size", -1);
    w->content_hash = mem_strdup(hash);
    free(w->arg);
    AUTO(mem_free) char *by_rev = mem_printf("rev:%s", rev);
    w->arg = dropbox_arg(json_pack("{s:s}", "path", by_rev));
    f->lines[0] = w->arg;
    remote_say_folder(f->file, jstr_or(meta, "path_display", f->file->place));
    return remote_open(f->file, name, NULL, err);
}

static void dropbox_on_bytes(void *ctx, const void *data, size_t len)
{
    struct download *w = ctx;

    if (data)
        dropbox_hash_add(&w->hash, data, len);
    else
        dropbox_hash_begin(&w->hash);
}

static int dropbox_get(void *ctx, struct remote_import_file *file, struct err *err)
{
    struct dropbox *d = ctx;
    AUTO(mem_free) char *path = dropbox_path(file->place), *url = mem_printf("%s/2/files/download", d->content);
    AUTO(download_done) struct download w = {.d = d, .arg = dropbox_arg(json_pack("{s:s}", "path", path))};
    char hash[DROPBOX_HASH_MAX];

    if (fetch_run(&(struct fetch){.api = &d->api,
                                  .file = file,
                                  .url = url,
                                  .lines = {w.arg},
                                  .same = FETCH_PINNED,
                                  .size = -1,
                                  .on_answer = dropbox_on_answer,
                                  .on_bytes = dropbox_on_bytes,
                                  .ctx = &w},
                  err) < 0)
        return -1;
    dropbox_hash_end(hash, &w.hash);
    if (strcmp(hash, w.content_hash) != 0)
        return api_odd(&d->api, err, "the bytes that came have another content_hash than the file");
    return 0;
}

static int dropbox_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct dropbox *d = ctx;

    return dropbox_open(d, job, d->keys, err);
}

static void dropbox_import_close(void *ctx) { dropbox_done(*(struct dropbox *)ctx); }

const struct import_service dropbox_service = {.things = "files",
                                               .open = dropbox_import_open,
                                               .close = dropbox_import_close,
                                               .list = dropbox_list,
                                               .get = dropbox_get};
