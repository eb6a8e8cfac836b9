#include "transfer/made.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#define HEAD 64
/* Of what a job may say of a file (worker/border.h), with room for the rest. */
#define META_VALUES 18000
#define META_BYTES (768 << 10)
#define MOST_USUAL (INT64_C(1) << 30)

int made_open(struct made *m, struct robot_job *job, struct err *err)
{
    *m = (struct made){.job = job, .path = robot_out_path(job, "bin")};
    m->fd = open(m->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return m->fd < 0 ? err_errno(err, "write '%s'", m->path) : 0;
}

void made_done(struct made m)
{
    if (m.path)
        fd_close(m.fd);
}

int64_t made_most(const struct robot_job *job)
{
    int64_t most = jint(robot_settings(job), "max_file_size", 0);

    return most > 0 ? most : MOST_USUAL;
}

/* ---- what it is ---- */

static bool lies_at(const char *head, size_t len, size_t at, const char *what)
{
    size_t n = strlen(what);

    return len >= at + n && !memcmp(head + at, what, n);
}

static const char *picture_kind(const char *head, size_t len)
{
    size_t blank = 0;

    if (lies_at(head, len, 0, "\x89PNG\r\n\x1a\n"))
        return "png";
    if (lies_at(head, len, 0, "\xff\xd8\xff"))
        return "jpg";
    if (lies_at(head, len, 0, "RIFF") && lies_at(head, len, 8, "WEBP"))
        return "webp";
    if (lies_at(head, len, 0, "GIF87a") || lies_at(head, len, 0, "GIF89a"))
        return "gif";
    while (blank < len && strchr(" \t\r\n", head[blank]) && head[blank])
        blank++;
    return lies_at(head, len, blank, "<svg") || lies_at(head, len, blank, "<?xml") ? "svg" : NULL;
}

static const char *film_kind(const char *head, size_t len)
{
    if (lies_at(head, len, 4, "ftyp"))
        return "mp4";
    return lies_at(head, len, 0, "\x1a\x45\xdf\xa3") ? "webm" : NULL;
}

const char *made_kind(const void *head, size_t len, enum made_what what)
{
    const char *kind = picture_kind(head, len);

    return what == MADE_PICTURE ? kind : kind && !strcmp(kind, "gif") ? kind : film_kind(head, len);
}

static const char *one_name(const char *ext) { return !strcasecmp(ext, "jpeg") ? "jpg" : ext; }

int made_emit(struct made *m, const struct ai *a, const struct made_emit *how, struct err *err)
{
    AUTO(json_unref) json_t *meta = how->meta;
    char head[HEAD];
    ssize_t n = pread(m->fd, head, sizeof head, 0);
    const char *what = how->what == MADE_PICTURE ? "picture" : "film";

    if (n < 0)
        return err_errno(err, "read '%s'", m->path);
    const char *kind = made_kind(head, (size_t)n, how->what);
    if (!kind)
        return remote_fail(m->job, REMOTE_FAILED, err, "%s answered with something that is no %s",
                           a->api.service, what);
    if (how->ext && strcmp(one_name(how->ext), kind) != 0)
        return remote_fail(m->job, REMOTE_FAILED, err,
                           "%s was asked for a %s in %s, and answered with one in %s",
                           a->api.service, what, how->ext, kind);
    const char *ext = how->ext ? how->ext : kind;
    const char *name =
        how->name ? arena_printf(robot_arena(m->job), "%s.%s", how->name, ext) : NULL;
    return robot_emit(
        m->job,
        &(struct robot_output){
            .path = m->path, .ext = ext, .name = name, .meta = take(meta), .input = how->input},
        err);
}

int made_text(struct robot_job *job, const struct str *text, const char *ext, const char *mime,
              struct err *err)
{
    const char *path = robot_out_path(job, ext);
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, "write '%s'", path);
    for (size_t done = 0; done < text->len;) {
        ssize_t n = write(fd, text->s + done, text->len - done);

        if (n < 0)
            return err_errno(err, "write '%s'", path);
        done += (size_t)n;
    }
    fd_close(take_fd(fd));
    return robot_emit(job, &(struct robot_output){.path = path, .ext = ext, .mime = mime}, err);
}

static size_t values_in(const json_t *v)
{
    const char *key;
    json_t *one;
    size_t n = 1, i;

    json_array_foreach (v, i, one)
        n += values_in(one);
    json_object_foreach ((json_t *)v, key, one)
        n += values_in(one);
    return n;
}

int made_meta(struct robot_job *job, const char *key, json_t *value, struct err *err)
{
    AUTO(json_unref) json_t *own = value;
    AUTO(mem_free) char *text = json_text(own);
    size_t values = values_in(own), bytes = strlen(text);

    if (values > META_VALUES || bytes > META_BYTES)
        return err_set(err, ERR_INPUT,
                       "what the service says has %zu values and %zu bytes, and meta has room for %d and %d: ask for a "
                       "file instead ('format')",
                       values, bytes, META_VALUES, META_BYTES);
    return robot_emit_same(job, 0, json_pack("{s:O}", key, own), err);
}
