/* Files of an SFTP server on their way in. */
#include "transfer/body.h"
#include "transfer/place.h"
#include "transfer/sftp_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNK = 128 * 1024, NAME_MOST = 4096 };
#define PAUSE_MS 500

/* ---- directories ---- */

static enum walk_kind entry_kind(struct sftp *s, const char *dir, const char *name, size_t len,
                              LIBSSH2_SFTP_ATTRIBUTES *attrs)
{
    if (!(attrs->flags & LIBSSH2_SFTP_ATTR_PERMISSIONS) && len && !memchr(name, '/', len)) {
        AUTO(mem_free) char *path = mem_printf("%s%.*s", dir, (int)len, name);

        (void)!sftp_stat(s, path, LIBSSH2_SFTP_LSTAT, attrs);
    }
    if (!(attrs->flags & LIBSSH2_SFTP_ATTR_PERMISSIONS))
        return WALK_FILE; /* the attempt to read it tells */
    return LIBSSH2_SFTP_S_ISREG(attrs->permissions)   ? WALK_FILE
           : LIBSSH2_SFTP_S_ISDIR(attrs->permissions) ? WALK_DIRECTORY
                                                      : WALK_OTHER;
}

/* 1: it was read whole. 0: rc of libssh2 says why not. -1: err does. */
static int read_directory(struct sftp *s, int *rc, LIBSSH2_SFTP_HANDLE *h, const char *dir,
                          struct remote_page *page, struct err *err)
{
    AUTO(mem_free) char *name = mem_alloc(NAME_MOST);

    for (;;) {
        LIBSSH2_SFTP_ATTRIBUTES attrs = {0};

        SSH_CALL(s->ssh, *rc, libssh2_sftp_readdir_ex(h, name, NAME_MOST, NULL, 0, &attrs));
        if (*rc <= 0)
            return *rc == 0;
        if (walk_add(&s->walk, page, dir, name, (size_t)*rc,
                     entry_kind(s, dir, name, (size_t)*rc, &attrs), err) < 0)
            return -1;
    }
}

static int sftp_read_page(void *ctx, const char *dir, struct remote_page *page, bool *again, struct err *err)
{
    struct sftp *s = ctx;
    AUTO(mem_free) char *shown = walk_place(dir, strlen(dir));
    char what[200];
    int rc;

    snprintf(what, sizeof what, "list '%.150s'", shown);
    if (sftp_begin(s, again, err) < 0)
        return -1;
    LIBSSH2_SFTP_HANDLE *h = sftp_handle(s, &rc, dir, 0, 0, LIBSSH2_SFTP_OPENDIR);
    if (!h)
        return sftp_fail(s, rc, what, again, err);
    int done = read_directory(s, &rc, h, dir, page, err);
    if (done == 0 && rc == LIBSSH2_ERROR_BUFFER_TOO_SMALL)
        done = remote_fail(s->job, REMOTE_FAILED, err,
                           "can't %s at '%.150s': a name is longer than any file's", what,
                           s->place->host);
    if (done == 0)
        return sftp_fail(s, rc, what, again,
                         err); /* its handle goes with the connection, or with the session */
    (void)!sftp_shut(s, h);
    return done < 0 ? -1 : 0;
}

static int sftp_list(void *ctx, struct remote_page *page, struct err *err)
{
    struct sftp *s = ((struct sftp_import *)ctx)->sftp;

    s->walk.recursive = page->opts->recursive;
    return walk_list(&s->walk, page, sftp_read_page, s, err);
}

/* ---- a file ---- */

struct fetch {
    struct sftp *s;
    struct remote_import_file *f;
    char *path;
    const char *what;
    struct body body;
    unsigned long mtime; /* when it was changed, at the last attempt */
    bool seen, again;
};

