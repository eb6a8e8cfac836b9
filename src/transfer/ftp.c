#include "base/clock.h"
#include "transfer/ftp_private.h"
#include "transfer/place.h"
#include "transfer/trial.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UPLOAD_BUFFER (256 * 1024L)
/* Curl 7.88 does not watch for the end of the connect of a data connection, and would find it by a
 * timer of up to a second, for each file (curl_easy_perform() waits so): it is made to look this
 * often. */
#define LOOK_MS 5
/* What a server may still say after the last byte of a file, and for how long it is heard. */
#define FAREWELL_MS 3000
#define FAREWELL_MOST (64 * 1024)

void ftp_close(struct ftp *f)
{
    if (!f)
        return;
    walk_done(&f->walk);
    curl_easy_cleanup(f->curl);
    curl_multi_cleanup(f->multi);
    free(f);
}

int ftp_open(struct ftp **out, struct robot_job *job, const struct ftp_place *place,
             const struct store_urls *urls, struct err *err)
{
    if (!str_given(place->host) || !str_given(place->user)) {
        err_set(err, ERR_ROBOT_VALIDATION, "the stored credentials lack host or user");
        robot_code(err->name, robot_of_job(job), "VALIDATION");
        return -1;
    }
    if (place_take(place->host, (int)place->port, err) < 0)
        return -1;
    struct ftp *f = mem_zalloc(sizeof *f);
    *f = (struct ftp){.job = job, .place = place, .urls = urls, .guarded = {.job = job}};
    f->walk = (struct walk){.job = job, .host = place->host, .recursive = true};
    if (!(f->curl = curl_easy_init()) || !(f->multi = curl_multi_init()))
        abort(); /* fails only without memory */
    *out = f;
    return 0;
}

/* ---- a call ---- */

static size_t ftp_on_line(char *data, size_t size, size_t count, void *ctx)
{
    struct ftp *f = ctx;
    size_t len = size * count, n = 0;

    for (size_t i = 0; i < len && n < sizeof f->reply - 1; i++)
        if ((unsigned char)data[i] >= ' ' && (unsigned char)data[i] < 0x7f)
            f->reply[n++] = data[i];
    f->reply[n] = 0;
    return len;
}

/* Where nothing is fetched, curl writes what it found out as a header of its own making. */
static size_t ftp_drop(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static int ftp_on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                           curl_off_t ulnow)
{
    const struct ftp *f = ctx;

    (void)dltotal;
    (void)dlnow;
    if (f->file && ultotal > 0)
        remote_progress(f->file, ulnow < ultotal ? (double)ulnow / (double)ultotal : 1);
    return 0;
}

/* A path that begins with a slash is the server's, another begins where the login does. */
static char *ftp_url_of(const struct ftp *f, const char *path)
{
    AUTO(str_done) struct str url = {0};
    AUTO(mem_free) char *host = guarded_host(f->place->host);
    bool implicit = f->place->secure && f->place->port == FTP_IMPLICIT_PORT;

    str_addf(&url, "%s://%s:%d/%s", implicit ? "ftps" : "ftp", host, (int)f->place->port,
             *path == '/' ? "%2F" : "");
    str_add_urlencoded(&url, path + (*path == '/'), "/");
    return str_take(&url);
}

/* In TLS 1.3 a server says something after the handshake (its session tickets). Curl, while it sends, does not read it,
 * and closing a socket with unread bytes resets it: the server may take the whole file for a broken one (every third of
 * a few hundred kilobytes on a busy machine). So the sender says that nothing follows, and hears the other side out. */
static int ftp_close_socket(void *ctx, curl_socket_t fd)
{
    const struct ftp *f = ctx;
    char drop[4096];
    int64_t until_us = clock_mono_us() + FAREWELL_MS * 1000;
    bool talks = f->file && f->place->secure && shutdown(fd, SHUT_WR) == 0;

    for (int left = FAREWELL_MOST; talks && left > 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t wait_us = until_us - clock_mono_us();

        if (wait_us <= 0 || poll(&p, 1, (int)(wait_us / 1000) + 1) < 0)
            break;
        ssize_t n = recv(fd, drop, sizeof drop, MSG_DONTWAIT);
        talks = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
        left -= n > 0 ? (int)n : 0;
    }
    return close(fd);
}

