/* The worker's end of robot.h: what a running Robot may ask for, and the loop that serves jobs. Runs
 * inside the jail. Paths are relative to the worker's directory: in/ and out/. */
#include "base/clock.h"
#include "robot/robot.h"
#include "worker/border.h"
#include "worker/role.h"
#include "worker/told.h"

#include <math.h>
#include <string.h>

struct robot_job {
    int sock;
    struct robot_job *first; /* of those that are done together: itself when it is alone */
    int number;              /* among them */
    struct arena *arena;
    const struct robot *robot;
    const json_t *body; /* the `job` message */
    const json_t *params;
    struct robot_input *inputs;
    int input_count;
    int paths, outputs;
    unsigned tried; /* enum robot_trial_step */
    size_t said; /* bytes of all outputs */
    int64_t start_us, last_progress_us;
    double last_progress;
    bool over;                  /* its end was said */
    json_t *next;               /* of a probe: the job that decodes its picture; NULL: none */
    struct probe_result *found; /* of that probe: what the header tells */
    struct robot_job *asker;    /* of that job: the probe, while it waits for what the pixels tell; else NULL */
};

int robot_input_count(const struct robot_job *job) { return job->input_count; }
const struct robot_input *robot_input(const struct robot_job *job, int i) { return &job->inputs[i]; }
const struct robot *robot_of_job(const struct robot_job *job) { return job->robot; }
struct arena *robot_arena(struct robot_job *job) { return job->arena; }

const char *robot_assembly_id(const struct robot_job *job)
{
    return jstr_or(job->body, "assembly", "");
}

void robot_tried(struct robot_job *job, enum robot_trial_step step) { job->tried |= step; }

const char *robot_status(const struct robot_job *job) { return jstr(job->body, "status"); }

const json_t *robot_settings(const struct robot_job *job)
{
    return json_object_get(job->body, "settings");
}

const json_t *robot_variables(const struct robot_job *job)
{
    return json_object_get(job->body, "variables");
}

const char *robot_out_path(struct robot_job *job, const char *ext)
{
    return arena_printf(job->arena, "out/%d%s%s", job->first->paths++, *ext ? "." : "", ext);
}

/* body (stolen) is about this job, of those that are done together. */
static int host_say(struct robot_job *job, enum message type, json_t *body, struct err *err)
{
    if (job->number)
        json_object_set_new(body, "job", json_integer(job->number));
    return wire_send(job->sock, type, body, -1, err);
}

/* The daemon ends a worker that says what it may not. A Robot whose output is so is told before, in words that help. */
static int send_output(struct robot_job *job, const char *kind, json_t *what, struct err *err)
{
    AUTO(json_unref) json_t *body = json_pack("{s:i,s:o}", "index", job->outputs, kind, what);
    AUTO(str_done) struct str text = {0};
    struct err why;

    if (job->outputs >= BORDER_OUTPUTS)
        return err_set(err, ERR_COMMAND, "the Robot gives more than %d files", BORDER_OUTPUTS);
    str_add_json_value(&text, body);
    if (text.len > BORDER_OUTPUT_BYTES || wire_weigh(text.s, text.len) > BORDER_OUTPUT_VALUES)
        return err_set(err, ERR_META,
                       "what is known of a file has %zu bytes and up to %zu values; %d and %d are allowed", text.len,
                       wire_weigh(text.s, text.len), BORDER_OUTPUT_BYTES, BORDER_OUTPUT_VALUES);
    if ((job->said += text.len) > BORDER_JOB_BYTES - BORDER_OUTPUT_BYTES)
        return err_set(err, ERR_META, "what is known of all files of the job has more than %d bytes",
                       BORDER_JOB_BYTES - BORDER_OUTPUT_BYTES);
    if (border_check_body(BORDER_WORKER, MSG_OUTPUT, body, &why) < 0)
        return err_set(err, ERR_COMMAND, "the Robot's output can't be taken: %s", why.msg);
    job->outputs++;
    return host_say(job, MSG_OUTPUT, take(body), err);
}