/* What it is, before it is opened: a device or a pipe would have no end. */
static int look(struct fetch *g, struct err *err)
{
    struct sftp *s = g->s;
    LIBSSH2_SFTP_ATTRIBUTES attrs = {0};
    int rc = sftp_stat(s, g->path, LIBSSH2_SFTP_STAT, &attrs);
    int64_t size = -1;

    if (rc)
        return sftp_fail(s, rc, g->what, &g->again, err);
    bool typed = attrs.flags & LIBSSH2_SFTP_ATTR_PERMISSIONS;
    if (typed && LIBSSH2_SFTP_S_ISDIR(attrs.permissions))
        return remote_fail(s->job, REMOTE_NOT_FOUND, err,
                           "'%.150s' at '%.100s' is a directory: with a slash at its end the files "
                           "in it are imported",
                           g->f->place, s->place->host);
    if (typed && !LIBSSH2_SFTP_S_ISREG(attrs.permissions))
        return remote_fail(s->job, REMOTE_FAILED, err, "'%.150s' at '%.100s' is no file",
                           g->f->place, s->place->host);
    if (attrs.flags & LIBSSH2_SFTP_ATTR_SIZE)
        size = attrs.filesize > INT64_MAX ? INT64_MAX : (int64_t)attrs.filesize;
    if (g->f->limit && size > g->f->limit)
        return remote_too_large(g->f, g->f->place, size, err);
    if (g->seen && (size != g->body.size || attrs.mtime != g->mtime))
        body_back(&g->body); /* it is another one by now */
    g->seen = true;
    g->body.size = size;
    g->mtime = attrs.mtime;
    return 0;
}

/* rc as of read_directory(). */
static int receive(struct fetch *g, int *rc, LIBSSH2_SFTP_HANDLE *h, struct err *err)
{
    AUTO(mem_free) char *buf = mem_alloc(CHUNK);

    libssh2_sftp_seek64(h, (libssh2_uint64_t)g->body.at);
    for (;;) {
        SSH_CALL(g->s->ssh, *rc, (int)libssh2_sftp_read(h, buf, CHUNK));
        if (*rc <= 0)
            return *rc == 0;
        place_pace(*rc);
        if (body_take(&g->body, buf, (size_t)*rc, err) < 0)
            return -1;
    }
}

/* A file that lost its end on the way, or that somebody wrote to meanwhile, is none. */
static int check_whole(struct fetch *g, struct err *err)
{
    if (body_cut(&g->body, err) < 0)
        return -1;
    if (body_is_whole(&g->body))
        return 0;
    g->again = true;
    int rc = remote_fail(g->s->job, REMOTE_FAILED, err,
                         "can't %s at '%.150s': it has %lld bytes, and %lld came", g->what,
                         g->s->place->host, (long long)g->body.size, (long long)g->body.at);
    body_back(&g->body);
    return rc;
}

static int fetch_once(struct fetch *g, struct err *err)
{
    struct sftp *s = g->s;
    int rc;

    if (sftp_begin(s, &g->again, err) < 0 || look(g, err) < 0)
        return -1;
    LIBSSH2_SFTP_HANDLE *h =
        sftp_handle(s, &rc, g->path, LIBSSH2_FXF_READ, 0, LIBSSH2_SFTP_OPENFILE);
    if (!h)
        return sftp_fail(s, rc, g->what, &g->again, err);
    remote_say_folder(g->f, g->path);
    if (remote_open(g->f, walk_name(g->path), NULL, err) < 0) {
        (void)!sftp_shut(s, h);
        return -1;
    }
    int done = receive(g, &rc, h, err);
    if (done == 0)
        return sftp_fail(s, rc, g->what, &g->again, err);
    (void)!sftp_shut(s, h);
    return done < 0 ? -1 : check_whole(g, err);
}

static int sftp_get(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct sftp *s = ((struct sftp_import *)ctx)->sftp;
    AUTO(mem_free) char *path = walk_path(f->place);
    char what[200];
    struct fetch g = {
        .s = s, .f = f, .path = path, .what = what, .body = {.file = f, .shown = f->place, .share = 1}};

    snprintf(what, sizeof what, "import '%.150s'", f->place);
    body_piece(&g.body);
    for (int attempt = 1;; attempt++) {
        g.again = false;
        if (fetch_once(&g, err) == 0)
            return 0;
        if (body_moved(&g.body))
            attempt = 1; /* it goes on, if slowly */
        if (!g.again || attempt >= REMOTE_ATTEMPTS)
            return -1;
        remote_pause(s->job, attempt, PAUSE_MS);
    }
}

static int sftp_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct sftp_import *w = ctx;

    return sftp_open(&w->sftp, job, w->place, &(struct sftp_how){0}, err);
}

static void sftp_import_close(void *ctx) { sftp_close(((struct sftp_import *)ctx)->sftp); }

const struct import_service sftp_service = {.things = "files",
                                            .open = sftp_import_open,
                                            .close = sftp_import_close,
                                            .list = sftp_list,
                                            .get = sftp_get};
