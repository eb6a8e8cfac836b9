/* What a completed Assembly has not done, in words. An Assembly whose Steps got nothing that they read is complete, and
 * its status says so (api-instructions.md 5.3): who wonders where the results are reads it in `warnings`. */
#include "assembly/private.h"

/* What a Step's jobs came to. */
struct tally {
    int jobs, failed, outputs;
    const struct file *first; /* input of one of them; may be NULL */
};

void silence_offered(struct assembly *a, int step, const struct file *f, bool wanted, bool taken)
{
    struct offers *o = &a->offers[step];

    o->count++;
    o->unwanted += !wanted;
    if (wanted && !taken && !o->passed_by++)
        o->first = f;
}

static void add_name(struct str *names, const char *name)
{
    if (names->len < 300) /* five hundred Steps may have nothing to do; some names will do */
        str_addf(names, "%s'%.100s'", names->len ? ", " : "", name);
    else if (!str_ends(names->s, "..."))
        str_puts(names, "...");
}

static char *and_others(const struct file *f, int count)
{
    AUTO(mem_free) char *more = count > 1 ? mem_printf(" and %d more", count - 1) : mem_strdup("");

    return mem_printf("'%.150s'%s%s%s%s", f->name, f->mime ? " (" : "", f->mime ? f->mime : "", f->mime ? ")" : "",
                      more);
}

/* Why a Step had no job. NULL: the fault is another's, which is told there. */
static char *why_idle(const struct assembly *a, int step)
{
    const struct step *s = &a->in->steps[step];
    const struct offers *o = &a->offers[step];

    if (!o->count)
        return NULL;
    if (o->first) {
        AUTO(mem_free) char *what = and_others(o->first, o->passed_by);

        return mem_printf("The step '%.100s' did nothing: %s does not take %s.", s->name, s->robot->name, what);
    }
    if (o->unwanted == o->count)
        return mem_printf("The step '%.100s' did nothing: no file came in one of the form fields that it asks for.",
                          s->name);
    return mem_printf("The step '%.100s' did nothing: it takes files of all the steps that it uses together, and one "
                      "of them gave none.",
                      s->name);
}

static char *why_empty(const struct assembly *a, int step, const struct tally *t)
{
    const struct step *s = &a->in->steps[step];
    AUTO(mem_free) char *of = t->first ? and_others(t->first, t->jobs) : NULL;

    return mem_printf("The step '%.100s' gave no file: %s%s%s.", s->name,
                      s->robot->nothing ? s->robot->nothing : "its work has no result", of ? " in " : "", of ? of : "");
}

static struct tally *count_jobs(const struct assembly *a)
{
    struct tally *all = mem_zalloc((size_t)a->in->count * sizeof *all);

    for (int i = 0; i < a->job_count; i++) {
        const struct job *j = a->jobs[i];
        struct tally *t = &all[j->step];

        if (j->probe || j->fetch || j->note)
            continue;
        t->jobs++;
        t->failed += j->state == JOB_FAILED;
        t->outputs += j->outputs;
        if (!t->first && j->input_count)
            t->first = j->inputs[0];
    }
    return all;
}

static bool uses_original(const struct step *s)
{
    for (int u = 0; u < s->use_count; u++)
        if (s->uses[u].step == STEP_ORIGINAL)
            return true;
    return false;
}

void silence_tell(struct assembly *a)
{
    struct tally *all = count_jobs(a);
    AUTO(str_done) struct str without_file = {0};
    bool anything = false;

    for (int t = 0; t < a->in->count; t++)
        anything |= a->result_counts[t] > 0;
    const char *level = anything ? "notice" : "warning"; /* some branch had nothing to do, or all of it was in vain */

    for (int t = 1; t < a->in->count; t++)
        if (!all[t].jobs && !a->upload_count && !a->offers[t].count && uses_original(&a->in->steps[t]))
            add_name(&without_file, a->in->steps[t].name);
    if (without_file.len) {
        AUTO(mem_free) char *text = mem_printf("No file was sent, so there was nothing to do for: %s.", without_file.s);

        assembly_say(a, level, text);
    } else if (!a->upload_count && a->in->count == 1) {
        assembly_say(a, level, "No file was sent, so there was nothing to do.");
    }
    for (int t = 1; t < a->in->count; t++) {
        const struct step *s = &a->in->steps[t];
        AUTO(mem_free) char *text = NULL;

        if (!all[t].jobs && s->use_count)
            text = why_idle(a, t);
        else if (all[t].jobs && !all[t].outputs && !all[t].failed) /* a failure is told by itself */
            text = why_empty(a, t, &all[t]);
        if (text)
            assembly_say(a, level, text);
    }
    free(all);
}
