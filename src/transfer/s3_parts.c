/* One connection has a server hash, check and write one part after the other, and waits for each
 * answer: with several, those overlap, and a part is hashed here while others are sent. Nothing of
 * it is held in memory: a part is read twice. */
#include "transfer/s3_parts.h"
#include "transfer/piece.h"
#include "transfer/place.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB (INT64_C(1024) * 1024)
#define PART_MIN (5 * MIB) /* S3 wants no less */
#define PART_USUAL (16 * MIB)
#define PARTS_MAX 10000 /* S3's limit */
#define PARTS_WORTH 8   /* so many at least, before they get larger than they must be */
#define HANDS 4         /* parts under way */
#define STACK ((size_t)1024 * 1024)
#define LOOK_MS 200

/* ---- checksums ---- */

/* Only what is going to be sent is worth a pass over the file. */
int s3_sum_piece(struct s3_piece_sums *out, const struct s3_bucket *b, const struct remote_file *f,
                 int64_t offset, int64_t length, bool wants_md5, struct err *err)
{
    bool wants_sha = !strcmp(b->scheme, "http");
    struct piece_sum sums[2] = {{.digest = wants_sha ? "SHA256" : "MD5"}, {.digest = "MD5"}};
    const struct piece_sum *md5 = &sums[wants_sha];

    *out = (struct s3_piece_sums){0};
    if (piece_sums(sums, wants_sha + wants_md5, f, offset, length, NULL, err) < 0)
        return -1;
    if (wants_sha)
        hex_encode(out->sha256, sums[0].md, sums[0].len);
    if (wants_md5)
        EVP_EncodeBlock((unsigned char *)out->md5, md5->md, (int)md5->len);
    return 0;
}

/* ---- several hands ---- */

struct sending;
struct hand {
    struct sending *all;
    pthread_t thread;
    struct s3_bucket bucket; /* a connection of its own */
    int64_t length;          /* of its part, and what of that is sent, 0 to 1: under the lock */
    double sent;
};

/* What they have in common. Only who waits for them talks to the server that has started us. */
struct sending {
    const struct s3_parts *p;
    int64_t part; /* bytes, but for the last one */
    int count;
    char **etags;       /* of count parts; each is its hand's until all have ended */
    atomic_bool failed; /* no other part is begun, and none tried again */
    pthread_mutex_t lock;
    pthread_cond_t ended; /* one of the hands has */
    int next, busy;       /* under the lock: the part that nobody has begun; hands */
    int64_t done;         /* bytes of whole parts */
    struct err err;       /* of the part that failed first */
    char code[64];
    struct hand hands[HANDS];
};

static void part_on_progress(void *ctx, double fraction)
{
    struct hand *h = ctx;

    pthread_mutex_lock(&h->all->lock);
    h->sent = fraction;
    pthread_mutex_unlock(&h->all->lock);
}

static int put_part(struct hand *h, int i, char code[static 64], struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct sending *all = h->all;
    const struct remote_file *f = all->p->file;
    int64_t offset = i * all->part;
    struct s3_piece_sums sums;
    char number[16];

    *code = 0;
    if (s3_sum_piece(&sums, &h->bucket, f, offset, h->length, all->p->wants_md5, err) < 0)
        return -1;
    snprintf(number, sizeof number, "%d", i + 1);
    const struct sigv4_pair md5[] = {{*sums.md5 ? "content-md5" : NULL, sums.md5}, {0}};
    const struct sigv4_pair query[] = {{"partNumber", number}, {"uploadId", all->p->upload_id}, {0}};

    if (s3_call(&r, &h->bucket,
                &(struct s3_call){.method = "PUT",
                                  .key = f->path,
                                  .headers = md5,
                                  .query = query,
                                  .fd = f->fd,
                                  .offset = offset,
                                  .length = h->length,
                                  .sha256 = *sums.sha256 ? sums.sha256 : NULL,
                                  .given_up = &all->failed,
                                  .on_progress = part_on_progress,
                                  .ctx = h},
                code, NULL, err) < 0)
        return -1;
    all->etags[i] = http_client_header(&r, "etag");
    if (!all->etags[i] || !*all->etags[i] || strpbrk(all->etags[i], "<>&"))
        return remote_fail(h->bucket.job, REMOTE_FAILED, err, "S3 gave no ETag for part %d", i + 1);
    return 0;
}

