/* How many durable turns the store does a second. Takes a directory (default: TMPDIR or /tmp). */
#include "../unit/tempdir.h"
#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"

#include <stdio.h>

static void rate(struct store *s, const char *what, int events)
{
    static const char body[] =
        "{\"type\":\"job_done\",\"job\":\"0123456789abcdef\",\"took_ms\":35}";
    int64_t from = clock_mono_us(), took = 0;
    int turns = 0;
    struct err err;

    for (; took < 3 * SECOND_US; turns++, took = clock_mono_us() - from) {
        char id[ID_LEN + 1];
        int rc;

        id_new(id);
        rc = store_begin(s, &err);
        if (rc == 0)
            rc = store_assembly_add(s, id, id, took, &err);
        for (int i = 0; i < events && rc == 0; i++)
            rc = store_event_add(s, id, i, took, body, &err);
        if (rc < 0 || store_commit(s, &err) < 0) {
            fprintf(stderr, "%s\n", err.msg);
            exit(1);
        }
    }
    printf("%s: %.0f commits/s, %.0f rows/s\n", what, turns * 1e6 / (double)took,
           turns * (events + 1.0) * 1e6 / (double)took);
}

int main(int argc, char **argv)
{
    AUTO(tempdir_remove) char *dir = tempdir_new(argc > 1 ? argv[1] : NULL);
    AUTO(mem_free) char *path = mem_printf("%s/bench.db", dir);
    AUTO(store_close) struct store *s = NULL;
    struct err err;

    if (store_open(&s, path, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    rate(s, "1 Assembly + 1 event a commit", 1);
    rate(s, "1 Assembly + 10 events a commit", 10);
    return 0;
}
