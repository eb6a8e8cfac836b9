/* The half of api.h that is about tokens. */
#include "base/clock.h"
#include "transfer/api.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <string.h>

#define TOKEN_MAX 8192     /* bytes of an access token */
#define LIFE_S 3600        /* of a token whose answer does not say */
#define LIFE_MAX_S 86400   /* asked again after a day, whatever it says */
#define MARGIN_S 60        /* before its end a token is not used any more */
#define KEPT 8             /* tokens of a worker */
#define BITS_MIN 1024      /* of an RSA key; */
#define BITS_MAX 8192      /* a larger one keeps a core busy for minutes */

/* ---- access tokens ---- */

static struct kept {
    unsigned char id[SHA256_DIGEST_LENGTH]; /* of address and form */
    char *authorization;
    int64_t until_us;
} kept[KEPT];
static unsigned next_kept;

static void id_of(unsigned char id[static SHA256_DIGEST_LENGTH], const char *url, const char *form)
{
    AUTO(str_done) struct str all = {0};

    str_addf(&all, "%s\n%s", url, form);
    SHA256((const unsigned char *)all.s, all.len, id);
}

static struct kept *find(const unsigned char *id)
{
    for (size_t i = 0; i < KEPT; i++)
        if (kept[i].authorization && !memcmp(kept[i].id, id, sizeof kept[i].id))
            return &kept[i];
    return NULL;
}

static void keep(const unsigned char *id, const char *authorization, int64_t life_s)
{
    struct kept *k = find(id);

    if (!k)
        k = &kept[next_kept++ % KEPT];
    memcpy(k->id, id, sizeof k->id);
    free(k->authorization);
    k->authorization = mem_strdup(authorization);
    k->until_us = clock_now_us() + (life_s - MARGIN_S) * SECOND_US;
}

bool api_is_token(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    return n && n <= TOKEN_MAX;
}

/* Fields that are refused are wrong, as long as they are the same. */
static void judge_token(struct api *a, const struct http_client_response *r, const json_t *body,
                        enum remote_failure *kind, bool *again)
{
    (void)a;
    (void)body;
    (void)again;
    if (r->status == 400)
        *kind = REMOTE_DENIED;
}

int api_token(struct api *a, const char *url, const char *form, bool fresh, struct err *err)
{
    unsigned char id[SHA256_DIGEST_LENGTH];
    struct api asking = {.job = a->job, .client = a->client, .service = a->service, .judge = judge_token};

    id_of(id, url, form);
    struct kept *k = find(id);
    if (k && !fresh && k->until_us > clock_now_us()) {
        free(a->authorization);
        a->authorization = mem_strdup(k->authorization);
        return 0;
    }
    AUTO(json_unref)
    json_t *answer = api_json(&asking,
                              &(struct api_call){.method = "POST",
                                                 .url = url,
                                                 .type = "application/x-www-form-urlencoded",
                                                 .body = form,
                                                 .fd = -1,
                                                 .length = -1,
                                                 .anonymous = true},
                              err);
    if (!answer)
        return -1;
    const char *token = jstr_or(answer, "access_token", "");
    int64_t life_s = jint(answer, "expires_in", LIFE_S);
    if (!api_is_token(token))
        return api_odd(a, err, "it gives no access token");
    free(a->authorization);
    a->authorization = mem_printf("Bearer %s", token);
    keep(id, a->authorization, life_s < 0 ? 0 : life_s > LIFE_MAX_S ? LIFE_MAX_S : life_s);
    return 0;
}

/* ---- signed ones ---- */

/* base64 for addresses, without padding (RFC 4648, 5) */
static void add_base64url(struct str *out, const void *data, size_t len)
{
    AUTO(mem_free) char *text = mem_zalloc(len / 3 * 4 + 5);
    size_t n = (size_t)EVP_EncodeBlock((unsigned char *)text, data, (int)len);

    while (n && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        str_putc(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
}

static int passphrase_of(char *buf, int size, int writing, void *ctx)
{
    const char *s = ctx;
    size_t n = s ? strlen(s) : 0;

    (void)writing;
    if (n > (size_t)size) /* none, or none that fits: nobody is asked at a terminal */
        return -1;
    memcpy(buf, s ? s : "", n);
    return (int)n;
}

static EVP_PKEY *read_rsa(const char *key, const char *passphrase)
{
    BIO *bio = BIO_new_mem_buf(key, -1);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, passphrase_of, (void *)passphrase);

    BIO_free(bio);
    ERR_clear_error(); /* what it tried would be told by who uses the library next */
    if (k && (!EVP_PKEY_is_a(k, "RSA") || EVP_PKEY_get_bits(k) < BITS_MIN || EVP_PKEY_get_bits(k) > BITS_MAX)) {
        EVP_PKEY_free(k);
        return NULL;
    }
    return k;
}

static bool add_signature(struct str *out, EVP_PKEY *key)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t n = 0;
    AUTO(mem_free) char *sig = NULL;
    bool ok = EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(md, NULL, &n, (unsigned char *)out->s, out->len) == 1;

    if (ok) {
        sig = mem_zalloc(n);
        ok = EVP_DigestSign(md, (unsigned char *)sig, &n, (unsigned char *)out->s, out->len) == 1;
    }
    EVP_MD_CTX_free(md);
    if (ok) {
        str_putc(out, '.');
        add_base64url(out, sig, n);
    }
    return ok;
}

char *api_jwt(const json_t *claims, const char *key, const char *passphrase, const char *kid, struct err *err)
{
    AUTO(json_unref) json_t *head = json_pack("{s:s,s:s,s:s*}", "alg", "RS256", "typ", "JWT", "kid", kid);
    AUTO(mem_free) char *head_text = json_dumps(head, JSON_COMPACT), *text = json_dumps(claims, JSON_COMPACT);
    AUTO(str_done) struct str out = {0};
    EVP_PKEY *rsa = read_rsa(key, passphrase);

    if (!rsa) {
        err_set(err, ERR_ROBOT_VALIDATION,
                "the private key of the credentials is no RSA key of %d to %d bits that can be read", BITS_MIN,
                BITS_MAX);
        return NULL;
    }
    add_base64url(&out, head_text, strlen(head_text));
    str_putc(&out, '.');
    add_base64url(&out, text, strlen(text));
    bool ok = add_signature(&out, rsa);
    EVP_PKEY_free(rsa);
    if (!ok) {
        err_set(err, ERR_ROBOT_VALIDATION, "the private key of the credentials can't sign");
        return NULL;
    }
    return take(out.s);
}
