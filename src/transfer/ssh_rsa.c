#include "transfer/ssh_rsa.h"
#include "base/str.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

#define METHOD "rsa-sha2-256"
#define BITS_MIN 1024
#define BITS_MAX 8192 /* a larger one keeps a core busy for long */
#define TEXT_MAX 32768
#define MAGIC "openssh-key-v1" /* with its NUL */

struct ssh_rsa {
    EVP_PKEY *key;
    struct str blob; /* public half as it is sent */
};

/* ---- OpenSSH's own form (PROTOCOL.key) ---- */

struct rsa_bytes {
    const unsigned char *p;
    size_t left;
};

static bool rsa_number(struct rsa_bytes *b, uint32_t *n)
{
    if (b->left < 4)
        return false;
    *n = (uint32_t)b->p[0] << 24 | (uint32_t)b->p[1] << 16 | (uint32_t)b->p[2] << 8 | b->p[3];
    b->p += 4;
    b->left -= 4;
    return true;
}

static bool rsa_string(struct rsa_bytes *b, struct rsa_bytes *out)
{
    uint32_t n;

    if (!rsa_number(b, &n) || n > b->left)
        return false;
    *out = (struct rsa_bytes){b->p, n};
    b->p += n;
    b->left -= n;
    return true;
}

static bool rsa_is(const struct rsa_bytes *b, const char *text)
{
    return b->left == strlen(text) && !memcmp(b->p, text, b->left);
}

/* What lies between the two lines of it, decoded; the caller cleanses and frees. NULL: it has no such form. */
static unsigned char *rsa_unwrap(const char *text, struct rsa_bytes *out)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----", end[] = "-----END OPENSSH";
    const char *from = strstr(text, begin), *to = from ? strstr(from, end) : NULL;
    size_t n = 0;

    if (!to || strlen(text) > TEXT_MAX)
        return NULL;
    AUTO(mem_free) char *plain = mem_zalloc((size_t)(to - from) + 1);
    for (const char *p = from + strlen(begin); p < to; p++)
        if (!strchr(" \t\r\n", *p))
            plain[n++] = *p;
    unsigned char *data = mem_zalloc(n / 4 * 3 + 4);
    ptrdiff_t len = base64_decode(data, plain, n);
    explicit_bzero(plain, n);
    *out = (struct rsa_bytes){data, len < 0 ? 0 : (size_t)len};
    if (out->left >= sizeof MAGIC && !memcmp(out->p, MAGIC, sizeof MAGIC)) {
        out->p += sizeof MAGIC;
        out->left -= sizeof MAGIC;
        return data;
    }
    explicit_bzero(data, n / 4 * 3 + 4);
    free(data);
    return NULL;
}

static EVP_PKEY *rsa_from_numbers(struct rsa_bytes *b)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D};
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *numbers[ARRAY_LEN(names)] = {NULL};
    EVP_PKEY *key = NULL;
    bool good = build && ctx;

    for (size_t i = 0; good && i < ARRAY_LEN(names); i++) {
        struct rsa_bytes one;

        good = rsa_string(b, &one) && one.left && one.left <= BITS_MAX / 8 + 1 &&
               (numbers[i] = BN_bin2bn(one.p, (int)one.left, NULL)) &&
               OSSL_PARAM_BLD_push_BN(build, names[i], numbers[i]);
    }
    OSSL_PARAM *params = good ? OSSL_PARAM_BLD_to_param(build) : NULL;
    if (!params || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) <= 0)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        BN_clear_free(numbers[i]);
    return key;
}

/* locked: it is one of RSA, and a passphrase hides the rest. */
static EVP_PKEY *rsa_from_openssh(const char *text, bool *locked)
{
    struct rsa_bytes all, cipher, kdf, how, open, hidden, type;
    uint32_t count, check[2];
    EVP_PKEY *key = NULL;
    unsigned char *data = rsa_unwrap(text, &all);
    size_t size = data ? (size_t)(all.p + all.left - data) : 0;

    *locked = false;
    if (data && rsa_string(&all, &cipher) && rsa_string(&all, &kdf) && rsa_string(&all, &how) &&
        rsa_number(&all, &count) && count == 1 && rsa_string(&all, &open) && rsa_string(&open, &type) &&
        rsa_is(&type, "ssh-rsa") && rsa_string(&all, &hidden)) {
        *locked = !rsa_is(&cipher, "none");
        if (!*locked && rsa_number(&hidden, &check[0]) && rsa_number(&hidden, &check[1]) &&
            check[0] == check[1] && rsa_string(&hidden, &type) && rsa_is(&type, "ssh-rsa"))
            key = rsa_from_numbers(&hidden);
    }
    if (data)
        explicit_bzero(data, size);
    free(data);
    return key;
}

