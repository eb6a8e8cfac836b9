/* Not a test: what the media rooms cost. usage: bench probe|resize|faces FILE... */
#include "base/clock.h"
#include "host.h"
#include "media/faces.h"
#include "media/probe.h"

#include <stdio.h>
#include <string.h>

static int probe(const char *path)
{
    const struct probe_want want = {.limits = media_limits(NULL)};
    char mime[MIME_LEN], ext[16];
    struct err err;

    for (int i = 0; i < 10; i++) {
        AUTO(json_unref) json_t *meta = NULL;
        int64_t t = clock_mono_us();

        if (probe_file(&meta, mime, ext, path, path, &want, &err) < 0) {
            printf("%s: %s\n", path, err.msg);
            return 1;
        }
        t = clock_mono_us() - t;
        AUTO(mem_free) char *text = json_text(meta);
        printf("%.1f ms%s%s\n", (double)t / 1000, i == 9 ? " " : "", i == 9 ? text : "");
    }
    return 0;
}

static int run(const char *robot, const char *step, const char *path, int times)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;

    for (int i = 0; i < times; i++) {
        int64_t t = clock_mono_us();

        if (host_run_on(job, robot, step, path, &err) < 0) {
            printf("%s: %s: %s\n", path, err_name(&err), err.msg);
            return 1;
        }
        printf("%.1f ms\n", (double)(clock_mono_us() - t) / 1000);
    }
    for (int i = 0; i < host_output_count(job); i++) {
        AUTO(mem_free) char *text = json_text(host_output(job, i)->meta);
        printf("%s %s\n", host_output(job, i)->mime, text);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int rc = 0;

    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[1], "probe"))
            rc |= probe(argv[i]);
        else if (!strcmp(argv[1], "resize"))
            rc |= run("/image/resize", "{\"width\": 500}", argv[i], 10);
        else
            rc |= run("/image/facedetect", "{\"min_confidence\": 0}", argv[i], 3);
    }
    return rc;
}
