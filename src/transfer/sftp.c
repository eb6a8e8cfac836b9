#include "transfer/sftp_private.h"
#include "transfer/place.h"
#include "transfer/trial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DIR_MODE = 0755, FILE_MODE = 0644 };
enum {
    UNDER_WAY = 1024 * 1024, /* bytes that are sent before the first of them is confirmed, */
    PACED = 256 * 1024,      /* and where there is a limit to the bandwidth */
    PIECE = 4 * UNDER_WAY,   /* read before it is moved to the front */
};

void sftp_close(struct sftp *s)
{
    if (!s)
        return;
    walk_done(&s->walk);
    (s->failed || !s->ssh ? ssh_close : ssh_rest)(s->ssh);
    free(s);
}

int sftp_open(struct sftp **out, struct robot_job *job, const struct sftp_place *place,
              const struct sftp_how *how, struct err *err)
{
    AUTO(sftp_close) struct sftp *s = mem_zalloc(sizeof *s);

    *s = (struct sftp){.job = job, .place = place, .how = *how};
    s->walk = (struct walk){.job = job, .host = place->host};
    if (ssh_open(&s->ssh, job, place, err) < 0 || place_take(place->host, (int)place->port, err) < 0)
        return -1;
    *out = take(s);
    return 0;
}

int sftp_begin(struct sftp *s, bool *again, struct err *err)
{
    return s->channel ? 0 : ssh_connect(&s->channel, s->ssh, again, err);
}

/* ---- what went wrong ---- */

bool sftp_refused(struct sftp *s, int rc, unsigned long why)
{
    return rc == LIBSSH2_ERROR_SFTP_PROTOCOL && s->channel &&
           libssh2_sftp_last_error(s->channel) == why;
}

static const char *words_of(unsigned long why)
{
    switch (why) {
    case LIBSSH2_FX_NO_SPACE_ON_FILESYSTEM:
        return "its disk is full";
    case LIBSSH2_FX_QUOTA_EXCEEDED:
        return "a quota is used up";
    case LIBSSH2_FX_NO_SUCH_FILE:
    case LIBSSH2_FX_NO_SUCH_PATH:
        return "there is no such file or directory";
    case LIBSSH2_FX_FILE_ALREADY_EXISTS:
        return "it is there already";
    case LIBSSH2_FX_NOT_A_DIRECTORY:
        return "there is a file where a directory must be";
    case LIBSSH2_FX_LINK_LOOP:
        return "links turn in a circle";
    case LIBSSH2_FX_INVALID_FILENAME:
        return "it does not like the name";
    case LIBSSH2_FX_OP_UNSUPPORTED:
        return "it can't do that";
    case LIBSSH2_FX_BAD_MESSAGE:
        return "it did not understand";
    default:
        return "it refused, and did not say why";
    }
}

static bool is_denial(unsigned long why)
{
    return why == LIBSSH2_FX_PERMISSION_DENIED || why == LIBSSH2_FX_WRITE_PROTECT;
}

int sftp_fail(struct sftp *s, int rc, const char *what, bool *again, struct err *err)
{
    unsigned long why = rc == LIBSSH2_ERROR_SFTP_PROTOCOL ? libssh2_sftp_last_error(s->channel) : 0;
    char words[200];

    s->failed = true;

    if (rc == LIBSSH2_ERROR_SFTP_PROTOCOL && why != LIBSSH2_FX_NO_CONNECTION &&
        why != LIBSSH2_FX_CONNECTION_LOST) {
        if (is_denial(why))
            return remote_fail(s->job, REMOTE_DENIED, err, "'%.150s' does not allow '%.60s' to %s",
                               s->place->host, s->place->user, what);
        bool missing = why == LIBSSH2_FX_NO_SUCH_FILE || why == LIBSSH2_FX_NO_SUCH_PATH;
        return remote_fail(s->job, missing ? REMOTE_NOT_FOUND : REMOTE_FAILED, err,
                           "can't %s at '%.150s': %s", what, s->place->host, words_of(why));
    }
    ssh_words(words, sizeof words, s->ssh, rc);
    /* whatever it was, nothing more is said on this connection */
    *again = true;
    ssh_drop(s->ssh);
    s->channel = NULL;
    return remote_fail(s->job, REMOTE_FAILED, err, "can't %s at '%.150s': %.200s", what,
                       s->place->host, words);
}

/* ---- calls ---- */