static int host_probe(struct probe_result *p, struct robot_job *job, const char *path, const char *name,
                           struct probe_how how, struct err *err)
{
    how.output_meta = json_object_get(job->params, "output_meta");
    how.settings = robot_settings(job);
    memset(p, 0, sizeof *p);
    return role_program.probe ? role_program.probe(p, path, name, &how, err) : 0;
}

/* Errors of the phase `meta` do not count for this step (api-instructions.md 6). */
static bool ignores_meta(const struct robot_job *job)
{
    const json_t *v = json_object_get(job->params, "ignore_errors");
    json_t *item;
    size_t i;

    json_array_foreach (v, i, item)
        if (json_is_string(item) && !strcmp(json_string_value(item), "meta"))
            return true;
    return json_is_true(v) || (json_is_string(v) && !strcmp(json_string_value(v), "true"));
}

/* What is written is looked into. 1: it could not be, and that is ignored: err says why. */
static int look_into(struct probe_result *found, struct robot_job *job, const char *path, const char *name,
                     struct err *err)
{
    if (host_probe(found, job, path, name, (struct probe_how){.derived = true}, err) == 0)
        return 0;
    if ((err->code != ERR_META && err->code != ERR_TIMEOUT) || !found->mime[0] || !ignores_meta(job))
        return -1;
    json_decref(found->meta);
    found->meta = NULL;
    return 1;
}

int robot_emit(struct robot_job *job, const struct robot_output *out, struct err *err)
{
    AUTO(json_unref) json_t *meta = out->meta;
    const struct robot_input *in =
        out->input >= 0 && out->input < job->input_count ? &job->inputs[out->input] : NULL;
    const char *ext = out->ext ? out->ext : in ? in->ext : "";
    AUTO(mem_free) char *named = out->name ? mem_strdup(out->name)
                                           : mem_printf("%s%s%s", in ? in->basename : "file", *ext ? "." : "", ext);
    struct probe_result found = {0};
    char name[256];

    str_file_name(name, named);
    int unread = out->meta_complete ? 0 : look_into(&found, job, out->path, name, err);
    if (unread < 0)
        return -1;
    AUTO(json_unref) json_t *all = found.meta ? found.meta : json_object();
    if (meta)
        json_object_update(all, meta);
    if (json_is_false(json_object_get(job->params, "output_meta")))
        json_object_clear(all);
    const char *mime = out->mime ? out->mime : found.mime[0] ? found.mime : NULL;
    /* size and MD5 are for the daemon to find out, and it flushes the file */
    json_t *file = json_pack("{s:s,s:o,s:s?,s:O?,s:O?,s:i}", "path", out->path, "name", jstring(name), "mime", mime,
                             "meta", all, "extra", out->extra, "input", out->input);
    jset(file, "stub", out->stub);
    if (unread)
        json_object_set_new(file, "unread", told_text(err->msg, false));
    return send_output(job, "file", file, err);
}

int robot_emit_same(struct robot_job *job, int input, json_t *meta, struct err *err)
{
    AUTO(json_unref) json_t *extra_meta = meta;
    const struct robot_input *in = &job->inputs[input];
    AUTO(json_unref) json_t *all = in->meta ? json_copy((json_t *)in->meta) : json_object();

    if (extra_meta)
        json_object_update(all, extra_meta);
    return send_output(job, "clone", json_pack("{s:i,s:O}", "input", input, "meta", all), err);
}

int robot_emit_passed(struct robot_job *job, int input, struct err *err)
{
    return send_output(job, "passed", json_pack("{s:i}", "input", input), err);
}

int robot_emit_stored(struct robot_job *job, int input, const char *url, const char *ssl_url,
                      json_t *extra, json_t *meta, struct err *err)
{
    return send_output(job, "stored",
                       json_pack("{s:i,s:s,s:s,s:o?,s:o?}", "input", input, "url", url, "ssl_url",
                                 ssl_url, "extra", extra, "meta", meta),
                       err);
}

