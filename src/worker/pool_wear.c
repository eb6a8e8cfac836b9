/* When a worker has done enough, and another takes its place: by what it did. Starting one costs as much processor time
 * as dozens of looks into small files, and what is worn out is decoders, of which most such looks need none. */
#include "base/clock.h"
#include "worker/pool_priv.h"

/* A job is so many parts. A probe that opened nothing is one for each file, or for so many bytes, or for so much time,
 * whichever is most. */
#define PARTS 16
#define PART_BYTES (64 << 10)
#define PART_US (SECOND_US / 64)

void wear_begin(struct worker *w)
{
    w->wear += PARTS; /* whatever becomes of it; wear_end() may take some of that back */
}

void wear_taken(struct pool_run *run) { run->taken_us = clock_mono_us(); }

/* Texts, and files of no known format, have no metadata: who finds some has had a file parsed. */
void wear_output(struct pool_run *run, const json_t *output)
{
    run->opened |= json_object_size(json_object_get(json_object_get(output, "same"), "meta")) > 0;
}

/* That nothing was opened is the worker's word, and one that was taken over can give it falsely. How many bytes it was
 * given and for how long is known here, and with one part for each file it is given PARTS times its jobs at most. */
static int parts_of(const struct pool_run *run)
{
    int64_t bytes = 0, parts = (clock_mono_us() - run->taken_us) / PART_US;
    json_t *in;
    size_t i;

    if (!run->probes || run->opened)
        return PARTS;
    json_array_foreach (json_object_get(run->message, "inputs"), i, in)
        bytes += jint(in, "size", 0);
    bytes = (bytes + PART_BYTES - 1) / PART_BYTES;
    parts = parts < bytes ? bytes : parts;
    parts = parts < (int64_t)i ? (int64_t)i : parts;
    return parts < 1 ? 1 : parts < PARTS ? (int)parts : PARTS;
}

bool wear_end(struct worker *w, const struct pool_run *run)
{
    w->wear -= PARTS - parts_of(run);
    return w->wear >= (int64_t)w->pool->conf.worker_jobs * PARTS;
}
