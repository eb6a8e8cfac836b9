/* /progress/simulate: takes its time and gives dummy files, so that others can try what they do with both. */
#include "base/clock.h"
#include "base/str.h"
#include "robot/robot.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#define PIECE_US (SECOND_US / 5) /* the host passes on no more than that */
#define FILES_MAX 100
#define BASENAME_MAX 230 /* bytes; a name has 255, and "-dummy-100.txt" follows */

struct simulate_opts {
    double duration; /* s */
    int64_t output_files;
    bool emit_progress;
};
#define T struct simulate_opts
static const struct option options[] = {
    OPT_NUM(T, duration, .required = true, .min = 0, .max = 300, .unit = "s", .help = "How long the job takes."),
    OPT_INT(T, output_files, .required = true, .min = 0, .max = FILES_MAX, .help = "How many dummy files it gives."),
    OPT_BOOL(T, emit_progress, .required = true, .help = "Tell progress while it runs, five times a second."),
    OPT_UNSUPPORTED("predict_output", .required = true, .def_str = "false"),
    OPT_END,
};
#undef T

/* A piece begins after the last was told and is never shorter than what the host asks for, but for the last one. */
static void wait_and_tell(struct robot_job *job, const struct simulate_opts *o, int64_t start_us)
{
    int64_t all_us = (int64_t)(o->duration * SECOND_US), done_us;

    while ((done_us = clock_mono_us() - start_us) < all_us) {
        int64_t piece_us = all_us - done_us < PIECE_US ? all_us - done_us : PIECE_US;
        struct timespec t = {piece_us / SECOND_US, piece_us % SECOND_US * 1000};

        nanosleep(&t, NULL);
        if (o->emit_progress)
            robot_progress(job, fmin(1, (double)(clock_mono_us() - start_us) / (double)all_us));
    }
}

/* Bytes of s in at most BASENAME_MAX, no character cut in two. */
static int fitting(const char *s)
{
    size_t n = 0, left = strlen(s), next;

    while ((next = utf8_length(s + n, left - n)) > 0 && n + next <= BASENAME_MAX)
        n += next;
    return (int)n;
}

/* NULL: err. */
static const char *write_dummy(struct robot_job *job, int64_t number, int64_t count, struct err *err)
{
    const char *path = robot_out_path(job, "txt");
    FILE *f = fopen(path, "we");

    if (!f)
        return err_errno(err, "create '%s'", path), NULL;
    fprintf(f, "Dummy file %" PRId64 " of %" PRId64 ", made of '%s' by /progress/simulate.\n", number, count,
            robot_input(job, 0)->name);
    if (fclose(f) != 0)
        return err_errno(err, "write '%s'", path), NULL;
    return path;
}

/* It says itself what the host's probe would: a hundred looks would make the job longer than was asked for. */
static int emit_dummy(struct robot_job *job, const char *path, int64_t number, struct err *err)
{
    const char *base = robot_input(job, 0)->basename;
    AUTO(mem_free) char *name = mem_printf("%.*s-dummy-%" PRId64 ".txt", fitting(base), base, number);
    const struct robot_output out = {
        .path = path, .ext = "txt", .name = name, .mime = "text/plain", .meta_complete = true};

    return robot_emit(job, &out, err);
}

/* The files are written first, so that a slow disk is part of the time and not added to it. */
static int simulate_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct simulate_opts *o = opts;
    int64_t start_us = clock_mono_us(), count = o->output_files;
    const char *paths[FILES_MAX];

    for (int64_t i = 0; i < count; i++)
        if (!(paths[i] = write_dummy(job, i + 1, count, err)))
            return -1;
    wait_and_tell(job, o, start_us);
    for (int64_t i = 0; i < count; i++)
        if (emit_dummy(job, paths[i], i + 1, err) < 0)
            return -1;
    return 0;
}

const struct robot robot_progress_simulate = {
    .name = "/progress/simulate",
    .summary = "Take some time, and give dummy files",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .slots = 20,
    .opts_size = sizeof(struct simulate_opts),
    .options = options,
    .example = "{\"duration\": 0, \"output_files\": 1, \"emit_progress\": false, \"predict_output\": false}",
    .run = IN_WORKER(simulate_run),
};
