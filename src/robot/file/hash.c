/* /file/hash: the digest of a file, or of its ends, into its meta. */
#include "robot/robot.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

enum partial { PARTIAL_FULL, PARTIAL_FIRST, PARTIAL_LAST, PARTIAL_BOTH };

static const struct opt_choice algorithms[] = {{"b2", 0},     {"md5", 1},    {"sha1", 2},   {"sha224", 3},
                                               {"sha256", 4}, {"sha384", 5}, {"sha512", 6}, {0}};
/* The same, as libcrypto calls them. */
static const char *const digests[] = {"BLAKE2b512", "MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"};
static const struct opt_choice partial_choices[] = {
    {"full", PARTIAL_FULL}, {"first", PARTIAL_FIRST}, {"last", PARTIAL_LAST}, {"both", PARTIAL_BOTH}, {0}};

struct hash_opts {
    int algorithm; /* index of digests[] */
    int partial;   /* enum partial */
    int64_t partial_size;
};
#define T struct hash_opts
static const struct option options[] = {
    OPT_ENUM(T, algorithm, algorithms, .def = 4, .help = "Which digest; b2 is BLAKE2b with 512 bits."),
    OPT_ENUM(T, partial, partial_choices, .def = PARTIAL_FULL, .help = "All of the file, or only its beginning, its end, or both."),
    OPT_INT(T, partial_size, .min = 1, .max = 9e15, .def = 1048576, .unit = "bytes", .help = "How much of each end."),
    OPT_END,
};
#undef T

struct piece {
    int64_t from, length;
};

/* What goes into the digest, in this order; both ends of a small file overlap. Returns how many pieces. */
static int pieces_of(struct piece out[2], const struct hash_opts *o, int64_t size)
{
    int64_t n = o->partial_size < size ? o->partial_size : size;
    int count = 0;

    if (o->partial == PARTIAL_FULL)
        out[count++] = (struct piece){0, size};
    if (o->partial == PARTIAL_FIRST || o->partial == PARTIAL_BOTH)
        out[count++] = (struct piece){0, n};
    if (o->partial == PARTIAL_LAST || o->partial == PARTIAL_BOTH)
        out[count++] = (struct piece){size - n, n};
    return count;
}

struct share {
    struct robot_job *job;
    double from, each; /* of the job's progress: before this file, and for one byte */
};

static int feed(EVP_MD_CTX *md, int fd, const struct piece *p, struct share *s, const char *name, struct err *err)
{
    AUTO(mem_free) char *buf = mem_alloc(256 * 1024);

    for (int64_t done = 0; done < p->length;) {
        int64_t left = p->length - done;
        ssize_t n = pread(fd, buf, (size_t)(left < 256 * 1024 ? left : 256 * 1024), p->from + done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "read '%s'", name);
        if (n == 0)
            return err_set(err, ERR_INPUT, "the file '%s' is shorter than announced", name);
        EVP_DigestUpdate(md, buf, (size_t)n);
        done += n;
        s->from += s->each * (double)n;
        robot_progress(s->job, s->from);
    }
    return 0;
}

static void md_free(EVP_MD_CTX *m) { EVP_MD_CTX_free(m); }
DEFINE_AUTO(EVP_MD_CTX *, md_free)

static int hash_one(char hex[static EVP_MAX_MD_SIZE * 2 + 1], const struct robot_input *in, const struct hash_opts *o,
                    struct share *s, struct err *err)
{
    AUTO(md_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct piece pieces[2];
    unsigned len;

    if (fd < 0)
        return err_errno(err, "open '%s'", in->name);
    const EVP_MD *type = EVP_get_digestbyname(digests[o->algorithm]);
    if (!type || !EVP_DigestInit_ex(md, type, NULL))
        return err_set(err, ERR_COMMAND, "the digest %s is not available", digests[o->algorithm]);
    int count = pieces_of(pieces, o, in->size);
    for (int i = 0; i < count; i++)
        if (feed(md, fd, &pieces[i], s, in->name, err) < 0)
            return -1;
    if (!EVP_DigestFinal_ex(md, digest, &len))
        return err_set(err, ERR_COMMAND, "the digest %s failed", digests[o->algorithm]);
    hex_encode(hex, digest, len);
    return 0;
}

static int hash_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct hash_opts *o = opts;
    int64_t total = 1;
    struct piece pieces[2];

    for (int i = 0; i < robot_input_count(job); i++)
        for (int k = pieces_of(pieces, o, robot_input(job, i)->size); k; k--)
            total += pieces[k - 1].length;
    struct share s = {job, 0, 1 / (double)total};
    for (int i = 0; i < robot_input_count(job); i++) {
        char hex[EVP_MAX_MD_SIZE * 2 + 1];

        if (hash_one(hex, robot_input(job, i), o, &s, err) < 0)
            return -1;
        json_t *meta = json_pack("{s:s}", "hash", hex);
        if (o->partial != PARTIAL_FULL)
            json_object_update_new(meta, json_pack("{s:s,s:I}", "hash_partial", partial_choices[o->partial].name, "hash_partial_size",
                                                   (json_int_t)o->partial_size));
        if (robot_emit_same(job, i, meta, err) < 0)
            return -1;
    }
    return 0;
}

const struct robot robot_file_hash = {
    .name = "/file/hash",
    .summary = "Compute the digest of a file",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 5,
    .slots = 60,
    .opts_size = sizeof(struct hash_opts),
    .options = options,
    .run = IN_WORKER(hash_run),
};