void robot_progress(struct robot_job *job, double fraction)
{
    int64_t now = clock_mono_us();
    struct err err;

    if (!isfinite(fraction) || now - job->last_progress_us < SECOND_US / 5 || fraction <= job->last_progress)
        return;
    fraction = fmin(fraction, 1);
    job->last_progress_us = now;
    job->last_progress = fraction;
    (void)!host_say(job, MSG_PROGRESS, json_pack("{s:f}", "fraction", fraction), &err);
}

int robot_set_undo(struct robot_job *job, json_t *token, struct err *err)
{
    enum message type;
    AUTO(json_unref) json_t *answer = NULL;
    int fd = -1;

    if (wire_send(job->sock, MSG_UNDO, json_pack("{s:o?}", "token", token), -1, err) < 0)
        return -1;
    /* the server writes it down before we begin what might have to be taken back */
    int rc = wire_recv(job->sock, &type, &answer, &fd, err);
    fd_close(fd);
    if (rc <= 0 || type != MSG_UNDO_OK)
        return rc < 0 ? -1 : err_set(err, ERR_IO, "the server did not confirm");
    return 0;
}

int robot_kept(struct robot_job *job, int input, const char *url, struct err *err)
{
    return host_say(job, MSG_KEPT, json_pack("{s:i,s:s}", "input", input, "url", url), err);
}

int robot_host_key(const char **known, struct robot_job *job, const char *host, int port, const char *seen,
                   struct err *err)
{
    enum message type;
    AUTO(json_unref) json_t *answer = NULL;
    int fd = -1;

    if (job->sock < 0) { /* a trial: nobody is asked, so a password goes to no host whose key nobody has named */
        *known = seen ? arena_strdup(job->arena, seen) : NULL;
        return seen && str_given(jstr(job->params, "password"))
                   ? err_set(err, ERR_CREDENTIALS, "name the key of '%.150s' in the credentials (host_key) to try them", host)
                   : 0;
    }
    if (wire_send(job->sock, MSG_HOST, json_pack("{s:s,s:i,s:s?}", "host", host, "port", port, "key", seen), -1,
                  err) < 0)
        return -1;
    int rc = wire_recv(job->sock, &type, &answer, &fd, err);
    fd_close(fd);
    if (rc <= 0 || type != MSG_HOST_IS)
        return rc < 0 ? -1 : err_set(err, ERR_IO, "the server did not say whose key that is");
    *known = jstr(answer, "key") ? arena_strdup(job->arena, jstr(answer, "key")) : NULL;
    return 0;
}

bool robot_renews(const struct robot_job *job) { return jbool(job->body, "renews", false); }

int robot_access_token(const char **token, struct robot_job *job, const char *refused, struct err *err)
{
    enum message type;
    AUTO(json_unref) json_t *answer = NULL;
    int fd = -1;

    if (wire_send(job->sock, MSG_TOKEN, json_pack("{s:s}", "refused", refused), -1, err) < 0)
        return -1;
    int rc = wire_recv(job->sock, &type, &answer, &fd, err);
    fd_close(fd);
    if (rc <= 0 || type != MSG_TOKEN_IS)
        return rc < 0 ? -1 : err_set(err, ERR_IO, "the server did not say which token is good");
    if (!jstr(answer, "token"))
        return err_set(err, ERR_SERVER_403, "%s", jstr_or(answer, "why", ""));
    *token = arena_strdup(job->arena, jstr(answer, "token"));
    return 0;
}