static void trust(struct ftp *f)
{
    const char *more = jstr_or(robot_settings(f->job), "ftp_ca", "");
    struct curl_blob blob = {(char *)more, strlen(more), CURL_BLOB_COPY};

    if (!f->place->secure)
        return;
    curl_easy_setopt(f->curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    curl_easy_setopt(f->curl, CURLOPT_FTPSSLAUTH, (long)CURLFTPAUTH_TLS);
    curl_easy_setopt(f->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(f->curl, CURLOPT_CLOSESOCKETFUNCTION, ftp_close_socket);
    curl_easy_setopt(f->curl, CURLOPT_CLOSESOCKETDATA, f);
    if (*more) /* takes the place of the system's file, not of its directory, which holds the same
                */
        curl_easy_setopt(f->curl, CURLOPT_CAINFO_BLOB, &blob);
}

void ftp_begin(struct ftp *f, const char *path)
{
    AUTO(mem_free) char *url = ftp_url_of(f, path);
    CURL *e = f->curl;

    *f->text = *f->reply = 0;
    f->status = 0;
    curl_easy_reset(e);
    guarded_set(e, &f->guarded);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "ftp,ftps");
    curl_easy_setopt(e, CURLOPT_USERNAME, f->place->user);
    curl_easy_setopt(e, CURLOPT_PASSWORD, f->place->password ? f->place->password : "");
    curl_easy_setopt(e, CURLOPT_FTP_FILEMETHOD, (long)CURLFTPMETHOD_NOCWD);
    curl_easy_setopt(e, CURLOPT_FTP_SKIP_PASV_IP, 1L);
    curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, guarded_idle_s(f->job));
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, f->text);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, ftp_on_line);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, ftp_drop);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, ftp_on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, f);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    trust(f);
}

CURLcode ftp_perform(struct ftp *f)
{
    CURLcode rc = CURLE_FAILED_INIT;
    int running = 1, left;

    if (curl_multi_add_handle(f->multi, f->curl) != CURLM_OK)
        return rc;
    while (curl_multi_perform(f->multi, &running) == CURLM_OK && running)
        (void)!curl_multi_poll(f->multi, NULL, 0, LOOK_MS, NULL);
    for (CURLMsg *m; (m = curl_multi_info_read(f->multi, &left));)
        if (m->msg == CURLMSG_DONE)
            rc = m->data.result;
    curl_multi_remove_handle(f->multi, f->curl);
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &f->status);
    return rc;
}

/* ---- what went wrong ---- */

static bool is_transient(long status)
{
    return status == 421 || status == 425 || status == 426 || status == 450 || status == 451;
}

bool ftp_may_pass(const struct ftp *f, CURLcode rc)
{
    return !*f->guarded.refused && !f->read_errno &&
           (rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_CONNECT ||
            rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR ||
            rc == CURLE_GOT_NOTHING || rc == CURLE_PARTIAL_FILE ||
            rc == CURLE_FTP_WEIRD_SERVER_REPLY || rc == CURLE_FTP_CANT_GET_HOST ||
            rc == CURLE_SSL_CONNECT_ERROR || is_transient(f->status));
}

static bool says_denied(const struct ftp *f)
{
    return strcasestr(f->reply, "denied") || strcasestr(f->reply, "permission") ||
           strcasestr(f->reply, "not allowed");
}

/* The server understood, and does not do it. */
static int fail_refused(const struct ftp *f, const char *what, struct err *err)
{
    const char *host = f->place->host;

    if (f->status == 452 || f->status == 552)
        return remote_fail(f->job, REMOTE_FAILED, err,
                           "can't %s at '%.150s': its disk is full, or a quota is used up ('%s')",
                           what, host, f->reply);
    if (f->status == 532 || f->status == 553 || (f->status == 550 && says_denied(f)))
        return remote_fail(f->job, REMOTE_DENIED, err,
                           "'%.150s' does not allow '%.60s' to %s ('%s')", host, f->place->user,
                           what, f->reply);
    return remote_fail(f->job, f->status == 550 ? REMOTE_NOT_FOUND : REMOTE_FAILED, err,
                       "can't %s at '%.150s': it says '%s'", what, host, f->reply);
}

static int fail_tls(const struct ftp *f, CURLcode rc, struct err *err)
{
    if (rc == CURLE_PEER_FAILED_VERIFICATION)
        return remote_fail(f->job, REMOTE_DENIED, err,
                           "the certificate of '%.150s' is not trusted (%.150s); the setting "
                           "ftp_ca can name whose is",
                           f->place->host, f->text);
    return remote_fail(f->job, REMOTE_FAILED, err,
                       "'%.150s' does not encrypt, and `secure` wants that: %.200s", f->place->host,
                       *f->text ? f->text : curl_easy_strerror(rc));
}

