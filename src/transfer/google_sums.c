/* Checksums as Google Cloud Storage has them. */
#include "transfer/google.h"
#include "transfer/piece.h"

#include <arpa/inet.h>
#include <openssl/evp.h>

#define CASTAGNOLI 0x82F63B78u /* its polynomial, the lowest bit first (RFC 3720, B.4) */

struct google_sums {
    EVP_MD_CTX *md5;
    uint32_t crc;
    uint32_t table[256];
};

struct google_sums *google_sums_new(void)
{
    struct google_sums *s = mem_zalloc(sizeof *s);

    s->md5 = EVP_MD_CTX_new();
    if (!s->md5 || EVP_DigestInit_ex(s->md5, EVP_md5(), NULL) != 1)
        abort();
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;

        for (int bit = 0; bit < 8; bit++)
            v = v >> 1 ^ (v & 1 ? CASTAGNOLI : 0);
        s->table[i] = v;
    }
    s->crc = UINT32_MAX;
    return s;
}

void google_sums_free(struct google_sums *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->md5);
    free(s);
}

void google_sums_add(struct google_sums *s, const void *data, size_t len)
{
    const unsigned char *p = data;

    EVP_DigestUpdate(s->md5, data, len);
    for (size_t i = 0; i < len; i++)
        s->crc = s->crc >> 8 ^ s->table[(s->crc ^ p[i]) & 0xff];
}

void google_sums_end(struct google_sums *s, char md5[static 25], char crc32c[static 9])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    uint32_t crc = htonl(~s->crc);

    EVP_DigestFinal_ex(s->md5, md, NULL);
    EVP_EncodeBlock((unsigned char *)md5, md, 16);
    EVP_EncodeBlock((unsigned char *)crc32c, (const unsigned char *)&crc, 4);
}

static void google_on_block(void *ctx, const void *data, size_t len) { google_sums_add(ctx, data, len); }

int google_sums_of(char md5[static 25], char crc32c[static 9], const struct remote_file *f, struct err *err)
{
    AUTO(google_sums_free) struct google_sums *s = google_sums_new();

    if (piece_read(f, 0, f->in->size, google_on_block, s, err) < 0)
        return -1;
    google_sums_end(s, md5, crc32c);
    return 0;
}
