/* What a web server answers to an import: a line with the Step's parameters, then the answers. */
#include "remote.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(json_unref) json_t *step = take_json_line(&b);
    const struct robot *r = robot_find("/http/import");
    struct err err = {0};
    void *opts;

    if (!json_is_object(step))
        return 0;
    struct robot_job *job = remote_job(r, &b, "", 0);
    if (robot_options(&opts, robot_arena(job), r, step, false, &err) == 0 && r->run(job, opts, &err) < 0)
        CHECK(err.code && err.msg[0]);
    unlink(robot_out_path(job, "x"));
    remote_done(job);
    return 0;
}
