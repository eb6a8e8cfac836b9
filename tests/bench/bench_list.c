/* What a page of the list of Assemblies costs, by how many there are. Takes a directory (default:
 * TMPDIR or /tmp). */
#include "../unit/tempdir.h"
#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define WS "00000000000000000000000000000001"
#define ROUNDS 201

static void die(const struct err *err)
{
    fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

static void fill(struct store *s, int from, int to)
{
    struct err err;

    for (int i = from; i < to; i++) {
        char id[ID_LEN + 1];

        if (i % 1000 == 0 && store_begin(s, &err) < 0)
            die(&err);
        id_new(id);
        AUTO(mem_free)
        char *item = mem_printf("{\"id\":\"%s\",\"parent_id\":null,\"account_id\":\"" WS
                                "\",\"template_id\":null,\"template_name\":null,"
                                "\"instance\":\"host\",\"region\":\"local\",\"notify_url\":null,"
                                "\"redirect_url\":null,\"files\":\"[{\\\"name\\\":"
                                "\\\"picture%d.jpg\\\",\\\"size\\\":485784,\\\"mime\\\":\\\"image/"
                                "jpeg\\\",\\\"type\\\":\\\"image\\\",\\\"field\\\":"
                                "\\\"file\\\"}]\",\"warning_count\":0,\"num_input_files\":1,"
                                "\"bytes_usage\":1097155,\"bytes_received\":486608,"
                                "\"bytes_expected\":486608,\"upload_duration\":2.814,\"execution_"
                                "duration\":1.25,\"execution_start\":"
                                "\"2031-05-06T07:08:09.000Z\",\"created\":\"2031-05-06T07:08:09."
                                "000Z\",\"created_ts\":1935817689,"
                                "\"ok\":\"ASSEMBLY_COMPLETED\",\"error\":null}",
                                id, i);
        struct store_listed l = {id, WS, 1 + i % 6, i * SECOND_US, item, id};
        /* as it happens: added when it is created, and changed twice */
        for (int state = 1; state <= 3; state++) {
            l.type = state < 3 ? state : 1 + i % 6;
            if (store_listed_put(s, &l, true, &err) < 0)
                die(&err);
        }
        if (i % 1000 == 999 && store_commit(s, &err) < 0)
            die(&err);
    }
}

static void count_bytes(void *ctx, const struct store_listed *l)
{
    *(size_t *)ctx += strlen(l->item);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static int64_t median(struct store_reader *r, const struct store_list_query *q)
{
    int64_t took[ROUNDS], count;
    size_t bytes = 0;
    struct err err;

    for (int i = 0; i < ROUNDS; i++) {
        int64_t from = clock_mono_us();

        if (store_list(&count, r, q, count_bytes, &bytes, &err) < 0)
            die(&err);
        took[i] = clock_mono_us() - from;
    }
    qsort(took, ROUNDS, sizeof *took, compare);
    return took[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    AUTO(tempdir_remove) char *dir = tempdir_new(argc > 1 ? argv[1] : NULL);
    AUTO(mem_free) char *path = mem_printf("%s/bench.db", dir);
    AUTO(store_close) struct store *s = NULL;
    AUTO(store_reader_close) struct store_reader *r = NULL;
    static const int sizes[] = {1000, 10000, 100000, 1000000};
    int have = 0, max = argc > 2 ? atoi(argv[2]) : 100000;
    struct err err;

    if (store_open(&s, path, &err) < 0 || store_reader_open(&r, path, &err) < 0)
        die(&err);
    printf("%10s %12s %12s %12s %12s %12s %12s\n", "entries", "first page", "middle", "last page",
           "type, first", "type, last", "dates, last");
    for (size_t i = 0; i < ARRAY_LEN(sizes) && sizes[i] <= max; i++) {
        int n = sizes[i], of_type = n / 6;
        struct store_list_query q = {.workspace = WS, .to_us = INT64_MAX, .limit = 50};
        int64_t from = clock_mono_us();

        fill(s, have, n);
        fprintf(stderr, "%d entries added and changed twice in %.1f us each\n", n - have,
                (double)(clock_mono_us() - from) / (n - have));
        have = n;
        int64_t first = median(r, &q);
        q.offset = n / 2;
        int64_t middle = median(r, &q);
        q.offset = n - 50;
        int64_t last = median(r, &q);
        q.type = 4;
        q.offset = 0;
        int64_t type_first = median(r, &q);
        q.offset = of_type - 50;
        int64_t type_last = median(r, &q);
        q.from_us = 70 * SECOND_US;
        q.to_us = (n - 500) * SECOND_US;
        q.offset = (n - 600) / 6 - 60;
        int64_t dates = median(r, &q);
        printf("%10d %9lld us %9lld us %9lld us %9lld us %9lld us %9lld us\n", n, (long long)first,
               (long long)middle, (long long)last, (long long)type_first, (long long)type_last,
               (long long)dates);
    }
    return 0;
}
