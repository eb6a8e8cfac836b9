/* What an SFTP server says of its files to an import: names and attributes, as libssh2 hands them over. A line of JSON
 * with the Step's parameters, then answers that are eaten one by one. */
#include "remote.h"
#include "transfer/ssh.h"

#include <string.h>

#define CALLS_MOST 4000 /* of one input: a server without an end is a matter of time, not of bytes */

static struct bytes *said;
static int calls, handles;
static unsigned long why;

/* ---- in the place of the login and of libssh2 (--wrap) ---- */

int __wrap_ssh_connect(LIBSSH2_SFTP **out, struct ssh *s, bool *again, struct err *err);
bool __wrap_ssh_wait(struct ssh *s, int64_t until_us);
void __wrap_ssh_drop(struct ssh *s);
int __wrap_ssh_errno(const struct ssh *s);
LIBSSH2_SFTP_HANDLE *__wrap_libssh2_sftp_open_ex(LIBSSH2_SFTP *sftp, const char *path, unsigned len,
                                                 unsigned long flags, long mode, int type);
int __wrap_libssh2_sftp_readdir_ex(LIBSSH2_SFTP_HANDLE *h, char *name, size_t most, char *longer,
                                   size_t longest, LIBSSH2_SFTP_ATTRIBUTES *attrs);
int __wrap_libssh2_sftp_stat_ex(LIBSSH2_SFTP *sftp, const char *path, unsigned len, int how,
                                LIBSSH2_SFTP_ATTRIBUTES *attrs);
ssize_t __wrap_libssh2_sftp_read(LIBSSH2_SFTP_HANDLE *h, char *out, size_t most);
void __wrap_libssh2_sftp_seek64(LIBSSH2_SFTP_HANDLE *h, libssh2_uint64_t at);
int __wrap_libssh2_sftp_close_handle(LIBSSH2_SFTP_HANDLE *h);
unsigned long __wrap_libssh2_sftp_last_error(LIBSSH2_SFTP *sftp);

#define CHANNEL ((LIBSSH2_SFTP *)said)
#define HANDLE ((LIBSSH2_SFTP_HANDLE *)&handles)

/* 0: the answer is a good one. */
static int next_rc(void)
{
    static const int broken[] = {LIBSSH2_ERROR_SOCKET_RECV, LIBSSH2_ERROR_EAGAIN, LIBSSH2_ERROR_CHANNEL_CLOSED};
    unsigned dice = take_byte(said);

    if (++calls > CALLS_MOST || (!said->left && dice == 0))
        return LIBSSH2_ERROR_SOCKET_DISCONNECT;
    if (dice < 200)
        return 0;
    if (dice < 240) {
        why = dice - 200;
        return LIBSSH2_ERROR_SFTP_PROTOCOL;
    }
    return dice < 250 ? LIBSSH2_ERROR_BUFFER_TOO_SMALL : broken[dice % ARRAY_LEN(broken)];
}

static void fill(LIBSSH2_SFTP_ATTRIBUTES *a)
{
    uint64_t n[3] = {0};

    a->flags = take_byte(said);
    for (size_t i = 0; i < ARRAY_LEN(n); i++)
        for (unsigned k = take_below(said, 9); k; k--)
            n[i] = n[i] << 8 | take_byte(said);
    a->filesize = n[0];
    a->permissions = n[1];
    a->mtime = n[2];
}

int __wrap_ssh_connect(LIBSSH2_SFTP **out, struct ssh *s, bool *again, struct err *err)
{
    (void)s;
    if (++calls > CALLS_MOST || !said->left) {
        *again = true;
        return err_set(err, ERR_IO, "there is no server any more");
    }
    *out = CHANNEL;
    return 0;
}

bool __wrap_ssh_wait(struct ssh *s, int64_t until_us)
{
    (void)s;
    (void)until_us;
    return false;
}

void __wrap_ssh_drop(struct ssh *s) { (void)s; }
static int last;
int __wrap_ssh_errno(const struct ssh *s)
{
    (void)s;
    return last;
}

static void is_path(const char *path, unsigned len)
{
    CHECK(strlen(path) == len && len <= 8192);
}

LIBSSH2_SFTP_HANDLE *__wrap_libssh2_sftp_open_ex(LIBSSH2_SFTP *sftp, const char *path, unsigned len,
                                                 unsigned long flags, long mode, int type)
{
    CHECK(sftp == CHANNEL && (type == LIBSSH2_SFTP_OPENDIR || flags == LIBSSH2_FXF_READ) && mode == 0);
    is_path(path, len);
    last = next_rc();
    if (last)
        return NULL;
    handles++;
    return HANDLE;
}

int __wrap_libssh2_sftp_readdir_ex(LIBSSH2_SFTP_HANDLE *h, char *name, size_t most, char *longer,
                                   size_t longest, LIBSSH2_SFTP_ATTRIBUTES *attrs)
{
    int rc = next_rc();

    CHECK(h == HANDLE && !longer && !longest);
    if (rc)
        return rc;
    fill(attrs);
    size_t n = take_byte(said);
    if (n == 255)
        n = most; /* as long as they come */
    for (size_t i = 0; i < n; i++)
        name[i] = said->left ? (char)take_byte(said) : 'n';
    return (int)n;
}

int __wrap_libssh2_sftp_stat_ex(LIBSSH2_SFTP *sftp, const char *path, unsigned len, int how,
                                LIBSSH2_SFTP_ATTRIBUTES *attrs)
{
    int rc = next_rc();

    CHECK(sftp == CHANNEL && how != LIBSSH2_SFTP_SETSTAT);
    is_path(path, len);
    if (!rc)
        fill(attrs);
    return rc;
}

ssize_t __wrap_libssh2_sftp_read(LIBSSH2_SFTP_HANDLE *h, char *out, size_t most)
{
    int rc = next_rc();
    size_t n = take_byte(said);

    CHECK(h == HANDLE);
    if (rc)
        return rc;
    n = n == 255 ? most : n;
    memset(out, 'd', n);
    return (ssize_t)n;
}

void __wrap_libssh2_sftp_seek64(LIBSSH2_SFTP_HANDLE *h, libssh2_uint64_t at)
{
    CHECK(h == HANDLE && at <= 200000);
}

int __wrap_libssh2_sftp_close_handle(LIBSSH2_SFTP_HANDLE *h)
{
    CHECK(h == HANDLE && handles > 0);
    handles--;
    return 0;
}

unsigned long __wrap_libssh2_sftp_last_error(LIBSSH2_SFTP *sftp)
{
    CHECK(sftp == CHANNEL);
    return why;
}

/* ---- the target ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct robot *r = robot_find("/sftp/import");
    struct bytes b = {data, size};
    AUTO(json_unref) json_t *step = take_json_line(&b);
    struct err err = {0};
    void *opts;

    if (!json_is_object(step))
        return 0;
    jset(step, "host", "h.example");
    jset(step, "user", "u");
    jset(step, "password", "p");
    said = &b;
    calls = handles = last = 0;
    struct robot_job *job = remote_job(r, &b, "", 0);
    if (robot_options(&opts, robot_arena(job), r, step, false, &err) == 0 &&
        r->run(job, opts, &err) < 0)
        CHECK(err.code && err.msg[0]);
    unlink(robot_out_path(job, "x"));
    remote_done(job);
    return 0;
}
