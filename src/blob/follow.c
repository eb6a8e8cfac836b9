/* The sum of a file that a process which is not trusted still writes, so that little is left to do when it is handed
 * over. What was summed may be changed behind our back until the file is ours alone, so each byte goes into two things:
 * the MD5, and a tag (GMAC) by a key that nobody else ever sees. When nobody can write any more, the bytes are read
 * once more for a second tag, which takes a fraction of the time of an MD5. The two are the same only if the bytes are: of
 * what was changed, whoever does not know the key can't make the same tag, and he is never told one. */
#include "blob/private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>

enum { CHUNK = 256 * 1024, TAG = 16 };

struct blob_follow {
    pthread_mutex_t lock; /* of all below */
    atomic_bool ends;     /* who takes the file waits */
    atomic_int users;
    int fd;
    dev_t dev;
    ino_t ino;
    int64_t done, begun; /* begun: see blob_write_back() */
    unsigned char key[16], nonce[12];
    EVP_MD_CTX *md5;
    EVP_CIPHER_CTX *tag;
    unsigned char buf[CHUNK];
};

static EVP_CIPHER_CTX *tag_begin(const struct blob_follow *f)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

    if (!c || EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, f->key, f->nonce) != 1)
        abort(); /* fails only without memory */
    return c;
}

static void tag_add(EVP_CIPHER_CTX *c, const void *data, size_t len)
{
    int n;

    if (EVP_EncryptUpdate(c, NULL, &n, data, (int)len) != 1)
        abort();
}

static void tag_end(unsigned char tag[static TAG], EVP_CIPHER_CTX *c)
{
    int n;

    if (EVP_EncryptFinal_ex(c, tag, &n) != 1 || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag) != 1)
        abort();
}

struct blob_follow *blob_follow_new(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        fd_close(fd);
        return NULL;
    }
    struct blob_follow *f = mem_zalloc(sizeof *f);
    f->fd = fd;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->users = 1;
    pthread_mutex_init(&f->lock, NULL);
    if (RAND_bytes(f->key, sizeof f->key) != 1 || RAND_bytes(f->nonce, sizeof f->nonce) != 1)
        abort();
    f->md5 = EVP_MD_CTX_new();
    if (!f->md5 || EVP_DigestInit_ex(f->md5, EVP_md5(), NULL) != 1)
        abort();
    f->tag = tag_begin(f);
    return f;
}

struct blob_follow *blob_follow_ref(struct blob_follow *f)
{
    f->users++;
    return f;
}

void blob_follow_unref(struct blob_follow *f)
{
    if (!f || --f->users)
        return;
    fd_close(f->fd);
    EVP_MD_CTX_free(f->md5);
    EVP_CIPHER_CTX_free(f->tag);
    OPENSSL_cleanse(f->key, sizeof f->key);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int64_t blob_follow_step(struct blob_follow *f, int64_t most)
{
    int64_t before;
    ssize_t n = 1;

    pthread_mutex_lock(&f->lock);
    before = f->done;
    /* whole chunks only: the end of what has come is where it is most likely still being written */
    while (f->md5 && !f->ends && f->done - before < most && (n = pread(f->fd, f->buf, CHUNK, f->done)) == CHUNK) {
        EVP_DigestUpdate(f->md5, f->buf, CHUNK);
        tag_add(f->tag, f->buf, CHUNK);
        f->done += CHUNK;
        blob_write_back(f->fd, &f->begun, f->done);
    }
    int64_t did = f->done - before;
    pthread_mutex_unlock(&f->lock);
    return did;
}

/* Are the first bytes of fd still those that were summed? */
static bool is_unchanged(struct blob_follow *f, int fd)
{
    unsigned char then[TAG], now[TAG];
    EVP_CIPHER_CTX *c = tag_begin(f);
    int64_t at = 0;
    ssize_t n;

    for (; at < f->done && (n = pread(fd, f->buf, CHUNK, at)) == CHUNK; at += CHUNK)
        tag_add(c, f->buf, CHUNK);
    tag_end(now, c);
    tag_end(then, f->tag);
    EVP_CIPHER_CTX_free(c);
    return at == f->done && CRYPTO_memcmp(now, then, TAG) == 0;
}

struct evp_md_ctx_st *blob_follow_end(int64_t *done, struct blob_follow *f, int fd)
{
    struct evp_md_ctx_st *md5 = NULL;
    struct stat st;

    f->ends = true;
    pthread_mutex_lock(&f->lock);
    if (f->md5 && fstat(fd, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino && is_unchanged(f, fd)) {
        md5 = f->md5;
        *done = f->done;
        f->md5 = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    return md5;
}
