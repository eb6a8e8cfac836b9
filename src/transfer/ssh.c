#include "transfer/ssh.h"
#include "base/clock.h"
#include "transfer/guarded.h"
#include "transfer/place.h"
#include "transfer/ssh_rsa.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define PASSWORD_ASKS_MOST 3 /* rounds of a server that asks instead of taking */
#define SESSION_S 300        /* then it is made anew: who may log in is looked at again */

struct ssh {
    struct robot_job *job;
    const struct sftp_place *place;
    const char *key, *known_hosts; /* texts; "": none */
    char *host;                    /* in lower case, without brackets */
    struct guarded guarded;
    CURL *tcp;
    curl_socket_t sock;
    LIBSSH2_SESSION *session;
    LIBSSH2_SFTP *sftp;
    char fingerprint[64]; /* of the host's key, as ssh-keygen -l writes it; "" not seen yet */
    const char *known;    /* the key that this workspace knows it by; NULL: none */
    bool asked;           /* for that */
    int64_t login_until_us;
    long idle_s; /* guarded_idle_s() */
    int asks;
    unsigned char id[SHA256_DIGEST_LENGTH]; /* of all that decides who logs in where */
    int64_t since_us; /* of the session */
    bool spoilt;      /* a call was given up in the middle: nothing is known of what follows */
};

static struct ssh *kept; /* of the job before; NULL: none */

static void drop_kept_session(void) { ssh_close(take(kept)); }

/* ---- waiting ---- */

int64_t ssh_until(const struct ssh *s)
{
    int64_t idle = clock_mono_us() + s->idle_s * SECOND_US;

    return s->login_until_us && s->login_until_us < idle ? s->login_until_us : idle;
}

bool ssh_wait(struct ssh *s, int64_t until_us)
{
    int64_t left_ms = (until_us - clock_mono_us()) / 1000;
    int way = libssh2_session_block_directions(s->session);
    struct pollfd p = {s->sock,
                       (short)((way & LIBSSH2_SESSION_BLOCK_INBOUND ? POLLIN : 0) |
                               (way & LIBSSH2_SESSION_BLOCK_OUTBOUND ? POLLOUT : 0)),
                       0};

    if (left_ms > 0 && poll(&p, 1, left_ms > 1000 ? 1000 : (int)left_ms) >= 0)
        return true;
    s->spoilt = true;
    return false;
}

int ssh_errno(const struct ssh *s) { return libssh2_session_last_errno(s->session); }

void ssh_words(char *out, size_t size, struct ssh *s, int rc)
{
    char *said = NULL;

    if (rc == LIBSSH2_ERROR_EAGAIN)
        snprintf(out, size, "no answer for %ld s", s->idle_s);
    else if (s->session && libssh2_session_last_error(s->session, &said, NULL, 0) && said && *said)
        snprintf(out, size, "%s", said);
    else
        snprintf(out, size, "the connection failed (%d)", rc);
}

/* ---- open, close ---- */

static int lacking(const struct robot_job *job, struct err *err, const char *text)
{
    err_set(err, ERR_ROBOT_VALIDATION, "%s", text);
    if (err)
        robot_code(err->name, robot_of_job(job), "VALIDATION");
    return -1;
}

/* Each with its length, so that no two are the same in a row of others. */
static void id_of_login(struct ssh *s)
{
    const struct sftp_place *p = s->place;
    const char *const all[] = {s->host,       p->user,       p->password, s->key,
                               p->public_key, p->passphrase, p->host_key, s->known_hosts,
                               jstr_or(robot_settings(s->job), "import_allow", "")};
    AUTO(str_done) struct str text = {0};

    str_addf(&text, "%d\n", (int)p->port);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        str_addf(&text, "%zu:%s\n", all[i] ? strlen(all[i]) : 0, all[i] ? all[i] : "");
    SHA256((const unsigned char *)text.s, text.len, s->id);
    explicit_bzero(text.s, text.len);
}

/* A server that has something to say unasked says goodbye, most of the time. */
static bool is_quiet(const struct ssh *s)
{
    struct pollfd p = {s->sock, POLLIN, 0};

    return poll(&p, 1, 0) == 0;
}

/* s, or the session that was kept, if it is the same. */
static struct ssh *go_on(struct ssh *s)
{
    struct ssh *old = kept;

    if (!old || memcmp(old->id, s->id, sizeof s->id) != 0 || !is_quiet(old)) {
        if (old) {
            place_kept_taken();
            drop_kept_session();
        }
        return s;
    }
    place_kept_taken();
    kept = NULL;
    old->job = old->guarded.job = s->job;
    old->place = s->place;
    old->key = s->key;
    old->known_hosts = s->known_hosts;
    old->idle_s = s->idle_s;
    old->asked = false;
    ssh_close(s);
    return old;
}

