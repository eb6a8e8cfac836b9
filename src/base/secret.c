#include "base/secret.h"
#include "base/str.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>
#include <strings.h>

/* ---- signatures ---- */

static const struct {
    const char *prefix;
    const EVP_MD *(*md)(void);
    size_t digits;
} algs[] = {
    [HMAC_ALG_SHA1] = {"sha1:", EVP_sha1, 40},
    [HMAC_ALG_SHA256] = {"sha256:", EVP_sha256, 64},
    [HMAC_ALG_SHA384] = {"sha384:", EVP_sha384, 96},
    [HMAC_ALG_SHA512] = {"sha512:", EVP_sha512, 128},
};

size_t hmac_hex(char out[static 129], enum hmac_alg alg, const char *key, const void *data,
                size_t len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    if (!HMAC(algs[alg].md(), key, (int)strlen(key), data, len, mac, &mac_len))
        abort(); /* no algorithm: a library without it can't run this server */
    hex_encode(out, mac, mac_len);
    return 2 * (size_t)mac_len;
}

bool signature_ok(const char *signature, const char *secret, const void *data, size_t len)
{
    enum hmac_alg alg = HMAC_ALG_SHA1; /* bare digits */
    char want[129], got[129];

    /* Anybody can sign with an empty secret. */
    if (!*secret)
        return false;
    if (strchr(signature, ':')) {
        size_t i = 0;

        while (i < ARRAY_LEN(algs) &&
               strncasecmp(signature, algs[i].prefix, strlen(algs[i].prefix)))
            i++;
        if (i == ARRAY_LEN(algs))
            return false;
        alg = (enum hmac_alg)i;
        signature += strlen(algs[i].prefix);
    }
    if (strlen(signature) != algs[alg].digits)
        return false;
    for (size_t i = 0; i <= algs[alg].digits; i++)
        got[i] = (char)tolower((unsigned char)signature[i]);
    hmac_hex(want, alg, secret, data, len);
    return CRYPTO_memcmp(want, got, algs[alg].digits) == 0;
}

/* ---- the key file ---- */

static int parse_key(struct seal_key *out, const char *text, size_t len, const char *path,
                     struct err *err)
{
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    if (len != 64)
        return err_set(err, ERR_CONFIG, "key file '%s': %zu characters, not 64 hex digits", path,
                       len);
    for (size_t i = 0; i < 64; i++)
        if (!isxdigit((unsigned char)text[i]))
            return err_set(err, ERR_CONFIG, "key file '%s': character %zu is no hex digit", path,
                           i + 1);
    for (size_t i = 0; i < 32; i++) {
        char two[3] = {text[2 * i], text[2 * i + 1], 0};

        out->bytes[i] = (unsigned char)strtoul(two, NULL, 16);
    }
    return 0;
}

int seal_key_read(struct seal_key *out, const char *path, struct err *err)
{
    char text[128];
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    int rc;

    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "open '%s'", path);
    if ((n = read(fd, text, sizeof text)) < 0)
        return err_errno(err, "read '%s'", path);
    rc = parse_key(out, text, (size_t)n, path, err);
    OPENSSL_cleanse(text, sizeof text);
    return rc < 0 ? -1 : 1;
}

static int write_key(const char *tmp, const struct seal_key *k, struct err *err)
{
    char text[66];
    ssize_t n;
    int rc;
    AUTO(fd_close) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, "create '%s'", tmp);
    hex_encode(text, k->bytes, sizeof k->bytes);
    text[64] = '\n';
    n = write(fd, text, 65);
    rc = n == 65 && fsync(fd) == 0 ? 0 : err_errno(err, "write '%s'", tmp);
    OPENSSL_cleanse(text, sizeof text);
    return rc;
}

