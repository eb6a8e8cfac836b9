#include "transfer/body.h"
#include "transfer/values.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MOVED (256 * 1024) /* bytes that make an attempt the first again */
#define MOVES_MAX 1000

void body_done(struct body b) { EVP_MD_CTX_free(b.md); }

static void digest_anew(struct body *b)
{
    if (b->on_bytes)
        b->on_bytes(b->ctx, NULL, 0);
    if (!b->digest)
        return;
    if (!b->md)
        b->md = EVP_MD_CTX_new();
    if (!b->md || !EVP_DigestInit_ex(b->md, EVP_get_digestbyname(b->digest), NULL))
        abort(); /* fails only without memory */
}

void body_piece(struct body *b)
{
    b->far = 0;
    b->kept = b->end;
    body_lies(b, 0, -1);
    b->stop = -1;
}

void body_lies(struct body *b, int64_t begin, int64_t size)
{
    b->begin = b->at = begin;
    b->size = size;
}

void body_back(struct body *b)
{
    b->at = b->begin;
    b->end = b->kept;
    b->stop = b->size = -1;
    digest_anew(b);
}

int body_expect(struct body *b, int64_t stop, struct err *err)
{
    b->stop = stop;
    return b->file->limit && stop > b->file->limit ? remote_too_large(b->file, b->shown, stop, err) : 0;
}

int body_starts_over(struct body *b, int64_t size, struct err *err)
{
    b->begin = b->kept = 0;
    body_back(b);
    b->size = size;
    if (b->file->fd >= 0 && ftruncate(b->file->fd, 0) < 0)
        return err_errno(err, "empty the imported file");
    return body_expect(b, size, err);
}

bool body_goes_on(struct body *b, const char *content_range)
{
    int64_t from, to, total;

    if (!content_range || !value_content_range(&from, &to, &total, content_range) || from != b->at)
        return false;
    if (b->size >= 0 && (to >= b->size || (total >= 0 && total != b->size)))
        return false;
    b->stop = to + 1;
    if (total >= 0)
        b->size = total;
    return true;
}

static int body_write(struct body *b, const char *data, size_t len, struct err *err)
{
    while (len) {
        ssize_t n = pwrite(b->file->fd, data, len, b->at);

        if (n < 0)
            return err_errno(err, "write the imported file");
        data += n;
        len -= (size_t)n;
        b->at += n;
    }
    if (b->at > b->end)
        b->end = b->at;
    return 0;
}

int body_take(struct body *b, const char *data, size_t len, struct err *err)
{
    if (b->stop >= 0 && (int64_t)len > b->stop - b->at)
        return remote_fail(b->file->job, REMOTE_FAILED, err, "of '%.150s' come more bytes than were announced",
                           b->shown);
    if (b->file->limit && (int64_t)len > b->file->limit - b->at)
        return remote_too_large(b->file, b->shown, -1, err);
    if (b->on_bytes)
        b->on_bytes(b->ctx, data, len);
    if (b->md)
        EVP_DigestUpdate(b->md, data, len);
    if (body_write(b, data, len, err) < 0)
        return -1;
    if (b->size > b->begin) {
        double part = (double)(b->at - b->begin) / (double)(b->size - b->begin);

        remote_import_progress(b->file, b->from + b->share * (part < 1 ? part : 1));
    }
    return 0;
}

bool body_is_whole(const struct body *b) { return b->size < 0 ? b->stop < 0 || b->at == b->stop : b->at == b->size; }

bool body_moved(struct body *b)
{
    if (b->at - b->begin - b->far < MOVED)
        return false;
    b->far = b->at - b->begin;
    return ++b->moves < MOVES_MAX;
}

int body_cut(struct body *b, struct err *err)
{
    return ftruncate(b->file->fd, b->end) < 0 ? err_errno(err, "cut the imported file") : 0;
}

bool body_is(struct body *b, const char *hex)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    char is[2 * EVP_MAX_MD_SIZE + 1];
    unsigned n;

    if (!EVP_DigestFinal_ex(b->md, md, &n))
        abort();
    hex_encode(is, md, n);
    return !strcasecmp(is, hex);
}