int ssh_open(struct ssh **out, struct robot_job *job, const struct sftp_place *place,
             struct err *err)
{
    const char *key = str_given(place->private_key) ? place->private_key
                                                    : jstr_or(robot_settings(job), "sftp_key", "");
    size_t n;

    if (!str_given(place->host) || !str_given(place->user))
        return lacking(job, err, "the stored credentials lack host or user");
    if (!str_given(place->password) && !*key)
        return lacking(
            job, err,
            "nobody can log in: store a private_key in the credentials, or give the server one "
            "(setting sftp_key)");
    struct ssh *s = mem_zalloc(sizeof *s);
    *s = (struct ssh){.job = job,
                      .place = place,
                      .key = str_given(place->password) ? "" : key,
                      .known_hosts = jstr_or(robot_settings(job), "sftp_known_hosts", ""),
                      .guarded = {.job = job},
                      .idle_s = guarded_idle_s(job),
                      .sock = CURL_SOCKET_BAD};
    s->host = mem_strdup(place->host + (*place->host == '['));
    n = strlen(s->host);
    if (n && s->host[n - 1] == ']')
        s->host[n - 1] = 0;
    for (char *p = s->host; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    id_of_login(s);
    *out = go_on(s);
    return 0;
}

void ssh_drop(struct ssh *s)
{
    /* nothing is said to the other side that would have to be waited for: the socket is closed */
    if (s->session) {
        int rc;

        s->login_until_us = clock_mono_us() + SECOND_US / 5;
        if (s->sftp)
            SSH_CALL(s, rc, libssh2_sftp_shutdown(s->sftp));
        SSH_CALL(s, rc, libssh2_session_free(s->session));
        (void)rc;
    }
    s->sftp = NULL;
    s->session = NULL;
    curl_easy_cleanup(s->tcp);
    s->tcp = NULL;
    s->sock = CURL_SOCKET_BAD;
    s->spoilt = false;
}

void ssh_close(struct ssh *s)
{
    if (!s)
        return;
    ssh_drop(s);
    free(s->host);
    free(s);
}

void ssh_rest(struct ssh *s)
{
    if (!s->sftp || s->spoilt || clock_mono_us() - s->since_us > SESSION_S * SECOND_US ||
        !place_keep(s->place->host, (int)s->place->port, drop_kept_session)) {
        ssh_close(s);
        return;
    }
    /* these are the job's, which ends now */
    s->job = s->guarded.job = NULL;
    s->place = NULL;
    s->key = s->known_hosts = s->known = NULL;
    kept = s;
}

/* ---- whose key that is ---- */

static void note_fingerprint(struct ssh *s, const char *key, size_t len)
{
    unsigned char md[SHA256_DIGEST_LENGTH], text[48];

    SHA256((const unsigned char *)key, len, md);
    EVP_EncodeBlock(text, md, sizeof md);
    text[strcspn((char *)text, "=")] = 0;
    snprintf(s->fingerprint, sizeof s->fingerprint, "SHA256:%s", text);
}

/* "ssh-ed25519 AAAA...": what it is stands in it. The caller frees. */
static char *key_line(const char *key, size_t len)
{
    const unsigned char *p = (const unsigned char *)key;
    size_t n =
        len < 4 ? SIZE_MAX : (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

    if (n > len - 4 || n > 64 || len > 2048)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (p[4 + i] <= ' ' || p[4 + i] >= 0x7f)
            return NULL;
    AUTO(mem_free) char *text = mem_alloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, p, (int)len);
    return mem_printf("%.*s %s", (int)n, key + 4, text);
}

static int deny_host(struct ssh *s, struct err *err, const char *why)
{
    return remote_fail(s->job, REMOTE_DENIED, err, "the key of '%.150s', %s, %s", s->place->host,
                       *s->fingerprint ? s->fingerprint : "of a kind that is not known", why);
}

static LIBSSH2_KNOWNHOSTS *read_known(struct ssh *s)
{
    LIBSSH2_KNOWNHOSTS *all = libssh2_knownhost_init(s->session);
    const char *line = s->known_hosts;

    if (!all)
        abort(); /* fails only without memory */
    while (*line) {
        size_t n = strcspn(line, "\n");

        /* a line that is no entry is passed by, as ssh does */
        (void)!libssh2_knownhost_readline(all, line, n, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
        line += n + (line[n] == '\n');
    }
    return all;
}

static bool is_in_file(struct ssh *s, const char *key, size_t len)
{
    LIBSSH2_KNOWNHOSTS *all = read_known(s);
    int found =
        libssh2_knownhost_checkp(all, s->host, (int)s->place->port, key, len,
                                 LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW, NULL);

    libssh2_knownhost_free(all);
    return found == LIBSSH2_KNOWNHOST_CHECK_MATCH;
}

/* Type and base64 of two lines; what follows in one is a comment. */
static bool is_same_key(const char *pinned, const char *line)
{
    size_t n = strlen(line);

    return !strncmp(pinned, line, n) && (!pinned[n] || pinned[n] == ' ');
}

static bool is_pinned(const struct ssh *s, const char *line)
{
    const char *pinned = s->place->host_key;

    if (!str_starts(pinned, "SHA256:"))
        return line && is_same_key(pinned, line);
    size_t n = strcspn(pinned, "=");
    return strlen(s->fingerprint) == n && !strncmp(pinned, s->fingerprint, n);
}

static int check_learnt(struct ssh *s, const char *line, struct err *err)
{
    if (!line)
        return deny_host(
            s, err, "is of a kind that can't be remembered: name it in the credentials (host_key)");
    if (!s->known && robot_host_key(&s->known, s->job, s->host, (int)s->place->port, line, err) < 0)
        return -1;
    if (!s->known)
        return deny_host(s, err,
                         "can't be remembered, as this workspace knows too many hosts or nothing "
                         "can be written: "
                         "name it in the credentials (host_key)");
    if (!is_same_key(s->known, line))
        return deny_host(s, err,
                         "is another than the one that it had at first: somebody may stand "
                         "between, or it has a new "
                         "key (`workcell ssh-key forget` takes that)");
    return 0;
}

static int check_host(struct ssh *s, struct err *err)
{
    size_t len;
    int type;
    const char *key = libssh2_session_hostkey(s->session, &len, &type);
    AUTO(mem_free) char *line = key ? key_line(key, len) : NULL;

    if (!key)
        return deny_host(s, err, "can't be read");
    note_fingerprint(s, key, len);
    if (*s->known_hosts && !is_in_file(s, key, len))
        return deny_host(s, err, "is not in this server's sftp_known_hosts");
    if (str_given(s->place->host_key))
        return is_pinned(s, line) ? 0 : deny_host(s, err, "is not the host_key of the credentials");
    return *s->known_hosts ? 0 : check_learnt(s, line, err);
}

/* ---- which of its keys it is asked for ---- */

static const char *methods_of(const char *type)
{
    return strcmp(type, "ssh-rsa") ? type : "rsa-sha2-512,rsa-sha2-256,ssh-rsa";
}

static const char *type_of_known(int mask)
{
    switch (mask & LIBSSH2_KNOWNHOST_KEY_MASK) {
    case LIBSSH2_KNOWNHOST_KEY_ED25519:
        return "ssh-ed25519";
    case LIBSSH2_KNOWNHOST_KEY_ECDSA_256:
        return "ecdsa-sha2-nistp256";
    case LIBSSH2_KNOWNHOST_KEY_ECDSA_384:
        return "ecdsa-sha2-nistp384";
    case LIBSSH2_KNOWNHOST_KEY_ECDSA_521:
        return "ecdsa-sha2-nistp521";
    case LIBSSH2_KNOWNHOST_KEY_SSHRSA:
        return methods_of("ssh-rsa");
    default:
        return NULL;
    }
}

/* Those that the file has of this host; hashed names tell nothing. */
static void prefer_from_file(struct str *out, struct ssh *s)
{
    LIBSSH2_KNOWNHOSTS *all = read_known(s);
    struct libssh2_knownhost *entry = NULL;
    AUTO(mem_free) char *with_port = mem_printf("[%s]:%d", s->host, (int)s->place->port);

    while (libssh2_knownhost_get(all, &entry, entry) == 0) {
        const char *type = type_of_known(entry->typemask);

        if (type && entry->name &&
            (!strcmp(entry->name, with_port) ||
             (s->place->port == 22 && !strcmp(entry->name, s->host))))
            str_addf(out, "%s%s", out->len ? "," : "", type);
    }
    libssh2_knownhost_free(all);
}

/* A host has keys of several kinds, and one is known: that is asked for. */
static void prefer(struct ssh *s)
{
    AUTO(str_done) struct str methods = {0};
    const char *line = str_given(s->place->host_key) ? s->place->host_key : s->known;

    if (*s->known_hosts) {
        prefer_from_file(&methods, s);
    } else if (line && !str_starts(line, "SHA256:")) {
        AUTO(mem_free) char *type = mem_strndup(line, strcspn(line, " "));

        str_puts(&methods, methods_of(type));
    }
    if (methods.len) /* where libssh2 knows none of these, it takes what it has, and the check says
                        no */
        (void)!libssh2_session_method_pref(s->session, LIBSSH2_METHOD_HOSTKEY, methods.s);
}

/* libssh2 would take AES-256 first, and has each block of 16 bytes encrypted by a call of its own, so
 * that the four rounds more are a tenth of all that a large file costs. What else it can stays behind,
 * in its order. */
static void prefer_cipher(struct ssh *s)
{
    static const char first[] = "aes128-ctr";
    AUTO(str_done) struct str list = {0};
    const char **all = NULL;
    int n = libssh2_session_supported_algs(s->session, LIBSSH2_METHOD_CRYPT_CS, &all);

    if (n <= 0)
        return;
    str_puts(&list, first);
    for (int i = 0; i < n; i++)
        if (strcmp(all[i], first) != 0)
            str_addf(&list, ",%s", all[i]);
    libssh2_free(s->session, all);
    (void)!libssh2_session_method_pref(s->session, LIBSSH2_METHOD_CRYPT_CS, list.s);
    (void)!libssh2_session_method_pref(s->session, LIBSSH2_METHOD_CRYPT_SC, list.s);
}

/* ---- who logs in ---- */

/* What a server asks for without showing it is the password. */
static void answer(const char *name, int name_len, const char *text, int text_len, int count,
                   const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                   LIBSSH2_USERAUTH_KBDINT_RESPONSE *out, void **ctx)
{
    struct ssh *s = *ctx;
    bool enough = ++s->asks > PASSWORD_ASKS_MOST;

    (void)name;
    (void)name_len;
    (void)text;
    (void)text_len;
    for (int i = 0; i < count; i++) {
        out[i].text =
            strdup(prompts[i].echo || enough ? "" : s->place->password); /* freed by libssh2 */
        out[i].length = out[i].text ? (unsigned)strlen(out[i].text) : 0;
    }
}

static int by_password(struct ssh *s, const char *offered)
{
    const char *user = s->place->user, *password = s->place->password;
    int rc = LIBSSH2_ERROR_AUTHENTICATION_FAILED;

    if (strstr(offered, "password"))
        SSH_CALL(s, rc,
                 libssh2_userauth_password_ex(s->session, user, (unsigned)strlen(user), password,
                                              (unsigned)strlen(password), NULL));
    if (rc && !ssh_is_broken(rc) && strstr(offered, "keyboard-interactive"))
        SSH_CALL(s, rc,
                 libssh2_userauth_keyboard_interactive_ex(s->session, user, (unsigned)strlen(user),
                                                          answer));
    return rc;
}

static int by_key(struct ssh *s)
{
    const char *user = s->place->user,
               *open = str_given(s->place->public_key) ? s->place->public_key : NULL;
    /* a key that came through a form may have lost its last line break, without which OpenSSL reads
     * none */
    AUTO(mem_free) char *key = mem_printf("%s%s", s->key, str_ends(s->key, "\n") ? "" : "\n");
    int rc;

    SSH_CALL(s, rc,
             libssh2_userauth_publickey_frommemory(
                 s->session, user, strlen(user), open, open ? strlen(open) : 0, key, strlen(key),
                 str_given(s->place->passphrase) ? s->place->passphrase : NULL));
    if (rc && !ssh_is_broken(rc) && !ssh_is_unread(rc)) {
        struct ssh_rsa *rsa = ssh_rsa_read(key, s->place->passphrase);

        if (rsa)
            SSH_CALL(s, rc, ssh_rsa_log_in(rsa, s->session, user));
        ssh_rsa_free(rsa);
    }
    explicit_bzero(key, strlen(key));
    return rc;
}

static int fail_login(const struct ssh *s, int rc, struct err *err)
{
    bool unread = *s->key && ssh_is_unread(rc);

    return remote_fail(
        s->job, REMOTE_DENIED, err, "'%.150s' does not let '%.60s' in with this %s%s%s%s%s%s",
        s->place->host, s->place->user, *s->key ? "key" : "password",
        unread ? ", which can't be read: is its passphrase missing or wrong?" : "",
        str_given(s->place->public_key) ? " (public_key must be its other half)" : "",
        *s->key && !str_given(s->place->private_key)
            ? " of this server (`workcell ssh-key` prints it)"
        : *s->key && !unread && ssh_rsa_is_locked(s->key)
            ? ", an RSA key whose passphrase allows only SHA-1 here: `ssh-keygen -p -m PEM` writes it in a form "
              "that allows more"
            : "",
        *s->fingerprint ? "; its own key is " : "", s->fingerprint);
}

static int fail_broken(struct ssh *s, int rc, bool *again, struct err *err)
{
    char words[200];

    *again = true;
    ssh_words(words, sizeof words, s, rc);
    return remote_fail(s->job, REMOTE_FAILED, err, "can't reach '%.150s': %.200s", s->place->host,
                       words);
}

static int log_in(struct ssh *s, bool *again, struct err *err)
{
    const char *user = s->place->user;
    char *offered;
    int64_t until = ssh_until(s);
    int rc = 0;

    while (!(offered = libssh2_userauth_list(s->session, user, (unsigned)strlen(user))) &&
           (rc = ssh_errno(s)) == LIBSSH2_ERROR_EAGAIN && ssh_wait(s, until)) {
    }
    if (!offered && libssh2_userauth_authenticated(s->session))
        return 0; /* it lets anybody in */
    if (!offered)
        return ssh_is_broken(rc) ? fail_broken(s, rc, again, err) : fail_login(s, rc, err);
    s->asks = 0;
    rc = *s->key ? by_key(s) : by_password(s, offered);
    if (rc == 0)
        return 0;
    return ssh_is_unanswered(s->session, rc) || (ssh_is_broken(rc) && !(*s->key && ssh_is_unread(rc)))
               ? fail_broken(s, rc, again, err)
               : fail_login(s, rc, err);
}

/* ---- connect ---- */

static int connect_tcp(struct ssh *s, bool *again, struct err *err)
{
    char text[CURL_ERROR_SIZE];
    CURLcode rc =
        guarded_connect(&s->tcp, &s->sock, &s->guarded, s->place->host, (int)s->place->port, text);

    if (rc == CURLE_OK)
        return 0;
    if (*s->guarded.refused)
        return guarded_refuse(&s->guarded, s->place->host, err);
    *again = rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_CONNECT ||
             rc == CURLE_OPERATION_TIMEDOUT;
    return remote_fail(s->job, REMOTE_FAILED, err, "can't reach '%.150s': %.200s", s->place->host,
                       *text ? text : curl_easy_strerror(rc));
}

static int open_channel(struct ssh *s, bool *again, struct err *err)
{
    int64_t until = ssh_until(s);
    char words[200];
    int rc = 0;

    while (!(s->sftp = libssh2_sftp_init(s->session)) &&
           (rc = ssh_errno(s)) == LIBSSH2_ERROR_EAGAIN && ssh_wait(s, until)) {
    }
    if (s->sftp)
        return 0;
    *again = ssh_is_broken(rc);
    ssh_words(words, sizeof words, s, rc);
    return remote_fail(s->job, REMOTE_FAILED, err, "can't begin SFTP at '%.150s': %.200s",
                       s->place->host, words);
}

static int greet(struct ssh *s, bool *again, struct err *err)
{
    int rc;

    if (!(s->session = libssh2_session_init_ex(NULL, NULL, NULL, s)))
        abort(); /* fails only without memory */
    libssh2_session_set_blocking(s->session, 0);
    prefer(s);
    prefer_cipher(s);
    SSH_CALL(s, rc, libssh2_session_handshake(s->session, s->sock));
    return rc ? fail_broken(s, rc, again, err) : 0;
}

int ssh_connect(LIBSSH2_SFTP **out, struct ssh *s, bool *again, struct err *err)
{
    bool remembers = !*s->known_hosts && !str_given(s->place->host_key);

    *out = s->sftp;
    if (s->sftp)
        return 0;
    if (remembers && !s->asked &&
        robot_host_key(&s->known, s->job, s->host, (int)s->place->port, NULL, err) < 0)
        return -1;
    s->asked = true;
    if (connect_tcp(s, again, err) < 0)
        return -1;
    s->login_until_us = clock_mono_us() + (s->idle_s < GUARDED_CONNECT_S ? s->idle_s
                                                                         : GUARDED_CONNECT_S) *
                                              SECOND_US;
    int rc = greet(s, again, err) < 0 || check_host(s, err) < 0 ||
                     log_in(s, again, err) < 0 || open_channel(s, again, err) < 0
                 ? -1
                 : 0;
    if (rc < 0)
        ssh_drop(s);
    s->login_until_us = 0;
    s->since_us = clock_mono_us();
    *out = s->sftp;
    return rc;
}
