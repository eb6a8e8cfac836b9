/* Files of an FTP server on their way in. */
#include "transfer/body.h"
#include "transfer/ftp_list.h"
#include "transfer/ftp_private.h"

#include <stdio.h>
#include <string.h>

#define PAUSE_MS 500

/* ---- directories ---- */

struct listing {
    struct ftp *f;
    struct remote_page *page;
    const char *dir;
    bool mlsd, failed;
    struct str line;
    struct err *err;
};

static void add_line(struct listing *l, size_t len)
{
    int (*read_line)(struct ftp_entry *, const char *, size_t) =
        l->mlsd ? ftp_list_mlsd : ftp_list_line;
    struct ftp_entry e;
    int rc = read_line(&e, l->line.s, len);

    if (rc < 0) {
        AUTO(mem_free) char *shown = walk_place(l->line.s, len < 80 ? len : 80);

        l->failed = true;
        remote_fail(l->f->job, REMOTE_FAILED, l->err,
                    "can't read the list of '%.100s': '%s' is no line of a form that is known",
                    l->f->place->host, shown);
    } else if (rc && walk_add(&l->f->walk, l->page, l->dir, e.name, e.len, e.kind, l->err) < 0) {
        l->failed = true;
    }
}

static void end_line(struct listing *l)
{
    size_t len = l->line.len;

    if (len && l->line.s[len - 1] == '\r')
        len--;
    if (len)
        add_line(l, len);
    str_reset(&l->line);
}

static size_t ftp_on_listing(char *data, size_t size, size_t count, void *ctx)
{
    struct listing *l = ctx;

    for (size_t at = 0, left = size * count; at < left && !l->failed;) {
        const char *end = memchr(data + at, '\n', left - at);
        size_t n = end ? (size_t)(end - data) - at : left - at;

        if (l->line.len + n > FTP_LINE_MOST) {
            l->failed = true;
            remote_fail(l->f->job, REMOTE_FAILED, l->err,
                        "the list of '%.100s' has a line that is too long", l->f->place->host);
            break;
        }
        str_add(&l->line, data + at, n);
        if (end)
            end_line(l);
        at += n + (end != NULL);
    }
    return l->failed ? 0 : size * count;
}

/* A name that begins with a dash would be an option of the server's ls. */
static char *list_argument(const char *dir)
{
    return mem_printf("%s%s", *dir == '-' ? "./" : "", dir);
}

static CURLcode ask_list(struct ftp *f, struct listing *l)
{
    AUTO(mem_free) char *path = list_argument(l->dir);

    ftp_begin(f, path);
    if (l->mlsd)
        curl_easy_setopt(f->curl, CURLOPT_CUSTOMREQUEST, "MLSD");
    curl_easy_setopt(f->curl, CURLOPT_WRITEFUNCTION, ftp_on_listing);
    curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, l);
    CURLcode rc = ftp_perform(f);
    if (rc == CURLE_OK && !l->failed)
        end_line(l);
    return rc;
}

static bool knows_no_mlsd(const struct ftp *f)
{
    return f->status == 500 || f->status == 501 || f->status == 502 || f->status == 504;
}

static int ftp_read_page(void *ctx, const char *dir, struct remote_page *page, bool *again, struct err *err)
{
    struct ftp *f = ctx;
    struct listing l = {.f = f, .page = page, .dir = dir, .mlsd = !f->no_mlsd, .err = err};
    AUTO(mem_free) char *shown = walk_place(dir, strlen(dir));
    char what[200];
    CURLcode rc = ask_list(f, &l);

    if (rc == CURLE_FTP_COULDNT_RETR_FILE && l.mlsd && knows_no_mlsd(f)) {
        f->no_mlsd = true;
        l.mlsd = false;
        str_reset(&l.line);
        rc = ask_list(f, &l);
    }
    str_done(l.line);
    if (l.failed)
        return -1;
    if (rc == CURLE_OK)
        return 0;
    *again = ftp_may_pass(f, rc);
    snprintf(what, sizeof what, "list '%.150s'", shown);
    return ftp_fail(f, rc, what, err);
}

static int ftp_list(void *ctx, struct remote_page *page, struct err *err)
{
    struct ftp *f = ((struct ftp_import *)ctx)->ftp;

    return walk_list(&f->walk, page, ftp_read_page, f, err);
}

/* ---- a file ---- */

