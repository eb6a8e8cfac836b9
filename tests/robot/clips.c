#include "clips.h"
#include "base/str.h"
#include "media/vips.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void must(const char *command)
{
    if (system(command)) {
        fprintf(stderr, "%s\n", command);
        abort();
    }
}

const char *clip(struct robot_job *job, const char *name, const char *args)
{
    const char *path = host_path(job, name);
    AUTO(mem_free) char *command = mem_printf("ffmpeg -v error -nostdin -y %s %s", args, path);

    must(command);
    return path;
}

/* Red counts in fours, green within them: far enough apart for any encoder. */
static int level(int n) { return 30 + n * 65; }

const char *clip_colours(const char *size, int rate, double seconds)
{
    static char text[400];

    snprintf(text, sizeof text,
             "\"nullsrc=s=%s:r=%d:d=%g,format=gbrp,geq=r='30+65*floor(mod(floor(T)\\,16)/4)':g='30+65*mod(floor(T)\\,4)':b=128\"", size, rate, seconds);
    return text;
}

static int nearest(double v)
{
    int n = (int)lround((v - level(0)) / 65);

    return n < 0 ? 0 : n > 3 ? 3 : n;
}

int clip_second(const uint8_t rgb[3]) { return nearest(rgb[0]) * 4 + nearest(rgb[1]); }

void clip_see(struct seen *out, const char *path)
{
    const struct image_load how = {.limits = media_limits(NULL)};
    AUTO(image_free) struct image *img = NULL;
    struct err err;
    uint8_t *p;
    int bands;

    if (image_open(&img, path, &how, &err) < 0 || image_render(img, &err) < 0 || image_pixels(&p, &bands, img, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    *out = (struct seen){.w = image_width(img), .h = image_height(img), .alpha = bands == 4};
    for (int64_t i = 0; i < out->w * out->h; i++)
        for (int c = 0; c < 3; c++)
            out->mean[c] += (double)p[i * bands + c] / (double)(out->w * out->h);
    for (int k = 0; k < 9; k++) {
        const uint8_t *at = p + (out->h * (1 + 2 * (k / 3)) / 6 * out->w + out->w * (1 + 2 * (k % 3)) / 6) * bands;

        memcpy(out->at[k], at, 3);
        out->at[k][3] = bands == 4 ? at[3] : 255;
    }
    free(p);
}

double clip_children(void)
{
    struct rusage u;

    getrusage(RUSAGE_CHILDREN, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 + (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
}

double clip_cpu(const char *args)
{
    AUTO(mem_free) char *command = mem_printf("ffmpeg -v error -nostdin -y %s", args);
    double before = clip_children();

    must(command);
    return clip_children() - before;
}
