#include "transfer/trial.h"
#include "base/id.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The other side's words, after ours. */
static int say_which(struct err *err, const char *what)
{
    struct err cause = *err;

    snprintf(err->msg, sizeof err->msg, "%s: %.*s", what, (int)(sizeof err->msg - strlen(what) - 3), cause.msg);
    return -1;
}

static int read_back(struct robot_job *job, const struct remote_trial *t, void *ctx, const char *name, struct err *err)
{
    AUTO(str_done) struct str text = {0};

    if (t->read(ctx, &text, name, err) < 0)
        return -1;
    return text.s && !strcmp(text.s, TRIAL_TEXT)
               ? 0
               : remote_fail(job, REMOTE_FAILED, err, "it is not what was written");
}

/* rc and err are of what went before, which counts first. */
static int take_away(struct robot_job *job, const struct remote_trial *t, void *ctx, const char *name, int rc,
                     struct err *err)
{
    AUTO(mem_free) char *what = mem_printf("the probe '%s' was written, and could not be removed", name);
    struct err gone;

    if (!t->remove)
        return rc;
    if (t->remove(ctx, name, &gone) == 0) {
        robot_tried(job, TRIAL_REMOVED);
        return rc;
    }
    if (rc < 0)
        return rc;
    *err = gone;
    return say_which(err, what);
}

int remote_try(struct robot_job *job, const struct remote_trial *t, void *ctx, struct err *err)
{
    char id[ID_LEN + 1];
    int rc = 0;

    id_new(id);
    AUTO(mem_free) char *name = mem_printf("workcell-probe-%s.txt", id);
    if (t->write(ctx, name, err) < 0)
        return say_which(err, "a probe could not be written");
    robot_tried(job, TRIAL_WROTE);
    if (t->read && (rc = read_back(job, t, ctx, name, err)) < 0)
        say_which(err, "a probe was written, but could not be read");
    else if (t->read)
        robot_tried(job, TRIAL_READ);
    if (rc == 0 && t->list && (rc = t->list(ctx, name, err)) < 0)
        say_which(err, t->read ? "a probe was written and read, but the listing failed"
                               : "a probe was written, but the listing failed");
    else if (rc == 0 && t->list)
        robot_tried(job, TRIAL_LISTED);
    return take_away(job, t, ctx, name, rc, err);
}

int remote_put_probe(struct robot_job *job, const struct remote_protocol *p, void *ctx, const char *name,
                     struct err *err)
{
    const struct robot_input in = {.name = name, .size = (int64_t)strlen(TRIAL_TEXT), .mime = "text/plain"};
    AUTO(fd_close) int fd = memfd_create("probe", MFD_CLOEXEC);
    AUTO(mem_free) char *part = mem_printf("%s.part", name);
    struct remote_file f = {.job = job, .in = &in, .fd = fd, .path = name, .part = p->parts ? part : NULL,
                            .probe = true};
    struct err ignored;

    if (fd < 0 || write(fd, TRIAL_TEXT, strlen(TRIAL_TEXT)) < 0)
        return err_errno(err, "make a probe in memory");
    int rc = p->put(ctx, &f, err);
    if (rc < 0 && f.made && p->clear)
        (void)!p->clear(ctx, &f, &ignored);
    json_decref(f.meta);
    json_decref(f.extra);
    return rc;
}