int ftp_fail(struct ftp *f, CURLcode rc, const char *what, struct err *err)
{
    const char *words = *f->text ? f->text : curl_easy_strerror(rc);

    if (f->read_errno) {
        errno = f->read_errno;
        return err_errno(err, "read the file to send");
    }
    if (*f->guarded.refused)
        return guarded_refuse(&f->guarded, f->place->host, err);
    switch (rc) {
    case CURLE_LOGIN_DENIED:
        return remote_fail(f->job, REMOTE_DENIED, err,
                           "'%.150s' does not let '%.60s' in with this password ('%s')",
                           f->place->host, f->place->user, f->reply);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CONNECT_ERROR:
        return fail_tls(f, rc, err);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return remote_fail(f->job, REMOTE_FAILED, err, "can't reach '%.150s': %.200s",
                           f->place->host, words);
    default:
        break;
    }
    if (f->status >= 400)
        return fail_refused(f, what, err);
    return remote_fail(f->job, REMOTE_FAILED, err, "can't %s at '%.150s': %.200s", what,
                       f->place->host, words);
}

/* ---- commands ---- */

static void slist_free(struct curl_slist *l) { curl_slist_free_all(l); }
DEFINE_AUTO(struct curl_slist *, slist_free)

/* Paths have no control characters: store_opts_check() has seen them. verb: with a star in front
 * when its failure is nothing. */
static void ftp_add_command(struct curl_slist **list, const char *verb, const char *path,
                            size_t len)
{
    AUTO(mem_free) char *line = mem_printf("%s %.*s", verb, (int)len, path);
    struct curl_slist *more = curl_slist_append(*list, line);

    if (!more)
        abort();
    *list = more;
}

static CURLcode run_commands(struct ftp *f, struct curl_slist *list)
{
    ftp_begin(f, "");
    curl_easy_setopt(f->curl, CURLOPT_QUOTE, list);
    curl_easy_setopt(f->curl, CURLOPT_NOBODY, 1L);
    return ftp_perform(f);
}

static CURLcode ftp_rename_to(struct ftp *f, const char *from, const char *to)
{
    AUTO(slist_free) struct curl_slist *list = NULL;

    ftp_add_command(&list, "RNFR", from, strlen(from));
    ftp_add_command(&list, "RNTO", to, strlen(to));
    return run_commands(f, list);
}

static CURLcode ftp_remove_file(struct ftp *f, const char *path)
{
    AUTO(slist_free) struct curl_slist *list = NULL;

    ftp_add_command(&list, "DELE", path, strlen(path));
    return run_commands(f, list);
}

/* All that lie above path. What can't be made is seen when the file can't. */
static CURLcode ftp_make_directories(struct ftp *f, const char *path)
{
    AUTO(slist_free) struct curl_slist *list = NULL;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        ftp_add_command(&list, "*MKD", path, (size_t)(slash - path));
    return list ? run_commands(f, list) : CURLE_OK;
}

/* ---- stores ---- */

static size_t ftp_read_file(char *out, size_t size, size_t count, void *ctx)
{
    struct ftp *f = ctx;
    int64_t left = f->file->in->size - f->sent;
    size_t n = size * count;

    if ((int64_t)n > left)
        n = (size_t)left;
    ssize_t got = n ? pread(f->file->fd, out, n, f->sent) : 0;
    if (n && got <= 0) {
        f->read_errno = got < 0 ? errno : EIO;
        return CURL_READFUNC_ABORT;
    }
    f->sent += got;
    return (size_t)got;
}

