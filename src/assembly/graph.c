/* Which jobs follow from a file. */
#include "assembly/graph.h"
#include "assembly/private.h"
#include "base/filetype.h"

#include <string.h>

static struct job *add_job(struct assembly *a, int step, int source, int inputs, int64_t at_us,
                           struct effects *fx)
{
    struct job *j = mem_zalloc(sizeof *j);

    j->id = a->job_count;
    j->step = step;
    j->source = source;
    j->hidden = a->in->steps[step].hidden;
    j->input_count = inputs;
    j->inputs = mem_zalloc((size_t)inputs * sizeof *j->inputs);
    j->labels = mem_zalloc((size_t)inputs * sizeof *j->labels);
    j->queued_us = at_us;
    GROW(a->jobs, a->job_count);
    a->jobs[a->job_count++] = j;
    a->jobs_open++;
    a->step_open[step]++;
    effects_add(fx, FX_START_JOB)->job = j->id;
    return j;
}

#define SMALL_UPLOAD (128 * 1024) /* bytes; what is larger may take long, and nobody shall wait for it */

/* Uploads share a probe when they are small. */
static bool has_room_for(const struct assembly *a, const struct job *j, const struct file *f)
{
    if (j->step != STEP_ORIGINAL)
        return j->input_count < a->begun.probe_batch;
    return j->input_count < a->begun.upload_batch && f->size <= SMALL_UPLOAD && j->inputs[0]->size <= SMALL_UPLOAD;
}

/* A probe of this step's files that nobody has begun and that has room; only the newest jobs are looked at. */
static struct job *probe_with_room(const struct assembly *a, const struct file *f, int step)
{
    for (int i = a->job_count - 1; i >= 0 && i >= a->job_count - 8; i--) {
        struct job *j = a->jobs[i];

        if (j->probe && j->step == step && j->state == JOB_QUEUED && !j->attempts && !j->failures && !j->alone &&
            has_room_for(a, j, f))
            return j;
    }
    return NULL;
}

struct job *graph_add_probe(struct assembly *a, struct file *f, int step, int64_t at_us,
                            struct effects *fx)
{
    struct job *j = probe_with_room(a, f, step);

    if (j) {
        j->inputs = mem_realloc(j->inputs, (size_t)(j->input_count + 1) * sizeof *j->inputs);
        j->labels = mem_realloc(j->labels, (size_t)(j->input_count + 1) * sizeof *j->labels);
        j->inputs[j->input_count] = f;
        j->labels[j->input_count++] = "";
        return j;
    }
    j = add_job(a, step, step == STEP_ORIGINAL ? STEP_ORIGINAL : -1, 1, at_us, fx);

    j->probe = true;
    j->inputs[0] = f;
    j->labels[0] = "";
    return j;
}

void graph_split_probe(struct assembly *a, const struct job *j, int64_t at_us, struct effects *fx)
{
    for (int i = j->outputs; i < j->input_count; i++) {
        struct job *one = add_job(a, j->step, j->source, 1, at_us, fx);

        one->probe = one->alone = true;
        one->inputs[0] = j->inputs[i];
        one->labels[0] = "";
    }
}

struct job *graph_add_fetch(struct assembly *a, json_t *request, int64_t at_us, struct effects *fx)
{
    struct job *j = add_job(a, STEP_ORIGINAL, -1, 0, at_us, fx);

    j->fetch = json_incref(request);
    return j;
}

void graph_add_note(struct assembly *a, struct file *f, const struct job *j, enum job_note then, json_t *about,
                    int64_t at_us, struct effects *fx)
{
    struct job *n = add_job(a, j->step, j->source, 1, at_us, fx);

    n->note = then;
    n->about = about;
    n->inputs[0] = f;
    n->labels[0] = "";
    f->is_noted |= then == NOTE_THEN_READY;
}

static bool takes(const struct step *s, const char *as, const struct file *f)
{
    /* An empty file has no contents to judge by: it counts as what its name says, so that a Robot can say that
     * it is empty instead of passing it by. */
    const char *by_name = f->size == 0 ? filetype_by_ext(f->ext) : NULL;

    return s->force_accept || robot_accepts(s->robot, as, f->mime ? f->mime : "") ||
           (by_name && robot_accepts(s->robot, as, by_name));
}

