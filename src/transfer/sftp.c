#include "transfer/sftp.h"
#include "http/guard.h"
#include "transfer/place.h"
#include "transfer/trial.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define CONNECT_S 10L
#define IDLE_S 30
#define UPLOAD_BUFFER (256 * 1024L)

struct sftp {
    struct robot_job *job;
    const struct sftp_place *place;
    const struct store_urls *urls;
    const char *mode;
    CURL *curl;
    int key, public_key, known; /* memory files: libssh2 reads keys from files only, and no disk is
                                   to see them; -1: none */
    char refused[80];           /* address that the guard turned down; "" none */
    char fingerprint[64];       /* of the host's key; "" not seen yet */
    struct remote_file *file;   /* that is being sent; NULL: none */
    int64_t sent;               /* bytes of it */
    int read_errno;
    struct str *answer; /* where what a command says goes; NULL: nowhere */
};

/* ---- keys ---- */

static int memory_file(int *out, const char *name, const char *text, struct err *err)
{
    AUTO(fd_close) int fd = memfd_create(name, MFD_CLOEXEC);
    size_t len = strlen(text);

    /* a key that came through a form may have lost its last line break, without which OpenSSL reads
     * none */
    if (fd < 0 || write(fd, text, len) != (ssize_t)len ||
        (len && text[len - 1] != '\n' && write(fd, "\n", 1) != 1))
        return err_errno(err, "keep a key in memory");
    *out = take_fd(fd);
    return 0;
}

static void memory_path(char out[static 40], int fd) { snprintf(out, 40, "/proc/self/fd/%d", fd); }

void sftp_close(struct sftp *s)
{
    if (!s)
        return;
    curl_easy_cleanup(s->curl);
    fd_close(s->key);
    fd_close(s->public_key);
    fd_close(s->known);
    free(s);
}

static int lacking(const struct robot_job *job, struct err *err, const char *text)
{
    err_set(err, ERR_ROBOT_VALIDATION, "%s", text);
    if (err)
        robot_code(err->name, robot_of_job(job), "VALIDATION");
    return -1;
}

int sftp_open(struct sftp **out, struct robot_job *job, const struct sftp_place *place,
              const char *mode, const struct store_urls *urls, struct err *err)
{
    AUTO(sftp_close) struct sftp *s = mem_zalloc(sizeof *s);
    const char *known = jstr_or(robot_settings(job), "sftp_known_hosts", "");
    const char *key = str_given(place->private_key) ? place->private_key
                                                    : jstr_or(robot_settings(job), "sftp_key", "");
    bool by_password = str_given(place->password);

    *s = (struct sftp){.job = job,
                       .place = place,
                       .mode = mode,
                       .urls = urls,
                       .key = -1,
                       .public_key = -1,
                       .known = -1};
    if (!str_given(place->host) || !str_given(place->user))
        return lacking(job, err, "the stored credentials lack host or user");
    if (by_password && !*known)
        return lacking(job, err,
                       "a password is only sent to a host whose key is known: this server has no "
                       "sftp_known_hosts");
    if (!by_password && !*key)
        return lacking(job, err,
                       "nobody can log in: store a private_key in the credentials, or give the "
                       "server one (setting sftp_key)");
    if (!by_password && memory_file(&s->key, "key", key, err) < 0)
        return -1;
    if (!by_password && str_given(place->public_key) &&
        memory_file(&s->public_key, "public key", place->public_key, err) < 0)
        return -1;
    if (*known && memory_file(&s->known, "known hosts", known, err) < 0)
        return -1;
    if (!(s->curl = curl_easy_init()))
        abort(); /* fails only without memory */
    *out = take(s);
    return 0;
}

/* ---- curl's callbacks ---- */

