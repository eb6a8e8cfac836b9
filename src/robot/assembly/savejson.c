/* /assembly/savejson: the Assembly's status as a file, as it is when the job starts. */
#include "base/str.h"
#include "robot/robot.h"

#include <stdio.h>
#include <string.h>

struct savejson_opts {
    json_t *status;
};
#define T struct savejson_opts
static const struct option options[] = {
    OPT_JSON(T, status, .nullable = true, .example = "{\"ok\": \"ASSEMBLY_COMPLETED\"}",
             .help = "What to save instead: any value."),
    OPT_END,
};

static int write_text(const char *path, const char *text, struct err *err)
{
    FILE *f = fopen(path, "we");

    if (!f)
        return err_errno(err, "create '%s'", path);
    fputs(text, f);
    fputc('\n', f);
    return fclose(f) != 0 ? err_errno(err, "write '%s'", path) : 0;
}

static int savejson_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(mem_free) char *given = o->status ? json_text(o->status) : NULL;
    const char *path = robot_out_path(job, "json"), *text = given ? given : robot_status(job);

    if (!text)
        return err_set(err, ERR_COMMAND,
                       "the status is larger than %d bytes, the most that can be saved",
                       ROBOT_STATUS_MAX);
    if (write_text(path, text, err) < 0)
        return -1;
    return robot_emit(job,
                      &(struct robot_output){
                          .path = path,
                          .ext = "json",
                          .name = arena_printf(robot_arena(job), "%s.json", robot_assembly_id(job)),
                          .mime = "application/json",
                          .meta_complete = true,
                          .input = robot_input_count(job) ? 0 : -1,
                      },
                      err);
}

const struct robot robot_assembly_savejson = {
    .name = "/assembly/savejson",
    .summary = "Save the status of the Assembly as a file",
    .role = ROLE_MEDIA,
    .no_input = true,
    .flags = ROBOT_GETS_STATUS,
    .slots = 5,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(savejson_run),
};