static int next_part(struct hand *h)
{
    struct sending *all = h->all;

    pthread_mutex_lock(&all->lock);
    int i = all->failed || all->next == all->count ? -1 : all->next++;
    int64_t left = all->p->file->in->size - i * all->part;
    h->length = i < 0 ? 0 : left < all->part ? left : all->part;
    pthread_mutex_unlock(&all->lock);
    return i;
}

static void *hand_run(void *ctx)
{
    struct hand *h = ctx;
    struct sending *all = h->all;

    for (int i; (i = next_part(h)) >= 0;) {
        struct err err = {0};
        char code[64];
        int rc = put_part(h, i, code, &err);

        pthread_mutex_lock(&all->lock);
        h->sent = 0;
        all->done += rc == 0 ? h->length : 0;
        if (rc < 0 && !all->failed) {
            all->failed = true;
            all->err = err;
            memcpy(all->code, code, sizeof all->code);
        }
        pthread_mutex_unlock(&all->lock);
    }
    pthread_mutex_lock(&all->lock);
    all->busy--;
    pthread_cond_signal(&all->ended);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* The first one goes on with the connection that there is. All others are only where the host may
 * have another one of us now, and where nobody counts the bytes of a second. */
static int hands_start(struct sending *all)
{
    pthread_attr_t small;
    int n = 0;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    for (; n < HANDS && n < all->count; n++) {
        struct hand *h = &all->hands[n];

        if (n && (place_speed() || !place_more()))
            break;
        *h = (struct hand){.all = all, .bucket = *all->p->bucket};
        h->bucket.settled = true;
        if (n)
            h->bucket.client = http_client_new();
        all->busy++; /* nobody counts down yet who could be the last: we hold the lock */
        if (pthread_create(&h->thread, &small, hand_run, h) == 0)
            continue;
        all->busy--;
        if (n)
            http_client_free(h->bucket.client);
        break;
    }
    pthread_attr_destroy(&small);
    return n;
}

static double fraction_of(const struct sending *all, int hands)
{
    double sent = (double)all->done;

    for (int i = 0; i < hands; i++)
        sent += all->hands[i].sent * (double)all->hands[i].length;
    return sent / (double)all->p->file->in->size;
}

static int send_all(struct sending *all, struct err *err)
{
    pthread_mutex_lock(&all->lock);
    int hands = hands_start(all);

    while (all->busy) {
        double fraction = fraction_of(all, hands);
        struct timespec until;

        pthread_mutex_unlock(&all->lock);
        remote_progress(all->p->file, fraction);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&all->lock);
        if (all->busy)
            (void)!pthread_cond_clockwait(&all->ended, &all->lock, CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < hands; i++)
        pthread_join(all->hands[i].thread, NULL);
    for (int i = 1; i < hands; i++)
        http_client_free(all->hands[i].bucket.client);
    place_fewer();
    if (!hands)
        return err_set(err, ERR_BUSY, "no thread can be started for the parts of an upload");
    if (!all->failed)
        return 0;
    *err = all->err;
    return -1;
}

static int64_t part_size(int64_t size)
{
    int64_t least = (size / PARTS_MAX / MIB + 1) * MIB, part = (size / PARTS_WORTH / MIB + 1) * MIB;

    part = part > PART_USUAL ? PART_USUAL : part < PART_MIN ? PART_MIN : part;
    return part > least ? part : least;
}

int s3_send_parts(struct str *list, int *count, const struct s3_parts *p, char code[static 64],
                  struct err *err)
{
    int64_t size = p->file->in->size, part = part_size(size);
    struct sending all = {.p = p,
                          .part = part,
                          .count = (int)((size + part - 1) / part),
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .ended = PTHREAD_COND_INITIALIZER};

    all.etags = mem_zalloc((size_t)all.count * sizeof *all.etags);
    int rc = send_all(&all, err);
    for (int i = 0; i < all.count; i++) {
        if (rc == 0)
            str_addf(list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i + 1,
                     all.etags[i]);
        free(all.etags[i]);
    }
    free(all.etags);
    memcpy(code, all.code, sizeof all.code);
    *count = all.count;
    return rc;
}