struct ftp_fetch {
    struct ftp *f;
    struct remote_import_file *file;
    const char *path, *what;
    struct body body;
    int64_t from;        /* this attempt began there */
    int64_t mtime;       /* of the first attempt, as the body's size; -1: nobody said */
    bool seen, changed;  /* changed: it is another one than that which was begun */
    int rc;              /* of what is ours: -1, and err says what */
    struct err *err;
};

/* What the server said of the file before its first byte. */
static bool is_same(struct ftp_fetch *g)
{
    curl_off_t left = -1, mtime = -1;

    curl_easy_getinfo(g->f->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &left);
    curl_easy_getinfo(g->f->curl, CURLINFO_FILETIME_T, &mtime);
    int64_t size = left < 0 ? -1 : left + g->from;
    bool same = !g->from || (size == g->body.size && mtime == g->mtime);
    g->body.size = size;
    g->mtime = mtime;
    g->seen = true;
    return same;
}

static size_t ftp_on_data(char *data, size_t size, size_t count, void *ctx)
{
    struct ftp_fetch *g = ctx;
    size_t len = size * count;
    int64_t limit = g->file->limit;

    if (!g->seen && !is_same(g)) {
        g->changed = true;
        return 0;
    }
    g->rc = limit && g->body.size > limit ? remote_too_large(g->file, g->file->place, g->body.size, g->err)
                                          : body_take(&g->body, data, len, g->err);
    return g->rc < 0 ? 0 : len;
}

static int ftp_fetch_once(struct ftp_fetch *g, bool *again, struct err *err)
{
    struct ftp *f = g->f;

    remote_say_folder(g->file, g->path);
    if (remote_open(g->file, walk_name(g->path), NULL, err) < 0)
        return -1;
    g->from = g->body.at;
    g->seen = g->changed = false;
    g->rc = 0;
    ftp_begin(f, g->path);
    curl_easy_setopt(f->curl, CURLOPT_FILETIME, 1L);
    curl_easy_setopt(f->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)g->from);
    curl_easy_setopt(f->curl, CURLOPT_WRITEFUNCTION, ftp_on_data);
    curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, g);
    CURLcode rc = ftp_perform(f);
    if (g->rc < 0)
        return -1;
    if (!g->seen)
        g->changed = !is_same(g);
    if (rc == CURLE_OK && !g->changed && body_is_whole(&g->body))
        return body_cut(&g->body, err);
    *again = rc == CURLE_OK || g->changed || rc == CURLE_FTP_COULDNT_USE_REST ||
             rc == CURLE_BAD_DOWNLOAD_RESUME || ftp_may_pass(f, rc);
    if (rc == CURLE_OK || g->changed || rc == CURLE_FTP_COULDNT_USE_REST ||
        rc == CURLE_BAD_DOWNLOAD_RESUME)
        body_back(&g->body);
    if (rc == CURLE_OK || g->changed)
        return remote_fail(f->job, REMOTE_FAILED, err,
                           "can't %s at '%.150s': it changes, or what came is not what it has",
                           g->what, f->place->host);
    return ftp_fail(f, rc, g->what, err);
}

static int ftp_get(void *ctx, struct remote_import_file *file, struct err *err)
{
    struct ftp *f = ((struct ftp_import *)ctx)->ftp;
    AUTO(mem_free) char *path = walk_path(file->place);
    char what[200];
    struct ftp_fetch g = {.f = f,
                          .file = file,
                          .path = path,
                          .what = what,
                          .body = {.file = file, .shown = file->place, .share = 1},
                          .mtime = -1,
                          .err = err};

    snprintf(what, sizeof what, "import '%.150s'", file->place);
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return remote_fail(f->job, REMOTE_FAILED, err,
                               "can't %s: FTP has no words for a name with control characters",
                               what);
    body_piece(&g.body);
    for (int attempt = 1;; attempt++) {
        bool again = false;

        if (ftp_fetch_once(&g, &again, err) == 0)
            return 0;
        if (body_moved(&g.body))
            attempt = 1; /* it goes on, if slowly */
        if (!again || attempt >= REMOTE_ATTEMPTS)
            return -1;
        remote_pause(f->job, attempt, PAUSE_MS);
    }
}

static int ftp_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct ftp_import *w = ctx;

    return ftp_open(&w->ftp, job, w->place, NULL, err);
}

static void ftp_import_close(void *ctx) { ftp_close(((struct ftp_import *)ctx)->ftp); }

const struct import_service ftp_service = {.things = "files",
                                           .open = ftp_import_open,
                                           .close = ftp_import_close,
                                           .list = ftp_list,
                                           .get = ftp_get};
