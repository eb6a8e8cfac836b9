/* What a job is told: its message, its settings, its time and its threads. */
#include "worker/pool_priv.h"

#include <limits.h>
#include <string.h>

/* File name of an input inside the jail: short, with a plain extension, nothing of the user's choosing. */
static void set_input_paths(json_t *inputs)
{
    json_t *in;
    size_t i;

    json_array_foreach (inputs, i, in) {
        const char *ext = jstr_or(in, "ext", "");
        char clean[17] = "";
        size_t n = 0;

        for (; ext[n] && n < 16; n++) {
            if (!((ext[n] >= 'a' && ext[n] <= 'z') || (ext[n] >= '0' && ext[n] <= '9')))
                break;
            clean[n] = ext[n];
        }
        clean[ext[n] ? 0 : n] = 0;
        AUTO(mem_free) char *path = mem_printf("in/%zu%s%s", i, *clean ? "." : "", clean);
        json_object_set_new(in, "path", json_string(path));
    }
}

int pool_share(int cores, int workers, int running, int waiting)
{
    int64_t jobs = (int64_t)running + waiting + 1;

    if (jobs > workers)
        jobs = workers;
    int share = jobs < 1 ? cores : cores > jobs ? (int)(cores / jobs) : 1;
    return share * 2 < cores ? share * 2 : cores;
}

/* The job itself has no worker yet. */
int pool_threads(const struct pool *p, enum robot_role role, int waiting)
{
    int running = 0;

    for (const struct worker *w = p->workers; w; w = w->next)
        running += w->role == role && worker_open_run(w);
    return p->conf.encode_threads ? p->conf.encode_threads
                                  : pool_share(p->conf.cores, p->conf.workers[role], running, waiting);
}

/* Of all that it does, as if one came after the other. */
int pool_timeout(const struct pool *p, const struct pool_task *task)
{
    int64_t s = task->timeout_s                              ? task->timeout_s
                : task->encodes && p->conf.encode_timeout_s ? p->conf.encode_timeout_s
                                                             : p->conf.timeout_s;

    s *= 1 + task->mate_count;
    return s > INT_MAX / 1000 ? INT_MAX / 1000 : (int)s;
}

/* What is set for all Robots, and what this one may know besides. */
static json_t *settings_for(const struct pool *p, const struct pool_task *task)
{
    json_t *all = p->conf.settings ? json_copy((json_t *)p->conf.settings) : json_object(), *v;

    if (pool_timeout(p, task) != p->conf.timeout_s)
        json_object_set_new(all, "timeout_s", json_integer(pool_timeout(p, task)));
    if (task->encodes)
        json_object_set_new(all, "threads", json_integer(pool_threads(p, task->role, task->waiting)));

    for (const char *at = task->keys; at && *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        AUTO(mem_free) char *name = mem_strndup(at, n);

        if ((v = json_object_get(p->conf.keys, name)))
            json_object_set(all, name, v);
        at += n;
    }
    return all;
}

json_t *pool_message(const struct pool *p, const struct pool_task *task)
{
    json_t *message;

    set_input_paths(task->inputs);
    message = json_pack("{s:b,s:s*,s:s,s:o*,s:o*,s:o,s:o?,s:s?,s:o*,s:o*}", "renews", task->renews, "robot",
                        task->robot, "assembly", task->assembly_id, "params", task->params, "inputs", task->inputs,
                        "settings", settings_for(p, task), "undo", task->undo, "status", task->status, "variables",
                        task->variables, "evaluate", task->evaluate);
    if (task->asks && !p->conf.isolate_jobs)
        json_object_set_new(message, "asks", json_true());
    return message;
}