static int flush_parent(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    AUTO(mem_free) char *dir = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : NULL;
    AUTO(fd_close) int fd = open(dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return err_errno(err, "flush the directory of '%s'", path);
    return 0;
}

int seal_key_load(struct seal_key *out, const char *path, struct err *err)
{
    struct seal_key k;
    int rc = seal_key_read(&k, path, err), linked;

    if (rc < 0)
        return -1;
    if (rc == 0) {
        AUTO(mem_free) char *tmp = mem_printf("%s.%ld", path, (long)getpid());

        if (RAND_bytes(k.bytes, sizeof k.bytes) != 1)
            abort();
        /* Complete under another name first: a half-written key would lock everything sealed. A
         * link, not a rename: of two processes that begin together the second takes the first's. */
        unlink(tmp);
        rc = write_key(tmp, &k, err);
        linked = rc < 0 ? -1 : link(tmp, path);
        if (rc == 0 && linked < 0 && errno != EEXIST)
            rc = err_errno(err, "create '%s'", path);
        unlink(tmp);
        if (rc < 0 || flush_parent(path, err) < 0)
            return -1;
        if (linked < 0 && seal_key_read(&k, path, err) != 1)
            return -1;
    }
    *out = k;
    return 0;
}

int seal_key_make(struct seal_key *out, const char *path, struct err *err)
{
    struct seal_key k;

    if (RAND_bytes(k.bytes, sizeof k.bytes) != 1)
        abort();
    unlink(path);
    if (write_key(path, &k, err) < 0 || flush_parent(path, err) < 0)
        return -1;
    *out = k;
    return 0;
}

int seal_key_replace(const char *from, const char *path, struct err *err)
{
    if (rename(from, path) < 0)
        return err_errno(err, "rename '%s'", from);
    return flush_parent(path, err);
}

void seal_key_name(char out[static 33], const struct seal_key *k)
{
    char hex[65], mac[129];

    hex_encode(hex, k->bytes, sizeof k->bytes);
    hmac_hex(mac, HMAC_ALG_SHA256, hex, "name", 4);
    memcpy(out, mac, 32);
    out[32] = 0;
    OPENSSL_cleanse(hex, sizeof hex);
}

/* ---- sealing ---- */

enum { VERSION = 1, NONCE = 12, TAG = 16, HEAD = 1 + NONCE };

/* Version and context are authenticated with the text. */
static bool gcm_begin(EVP_CIPHER_CTX *c, const struct seal_key *k, const unsigned char *head,
                      const char *context, int encrypt)
{
    int n;

    return EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, head + 1, encrypt) == 1 &&
           EVP_CipherUpdate(c, NULL, &n, head, 1) == 1 &&
           EVP_CipherUpdate(c, NULL, &n, (const unsigned char *)context, (int)strlen(context)) == 1;
}

char *seal(const struct seal_key *k, const char *context, const char *plain)
{
    size_t len = strlen(plain), total = HEAD + len + TAG;
    unsigned char *raw = mem_alloc(total);
    char *text = mem_alloc((total + 2) / 3 * 4 + 1);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, last = 0;

    assert(len < INT_MAX / 2);
    raw[0] = VERSION;
    if (!c || RAND_bytes(raw + 1, NONCE) != 1 || !gcm_begin(c, k, raw, context, 1) ||
        EVP_CipherUpdate(c, raw + HEAD, &n, (const unsigned char *)plain, (int)len) != 1 ||
        EVP_CipherFinal_ex(c, raw + HEAD + n, &last) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, raw + HEAD + len) != 1)
        abort(); /* without randomness or AES nothing may be stored */
    EVP_CIPHER_CTX_free(c);
    EVP_EncodeBlock((unsigned char *)text, raw, (int)total);
    free(raw);
    return text;
}

int unseal(char **out, const struct seal_key *k, const char *context, const char *sealed,
           struct err *err)
{
    size_t text_len = strlen(sealed);
    AUTO(mem_free) char *raw_text = mem_alloc(text_len / 4 * 3 + 3);
    unsigned char *raw = (unsigned char *)raw_text;
    ptrdiff_t total = text_len < INT_MAX / 2 ? base64_decode(raw, sealed, text_len) : -1;
    EVP_CIPHER_CTX *c;
    char *plain;
    int len, n = 0, last = 0;
    bool ok;

    if (total < HEAD + TAG || raw[0] != VERSION)
        return err_set(err, ERR_CREDENTIALS, "the sealed text is not one of ours");
    len = (int)total - HEAD - TAG;
    plain = mem_zalloc((size_t)len + 1);
    c = EVP_CIPHER_CTX_new();
    ok = c && gcm_begin(c, k, raw, context, 0) &&
         EVP_CipherUpdate(c, (unsigned char *)plain, &n, raw + HEAD, len) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, raw + HEAD + len) == 1 &&
         EVP_CipherFinal_ex(c, (unsigned char *)plain + n, &last) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!ok) {
        OPENSSL_cleanse(plain, (size_t)len);
        free(plain);
        return err_set(err, ERR_CREDENTIALS,
                       "the sealed text was made with another key or for "
                       "another name, or was changed");
    }
    *out = plain;
    return 0;
}
