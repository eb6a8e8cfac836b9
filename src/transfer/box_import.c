/* The half of box.h that lists and fetches files. */
#include "transfer/box.h"
#include "transfer/fetch.h"

#include <string.h>

#define FOLDERS_MAX REMOTE_IMPORT_MAX /* that wait to be looked into */
#define DEEP_MAX 64
#define PAGES_MAX 100000 /* of one job */
#define REDIRECTS 5      /* the bytes lie on another host */

/* ---- signing in ---- */

static int box_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct box_import *w = ctx;

    return box_open(&w->box, job, w->keys, err);
}

static void box_import_close(void *ctx)
{
    struct box_import *w = ctx;

    json_decref(w->found);
    json_decref(w->queue);
    box_done(w->box);
}

/* ---- what a folder holds, with all that lies below ---- */

static int push_folder(struct box_import *w, const char *id, const char *path, int64_t deep, struct err *err)
{
    if (deep > DEEP_MAX || json_array_size(w->queue) >= FOLDERS_MAX)
        return remote_fail(w->box.api.job, REMOTE_FAILED, err,
                           "'%.150s' is one folder too many: at most %d in each other, and %d at once", path,
                           DEEP_MAX, FOLDERS_MAX);
    json_array_append_new(w->queue,
                          json_pack("{s:s,s:o,s:I}", "id", id, "path", jstring(path), "deep", (json_int_t)deep));
    return 0;
}

static int begin_listing(struct box_import *w, const char *place, struct err *err)
{
    AUTO(mem_free) char *id = box_folder(&w->box, place, /* make= */ false, err);

    if (!id)
        return -1;
    json_decref(w->queue);
    w->queue = json_array();
    size_t n = strlen(place);
    while (n && place[n - 1] == '/')
        n--;
    AUTO(mem_free) char *path = mem_printf("%s%.*s", *place == '/' || !n ? "" : "/", (int)n, place);
    return push_folder(w, id, path, 0, err);
}

static int take_item(struct box_import *w, struct remote_page *page, const json_t *folder, json_t *item,
                     struct err *err)
{
    const char *type = jstr_or(item, "type", ""), *name = jstr_or(item, "name", "");
    AUTO(mem_free) char *path = mem_printf("%s/%s", jstr_or(folder, "path", ""), name);

    if (!box_is_id(jstr(item, "id")) || !*name || strchr(name, '/'))
        return api_odd(&w->box.api, err, "an item without an id or a name");
    if (!strcmp(type, "folder"))
        return push_folder(w, jstr(item, "id"), path, jint(folder, "deep", 0) + 1, err);
    if (strcmp(type, "file") != 0) /* a bookmark has no bytes */
        return 0;
    json_object_set(w->found, path, item);
    json_array_append_new(page->places, json_string(path));
    return 0;
}

static int box_list(void *ctx, struct remote_page *page, struct err *err)
{
    struct box_import *w = ctx;
    json_t *item;
    size_t i;

    if (!page->after) {
        if (begin_listing(w, page->place, err) < 0)
            return -1;
    }
    if (++w->pages > PAGES_MAX)
        return remote_fail(w->box.api.job, REMOTE_FAILED, err, "the pages of '%.150s' have no end", page->place);
    AUTO(json_unref) json_t *folder = json_incref(json_array_get(w->queue, 0));
    AUTO(json_unref) json_t *items = box_items(&w->box, jstr(folder, "id"), jstr(folder, "marker"), err);
    if (!items)
        return -1;
    json_decref(w->found);
    w->found = json_object();
    json_array_foreach (json_object_get(items, "entries"), i, item)
        if (take_item(w, page, folder, item, err) < 0)
            return -1;
    const char *next = box_next_marker(items), *before = jstr(folder, "marker");
    if (next && before && !strcmp(next, before))
        return remote_fail(w->box.api.job, REMOTE_FAILED, err, "the pages of '%.150s' have no end", page->place);
    if (next)
        jset(folder, "marker", next);
    else
        json_array_remove(w->queue, 0);
    if (json_array_size(w->queue))
        page->next = mem_printf("%d", w->pages);
    return 0;
}

/* ---- one file ---- */

static int box_on_answer(struct fetch *f, const struct http_client_response *r, struct err *err)
{
    const json_t *item = f->ctx;

    (void)r;
    return remote_open(f->file, jstr_or(item, "name", ""), NULL, err);
}

/* Of its folder's page, or looked for by its name. */
static json_t *item_of(struct box_import *w, const char *place, struct err *err)
{
    json_t *item = json_object_get(w->found, place);
    const char *slash = strrchr(place, '/');
    AUTO(mem_free) char *directory = mem_strndup(place, slash ? (size_t)(slash - place) : 0);

    if (item)
        return json_incref(item);
    AUTO(mem_free) char *folder = box_folder(&w->box, directory, /* make= */ false, err);
    return folder ? box_find(&w->box, folder, slash ? slash + 1 : place, "file", place, err) : NULL;
}

static int fetch_item(struct box_import *w, struct remote_import_file *file, json_t *item, struct err *err)
{
    const char *version = jstr(json_object_get(item, "file_version"), "id");
    AUTO(mem_free)
    char *url = mem_printf("%s/2.0/files/%s/content%s%s", w->box.base, jstr(item, "id"),
                           box_is_id(version) ? "?version=" : "", box_is_id(version) ? version : "");

    remote_say_folder(file, file->place);
    return fetch_run(&(struct fetch){.api = &w->box.api,
                                     .file = file,
                                     .url = url,
                                     .max_redirects = REDIRECTS,
                                     .same = FETCH_PINNED,
                                     .size = jint(item, "size", -1),
                                     .digest = "sha1",
                                     .want = jstr_or(item, "sha1", ""),
                                     .on_answer = box_on_answer,
                                     .ctx = item},
                     err);
}

static int box_get(void *ctx, struct remote_import_file *file, struct err *err)
{
    struct box_import *w = ctx;
    AUTO(json_unref) json_t *item = item_of(w, file->place, err);

    return item ? fetch_item(w, file, item, err) : -1;
}

const struct import_service box_service = {.things = "files",
                                           .open = box_import_open,
                                           .close = box_import_close,
                                           .list = box_list,
                                           .get = box_get};
