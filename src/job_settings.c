#include "job_settings.h"
#include "config.h"
#include "transfer/ai_options.h"
#include "transfer/remote.h"
#include "transfer/values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 65536 /* bytes */

/* A file of the operator's that Robots need, read once: workers could not. */
static int read_key(struct job_settings *s, const char *name, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = *path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    char text[KEY_FILE_MAX + 1];
    struct stat st;

    if (!*path)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_CONFIG, "%s: can't read '%s': %s", name, path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > KEY_FILE_MAX)
        return err_set(err, ERR_CONFIG, "%s: '%s' is no file of at most %d bytes", name, path, KEY_FILE_MAX);
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n < 0)
        return err_set(err, ERR_CONFIG, "%s: can't read '%s': %s", name, path, strerror(errno));
    json_object_set_new(s->keys, name, json_stringn(text, (size_t)n));
    explicit_bzero(text, sizeof text);
    if (!json_object_get(s->keys, name))
        return err_set(err, ERR_CONFIG, "%s: '%s' holds something that is no text", name, path);
    return 0;
}

static int read_keys(struct job_settings *s, const struct config *c, struct err *err)
{
    if (read_key(s, "sftp_key", c->sftp_key, err) < 0 ||
        read_key(s, "sftp_known_hosts", c->sftp_known_hosts, err) < 0 || read_key(s, "ftp_ca", c->ftp_ca, err) < 0)
        return -1;
    const char *key = jstr(s->keys, "sftp_key");
    if (key && !strstr(key, "PRIVATE KEY-----"))
        return err_set(err, ERR_CONFIG, "sftp_key: '%s' holds no private key", c->sftp_key);
    return 0;
}

static int check_clamd(struct job_settings *s, const struct config *c, struct err *err)
{
    struct sockaddr_storage to;
    struct err why;
    socklen_t len;

    if (!*c->clamd)
        return 0;
    if (value_socket(&to, &len, c->clamd, &why) < 0)
        return err_set(err, ERR_CONFIG, "clamd: %s", why.msg);
    json_object_set_new(s->keys, "clamd", json_string(c->clamd));
    return json_object_get(s->keys, "clamd") ? 0 : err_set(err, ERR_CONFIG, "clamd: it is no text");
}

/* Tests must not need files of 100 MB, nor wait for minutes. */
static const struct {
    const char *env, *name;
} of_tests[] = {
    {"WORKCELL_TEST_S3_MULTIPART_THRESHOLD", "s3_multipart_threshold"},
    {"WORKCELL_TEST_IDLE_S", "idle_s"},
    {"WORKCELL_TEST_RETRY_MS", "retry_ms"},
    {"WORKCELL_TEST_PLACE_WAIT_S", "place_wait_s"},
};

/* Each worker has the same share, whether the others need theirs or not: the sum is never more, and no worker, one that
 * was taken over neither, has a say in what another may do. */
static json_int_t bandwidth_share(const struct config *c)
{
    int64_t workers = c->workers[ROLE_TRANSFER] ? c->workers[ROLE_TRANSFER] : sysconf(_SC_NPROCESSORS_ONLN);

    if (!c->transfer_bandwidth)
        return 0;
    return c->transfer_bandwidth > workers ? c->transfer_bandwidth / workers : 1;
}

/* What every job is told. */
static void set_settings(struct job_settings *s, const struct config *c, json_t *endpoints)
{
    s->settings = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "import_allow", c->import_allow, "max_pixels",
                            (json_int_t)c->max_pixels, "max_frames", (json_int_t)c->max_frames, "max_file_size",
                            (json_int_t)c->import_max_size, "timeout_s", (json_int_t)c->job_timeout_s, "script_memory",
                            (json_int_t)c->script_memory_mb << 20);
    json_t *archives = json_pack("{s:I,s:I,s:I,s:I}", "max_archive_files", (json_int_t)c->max_archive_files,
                                 "max_archive_bytes", (json_int_t)c->max_archive_bytes, "max_archive_ratio",
                                 (json_int_t)c->max_archive_ratio, "max_archive_depth",
                                 (json_int_t)c->max_archive_depth);
    json_object_update_new(s->settings, archives);
    json_object_set_new(s->settings, "endpoints", endpoints);
    json_object_set_new(s->settings, "bytes_per_s", json_integer(bandwidth_share(c)));
    for (size_t i = 0; i < ARRAY_LEN(of_tests); i++)
        if (getenv(of_tests[i].env))
            json_object_set_new(s->settings, of_tests[i].name, json_integer(atoll(getenv(of_tests[i].env))));
}

/* Whose key and model is whose. Models are no secret: every Robot may know. */
static int read_ai(struct job_settings *s, const struct config *c, struct err *err)
{
    json_t *ai_keys = ai_named_read("ai_key", c->ai_key, err);
    json_t *models = ai_keys ? ai_named_read("ai_model", c->ai_model, err) : NULL;

    if (!models) {
        json_decref(ai_keys);
        return -1;
    }
    json_object_set_new(s->keys, "ai_key", ai_keys);
    json_object_set_new(s->settings, "ai_model", models);
    return 0;
}

int job_settings_read(struct job_settings *out, const struct config *c, struct err *err)
{
    struct job_settings s = {.keys = json_object()};
    struct err why;
    json_t *endpoints = remote_endpoints_read(c->endpoint, &why);

    if (!endpoints) {
        job_settings_done(s);
        return err_set(err, ERR_CONFIG, "endpoint: %s", why.msg);
    }
    set_settings(&s, c, endpoints);
    if (read_keys(&s, c, err) < 0 || check_clamd(&s, c, err) < 0 || read_ai(&s, c, err) < 0) {
        job_settings_done(s);
        return -1;
    }
    *out = s;
    return 0;
}

void job_settings_done(struct job_settings s)
{
    json_decref(s.settings);
    json_decref(s.keys);
}
