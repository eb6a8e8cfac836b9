/* vips.c - the bare libvips call: IN OUT WIDTH TIMES. One thread, as in a worker. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <vips/vips.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    double ms[1000];
    int n = argc > 4 ? atoi(argv[4]) : 1;

    if (argc < 5 || n < 1 || n > 999 || VIPS_INIT(argv[0]))
        return 2;
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    for (int i = 0; i <= n; i++) { /* the first one pays for first use */
        struct timespec a, b;
        VipsImage *v;

        clock_gettime(CLOCK_MONOTONIC, &a);
        if (vips_thumbnail(argv[1], &v, atoi(argv[3]), "height", 100000, NULL) ||
            vips_jpegsave(v, argv[2], "Q", 92, NULL))
            return 1;
        g_object_unref(v);
        clock_gettime(CLOCK_MONOTONIC, &b);
        if (i)
            ms[i - 1] = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    }
    qsort(ms, (size_t)n, sizeof *ms, by_value);
    printf("{\"median_ms\":%.3f}\n", ms[n / 2]);
    return 0;
}