LIBSSH2_SFTP_HANDLE *sftp_handle(struct sftp *s, int *rc, const char *path, unsigned long flags,
                                 long mode, int type)
{
    int64_t until = ssh_until(s->ssh);
    LIBSSH2_SFTP_HANDLE *h;

    *rc = 0;
    while (
        !(h = libssh2_sftp_open_ex(s->channel, path, (unsigned)strlen(path), flags, mode, type)) &&
        (*rc = ssh_errno(s->ssh)) == LIBSSH2_ERROR_EAGAIN && ssh_wait(s->ssh, until)) {
    }
    if (h)
        *rc = 0;
    return h;
}

int sftp_shut(struct sftp *s, LIBSSH2_SFTP_HANDLE *h)
{
    int rc = 0;

    if (h)
        SSH_CALL(s->ssh, rc, libssh2_sftp_close_handle(h));
    s->failed |= rc != 0;
    return rc;
}

int sftp_stat(struct sftp *s, const char *path, int how, LIBSSH2_SFTP_ATTRIBUTES *attrs)
{
    int rc;

    SSH_CALL(s->ssh, rc,
             libssh2_sftp_stat_ex(s->channel, path, (unsigned)strlen(path), how, attrs));
    return rc;
}

static int rename_to(struct sftp *s, const char *from, const char *to)
{
    int rc;

    SSH_CALL(s->ssh, rc,
             libssh2_sftp_rename_ex(s->channel, from, (unsigned)strlen(from), to,
                                    (unsigned)strlen(to),
                                    LIBSSH2_SFTP_RENAME_OVERWRITE | LIBSSH2_SFTP_RENAME_ATOMIC |
                                        LIBSSH2_SFTP_RENAME_NATIVE));
    return rc;
}

static int remove_file(struct sftp *s, const char *path)
{
    int rc;

    SSH_CALL(s->ssh, rc, libssh2_sftp_unlink_ex(s->channel, path, (unsigned)strlen(path)));
    return rc;
}

/* All that lie above path. What can't be made is seen when the file can't. */
static int make_directories(struct sftp *s, const char *path)
{
    int rc = 0;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        SSH_CALL(s->ssh, rc,
                 libssh2_sftp_mkdir_ex(s->channel, path, (unsigned)(slash - path), DIR_MODE));
        if (rc && rc != LIBSSH2_ERROR_SFTP_PROTOCOL)
            return rc;
    }
    return 0;
}

/* ---- stores ---- */

static LIBSSH2_SFTP_HANDLE *create_part(struct sftp *s, int *rc, const struct remote_file *f)
{
    const unsigned long flags = LIBSSH2_FXF_WRITE | LIBSSH2_FXF_CREAT | LIBSSH2_FXF_TRUNC;
    long mode = s->how.mode ? strtol(s->how.mode, NULL, 8) : FILE_MODE;
    LIBSSH2_SFTP_HANDLE *h = sftp_handle(s, rc, f->part, flags, mode, LIBSSH2_SFTP_OPENFILE);

    if (h || *rc != LIBSSH2_ERROR_SFTP_PROTOCOL ||
        sftp_refused(s, *rc, LIBSSH2_FX_PERMISSION_DENIED))
        return h;
    if ((*rc = make_directories(s, f->part)))
        return NULL;
    return sftp_handle(s, rc, f->part, flags, mode, LIBSSH2_SFTP_OPENFILE);
}

/* The piece of the input that is under way. libssh2 sends all that it is given, returns when the
 * server has confirmed the first of it, and wants to see the rest again: what is in it is read once. */
struct sftp_piece {
    char *bytes;
    size_t from, end; /* of them: not confirmed yet */
    int64_t read;     /* bytes of the file */
};

/* As much as may be under way, or all that is left. */
static int fill_piece(struct sftp_piece *p, const struct remote_file *f, struct err *err)
{
    size_t have = p->end - p->from;

    if (have >= UNDER_WAY || p->read == f->in->size)
        return 0;
    memmove(p->bytes, p->bytes + p->from, have);
    p->from = 0;
    p->end = have;
    while (p->end < PIECE && p->read < f->in->size) {
        int64_t left = f->in->size - p->read;
        size_t room = PIECE - p->end;
        ssize_t n = pread(f->fd, p->bytes + p->end, left < (int64_t)room ? (size_t)left : room, p->read);

        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return err_errno(err, "read the file to send");
        }
        p->end += (size_t)n;
        p->read += n;
    }
    return 0;
}

/* From the beginning: what an earlier attempt left is cut off. */
static int send_input(struct sftp *s, int *rc, LIBSSH2_SFTP_HANDLE *h, struct remote_file *f,
                      struct err *err)
{
    AUTO(mem_free) char *bytes = mem_alloc(PIECE);
    struct sftp_piece p = {.bytes = bytes};
    size_t most = place_speed() ? PACED : UNDER_WAY;

