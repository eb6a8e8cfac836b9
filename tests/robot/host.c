#include "host.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct robot_job {
    struct arena *arena;
    char dir[400];
    struct robot_input inputs[8];
    int input_count, paths, outputs;
    struct host_output out[64];
    json_t *settings;
};

struct robot_job *host_new(const char *dir)
{
    struct robot_job *h = mem_zalloc(sizeof *h);

    h->arena = arena_new();
    snprintf(h->dir, sizeof h->dir, "%s", dir);
    h->settings = json_pack("{s:I,s:I}", "max_pixels", (json_int_t)100000000, "max_frames", (json_int_t)500);
    return h;
}

void host_free(struct robot_job *h)
{
    for (int i = 0; i < h->outputs; i++)
        json_decref(h->out[i].meta);
    json_decref(h->settings);
    arena_free(h->arena);
    free(h);
}

void host_add_input(struct robot_job *h, const char *path, const char *mime)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    struct stat st = {0};

    stat(path, &st);
    h->inputs[h->input_count++] = (struct robot_input){
        .id = "00000000000000000000000000000000",
        .path = arena_strdup(h->arena, path),
        .name = arena_strdup(h->arena, name),
        .basename = arena_printf(h->arena, "%.*s", dot ? (int)(dot - name) : 200, name),
        .ext = arena_strdup(h->arena, dot ? dot + 1 : ""),
        .mime = mime,
        .type = "image",
        .md5 = "",
        .as = "",
        .size = st.st_size,
    };
}

int host_run(struct robot_job *h, const char *robot, const char *params, struct err *err)
{
    const struct robot *r = robot_find(robot);
    json_t *step = json_loads(params, 0, NULL);
    void *opts;

    if (!r || !step)
        abort();
    memset(err, 0, sizeof *err);
    int rc = robot_options(&opts, h->arena, r, step, false, err);
    if (rc == 0)
        rc = r->run(h, opts, err);
    json_decref(step);
    return rc;
}

int host_output_count(const struct robot_job *h) { return h->outputs; }
const struct host_output *host_output(const struct robot_job *h, int i) { return &h->out[i]; }

/* ---- the Robot's side ---- */

int robot_input_count(const struct robot_job *h) { return h->input_count; }
const struct robot_input *robot_input(const struct robot_job *h, int i) { return &h->inputs[i]; }
struct arena *robot_arena(struct robot_job *h) { return h->arena; }
const char *robot_assembly_id(const struct robot_job *h) { return h->inputs[0].id; }
const json_t *robot_settings(const struct robot_job *h) { return h->settings; }
void robot_progress(struct robot_job *h, double fraction) {}

const char *robot_out_path(struct robot_job *h, const char *ext)
{
    return arena_printf(h->arena, "%s/%d.%s", h->dir, h->paths++, ext);
}

int robot_emit(struct robot_job *h, const struct robot_output *o, struct err *err)
{
    struct host_output *out = &h->out[h->outputs++];

    (void)err;
    snprintf(out->path, sizeof out->path, "%s", o->path);
    snprintf(out->ext, sizeof out->ext, "%s", o->ext ? o->ext : "");
    snprintf(out->mime, sizeof out->mime, "%s", o->mime ? o->mime : "");
    out->meta = o->meta;
    return 0;
}

int robot_emit_same(struct robot_job *h, int input, json_t *meta, struct err *err)
{
    struct host_output *out = &h->out[h->outputs++];

    (void)err;
    snprintf(out->path, sizeof out->path, "%s", h->inputs[input].path);
    out->meta = meta;
    out->same = true;
    return 0;
}

int robot_emit_stored(struct robot_job *h, int input, const char *url, const char *ssl_url, json_t *extra,
                      json_t *meta, struct err *err)
{
    (void)input, (void)url, (void)ssl_url, (void)err;
    json_decref(extra);
    h->out[h->outputs++] = (struct host_output){.meta = meta, .stored = true};
    return 0;
}

int robot_set_undo(struct robot_job *h, json_t *token, struct err *err)
{
    (void)h, (void)err;
    json_decref(token);
    return 0;
}