/* The name is resolved: what is checked is what gets connected. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct sftp *s = ctx;

    (void)purpose;
    if (!guard_allows(&a->addr, jstr_or(robot_settings(s->job), "import_allow", ""))) {
        if (getnameinfo(&a->addr, a->addrlen, s->refused, sizeof s->refused, NULL, 0,
                        NI_NUMERICHOST))
            snprintf(s->refused, sizeof s->refused, "an unusual address");
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* As ssh-keygen -l writes it. */
static void note_fingerprint(struct sftp *s, const void *key, size_t len)
{
    unsigned char md[SHA256_DIGEST_LENGTH], text[48];

    SHA256(key, len, md);
    EVP_EncodeBlock(text, md, sizeof md);
    text[strcspn((char *)text, "=")] = 0;
    snprintf(s->fingerprint, sizeof s->fingerprint, "SHA256:%s", text);
}

/* There is a list of known hosts. */
static int check_known(CURL *e, const struct curl_khkey *known, const struct curl_khkey *found,
                       enum curl_khmatch match, void *ctx)
{
    AUTO(mem_free) char *raw = found->len ? NULL : mem_alloc(strlen(found->key) + 4);
    ptrdiff_t len = found->len
                        ? (ptrdiff_t)found->len
                        : base64_decode((unsigned char *)raw, found->key, strlen(found->key));

    (void)e;
    (void)known;
    if (len > 0)
        note_fingerprint(ctx, found->len ? found->key : raw, (size_t)len);
    return match == CURLKHMATCH_OK ? CURLKHSTAT_FINE : CURLKHSTAT_REJECT;
}

/* There is none. */
static int take_any(void *ctx, int type, const char *key, size_t len)
{
    (void)type;
    note_fingerprint(ctx, key, len);
    return CURLKHMATCH_OK;
}

static size_t read_file(char *out, size_t size, size_t count, void *ctx)
{
    struct sftp *s = ctx;
    int64_t left = s->file->in->size - s->sent;
    size_t n = size * count;

    if ((int64_t)n > left)
        n = (size_t)left;
    ssize_t got = n ? pread(s->file->fd, out, n, s->sent) : 0;
    if (n && got <= 0) {
        s->read_errno = got < 0 ? errno : EIO;
        return CURL_READFUNC_ABORT;
    }
    s->sent += got;
    return (size_t)got;
}

static int sftp_on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                            curl_off_t ulnow)
{
    const struct sftp *s = ctx;

    (void)dltotal;
    (void)dlnow;
    if (s->file && ultotal > 0)
        remote_progress(s->file, ulnow < ultotal ? (double)ulnow / (double)ultotal : 1);
    return 0;
}

static size_t keep_answer(char *data, size_t size, size_t count, void *ctx)
{
    struct str *b = ctx;

    if (b->len + size * count < 4096)
        str_add(b, data, size * count);
    return size * count;
}

/* ---- a call ---- */

static void slist_free(struct curl_slist *l) { curl_slist_free_all(l); }
DEFINE_AUTO(struct curl_slist *, slist_free)

static void log_in(struct sftp *s)
{
    char path[40];

    curl_easy_setopt(s->curl, CURLOPT_USERNAME, s->place->user);
    if (s->key < 0) {
        curl_easy_setopt(s->curl, CURLOPT_PASSWORD, s->place->password);
        curl_easy_setopt(s->curl, CURLOPT_SSH_AUTH_TYPES,
                         (long)(CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD));
        return;
    }
    curl_easy_setopt(s->curl, CURLOPT_SSH_AUTH_TYPES, (long)CURLSSH_AUTH_PUBLICKEY);
    memory_path(path, s->key);
    curl_easy_setopt(s->curl, CURLOPT_SSH_PRIVATE_KEYFILE, path);
    if (s->public_key >= 0) {
        memory_path(path, s->public_key);
        curl_easy_setopt(s->curl, CURLOPT_SSH_PUBLIC_KEYFILE, path);
    }
}

static void check_host(struct sftp *s)
{
    char path[40];

    if (s->known < 0) {
        curl_easy_setopt(s->curl, CURLOPT_SSH_HOSTKEYFUNCTION, take_any);
        curl_easy_setopt(s->curl, CURLOPT_SSH_HOSTKEYDATA, s);
        return;
    }
    memory_path(path, s->known);
    curl_easy_setopt(s->curl, CURLOPT_SSH_KNOWNHOSTS, path);
    curl_easy_setopt(s->curl, CURLOPT_SSH_KEYFUNCTION, check_known);
    curl_easy_setopt(s->curl, CURLOPT_SSH_KEYDATA, s);
}

