/* What a web server answers to an import, a request or an upload: a line with the Step's parameters, then the answers.
 * "robot" says which; without it, it is an import. */
#include "remote.h"

#include <string.h>

static const struct robot *robot_in(const json_t *step)
{
    static const char *const robots[] = {"/http/import", "/http/request", "/tus/store"};

    for (size_t i = 1; i < ARRAY_LEN(robots); i++)
        if (!strcmp(jstr_or(step, "robot", ""), robots[i]))
            return robot_find(robots[i]);
    return robot_find(robots[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char file[300] = "to be uploaded";
    struct bytes b = {data, len};
    AUTO(json_unref) json_t *step = take_json_line(&b);
    const struct robot *r = robot_in(step);
    struct err err = {0};
    void *opts;

    if (!json_is_object(step))
        return 0;
    struct robot_job *job = remote_job(r, &b, file, r->is_store ? sizeof file : 0);
    if (robot_options(&opts, robot_arena(job), r, step, false, &err) == 0 && r->run(job, opts, &err) < 0) {
        CHECK(err.code && err.msg[0]);
        AUTO(json_unref) json_t *token = json_incref(remote_token(job));
        if (token && r->undo(job, opts, token, &err) < 0)
            CHECK(err.code && err.msg[0]);
    }
    unlink(robot_out_path(job, "x"));
    remote_done(job);
    return 0;
}