/* ---- files that go into each job of a step ---- */

static const struct bundle *side_of(const struct assembly *a, int step, int use)
{
    for (int i = 0; i < a->bundle_counts[step]; i++)
        if (a->bundles[step][i].use == use)
            return &a->bundles[step][i];
    return NULL;
}

static bool sides_are_there(const struct assembly *a, int step)
{
    const struct step *s = &a->in->steps[step];

    for (int u = 0; u < s->use_count; u++)
        if (s->uses[u].side && !side_of(a, step, u))
            return false;
    return true;
}

/* Behind the `k` inputs that j has already. */
static void add_sides(const struct assembly *a, struct job *j, int k)
{
    const struct step *s = &a->in->steps[j->step];

    for (int u = 0; u < s->use_count; u++) {
        if (!s->uses[u].side)
            continue;
        j->inputs[k] = side_of(a, j->step, u)->file;
        j->labels[k++] = s->uses[u].as;
    }
}

static void keep_for_later(struct assembly *a, int step, int use, struct file *f)
{
    GROW(a->bundles[step], a->bundle_counts[step]);
    a->bundles[step][a->bundle_counts[step]++] = (struct bundle){f, a->in->steps[step].uses[use].as, use};
}

static void add_single(struct assembly *a, int step, int use, struct file *f, int64_t at_us,
                       struct effects *fx)
{
    const struct step *s = &a->in->steps[step];
    struct job *j = add_job(a, step, s->uses[use].step, 1 + step_sides(s), at_us, fx);

    j->inputs[0] = f;
    j->labels[0] = s->uses[use].as;
    add_sides(a, j, 1);
    if (a->is_export[step])
        f->exports_open++;
}

/* One of them has come: with the last one, what waited for them begins. */
static void side_ready(struct assembly *a, int step, int use, struct file *f, int64_t at_us, struct effects *fx)
{
    const struct step *s = &a->in->steps[step];

    if (side_of(a, step, use)) /* an import gives one file; were there more, the first one counts */
        return;
    keep_for_later(a, step, use, f);
    if (s->bundle || !sides_are_there(a, step))
        return;
    for (int i = 0; i < a->bundle_counts[step]; i++) {
        const struct bundle b = a->bundles[step][i];

        if (!s->uses[b.use].side)
            add_single(a, step, b.use, b.file, at_us, fx);
    }
}

void graph_file_ready(struct assembly *a, struct file *f, int step, int64_t at_us,
                      struct effects *fx)
{
    for (int t = 1; t < a->in->count; t++) {
        const struct step *s = &a->in->steps[t];
        bool offered = false, wanted = false;
        int took = 0;

        for (int u = 0; u < s->use_count; u++) {
            if (s->uses[u].step != step)
                continue;
            if (s->uses[u].side) {
                side_ready(a, t, u, f, at_us, fx);
                continue;
            }
            offered = true;
            if (!step_wants_field(s, u, f->field))
                continue;
            wanted = true;
            if (!takes(s, s->uses[u].as, f))
                continue;
            if (took++ && !s->bundle)
                a->has_dupe_jobs = true;
            if (!s->bundle && sides_are_there(a, t)) {
                add_single(a, t, u, f, at_us, fx);
                continue;
            }
            keep_for_later(a, t, u, f);
            if (s->bundle && a->is_export[t])
                f->exports_open++;
        }
        if (offered)
            silence_offered(a, t, f, wanted, took > 0);
    }
}

void graph_start_sources(struct assembly *a, int64_t at_us, struct effects *fx)
{
    for (int t = 1; t < a->in->count; t++) {
        const struct step *s = &a->in->steps[t];

        if (s->use_count > step_sides(s))
            continue;
        if (s->robot->no_input) {
            add_job(a, t, -1, 0, at_us, fx);
            continue;
        }
        AUTO(mem_free) char *text =
            mem_printf("The step '%s' has no `use`, so it never gets a file.", s->name);
        assembly_warn(a, text);
    }
}

