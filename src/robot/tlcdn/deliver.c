/* /tlcdn/deliver: stands for bandwidth of a delivery network on the hosted service's bills. Here it
 * passes files on. */
#include "robot/robot.h"

struct deliver_opts {
    bool enable_hipaa_compliance;
};
#define T struct deliver_opts
static const struct option options[] = {
    OPT_BOOL(T, enable_hipaa_compliance,
             .help = "Price profile of the hosted service; ignored, as nothing is billed here."),
    OPT_END,
};

static int deliver_run(struct robot_job *job, const void *opts, struct err *err)
{
    (void)opts;
    for (int i = 0; i < robot_input_count(job); i++)
        if (robot_emit_same(job, i, NULL, err) < 0)
            return -1;
    return 0;
}

const struct robot robot_tlcdn_deliver = {
    .name = "/tlcdn/deliver",
    .summary = "Pass files on, where the hosted service bills a delivery",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 25,
    .min_charge = 102400,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(deliver_run),
};