static void fill_inputs(struct robot_job *job)
{
    const json_t *list = json_object_get(job->body, "inputs");
    json_t *in;
    size_t i;

    job->input_count = (int)json_array_size(list);
    job->inputs = arena_alloc(job->arena, (size_t)job->input_count * sizeof *job->inputs);
    json_array_foreach (list, i, in)
        job->inputs[i] = (struct robot_input){
            .id = jstr_or(in, "id", ""),
            .path = jstr_or(in, "path", ""),
            .name = jstr_or(in, "name", ""),
            .basename = jstr_or(in, "basename", ""),
            .ext = jstr_or(in, "ext", ""),
            .mime = jstr_or(in, "mime", ""),
            .type = jstr_or(in, "type", ""),
            .stub = jstr_or(in, "stub", ""),
            .md5 = jstr_or(in, "md5", ""),
            .as = jstr_or(in, "as", ""),
            .size = jint(in, "size", 0),
            .meta = json_object_get(in, "meta"),
            .step = jstr_or(in, "step", ""),
            .original_id = jstr_or(in, "original_id", ""),
            .original_basename = jstr_or(in, "original_basename", ""),
            .original_path = jstr_or(in, "original_path", "/"),
            .params = json_object_get(in, "params") ? json_object_get(in, "params") : job->params,
        };
}

/* What else is to be done with the picture that this probe has? 1: job->next. */
static int ask_next(struct robot_job *job, struct err *err)
{
    AUTO(json_unref) json_t *answer = NULL;
    enum message type;
    int fd = -1;
    int rc = wire_recv(job->sock, &type, &answer, &fd, err);

    fd_close(fd);
    if (rc <= 0 || type != MSG_NEXT)
        return rc < 0 ? -1 : err_set(err, ERR_IO, "the server did not say what is next");
    if (!jstr(answer, "robot"))
        return 0;
    job->next = take(answer);
    return 1;
}

/* What is known of a picture before its pixels are: steps that ask for no more begin while the probe goes on, or one
 * of them in its place. */
static int send_early(void *ctx, const json_t *meta, const char *mime, const char *ext, bool measures, struct err *err)
{
    struct robot_job *job = ctx;
    bool asks = measures && jbool(job->body, "asks", false);
    json_t *same = json_pack("{s:i,s:o,s:s,s:s,s:b}", "input", 0, "meta", json_deep_copy(meta), "mime", mime, "ext",
                             ext, "early", 1);

    if (asks)
        json_object_set_new(same, "asks", json_true());
    if (send_output(job, "same", same, err) < 0)
        return -1;
    return asks ? ask_next(job, err) : 0;
}

/* The probe failed for good, but what the file is was told from its first bytes: who ignores the error goes on with
 * that. Never before another try, whose first output would then count as given. */
static int tell_type(struct robot_job *job, int input, const struct probe_result *found, struct err *err)
{
    struct err lost;

    if ((err->code == ERR_META || err->code == ERR_TIMEOUT) && found->mime[0])
        (void)!send_output(job, "same",
                           json_pack("{s:i,s:s,s:s}", "input", input, "mime", found->mime, "ext", found->ext), &lost);
    return -1;
}

static int send_found(struct robot_job *job, int input, struct probe_result *found, struct err *err)
{
    return send_output(job, "same",
                       json_pack("{s:i,s:o?,s:s,s:s}", "input", input, "meta", take(found->meta), "mime",
                                 found->mime, "ext", found->ext),
                       err);
}

static int run_next(struct robot_job *probe, struct probe_result *found, struct err *err);

/* /upload/handle is the probe itself: the file stays what it is, and its record learns. */
static int run_probe(struct robot_job *job, struct err *err)
{
    struct probe_result found;
    bool all = !json_is_false(json_object_get(job->params, "output_meta"));
    struct probe_how how = {.early = job->input_count == 1 && all ? send_early : NULL, .early_ctx = job};

    for (int i = 0; i < job->input_count; i++) {
        if (host_probe(&found, job, job->inputs[i].path, job->inputs[i].name, how, err) < 0)
            return job->input_count == 1 ? tell_type(job, i, &found, err) : -1; /* of several it is tried again alone */
        if (job->next)
            return run_next(job, &found, err);
        if (!all)
            json_object_clear(found.meta);
        if (send_found(job, i, &found, err) < 0)
            return -1;
    }
    return 0;
}

