#include "transfer/s3_sums.h"
#include "base/str.h"

#include <openssl/evp.h>
#include <string.h>

#define SUM_MOST 32 /* bytes */

/* A digest has a name, a CRC the polynomial, mirrored, of so many bytes. */
static const struct sum_kind {
    const char *header, *digest;
    uint64_t polynomial;
    size_t size;
} kinds[] = {{"x-amz-checksum-sha256", "SHA256", 0, 32},
             {"x-amz-checksum-sha1", "SHA1", 0, 20},
             {"x-amz-checksum-crc32", NULL, 0xEDB88320, 4},
             {"x-amz-checksum-crc32c", NULL, 0x82F63B78, 4},
             {"x-amz-checksum-crc64nvme", NULL, 0x9A6C9329AC4BC9B5, 8},
             {"etag", "MD5", 0, 16}};

struct one_sum {
    const struct sum_kind *kind;
    unsigned char want[SUM_MOST];
    EVP_MD_CTX *md;
    uint64_t crc, table[256];
};

struct s3_sums {
    struct one_sum of[ARRAY_LEN(kinds)];
    int count;
};

static bool hex_bytes(unsigned char *out, const char *s, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n * 2; i++) {
        const char *d = s[i] ? strchr(digits, s[i] >= 'A' && s[i] <= 'F' ? s[i] + 32 : s[i]) : NULL;

        if (!d)
            return false;
        out[i / 2] = (unsigned char)(i % 2 ? out[i / 2] | (d - digits) : (d - digits) << 4);
    }
    return true;
}

/* An ETag is the MD5 of the bytes unless the object came in parts ("...-2") or lies there encrypted
 * by a key that is not the store's own. */
static bool md5_of(unsigned char *want, const struct http_client_response *r, const char *etag)
{
    AUTO(mem_free) char *sse = http_client_header(r, "x-amz-server-side-encryption");
    AUTO(mem_free)
    char *customer = http_client_header(r, "x-amz-server-side-encryption-customer-algorithm");
    size_t quote = *etag == '"';

    return strlen(etag) == 32 + 2 * quote && (!quote || etag[33] == '"') &&
           hex_bytes(want, etag + quote, 16) && !(sse && str_starts(sse, "aws:kms")) &&
           !(customer && *customer);
}

static bool sum_said(unsigned char want[static SUM_MOST + 8], const struct sum_kind *k,
                     const struct http_client_response *r)
{
    AUTO(mem_free) char *text = http_client_header(r, k->header);

    if (!text)
        return false;
    if (!strcmp(k->header, "etag"))
        return md5_of(want, r, text);
    /* that of a composition of parts ends in their number */
    return strlen(text) <= 44 && !strchr(text, '-') &&
           base64_decode(want, text, strlen(text)) == (ptrdiff_t)k->size;
}

static void crc_table(uint64_t table[static 256], uint64_t polynomial)
{
    for (uint64_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? polynomial : 0);
    }
}

/* False: the library has no such digest, and nothing can be said. */
static bool sum_begin(struct one_sum *o)
{
    if (o->kind->digest) {
        o->md = EVP_MD_CTX_new();
        return EVP_DigestInit_ex(o->md, EVP_get_digestbyname(o->kind->digest), NULL) == 1;
    }
    crc_table(o->table, o->kind->polynomial);
    o->crc = UINT64_MAX >> (64 - o->kind->size * 8);
    return true;
}

struct s3_sums *s3_sums_new(const struct http_client_response *answer)
{
    struct s3_sums *s = mem_zalloc(sizeof *s);
    unsigned char want[SUM_MOST + 8] = {0}; /* base64_decode() may write some bytes more */

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct one_sum *o = &s->of[s->count];

        if (!sum_said(want, &kinds[i], answer))
            continue;
        o->kind = &kinds[i];
        memcpy(o->want, want, kinds[i].size);
        if (sum_begin(o)) {
            s->count++;
        } else {
            EVP_MD_CTX_free(o->md);
            *o = (struct one_sum){0};
        }
    }
    return s;
}

void s3_sums_free(struct s3_sums *s)
{
    for (int i = 0; s && i < s->count; i++)
        EVP_MD_CTX_free(s->of[i].md);
    free(s);
}

void s3_sums_add(struct s3_sums *s, const char *data, size_t len)
{
    for (int i = 0; s && i < s->count; i++) {
        struct one_sum *o = &s->of[i];

        if (o->md)
            EVP_DigestUpdate(o->md, data, len);
        else
            for (size_t k = 0; k < len; k++)
                o->crc = o->crc >> 8 ^ o->table[(o->crc ^ (unsigned char)data[k]) & 255];
    }
}

const char *s3_sums_wrong(struct s3_sums *s)
{
    unsigned char is[EVP_MAX_MD_SIZE];

    for (int i = 0; s && i < s->count; i++) {
        struct one_sum *o = &s->of[i];
        size_t n = o->kind->size;

        if (o->md)
            EVP_DigestFinal_ex(o->md, is, NULL);
        else
            for (size_t k = 0; k < n; k++)
                is[k] = (unsigned char)(~o->crc >> (n - 1 - k) * 8);
        if (memcmp(is, o->want, n) != 0)
            return o->kind->header;
    }
    return NULL;
}
