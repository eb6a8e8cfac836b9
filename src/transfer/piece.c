#include "transfer/piece.h"

#define PIECE_BLOCK (256 * 1024)

int piece_read(const struct remote_file *f, int64_t offset, int64_t length,
               void (*fn)(void *ctx, const void *data, size_t len), void *ctx, struct err *err)
{
    AUTO(mem_free) char *buf = mem_alloc(PIECE_BLOCK);

    for (int64_t done = 0; done < length;) {
        int64_t left = length - done;
        ssize_t n = pread(f->fd, buf, (size_t)(left < PIECE_BLOCK ? left : PIECE_BLOCK), offset + done);

        if (n < 0)
            return err_errno(err, "read '%s'", f->in->name);
        if (n == 0)
            return err_set(err, ERR_INPUT, "the file '%s' is shorter than announced", f->in->name);
        fn(ctx, buf, (size_t)n);
        done += n;
    }
    return 0;
}

struct piece_summing {
    EVP_MD_CTX *of[PIECE_SUMS_MAX], *whole;
};

static void piece_summing_done(struct piece_summing s)
{
    for (int i = 0; i < PIECE_SUMS_MAX; i++)
        EVP_MD_CTX_free(s.of[i]);
}
DEFINE_AUTO(struct piece_summing, piece_summing_done)

static void piece_on_block(void *ctx, const void *data, size_t len)
{
    struct piece_summing *s = ctx;

    for (int i = 0; i < PIECE_SUMS_MAX; i++)
        if (s->of[i])
            EVP_DigestUpdate(s->of[i], data, len);
    if (s->whole)
        EVP_DigestUpdate(s->whole, data, len);
}

int piece_sums(struct piece_sum *sums, int n, const struct remote_file *f, int64_t offset, int64_t length,
               EVP_MD_CTX *whole, struct err *err)
{
    AUTO(piece_summing_done) struct piece_summing s = {.whole = whole};

    if (!n && !whole)
        return 0;
    for (int i = 0; i < n; i++) {
        const EVP_MD *type = EVP_get_digestbyname(sums[i].digest);

        s.of[i] = EVP_MD_CTX_new();
        if (!type || !EVP_DigestInit_ex(s.of[i], type, NULL))
            return err_set(err, ERR_INTERNAL, "the digest %s is not available", sums[i].digest);
    }
    if (piece_read(f, offset, length, piece_on_block, &s, err) < 0)
        return -1;
    for (int i = 0; i < n; i++)
        if (!EVP_DigestFinal_ex(s.of[i], sums[i].md, &sums[i].len))
            return err_set(err, ERR_INTERNAL, "the digest %s failed", sums[i].digest);
    return 0;
}