/* A path that begins with a slash is the server's, another begins where the login does. */
static char *url_of(const struct sftp *s, const char *path)
{
    AUTO(str_done) struct str url = {0};
    bool bare6 = strchr(s->place->host, ':') && *s->place->host != '[';

    str_addf(&url, "sftp://%s%s%s:%d/", bare6 ? "[" : "", s->place->host, bare6 ? "]" : "",
             (int)s->place->port);
    if (*path != '/')
        str_puts(&url, "~/");
    str_add_urlencoded(&url, path + (*path == '/'), "/");
    return str_take(&url);
}

/* Connections stay between calls. text: what curl says of a failure. */
static CURLcode call(struct sftp *s, const char *path, struct curl_slist *commands,
                     char text[static CURL_ERROR_SIZE])
{
    AUTO(mem_free) char *url = url_of(s, path);
    long idle_s = (long)jint(robot_settings(s->job), "idle_s", IDLE_S);
    CURL *e = s->curl;

    *text = 0;
    *s->refused = 0;
    curl_easy_reset(e);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "sftp");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT,
                     idle_s < CONNECT_S ? idle_s : CONNECT_S); /* until the login is done */
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, idle_s);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, sftp_on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, s);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    if (s->answer) {
        curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, keep_answer);
        curl_easy_setopt(e, CURLOPT_HEADERDATA, s->answer);
    }
    curl_easy_setopt(e, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)place_speed());
    log_in(s);
    check_host(s);
    if (commands) {
        curl_easy_setopt(e, CURLOPT_QUOTE, commands);
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->file->in->size);
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, read_file);
        curl_easy_setopt(e, CURLOPT_READDATA, s);
        curl_easy_setopt(e, CURLOPT_FTP_CREATE_MISSING_DIRS, (long)CURLFTP_CREATE_DIR);
        if (s->mode)
            curl_easy_setopt(e, CURLOPT_NEW_FILE_PERMS, strtol(s->mode, NULL, 8));
    }
    return curl_easy_perform(e);
}

/* ---- what went wrong ---- */

/* It ended before anything could be made at the other side. */
static bool is_early(CURLcode rc)
{
    return rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_CONNECT ||
           rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_LOGIN_DENIED ||
           rc == CURLE_REMOTE_ACCESS_DENIED || rc == CURLE_REMOTE_FILE_NOT_FOUND;
}

/* Another attempt may end otherwise. */
static bool may_pass(CURLcode rc)
{
    return rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_CONNECT ||
           rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR ||
           rc == CURLE_GOT_NOTHING || rc == CURLE_SSH || rc == CURLE_FAILED_INIT ||
           rc == CURLE_AGAIN;
}

static int fail_login(const struct sftp *s, struct err *err)
{
    return remote_fail(s->job, REMOTE_DENIED, err,
                       "'%.150s' does not let '%.60s' in with this %s%s%s%s", s->place->host,
                       s->place->user, s->key < 0 ? "password" : "key",
                       s->public_key >= 0 ? " (public_key must be its other half)" : "",
                       *s->fingerprint ? "; its own key is " : "", s->fingerprint);
}