    *rc = 0;
    for (int64_t done = 0; done < f->in->size; done += *rc) {
        if (fill_piece(&p, f, err) < 0)
            return -1;
        size_t want = p.end - p.from < most ? p.end - p.from : most;
        SSH_CALL(s->ssh, *rc, (int)libssh2_sftp_write(h, p.bytes + p.from, want));
        if (*rc < 0)
            return 0;
        p.from += (size_t)*rc;
        place_pace(*rc);
        remote_progress(f, (double)(done + *rc) / (double)f->in->size);
    }
    *rc = 0;
    return 0;
}

/* Protocol 3 has no word for a full disk: what fails is a write. */
static bool is_full(struct sftp *s, const struct remote_file *f)
{
    LIBSSH2_SFTP_STATVFS st;
    int rc;

    SSH_CALL(s->ssh, rc, libssh2_sftp_statvfs(s->channel, f->part, strlen(f->part), &st));
    return rc == 0 && st.f_frsize * st.f_bavail < UNDER_WAY;
}

static int fail_write(struct sftp *s, int rc, const struct remote_file *f, const char *what,
                      bool *again, struct err *err)
{
    if (sftp_refused(s, rc, LIBSSH2_FX_FAILURE) && is_full(s, f))
        return remote_fail(s->job, REMOTE_FAILED, err, "can't %s at '%.150s': its disk is full",
                           what, s->place->host);
    return sftp_fail(s, rc, what, again, err);
}

/* Where what was at the file's path waits until the new one is there. The caller frees. */
static char *old_name(const struct remote_file *f) { return mem_printf("%s.old", f->part); }

/* Most servers do not rename over a file that is there: that one steps aside first. */
static int replace(struct sftp *s, const struct remote_file *f)
{
    AUTO(mem_free) char *old = old_name(f);
    int rc = rename_to(s, f->part, f->path);

    if (rc != LIBSSH2_ERROR_SFTP_PROTOCOL)
        return rc;
    unsigned long why = libssh2_sftp_last_error(s->channel);
    if (is_denial(why) || rename_to(s, f->path, old))
        return rc;
    rc = rename_to(s, f->part, f->path);
    (void)!(rc ? rename_to(s, old, f->path) : remove_file(s, old));
    return rc;
}

static int set_mode(struct sftp *s, const struct remote_file *f)
{
    LIBSSH2_SFTP_ATTRIBUTES attrs = {.flags = LIBSSH2_SFTP_ATTR_PERMISSIONS,
                                     .permissions = (unsigned long)strtol(s->how.mode, NULL, 8)};

    return sftp_stat(s, f->part, LIBSSH2_SFTP_SETSTAT, &attrs);
}

/* The other side has what we have? */
static int check_size(LIBSSH2_SFTP_ATTRIBUTES *attrs, struct sftp *s, struct remote_file *f, const char *what,
                      struct err *err)
{
    int rc = sftp_stat(s, f->part, LIBSSH2_SFTP_STAT, attrs);

    if (rc)
        return sftp_fail(s, rc, what, &f->again, err);
    if (!(attrs->flags & LIBSSH2_SFTP_ATTR_SIZE) || (int64_t)attrs->filesize == f->in->size)
        return 0;
    f->again = true;
    return remote_fail(s->job, REMOTE_FAILED, err,
                       "can't %s at '%.150s': %lld of %lld bytes arrived", what, s->place->host,
                       (long long)attrs->filesize, (long long)f->in->size);
}

/* A rename leaves size and time of writing as they are: whoever looks knows the file by them. */
static int sftp_announce(struct remote_file *f, const LIBSSH2_SFTP_ATTRIBUTES *attrs, struct err *err)
{
    json_t *commit = json_pack("{s:I}", "size", (json_int_t)f->in->size);

    if (attrs->flags & LIBSSH2_SFTP_ATTR_ACMODTIME)
        json_object_set_new(commit, "mtime", json_integer((json_int_t)attrs->mtime));
    return remote_commits(f, remote_part_token(f), commit, err);
}

