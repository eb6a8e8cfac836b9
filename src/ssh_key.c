#include "ssh_key.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAME "ssh_key"
#define COMMENT "workcell"
#define TYPE "ssh-ed25519"
#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* and its NUL */
#define FILE_MOST 65536

enum { HALF = 32, LINE = 70 };

/* ---- OpenSSH's form (PROTOCOL.key of OpenSSH) ---- */

static void put_u32(struct str *out, uint32_t n)
{
    const unsigned char be[] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                (unsigned char)(n >> 8), (unsigned char)n};

    str_add(out, be, sizeof be);
}

static void put_bytes(struct str *out, const void *data, size_t len)
{
    put_u32(out, (uint32_t)len);
    str_add(out, data, len);
}

static void put_text(struct str *out, const char *s) { put_bytes(out, s, strlen(s)); }

/* Of secrets: no copy of them stays behind. */
static void wipe(struct str *b)
{
    if (b->s)
        OPENSSL_cleanse(b->s, b->cap);
}

static void put_base64(struct str *out, const struct str *raw, size_t line)
{
    AUTO(mem_free) char *text = mem_alloc((raw->len + 2) / 3 * 4 + 1);
    size_t len = (size_t)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)raw->s,
                                         (int)raw->len);

    for (size_t at = 0; at < len; at += line) {
        str_add(out, text + at, len - at < line ? len - at : line);
        if (line < len)
            str_putc(out, '\n');
    }
    OPENSSL_cleanse(text, len);
}

static void put_private(struct str *out, const unsigned char *secret, const unsigned char *open)
{
    AUTO(str_done) struct str key = {0}, pair = {0}, raw = {0};
    uint32_t check;
    unsigned char both[2 * HALF];

    RAND_bytes((unsigned char *)&check, sizeof check);
    memcpy(both, secret, HALF);
    memcpy(both + HALF, open, HALF);
    put_text(&key, TYPE);
    put_bytes(&key, open, HALF);
    put_u32(&pair, check);
    put_u32(&pair, check);
    str_add(&pair, key.s, key.len);
    put_bytes(&pair, both, sizeof both);
    put_text(&pair, COMMENT);
    for (char pad = 1; pair.len % 8; pad++)
        str_putc(&pair, pad);
    str_add(&raw, MAGIC, sizeof MAGIC);
    put_text(&raw, "none"); /* no passphrase: nobody is there to type it */
    put_text(&raw, "none");
    put_text(&raw, "");
    put_u32(&raw, 1);
    put_bytes(&raw, key.s, key.len);
    put_bytes(&raw, pair.s, pair.len);
    str_puts(out, BEGIN "\n");
    put_base64(out, &raw, LINE);
    str_puts(out, END "\n");
    OPENSSL_cleanse(both, sizeof both);
    wipe(&pair);
    wipe(&raw);
}

static void generate(struct str *out)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    unsigned char secret[HALF], open[HALF];
    size_t n = HALF, m = HALF;

    if (!key || EVP_PKEY_get_raw_private_key(key, secret, &n) != 1 ||
        EVP_PKEY_get_raw_public_key(key, open, &m) != 1)
        abort(); /* without random bytes nothing of this server works */
    put_private(out, secret, open);
    OPENSSL_cleanse(secret, sizeof secret);
    EVP_PKEY_free(key);
}

/* The next field, of *len bytes, inside raw; NULL: it is cut off. */
static const unsigned char *field(const unsigned char **at, const unsigned char *end, size_t *len)
{
    const unsigned char *p = *at;

    if (end - p < 4)
        return NULL;
    *len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    p += 4;
    if (*len > (size_t)(end - p))
        return NULL;
    *at = p + *len;
    return p;
}