bool ssh_rsa_is_locked(const char *text)
{
    bool locked;

    EVP_PKEY_free(rsa_from_openssh(text, &locked));
    ERR_clear_error();
    return locked;
}

/* ---- any form ---- */

static int rsa_passphrase(char *buf, int size, int writing, void *ctx)
{
    const char *s = ctx;
    size_t n = s ? strlen(s) : 0;

    (void)writing;
    if (n > (size_t)size) /* nobody is asked at a terminal */
        return -1;
    memcpy(buf, s ? s : "", n);
    return (int)n;
}

static EVP_PKEY *rsa_from_pem(const char *text, const char *passphrase)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, rsa_passphrase, (void *)passphrase) : NULL;

    BIO_free(bio);
    return key;
}

static void rsa_put_string(struct str *out, const void *data, size_t n)
{
    const char length[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

    str_add(out, length, sizeof length);
    str_add(out, data, n);
}

/* As RFC 4251 has numbers: the first bit is the sign. */
static bool rsa_put_number(struct str *out, const EVP_PKEY *key, const char *name)
{
    unsigned char data[BITS_MAX / 8 + 1] = {0};
    BIGNUM *n = NULL;
    int size;

    if (!EVP_PKEY_get_bn_param(key, name, &n) || (size = BN_num_bytes(n)) < 1 || size > BITS_MAX / 8) {
        BN_free(n);
        return false;
    }
    BN_bn2bin(n, data + 1);
    BN_free(n);
    bool sign = data[1] & 0x80;
    rsa_put_string(out, data + !sign, (size_t)size + sign);
    return true;
}

struct ssh_rsa *ssh_rsa_read(const char *text, const char *passphrase)
{
    struct ssh_rsa *k = mem_zalloc(sizeof *k);
    bool locked;

    k->key = rsa_from_openssh(text, &locked);
    if (!k->key)
        k->key = rsa_from_pem(text, passphrase);
    rsa_put_string(&k->blob, METHOD, strlen(METHOD));
    bool good = k->key && EVP_PKEY_is_a(k->key, "RSA") && EVP_PKEY_get_bits(k->key) >= BITS_MIN &&
                EVP_PKEY_get_bits(k->key) <= BITS_MAX && rsa_put_number(&k->blob, k->key, OSSL_PKEY_PARAM_RSA_E) &&
                rsa_put_number(&k->blob, k->key, OSSL_PKEY_PARAM_RSA_N);
    ERR_clear_error(); /* what it tried would be told by who uses the library next */
    if (good)
        return k;
    ssh_rsa_free(k);
    return NULL;
}

void ssh_rsa_free(struct ssh_rsa *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    str_done(k->blob);
    free(k);
}

/* ---- the login ---- */

/* libssh2 frees the signature. */
static int rsa_sign(LIBSSH2_SESSION *session, unsigned char **sig, size_t *len, const unsigned char *data, size_t size,
                    void **ctx)
{
    const struct ssh_rsa *k = *ctx;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char *out = NULL;
    size_t n = 0;
    bool good = EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, k->key) == 1 &&
                EVP_DigestSign(md, NULL, &n, data, size) == 1 && (out = malloc(n)) &&
                EVP_DigestSign(md, out, &n, data, size) == 1;

    (void)session;
    EVP_MD_CTX_free(md);
    if (!good) {
        free(out);
        return -1;
    }
    *sig = out;
    *len = n;
    return 0;
}

int ssh_rsa_log_in(struct ssh_rsa *k, LIBSSH2_SESSION *session, const char *user)
{
    void *ctx = k;

    return libssh2_userauth_publickey(session, user, (const unsigned char *)k->blob.s, k->blob.len, rsa_sign, &ctx);
}
