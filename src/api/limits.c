#include "api/limits.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/rate.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define READERS                                                                                    \
    4096 /* Assemblies whose reads are counted; one that shares another's place pushes it out */

struct reader {
    char id[33];
    struct rate_bucket bucket;
};

struct limits {
    int64_t creations, reads;
    enum err_code too_many;
    pthread_mutex_t lock;
    struct map workspaces; /* struct rate_minute */
    struct reader *readers;
};

struct limits *limits_new(int64_t creations_a_minute, int64_t reads_a_second,
                          enum err_code too_many)
{
    struct limits *l = mem_zalloc(sizeof *l);

    l->creations = creations_a_minute;
    l->reads = reads_a_second;
    l->too_many = too_many;
    pthread_mutex_init(&l->lock, NULL);
    if (l->reads)
        l->readers = mem_zalloc(READERS * sizeof *l->readers);
    return l;
}

void limits_free(struct limits *l)
{
    if (!l)
        return;
    for (struct map_iter i = {0}; map_next(&l->workspaces, &i);)
        free(i.value);
    map_done(&l->workspaces);
    free(l->readers);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static int limits_refuse(struct err *err, enum err_code code, int retry_s, const char *what, int64_t limit)
{
    err_set(err, code, "More than %lld %s", (long long)limit, what);
    err->retry_s = retry_s;
    return -1;
}

int limits_create(struct limits *l, const char *workspace, struct err *err)
{
    struct rate_minute *r;
    int wait;

    if (!l->creations)
        return 0;
    pthread_mutex_lock(&l->lock);
    r = map_get(&l->workspaces, workspace);
    if (!r) {
        r = mem_zalloc(sizeof *r);
        map_put(&l->workspaces, workspace, r);
    }
    wait = rate_minute_take(r, l->creations, clock_mono_us());
    pthread_mutex_unlock(&l->lock);
    return wait ? limits_refuse(err, l->too_many, wait, "Assemblies in a minute", l->creations) : 0;
}

int limits_read(struct limits *l, const char *assembly_id, struct err *err)
{
    struct reader *r;
    unsigned at = 0;
    int wait;

    if (!l->reads)
        return 0;
    for (int i = 0; i < 8; i++) /* ids are random */
        at = at * 31 + (unsigned char)assembly_id[i];
    pthread_mutex_lock(&l->lock);
    r = &l->readers[at % READERS];
    if (strcmp(r->id, assembly_id)) {
        *r = (struct reader){0};
        snprintf(r->id, sizeof r->id, "%s", assembly_id);
    }
    wait = rate_bucket_take(&r->bucket, l->reads, 2 * l->reads, clock_mono_us());
    pthread_mutex_unlock(&l->lock);
    return wait ? limits_refuse(err, ERR_STATUS_RATE, wait, "reads of this status in a second", l->reads)
                : 0;
}