/* cipher, kdf, its options, a number that is 1, the public half */
static const unsigned char *public_blob(const unsigned char *raw, size_t size, size_t *len)
{
    const unsigned char *at = raw + sizeof MAGIC, *end = raw + size;

    if (size < sizeof MAGIC || memcmp(raw, MAGIC, sizeof MAGIC) != 0)
        return NULL;
    for (int i = 0; i < 3; i++)
        if (!field(&at, end, len))
            return NULL;
    if (end - at < 4)
        return NULL;
    at += 4;
    return field(&at, end, len);
}

int ssh_key_public(char **out, const char *private_key, struct err *err)
{
    const char *begin = strstr(private_key, BEGIN), *end = begin ? strstr(begin, END) : NULL;
    AUTO(str_done) struct str text = {0}, line = {0};
    size_t len = 0, type_len;

    for (const char *p = end ? begin + strlen(BEGIN) : NULL; p && p < end; p++)
        if (*p != '\n' && *p != '\r')
            str_putc(&text, *p);
    AUTO(mem_free) char *raw = mem_zalloc(text.len + 4);
    ptrdiff_t size = text.s ? base64_decode((unsigned char *)raw, text.s, text.len) : -1;
    const unsigned char *blob =
        size > 0 ? public_blob((unsigned char *)raw, (size_t)size, &len) : NULL;
    const unsigned char *at = blob, *type = blob ? field(&at, blob + len, &type_len) : NULL;

    wipe(&text);
    if (type && type_len < 64) {
        struct str open = {(char *)blob, len, len};

        str_addf(&line, "%.*s ", (int)type_len, (const char *)type);
        put_base64(&line, &open, SIZE_MAX / 2);
        *out = str_take(&line);
    }
    OPENSSL_cleanse(raw, text.len);
    return type && type_len < 64
               ? 0
               : err_set(err, ERR_CONFIG, "it holds no private key in OpenSSH's form");
}

/* ---- the file ---- */

static int write_all(int fd, const struct str *text)
{
    ssize_t n = write(fd, text->s, text->len);

    return n == (ssize_t)text->len && fsync(fd) == 0 ? 0 : -1;
}

/* Under a name of its own first; a link takes the place only where nothing is. */
static int make(const char *data, const char *path, struct err *err)
{
    AUTO(mem_free) char *part = mem_printf("%s.%d", path, (int)getpid());
    AUTO(str_done) struct str text = {0};

    unlink(part); /* of one of our number that died */
    AUTO(fd_close) int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, "make '%s'", part);
    generate(&text);
    int rc = write_all(fd, &text) < 0 || (link(part, path) < 0 && errno != EEXIST)
                 ? err_errno(err, "write '%s'", path)
                 : 0;
    wipe(&text);
    unlink(part);
    AUTO(fd_close) int dir = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && (dir < 0 || fsync(dir) < 0))
        return err_errno(err, "flush '%s'", data);
    return rc;
}

/* 1: it is there and in *out. 0: it is not. */
static int read_key_file(char **out, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "open '%s'", path);
    if (fstat(fd, &st) < 0)
        return err_errno(err, "look at '%s'", path);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MOST)
        return err_set(err, ERR_CONFIG, "'%s' is no key", path);
    if (st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(err, ERR_CONFIG,
                       "'%s' is a private key that others could read or have made (chmod 600)",
                       path);
    AUTO(mem_free) char *text = mem_zalloc((size_t)st.st_size + 1);
    if (read(fd, text, (size_t)st.st_size) != st.st_size)
        return err_errno(err, "read '%s'", path);
    if (!strstr(text, BEGIN))
        return err_set(err, ERR_CONFIG, "'%s' holds no private key in OpenSSH's form", path);
    *out = take(text);
    return 1;
}

int ssh_key_load(char **out, const char *data, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s/" NAME, data);
    int have = read_key_file(out, path, err);

    if (have)
        return have < 0 ? -1 : 0;
    if (make(data, path, err) < 0 || (have = read_key_file(out, path, err)) < 0)
        return -1;
    return have ? 0 : err_set(err, ERR_IO, "'%s' went away", path);
}
