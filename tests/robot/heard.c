#include "heard.h"
#include "base/str.h"
#include "media/av/av.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct heard hear(struct robot_job *job, const char *path)
{
    const struct media_limits limits = {.max_pixels = 100000000, .timeout_s = 60};
    struct av_info info;
    struct err err;

    if (av_look(&info, path, &limits, &err) < 0 || !info.has_audio) {
        fprintf(stderr, "%s: %s\n", path, err.msg);
        abort();
    }
    struct heard h = {.rate = info.sample_rate, .channels = info.channels};
    AUTO(mem_free)
    char *command = mem_printf("ffmpeg -v error -nostdin -i '%s' -map 0:a:0 -f f32le -", path);
    AUTO(str_done) struct str all = {0};
    char buf[65536];
    size_t n;
    FILE *p = popen(command, "r");

    if (!p)
        abort();
    while ((n = fread(buf, 1, sizeof buf, p)) > 0)
        str_add(&all, buf, n);
    if (pclose(p)) {
        fprintf(stderr, "%s\n", command);
        abort();
    }
    h.samples = arena_alloc(robot_arena(job), all.len + 1);
    memcpy(h.samples, all.s ? all.s : "", all.len);
    h.n = (int64_t)(all.len / sizeof(float)) / h.channels;
    h.seconds = (double)h.n / h.rate;
    return h;
}

static int64_t within(const struct heard *h, double at)
{
    int64_t i = llround(at * h->rate);

    return i < 0 ? 0 : i > h->n ? h->n : i;
}

static double decibel(double power) { return power > 0 ? 10 * log10(power) : -200; }

double heard_db(const struct heard *h, int channel, double from, double to)
{
    int64_t a = within(h, from), b = within(h, to);
    double sum = 0;

    for (int64_t i = a; i < b; i++) {
        double v = h->samples[i * h->channels + channel];
        sum += v * v;
    }
    return decibel(b > a ? sum / (double)(b - a) : 0);
}

double heard_tone(const struct heard *h, int channel, double hz, double from, double to)
{
    int64_t a = within(h, from), b = within(h, to);
    double re = 0, im = 0, n = (double)(b - a);

    for (int64_t i = a; i < b; i++) {
        double v = h->samples[i * h->channels + channel], w = 2 * M_PI * hz * (double)i / h->rate;
        re += v * cos(w);
        im += v * sin(w);
    }
    return decibel(b > a ? 2 * (re * re + im * im) / (n * n) : 0);
}
