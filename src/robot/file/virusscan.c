/* /file/virusscan: files in which clamd finds something are turned away. It knows no file formats
 * itself and runs where the network is: so no file can forge the verdict on another. */
#include "transfer/clamd.h"

#include <stdio.h>

struct virusscan_opts {
    bool error_on_decline;
    const char *error_msg;
};
#define T struct virusscan_opts
static const struct option options[] = {
    OPT_BOOL(T, error_on_decline,
             .help =
                 "Let the Assembly fail for an infected file, instead of leaving the file out."),
    OPT_STR(T, error_msg, .def_str = "One of your files was declined",
            .help = "Message of the Assembly that fails so."),
    OPT_END,
};

static int decline(struct robot_job *job, const T *o, const struct clamd_verdict *v,
                   struct err *err)
{
    if (!o->error_on_decline)
        return 0; /* left out */
    robot_fail(job, err, ERR_INPUT, "DECLINED_FILE", "%s", o->error_msg);
    snprintf(err->virus, sizeof err->virus, "%s", v->name);
    return -1;
}

static int virusscan_run(struct robot_job *job, const void *opts, struct err *err)
{
    int count = robot_input_count(job);

    for (int i = 0; i < count; i++) {
        struct clamd_verdict v = {0};

        if (clamd_scan(&v, job, robot_input(job, i), (double)i / count, 1.0 / count, err) < 0)
            return -1;
        if ((v.infected ? decline(job, opts, &v, err) : robot_emit_same(job, i, NULL, err)) < 0)
            return -1;
    }
    return 0;
}

const struct robot robot_file_virusscan = {
    .name = "/file/virusscan",
    .summary = "Turn away files in which a virus is found",
    .nothing = "a virus was found in the file",
    .role = ROLE_TRANSFER,
    .passes_input = true,
    .keys = CLAMD_KEYS,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 16,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(virusscan_run),
};