/* The values of a Step's expressions, for the daemon. */
static int run_evaluation(struct robot_job *job, const json_t *work, struct err *err)
{
    AUTO(json_unref) json_t *values = NULL, *body = NULL;
    AUTO(str_done) struct str text = {0};

    if (!role_program.evaluate)
        return err_set(err, ERR_WORKER, "this worker evaluates nothing");
    if (role_program.evaluate(&values, work, robot_settings(job), err) < 0)
        return -1;
    body = json_pack("{s:O}", "values", values);
    str_add_json_value(&text, body);
    if (text.len > BORDER_VALUE_BYTES || wire_weigh(text.s, text.len) > BORDER_VALUES)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "the values of the expressions have %zu bytes and up to %zu values; %d and %d are allowed",
                       text.len, wire_weigh(text.s, text.len), BORDER_VALUE_BYTES, BORDER_VALUES);
    return wire_send(job->sock, MSG_VALUES, take(body), -1, err);
}

static int host_run(struct robot_job *job, struct err *err)
{
    const json_t *undo = json_object_get(job->body, "undo"), *work = json_object_get(job->body, "evaluate");
    void *opts;

    if (json_is_object(work))
        return run_evaluation(job, work, err);
    job->robot = robot_find(jstr_or(job->body, "robot", ""));
    if (!job->robot)
        return err_set(err, ERR_WORKER, "this worker has no Robot '%s'",
                       jstr_or(job->body, "robot", ""));
    if (job->robot->flags & ROBOT_HANDLES_UPLOADS)
        return run_probe(job, err);
    if (robot_fill(&opts, job->arena, job->robot, job->params, err) < 0)
        return -1;
    if (json_is_object(undo))
        return job->robot->undo ? job->robot->undo(job, opts, undo, err) : 0;
    return job->robot->run(job, opts, err);
}

/* why NULL: it is done. */
static void say_end(struct robot_job *job, const struct err *why)
{
    json_int_t took_us = clock_mono_us() - job->start_us;
    struct err lost;
    int rc;

    job->over = true;
    if (why)
        rc = host_say(job, MSG_FAILED, told_failure(why), &lost);
    else
        rc = host_say(job, MSG_DONE, json_pack("{s:I}", "exec_us", took_us), &lost);
    if (rc < 0)
        _exit(1);
}

/* What run_together() is called with; errs say what came of it. */
static void host_run_together(struct robot_job jobs[], int n, struct err errs[])
{
    const struct robot *robot = robot_find(jstr_or(jobs->body, "robot", ""));
    struct robot_job *each[ROBOT_TOGETHER_MAX];
    const void *opts[ROBOT_TOGETHER_MAX];
    struct err err = {0};
    int rc = robot && robot->run_together ? 0 : err_set(&err, ERR_WORKER, "this worker does one job at a time");

    for (int i = 0; i < n && rc == 0; i++) {
        void *filled;

        each[i] = &jobs[i];
        jobs[i].robot = robot;
        if ((rc = robot_fill(&filled, jobs[i].arena, robot, jobs[i].params, &err)) == 0)
            opts[i] = filled;
    }
    if (rc == 0)
        robot->run_together(each, opts, n, errs);
    for (int i = 0; i < n && rc < 0; i++)
        errs[i] = err;
}

/* One that fails here is run again by itself: what went wrong is told then. */
static void serve_together(const struct robot_job *first, const json_t *mates)
{
    int n = 1 + (int)json_array_size(mates);
    struct robot_job jobs[ROBOT_TOGETHER_MAX];
    struct err errs[ROBOT_TOGETHER_MAX] = {0};

    if (n > ROBOT_TOGETHER_MAX)
        _exit(1);
    for (int i = 0; i < n; i++) {
        jobs[i] = *first;
        jobs[i].first = jobs;
        jobs[i].number = i;
        if (i)
            jobs[i].params = json_array_get(mates, (size_t)i - 1);
        fill_inputs(&jobs[i]);
    }
    host_run_together(jobs, n, errs);
    for (int i = 0; i < n; i++)
        say_end(&jobs[i], errs[i].code ? &errs[i] : NULL);
}