static CURLcode send_file(struct ftp *f, struct remote_file *file)
{
    f->file = file;
    f->sent = 0;
    f->read_errno = 0;
    ftp_begin(f, file->part);
    curl_easy_setopt(f->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(f->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)file->in->size);
    curl_easy_setopt(f->curl, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
    curl_easy_setopt(f->curl, CURLOPT_READFUNCTION, ftp_read_file);
    curl_easy_setopt(f->curl, CURLOPT_READDATA, f);
    CURLcode rc = ftp_perform(f);
    f->file = NULL;
    return rc;
}

/* It ended before anything could be made at the other side. */
static bool is_early(const struct ftp *f, CURLcode rc)
{
    return rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_CONNECT ||
           rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_USE_SSL_FAILED ||
           rc == CURLE_LOGIN_DENIED || (rc == CURLE_UPLOAD_FAILED && !f->sent);
}

/* -1: not known. */
static int64_t size_of(struct ftp *f, const char *path)
{
    curl_off_t size = -1;

    ftp_begin(f, path);
    curl_easy_setopt(f->curl, CURLOPT_NOBODY, 1L);
    if (ftp_perform(f) != CURLE_OK ||
        curl_easy_getinfo(f->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size) != CURLE_OK)
        return -1;
    return size;
}

/* Where what was at the file's path waits until the new one is there. The caller frees. */
static char *ftp_old_name(const struct remote_file *file)
{
    return mem_printf("%s.old", file->part);
}

/* Some servers do not rename over a file that is there: that one steps aside first. */
static CURLcode ftp_replace(struct ftp *f, const struct remote_file *file)
{
    AUTO(mem_free) char *old = ftp_old_name(file);
    CURLcode rc = ftp_rename_to(f, file->part, file->path);
    struct ftp before = *f;

    if (rc != CURLE_QUOTE_ERROR || is_transient(f->status))
        return rc;
    if (ftp_rename_to(f, file->path, old) !=
        CURLE_OK) { /* what is said is why the first one failed */
        memcpy(f->reply, before.reply, sizeof f->reply);
        f->status = before.status;
        return rc;
    }
    rc = ftp_rename_to(f, file->part, file->path);
    before = *f;
    (void)!(rc == CURLE_OK ? ftp_remove_file(f, old) : ftp_rename_to(f, old, file->path));
    memcpy(f->reply, before.reply, sizeof f->reply);
    f->status = before.status;
    return rc;
}

static int ftp_finish(struct ftp *f, struct remote_file *file, const char *what, struct err *err)
{
    int64_t size = size_of(f, file->part);

    if (size >= 0 && size != file->in->size) {
        file->again = true;
        return remote_fail(f->job, REMOTE_FAILED, err,
                           "can't %s at '%.150s': %lld of %lld bytes arrived", what, f->place->host,
                           (long long)size, (long long)file->in->size);
    }
    CURLcode rc = ftp_replace(f, file);
    if (rc == CURLE_OK)
        return 0;
    file->again = ftp_may_pass(f, rc);
    return ftp_fail(f, rc, what, err);
}

/* Each attempt begins anew (STOR cuts off what is there): what a broken connection left of its end
 * nobody knows. */
static int ftp_put(void *ctx, struct remote_file *file, struct err *err)
{
    struct ftp *f = ctx;
    char what[200];
    CURLcode rc = send_file(f, file);

    snprintf(what, sizeof what, "store '%.150s'", file->path);
    if (rc == CURLE_UPLOAD_FAILED && !f->sent && (f->status == 550 || f->status == 553) &&
        (rc = ftp_make_directories(f, file->part)) == CURLE_OK)
        rc = send_file(f, file);
    file->made |= !is_early(f, rc);
    if (rc == CURLE_OK)
        return ftp_finish(f, file, what, err);
    file->again = ftp_may_pass(f, rc);
    return ftp_fail(f, rc, what, err);
}

static int ftp_clear(void *ctx, struct remote_file *file, struct err *err)
{
    static const char what[] = "remove what an upload left";
    AUTO(mem_free) char *old = ftp_old_name(file);
    struct ftp *f = ctx;
    CURLcode rc;

    f->read_errno = 0; /* that was of the file that was being sent */
    /* The request that makes the file may still be on its way when the run that sent it is dead:
     * look twice. */
    for (int look = 0; look < 2; look++) {
        rc = ftp_remove_file(f, file->part);
        if (rc == CURLE_QUOTE_ERROR && f->status == 550 && !says_denied(f)) { /* it is not there */
            if (file->in || look)
                break;
            sleep(1);
            continue;
        }
        if (rc != CURLE_OK) {
            file->again = ftp_may_pass(f, rc);
            return ftp_fail(f, rc, what, err);
        }
        break;
    }
    /* Some servers replace what is there, so the old one comes back only where nothing is. */
    if (size_of(f, old) >= 0)
        (void)!(size_of(f, file->path) >= 0 ? ftp_remove_file(f, old)
                                            : ftp_rename_to(f, old, file->path));
    return 0;
}

static void ftp_address(void *ctx, const struct remote_file *file, struct str *url,
                        struct str *ssl_url)
{
    const struct ftp *f = ctx;

    remote_urls(url, ssl_url, f->urls, f->place->host, file->path);
}

const struct remote_protocol ftp_protocol = {
    .tree = true, .parts = true, .put = ftp_put, .clear = ftp_clear, .address = ftp_address};

/* ---- trial ---- */

static int ftp_write_probe(void *ctx, const char *name, struct err *err)
{
    const struct ftp *f = ctx;

    return remote_put_probe(f->job, &ftp_protocol, ctx, name, err);
}

static int ftp_remove_probe(void *ctx, const char *name, struct err *err)
{
    struct ftp *f = ctx;
    CURLcode rc = ftp_remove_file(f, name);

    return rc == CURLE_OK ? 0 : ftp_fail(f, rc, "remove the probe", err);
}

int ftp_trial(struct ftp *f, struct err *err)
{
    static const struct remote_trial trial = {.write = ftp_write_probe, .remove = ftp_remove_probe};

    return remote_try(f->job, &trial, f, err);
}