/* what: that was not done, in words ("store 'a/b'"). */
static int fail(const struct sftp *s, CURLcode rc, const char *text, const char *what,
                struct err *err)
{
    if (s->read_errno) {
        errno = s->read_errno;
        return err_errno(err, "read the file to send");
    }
    if (*s->refused) {
        char refused[160], why[120];

        snprintf(refused, sizeof refused, "can't talk to '%.120s'", s->place->host);
        snprintf(why, sizeof why, "the address %.80s is private or reserved", s->refused);
        return remote_refused(s->job, err, refused, why);
    }
    switch (rc) {
    case CURLE_LOGIN_DENIED:
        return fail_login(s, err);
    case CURLE_PEER_FAILED_VERIFICATION:
        return remote_fail(s->job, REMOTE_DENIED, err,
                           "the key of '%.150s', %s, is not in this server's sftp_known_hosts",
                           s->place->host,
                           *s->fingerprint ? s->fingerprint : "of a kind that is not known");
    case CURLE_REMOTE_ACCESS_DENIED:
        return remote_fail(s->job, REMOTE_DENIED, err, "'%.150s' does not allow '%.60s' to %s",
                           s->place->host, s->place->user, what);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_OPERATION_TIMEDOUT:
        return remote_fail(s->job, REMOTE_FAILED, err, "can't reach '%.150s': %.200s",
                           s->place->host, *text ? text : curl_easy_strerror(rc));
    default:
        return remote_fail(s->job, strstr(text, "ermission denied") ? REMOTE_DENIED : REMOTE_FAILED,
                           err, "can't %s at '%.150s': %.200s", what, s->place->host,
                           *text ? text : curl_easy_strerror(rc));
    }
}

/* ---- commands ---- */

/* A path as a word of a command. */
static void add_word(struct str *out, const char *path)
{
    str_puts(out, " \"");
    for (; *path; path++) {
        if (strchr("\"'\\", *path))
            str_putc(out, '\\');
        str_putc(out, *path);
    }
    str_putc(out, '"');
}

/* verb: with a star in front when its failure is nothing. b: NULL: it has one path. */
static void add_command(struct curl_slist **list, const char *verb, const char *a, const char *b)
{
    AUTO(str_done) struct str line = {0};

    str_puts(&line, verb);
    add_word(&line, a);
    if (b)
        add_word(&line, b);
    struct curl_slist *more = curl_slist_append(*list, line.s);
    if (!more)
        abort();
    *list = more;
}

static CURLcode command(struct sftp *s, const char *verb, const char *a, const char *b,
                        char text[static CURL_ERROR_SIZE])
{
    AUTO(slist_free) struct curl_slist *list = NULL;

    add_command(&list, verb, a, b);
    return call(s, "", list, text);
}

/* Where what was at the file's path waits until the new one is there. The caller frees. */
static char *old_name(const struct remote_file *f) { return mem_printf("%s.old", f->part); }

/* Most servers do not rename over a file that is there: that one steps aside first. */
static CURLcode replace(struct sftp *s, const struct remote_file *f,
                        char text[static CURL_ERROR_SIZE])
{
    AUTO(mem_free) char *old = old_name(f);
    char ignored[CURL_ERROR_SIZE];
    CURLcode rc = command(s, "rename", f->part, f->path, text);

    if (rc != CURLE_QUOTE_ERROR || command(s, "rename", f->path, old, ignored) != CURLE_OK)
        return rc;
    rc = command(s, "rename", f->part, f->path, text);
    if (rc == CURLE_OK)
        (void)!command(s, "*rm", old, NULL, ignored);
    else
        (void)!command(s, "*rename", old, f->path, ignored);
    return rc;
}

static int sftp_finish(struct sftp *s, struct remote_file *f, struct err *err)
{
    char text[CURL_ERROR_SIZE], what[200], mode[24];
    CURLcode rc = CURLE_OK;

    snprintf(what, sizeof what, "store '%.150s'", f->path);
    if (s->mode) {
        snprintf(mode, sizeof mode, "chmod %s", s->mode);
        rc = command(s, mode, f->part, NULL, text);
    }
    if (rc == CURLE_OK)
        rc = replace(s, f, text);
    if (rc == CURLE_OK)
        return 0;
    f->again = may_pass(rc) && !*s->refused;
    return fail(s, rc, text, what, err);
}

/* ---- a full disk ---- */

