#include "host.h"
#include "base/filetype.h"
#include "media/mime.h"
#include "media/probe.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILES 1200
#define MAX_OUTPUTS 1100

struct robot_job {
    const struct robot *robot;
    double progress;
    int progress_steps;
    struct arena *arena;
    char dir[64];
    json_t *undo;
    char *kept;
    struct robot_input in[MAX_FILES];
    struct host_output out[MAX_OUTPUTS];
    int in_count, out_count, paths;
    json_t *settings, *variables;
    bool asked;
    json_t *measured;
};

struct robot_job *host_new(void)
{
    struct robot_job *j = mem_zalloc(sizeof *j);

    j->arena = arena_new();
    j->settings = json_object();
    strcpy(j->dir, "/tmp/workcell-test-XXXXXX");
    if (!mkdtemp(j->dir))
        abort();
    return j;
}

static void unref(void *j) { json_decref(j); }

static void forget_outputs(struct robot_job *j)
{
    for (int i = 0; i < j->out_count; i++) {
        json_decref(j->out[i].meta);
        json_decref(j->out[i].extra);
        free(j->out[i].url);
        free(j->out[i].ssl_url);
        free(j->out[i].stub);
        free(j->out[i].path);
        free(j->out[i].name);
        free(j->out[i].mime);
    }
    j->out_count = 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

void host_free(struct robot_job *j)
{
    if (!j)
        return;
    forget_outputs(j);
    nftw(j->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    json_decref(j->settings);
    json_decref(j->variables);
    json_decref(j->measured);
    json_decref(j->undo);
    free(j->kept);
    arena_free(j->arena);
    free(j);
}

void robot_tried(struct robot_job *j, enum robot_trial_step step)
{
    (void)j;
    (void)step;
}

const char *host_dir(const struct robot_job *j) { return j->dir; }
const char *host_path(struct robot_job *j, const char *name)
{
    return arena_printf(j->arena, "%s/%s", j->dir, name);
}
json_t *host_settings(struct robot_job *j) { return j->settings; }
void host_variables(struct robot_job *j, json_t *variables)
{
    json_decref(j->variables);
    j->variables = variables;
}

void host_add_input(struct robot_job *j, const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *dot = strrchr(name, '.');
    struct robot_input *in = &j->in[j->in_count++];
    char mime[MIME_LEN];
    struct stat st;

    if (j->in_count > MAX_FILES)
        abort();
    if (stat(path, &st) < 0 || mime_detect(mime, path, name, NULL) < 0)
        abort();
    *in = (struct robot_input){
        .id = "0123456789abcdef0123456789abcdef",
        .path = arena_strdup(j->arena, path),
        .name = arena_strdup(j->arena, name),
        .basename =
            arena_printf(j->arena, "%.*s", (int)(dot ? dot - name : (ptrdiff_t)strlen(name)), name),
        .ext = arena_strdup(j->arena, dot ? dot + 1 : ""),
        .mime = arena_strdup(j->arena, mime),
        .type = filetype_kind(mime) ? filetype_kind(mime) : "",
        .md5 = "",
        .as = "",
        .step = ":original",
        .original_id = "0123456789abcdef0123456789abcdef",
        .original_path = "/",
        .size = st.st_size,
    };
    in->original_basename = in->basename;
}

void host_input_as(struct robot_job *j, const char *as) { j->in[j->in_count - 1].as = as; }
void host_input_meta(struct robot_job *j, json_t *meta)
{
    j->in[j->in_count - 1].meta = meta;
    arena_defer(j->arena, unref, meta);
}

struct robot_input *host_input(struct robot_job *j) { return &j->in[j->in_count - 1]; }

void host_be(struct robot_job *j, const char *robot)
{
    j->robot = robot_find(robot);
    if (!j->robot)
        abort();
}

int host_run(struct robot_job *j, const char *robot, const char *step, struct err *err)
{
    const struct robot *r = robot_find(robot);
    AUTO(json_unref) json_t *s = json_loads(step, 0, NULL);
    void *opts;

    if (!r || !s)
        abort();
    forget_outputs(j);
    if (robot_options(&opts, j->arena, r, s, false, err) < 0)
        return -1;
    j->robot = r;
    arena_defer(j->arena, unref, json_incref(s));
    for (int i = 0; i < j->in_count; i++)
        if (!j->in[i].params)
            j->in[i].params = s;
    int rc = r->run(j, opts, err);
    if (rc < 0 && err->code == ERR_ROBOT_VALIDATION && !err->name[0])
        robot_code_invalid(err->name, r);
    if (rc == 0 && j->undo && !json_object_get(j->undo, "commit"))
        abort(); /* something is still to be taken back, and it said that it was done */
    if (rc == 0)
        json_decref(take(j->undo)); /* of a job that is done nothing is taken back */
    return rc;
}

void host_run_together(struct robot_job *const jobs[], const char *robot, const char *const steps[], int n,
                       struct err errs[])
{
    const struct robot *r = robot_find(robot);
    const void *opts[ROBOT_TOGETHER_MAX];

    if (!r || !r->run_together || n > ROBOT_TOGETHER_MAX)
        abort();
    for (int i = 0; i < n; i++) {
        json_t *s = json_loads(steps[i], 0, NULL);
        struct err err;
        void *filled;

        arena_defer(jobs[i]->arena, unref, s);
        forget_outputs(jobs[i]);
        if (!s || robot_options(&filled, jobs[i]->arena, r, s, false, &err) < 0 || !r->joins(filled))
            abort(); /* whoever asks has looked before */
        opts[i] = filled;
        jobs[i]->robot = r;
        jobs[i]->in[0].params = s;
    }
    r->run_together(jobs, opts, n, errs);
}

int host_undo(struct robot_job *j, const char *robot, const char *step, const json_t *token, struct err *err)
{
    const struct robot *r = robot_find(robot);
    AUTO(json_unref) json_t *s = json_loads(step, 0, NULL);
    void *opts;

    if (!r || !s || !r->undo)
        abort();
    j->robot = r;
    return robot_options(&opts, j->arena, r, s, false, err) < 0 ? -1 : r->undo(j, opts, token, err);
}

int robot_host_key(const char **known, struct robot_job *j, const char *host, int port, const char *seen,
                   struct err *err)
{
    AUTO(mem_free) char *name = mem_printf("known %s %d", host, port);

    (void)err;
    assert(j->robot->flags & ROBOT_KNOWS_HOSTS);
    if (seen && !jstr(j->settings, name))
        jset(j->settings, name, seen);
    *known = jstr(j->settings, name);
    return 0;
}

bool robot_renews(const struct robot_job *j) { return jbool(j->settings, "renews", false); }

int robot_access_token(const char **token, struct robot_job *j, const char *refused, struct err *err)
{
    *token = jstr(j->settings, "renewed");
    return *token && strcmp(*token, refused) != 0 ? 0 : err_set(err, ERR_SERVER_403, "there is no other token");
}

const json_t *host_undo_token(const struct robot_job *j) { return j->undo; }

int host_run_on(struct robot_job *j, const char *robot, const char *step, const char *path,
                struct err *err)
{
    j->in_count = 0;
    host_add_input(j, path);
    return host_run(j, robot, step, err);
}

int host_output_count(const struct robot_job *j) { return j->out_count; }
const struct host_output *host_output(const struct robot_job *j, int i)
{
    assert(i < j->out_count);
    return &j->out[i];
}

/* ---- what robot.h promises ---- */

int robot_input_count(const struct robot_job *j) { return j->in_count; }
const struct robot_input *robot_input(const struct robot_job *j, int i) { return &j->in[i]; }
const struct robot *robot_of_job(const struct robot_job *j) { return j->robot; }
struct arena *robot_arena(struct robot_job *j) { return j->arena; }
const char *robot_assembly_id(const struct robot_job *j)
{
    return "0123456789abcdef0123456789abcdef";
}
const char *robot_status(const struct robot_job *j)
{
    return j->robot->flags & ROBOT_GETS_STATUS ? jstr(j->settings, "status") : NULL;
}
const json_t *robot_variables(const struct robot_job *j) { return j->variables; }
const json_t *robot_settings(const struct robot_job *j) { return j->settings; }
void robot_progress(struct robot_job *j, double fraction)
{
    assert(fraction >= 0 && fraction <= 1);
    if (fraction > j->progress) {
        j->progress = fraction;
        j->progress_steps++;
    }
}

int host_progress_steps(const struct robot_job *j) { return j->progress_steps; }

const char *robot_out_path(struct robot_job *j, const char *ext)
{
    return arena_printf(j->arena, "%s/out-%d.%s", j->dir, j->paths++, ext);
}

int robot_emit(struct robot_job *j, const struct robot_output *o, struct err *err)
{
    const struct robot_input *in = &j->in[o->input < 0 ? 0 : o->input];
    const struct probe_want want = {.limits = media_limits(j->settings), .derived = true};
    struct host_output *out = &j->out[j->out_count];
    char mime[MIME_LEN], hint[16];
    json_t *meta = NULL;
    struct stat st;

    if (stat(o->path, &st) < 0)
        return err_errno(err, "output '%s'", o->path);
    if (o->meta_complete) {
        assert(o->mime);
        meta = o->meta;
    } else if (robot_role_for(j->robot, in->mime) != ROLE_MEDIA) {
        meta = o->meta ? o->meta : json_object(); /* a media worker looks into it afterwards */
        snprintf(mime, sizeof mime, "%s", "");
    } else {
        if (probe_file(&meta, mime, hint, o->path, o->name, &want, err) < 0) {
            json_decref(o->meta);
            return -1;
        }
        json_object_update(meta, o->meta);
        json_decref(o->meta);
    }
    j->out_count++;
    *out = (struct host_output){
        .path = mem_strdup(o->path),
        .name = o->name ? mem_strdup(o->name)
                        : mem_printf("%s.%s", in->basename, o->ext ? o->ext : in->ext),
        .mime = mem_strdup(o->mime ? o->mime : mime),
        .meta = meta,
        .extra = json_incref((json_t *)o->extra),
        .stub = o->stub ? mem_strdup(o->stub) : NULL,
        .size = st.st_size,
    };
    return 0;
}

int robot_emit_same(struct robot_job *j, int input, json_t *meta, struct err *err)
{
    const struct robot_input *in = &j->in[input];

    j->out[j->out_count++] = (struct host_output){.path = mem_strdup(in->path),
                                                  .name = mem_strdup(in->name),
                                                  .mime = mem_strdup(in->mime),
                                                  .meta = meta ? meta : json_object(),
                                                  .same = true,
                                                  .size = in->size};
    return 0;
}

int robot_emit_passed(struct robot_job *j, int input, struct err *err)
{
    const struct robot_input *in = &j->in[input];

    j->out[j->out_count++] = (struct host_output){.path = mem_strdup(in->path),
                                                  .name = mem_strdup(in->name),
                                                  .mime = mem_strdup(in->mime),
                                                  .meta = json_object(),
                                                  .same = true,
                                                  .passed = true,
                                                  .size = in->size};
    return 0;
}

int robot_emit_stored(struct robot_job *j, int input, const char *url, const char *ssl_url,
                      json_t *extra, json_t *meta, struct err *err)
{
    const struct robot_input *in = &j->in[input];

    if (!j->robot->is_store)
        abort();
    j->out[j->out_count++] = (struct host_output){.path = mem_strdup(in->path),
                                                  .name = mem_strdup(in->name),
                                                  .mime = mem_strdup(in->mime),
                                                  .meta = meta ? meta : json_object(),
                                                  .extra = extra,
                                                  .url = mem_strdup(url),
                                                  .ssl_url = mem_strdup(ssl_url),
                                                  .same = true,
                                                  .size = in->size};
    return 0;
}

void host_ask(struct robot_job *j)
{
    j->asked = true;
    json_decref(take(j->measured));
}

const json_t *host_measured(const struct robot_job *j) { return j->measured; }

bool robot_asked(const struct robot_job *j) { return j->asked; }

int robot_measured(struct robot_job *j, json_t *meta, struct err *err)
{
    (void)err;
    assert(j->asked && !j->measured && !j->out_count);
    j->asked = false;
    j->measured = meta;
    return 0;
}

int robot_kept(struct robot_job *j, int input, const char *url, struct err *err)
{
    (void)err;
    if (j->kept || input < 0 || !*url)
        abort();
    j->kept = mem_strdup(url);
    return 0;
}

const char *host_kept(const struct robot_job *j) { return j->kept; }

int robot_set_undo(struct robot_job *j, json_t *token, struct err *err)
{
    json_decref(j->undo);
    j->undo = token && !json_is_null(token) ? token : (json_decref(token), NULL);
    return 0;
}