static void serve_one(struct robot_job *job)
{
    struct err err = {0};

    fill_inputs(job);
    bool failed = host_run(job, &err) < 0;
    if (failed && err.code == ERR_ROBOT_VALIDATION && !err.name[0] && job->robot) /* told by what the file is */
        robot_code_invalid(err.name, job->robot);
    if (!job->over)
        say_end(job, failed ? &err : NULL);
}

/* ---- a probe whose picture another job decodes ---- */

bool robot_asked(const struct robot_job *job) { return job->asker; }

/* The probe is over with that, while this job goes on. */
int robot_measured(struct robot_job *job, json_t *meta, struct err *err)
{
    AUTO(json_unref) json_t *measured = meta;
    struct robot_job *probe = take(job->asker);

    if (!probe)
        return 0;
    json_object_update(probe->found->meta, measured);
    if (send_found(probe, 0, probe->found, err) < 0)
        return -1;
    say_end(probe, NULL);
    return 0;
}

/* The job, and the probe with it. When that could not tell, the probe looks for itself. */
static int run_next(struct robot_job *probe, struct probe_result *found, struct err *err)
{
    AUTO(json_unref) json_t *body = take(probe->next);
    struct robot_job next = {.sock = probe->sock, .first = probe, .number = 1, .arena = probe->arena, .body = body,
                             .params = json_object_get(body, "params"), .asker = probe, .start_us = clock_mono_us()};

    probe->found = found;
    serve_one(&next);
    if (probe->over)
        return 0;
    json_decref(take(found->meta));
    if (host_probe(found, probe, probe->inputs->path, probe->inputs->name, (struct probe_how){0}, err) < 0)
        return tell_type(probe, 0, found, err);
    return send_found(probe, 0, found, err);
}

static void serve_job(int sock, json_t *body)
{
    AUTO(arena_free) struct arena *arena = arena_new();
    struct robot_job job = {.sock = sock, .first = &job, .arena = arena, .body = body,
                            .params = json_object_get(body, "params"), .start_us = clock_mono_us()};
    const json_t *mates = json_object_get(body, "mates");

    if (role_program.begin)
        role_program.begin(robot_settings(&job));
    if (json_array_size(mates)) {
        serve_together(&job, mates);
        return;
    }
    serve_one(&job);
}

int worker_trial(unsigned *did, const char *name, const json_t *body, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new();
    struct robot_job job = {.sock = -1, .first = &job, .arena = arena, .body = body,
                            .params = json_object_get(body, "params"), .robot = robot_find(name)};
    void *opts;

    if (!job.robot || !job.robot->trial)
        return err_set(err, ERR_CONFIG, "the Robot '%s' has no trial", name);
    if (robot_options(&opts, arena, job.robot, job.params, false, err) < 0)
        return -1;
    int rc = job.robot->trial(&job, opts, err);
    *did = job.tried;
    return rc;
}

int worker_renew(json_t **out, const char *name, const json_t *body, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new();
    struct robot_job job = {.sock = -1, .first = &job, .arena = arena, .body = body,
                            .params = json_object_get(body, "params"), .robot = robot_find(name)};

    if (!job.robot || !job.robot->renew)
        return err_set(err, ERR_CONFIG, "the Robot '%s' renews no tokens", name);
    return job.robot->renew(&job, job.params, out, err);
}

_Noreturn void worker_serve(int sock)
{
    struct err err;

    role_program.warm();
    if (wire_send(sock, MSG_UP, NULL, -1, &err) < 0)
        _exit(1);
    for (;;) {
        enum message type;
        AUTO(json_unref) json_t *body = NULL;
        int fd = -1;

        if (role_program.idle)
            role_program.idle(sock);
        if (wire_recv(sock, &type, &body, &fd, &err) <= 0)
            _exit(0);
        fd_close(fd);
        if (type != MSG_JOB)
            continue;
        if (wire_send(sock, MSG_TAKEN, NULL, -1, &err) < 0)
            _exit(1);
        serve_job(sock, body);
        if (role_program.rest)
            role_program.rest();
        if (role_program.stuck && role_program.stuck())
            _exit(0); /* its group goes with it */
    }
}