/* SFTP has no word for it: what fails is a write, as when the connection breaks. */
static bool is_full(struct sftp *s, const struct remote_file *f)
{
    AUTO(slist_free) struct curl_slist *list = NULL;
    AUTO(str_done) struct str answer = {0};
    char text[CURL_ERROR_SIZE];
    unsigned long long size, free_blocks;

    add_command(&list, "statvfs", f->part, NULL);
    s->answer = &answer;
    CURLcode rc = call(s, "", list, text);
    s->answer = NULL;
    const char *unit = answer.s ? strstr(answer.s, "f_frsize: ") : NULL,
               *left = answer.s ? strstr(answer.s, "f_bavail: ") : NULL;
    return rc == CURLE_OK && unit && left && sscanf(unit, "f_frsize: %llu", &size) == 1 &&
           sscanf(left, "f_bavail: %llu", &free_blocks) == 1 &&
           size * free_blocks < (unsigned long long)UPLOAD_BUFFER;
}

/* ---- the protocol ---- */

static int sftp_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct sftp *s = ctx;
    char text[CURL_ERROR_SIZE], what[200];

    snprintf(what, sizeof what, "store '%.150s'", f->path);
    s->file = f;
    s->sent = 0;
    s->read_errno = 0;
    CURLcode rc = call(s, f->part, NULL, text);
    s->file = NULL;
    f->made |= !is_early(rc);
    if (rc == CURLE_OK)
        return sftp_finish(s, f, err);
    if (rc == CURLE_SSH && s->sent && !s->read_errno && is_full(s, f))
        return remote_fail(s->job, REMOTE_FAILED, err, "can't %s at '%.150s': its disk is full",
                           what, s->place->host);
    if (rc == CURLE_SSH && s->sent && !*text)
        snprintf(text, sizeof text, "after %lld of %lld bytes no more were taken",
                 (long long)s->sent, (long long)f->in->size);
    f->again = may_pass(rc) && !s->read_errno && !*s->refused;
    return fail(s, rc, text, what, err);
}

static int sftp_clear(void *ctx, struct remote_file *f, struct err *err)
{
    AUTO(mem_free) char *old = old_name(f);
    struct sftp *s = ctx;
    char text[CURL_ERROR_SIZE];

    s->read_errno = 0; /* that was of the file that was being sent */
    /* The request that makes the file may still be on its way when the run that sent it is dead:
     * look twice. */
    for (int look = 0; look < 2; look++) {
        CURLcode rc = command(s, "rm", f->part, NULL, text);

        if (rc == CURLE_QUOTE_ERROR && strstr(text, "o such file")) {
            if (f->in || look)
                break;
            sleep(1);
            continue;
        }
        if (rc != CURLE_OK) {
            f->again = may_pass(rc) && !*s->refused;
            return fail(s, rc, text, "remove what an upload left", err);
        }
        break;
    }
    /* Where the new file is in its place this fails, and the old one goes. */
    AUTO(slist_free) struct curl_slist *list = NULL;
    add_command(&list, "*rename", old, f->path);
    add_command(&list, "*rm", old, NULL);
    CURLcode rc = call(s, "", list, text);
    f->again = may_pass(rc) && !*s->refused;
    return rc == CURLE_OK ? 0 : fail(s, rc, text, "remove what an upload left", err);
}

static void sftp_address(void *ctx, const struct remote_file *f, struct str *url,
                         struct str *ssl_url)
{
    const struct sftp *s = ctx;

    remote_urls(url, ssl_url, s->urls, s->place->host, f->path);
}

const struct remote_protocol sftp_protocol = {
    .tree = true, .parts = true, .put = sftp_put, .clear = sftp_clear, .address = sftp_address};

/* ---- trial ---- */

static int sftp_write_probe(void *ctx, const char *name, struct err *err)
{
    const struct sftp *s = ctx;

    return remote_put_probe(s->job, &sftp_protocol, ctx, name, err);
}

static int sftp_remove_probe(void *ctx, const char *name, struct err *err)
{
    struct sftp *s = ctx;
    char text[CURL_ERROR_SIZE];
    CURLcode rc = command(s, "rm", name, NULL, text);

    return rc == CURLE_OK ? 0 : fail(s, rc, text, "remove the probe", err);
}

int sftp_trial(struct sftp *s, struct err *err)
{
    static const struct remote_trial trial = {.write = sftp_write_probe, .remove = sftp_remove_probe};

    return remote_try(s->job, &trial, s, err);
}