/* Can the step produce no more files? Memo: 0 unknown, 1 no, 2 yes. The graph has no cycles. */
static bool exhausted(struct assembly *a, int step, char *memo)
{
    if (memo[step])
        return memo[step] == 2;
    const struct step *s = &a->in->steps[step];
    bool yes = !a->step_open[step] && (step != STEP_ORIGINAL || a->uploading_finished) &&
               (!s->bundle || a->bundle_done[step]);

    for (int u = 0; yes && u < s->use_count; u++)
        yes = exhausted(a, s->uses[u].step, memo);
    memo[step] = yes ? 2 : 1;
    return yes;
}

static int by_use_then_arrival(const void *x, const void *y)
{
    const struct bundle *p = x, *q = y;

    return p->use != q->use ? p->use - q->use : p < q ? -1 : 1;
}

static const char *original_of(const struct bundle *b)
{
    return json_string_value(json_array_get(b->file->original_ids, 0));
}

/* Which files become a job together: chains of indexes into the bundle, in the order in which each began. */
struct groups {
    int count, *first, *size; /* [group] */
    int *next;                /* [file]; -1: the last one of its group */
};

static void groups_done(struct groups *g)
{
    free(g->first);
    free(g->size);
    free(g->next);
}

static void groups_add(struct groups *g, int *last, int at, int group)
{
    if (group == g->count) {
        g->first[g->count++] = at;
        g->size[group] = 0;
    } else {
        g->next[last[group]] = at;
    }
    last[group] = at;
    g->size[group]++;
    g->next[at] = -1;
}

static void groups_make(struct groups *g, const struct step *s, const struct bundle *v, int n)
{
    size_t bytes = (size_t)(n ? n : 1) * sizeof(int);
    int *last = mem_alloc(bytes); /* [group] */
    struct map by_original = {0}; /* original -> its group, counted from 1 */

    *g = (struct groups){.first = mem_alloc(bytes), .size = mem_alloc(bytes), .next = mem_alloc(bytes)};
    for (int i = 0; i < n; i++) {
        if (s->uses[v[i].use].side) /* not in one of the groups, but in each of them */
            continue;
        const char *key = s->group_by_original ? original_of(&v[i]) : "";
        size_t known = (size_t)map_get(&by_original, key);
        groups_add(g, last, i, known ? (int)known - 1 : g->count);
        if (!known)
            map_put(&by_original, key, (void *)(size_t)g->count);
    }
    map_done(&by_original);
    free(last);
}

static void flush(struct assembly *a, int step, int64_t at_us, struct effects *fx)
{
    const struct step *s = &a->in->steps[step];
    int n = a->bundle_counts[step];
    struct bundle *v = a->bundles[step];
    struct groups g;

    if (n)
        qsort(v, (size_t)n, sizeof *v, by_use_then_arrival);
    a->bundle_done[step] = true;
    /* a bundled step gets nothing when one of its sources gave nothing (robots.md 3.7) */
    for (int u = 0; u < s->use_count; u++) {
        bool any = false;

        for (int i = 0; i < n; i++)
            any |= v[i].use == u;
        if (!any)
            n = 0;
    }
    groups_make(&g, s, v, n);
    for (int i = 0; i < g.count; i++) {
        struct job *j = add_job(a, step, s->uses[v[g.first[i]].use].step, g.size[i] + step_sides(s), at_us, fx);
        int k = 0;

        for (int m = g.first[i]; m >= 0; m = g.next[m]) {
            j->inputs[k] = v[m].file;
            j->labels[k++] = v[m].label;
        }
        add_sides(a, j, k);
    }
    groups_done(&g);
}

void graph_flush_bundles(struct assembly *a, int64_t at_us, struct effects *fx)
{
    bool again = true;

    while (again) {
        AUTO(mem_free) char *memo = mem_zalloc((size_t)a->in->count);

        again = false;
        for (int t = 1; t < a->in->count; t++) {
            const struct step *s = &a->in->steps[t];
            bool ready = s->bundle && s->use_count && !a->bundle_done[t];

            for (int u = 0; ready && u < s->use_count; u++)
                ready = exhausted(a, s->uses[u].step, memo);
            if (ready) {
                flush(a, t, at_us, fx);
                again = true;
                break;
            }
        }
    }
}
