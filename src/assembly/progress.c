/* Execution progress (api-realtime.md 4): per input file, finished jobs of all that are known or
 * planned. */
#include "assembly/assembly.h"

#include <string.h>

struct tally {
    double done, all;
};

/* How many steps may still get a file that step gives. */
static int steps_below(const struct assembly *a, int step, bool *seen)
{
    int n = 0;

    for (int t = 1; t < a->in->count; t++)
        for (int u = 0; u < a->in->steps[t].use_count && !seen[t]; u++)
            if (a->in->steps[t].uses[u].step == step) {
                seen[t] = true;
                n += 1 + steps_below(a, t, seen);
            }
    return n;
}

static void tally_jobs(struct tally *tallies, const struct map *by_id, const struct assembly *a)
{
    AUTO(mem_free) char *memory = mem_zalloc((size_t)a->in->count * (sizeof(int) + sizeof(bool)));
    int *below = (int *)(void *)memory;
    bool *seen = (bool *)(memory + (size_t)a->in->count * sizeof(int));

    for (int s = 0; s < a->in->count; s++) {
        memset(seen, 0, (size_t)a->in->count);
        below[s] = steps_below(a, s, seen);
    }
    for (int i = 0; i < a->job_count; i++) {
        const struct job *j = a->jobs[i];
        const char *original =
            j->input_count ? json_string_value(json_array_get(j->inputs[0]->original_ids, 0))
                           : NULL;
        size_t at = original ? (size_t)map_get(by_id, original) : 0;
        bool open = j->state == JOB_QUEUED || j->state == JOB_RUNNING;

        if (!at)
            continue;
        tallies[at - 1].all += 1 + (open ? below[j->step] : 0);
        tallies[at - 1].done += open ? j->progress : 1;
    }
}

/* Is it among the files that the client counts? */
static bool is_shown(const struct assembly *a, const struct file *f)
{
    return file_is_original(f) && !(a->in && a->in->steps[f->step].hidden);
}

char *progress_json(struct assembly *a)
{
    struct str b = {0};
    struct map by_id = {0};
    AUTO(mem_free) char *memory = mem_zalloc((size_t)(a->file_count + 1) * sizeof(struct tally));
    struct tally *tallies = (struct tally *)(void *)memory;
    double sum = 0;
    int originals = 0;

    for (int i = 0; i < a->file_count; i++)
        if (is_shown(a, a->files[i]))
            map_put(&by_id, a->files[i]->id, (void *)(size_t)(i + 1));
    if (a->in)
        tally_jobs(tallies, &by_id, a);
    map_done(&by_id);
    for (int i = 0; i < a->file_count; i++) {
        struct file *f = a->files[i];
        double now = a->state == ASSEMBLY_COMPLETED ? 100
                     : tallies[i].all > 0           ? 100 * tallies[i].done / tallies[i].all
                                                    : 0;

        if (!is_shown(a, f))
            continue;
        /* more work turns up as steps give files: what was told stays */
        if (now > f->shown_progress)
            f->shown_progress = now;
        sum += f->shown_progress;
        str_addf(&b, "%s{\"original_id\":\"%s\",\"progress\":%.0f}", originals++ ? "," : "", f->id,
                 f->shown_progress);
    }
    if (originals && sum / originals > a->shown_progress)
        a->shown_progress = sum / originals;
    if (a->state == ASSEMBLY_COMPLETED)
        a->shown_progress = 100;
    AUTO(mem_free) char *list = str_take(&b);
    return mem_printf("{\"progress_combined\":%.0f,\"progress_per_original_file\":[%s]}",
                      a->shown_progress, list);
}