static int sftp_put_part(struct sftp *s, struct remote_file *f, const char *what, struct err *err)
{
    int rc, shut;

    LIBSSH2_SFTP_HANDLE *h = create_part(s, &rc, f);
    f->made |= rc != LIBSSH2_ERROR_SFTP_PROTOCOL; /* when it broke, nobody knows */
    if (!h)
        return sftp_fail(s, rc, what, &f->again, err);
    if (send_input(s, &rc, h, f, err) < 0) {
        (void)!sftp_shut(s, h);
        return -1;
    }
    if (rc && !ssh_is_broken(rc)) {
        fail_write(s, rc, f, what, &f->again, err);
        if (s->channel)
            (void)!sftp_shut(s, h);
        return -1;
    }
    if (!rc && (shut = sftp_shut(s, h)))
        return fail_write(s, shut, f, what, &f->again, err);
    return rc ? sftp_fail(s, rc, what, &f->again, err) : 0;
}

static int sftp_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct sftp *s = ctx;
    LIBSSH2_SFTP_ATTRIBUTES attrs = {0};
    char what[200];
    int rc;

    snprintf(what, sizeof what, "store '%.150s'", f->path);
    if (sftp_begin(s, &f->again, err) < 0 || sftp_put_part(s, f, what, err) < 0 ||
        check_size(&attrs, s, f, what, err) < 0 || sftp_announce(f, &attrs, err) < 0)
        return -1;
    if ((s->how.mode && (rc = set_mode(s, f))) || (rc = replace(s, f)))
        return sftp_fail(s, rc, what, &f->again, err);
    return 0;
}

static int sftp_clear(void *ctx, struct remote_file *f, struct err *err)
{
    static const char what[] = "remove what an upload left";
    AUTO(mem_free) char *old = old_name(f);
    struct sftp *s = ctx;

    if (sftp_begin(s, &f->again, err) < 0)
        return -1;
    /* The request that makes the file may still be on its way when the run that sent it is dead:
     * look twice. One that was renaming it has seen it. */
    for (int look = 0; look < 2; look++) {
        int rc = remove_file(s, f->part);

        if (sftp_refused(s, rc, LIBSSH2_FX_NO_SUCH_FILE) ||
            sftp_refused(s, rc, LIBSSH2_FX_NO_SUCH_PATH)) {
            if (f->in || f->commits || look)
                break;
            sleep(1);
            continue;
        }
        if (rc)
            return sftp_fail(s, rc, what, &f->again, err);
        break;
    }
    /* Where the new file is in its place this fails, and the old one goes. */
    int rc = rename_to(s, old, f->path);
    if (rc == LIBSSH2_ERROR_SFTP_PROTOCOL)
        rc = remove_file(s, old);
    return rc && rc != LIBSSH2_ERROR_SFTP_PROTOCOL ? sftp_fail(s, rc, what, &f->again, err) : 0;
}

static int sftp_look(bool *there, void *ctx, struct remote_file *f, const json_t *commit, struct err *err)
{
    LIBSSH2_SFTP_ATTRIBUTES attrs = {0};
    struct sftp *s = ctx;
    int rc = sftp_stat(s, f->path, LIBSSH2_SFTP_STAT, &attrs);

    if (rc && rc != LIBSSH2_ERROR_SFTP_PROTOCOL)
        return sftp_fail(s, rc, "look for what was stored", &f->again, err);
    *there = !rc && attrs.flags & LIBSSH2_SFTP_ATTR_SIZE && (int64_t)attrs.filesize == jint(commit, "size", -1) &&
             attrs.flags & LIBSSH2_SFTP_ATTR_ACMODTIME && (int64_t)attrs.mtime == jint(commit, "mtime", -1);
    return 0;
}

static void sftp_address(void *ctx, const struct remote_file *f, struct str *url,
                         struct str *ssl_url)
{
    const struct sftp *s = ctx;

    remote_urls(url, ssl_url, s->how.urls, s->place->host, f->path);
}

const struct remote_protocol sftp_protocol = {
    .tree = true, .parts = true, .put = sftp_put, .clear = sftp_clear, .look = sftp_look, .address = sftp_address};

/* ---- trial ---- */

static int sftp_write_probe(void *ctx, const char *name, struct err *err)
{
    const struct sftp *s = ctx;

    return remote_put_probe(s->job, &sftp_protocol, ctx, name, err);
}

static int sftp_remove_probe(void *ctx, const char *name, struct err *err)
{
    struct sftp *s = ctx;
    bool again;
    int rc;

    if (sftp_begin(s, &again, err) < 0)
        return -1;
    rc = remove_file(s, name);
    return rc ? sftp_fail(s, rc, "remove the probe", &again, err) : 0;
}

int sftp_trial(struct sftp *s, struct err *err)
{
    static const struct remote_trial trial = {.write = sftp_write_probe, .remove = sftp_remove_probe};

    return remote_try(s->job, &trial, s, err);
}
