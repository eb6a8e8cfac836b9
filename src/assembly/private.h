/* private.h - what the files of this room share. Lowest first, and each uses only those before it: event.c (what events
 * look like) effects.c (what the rules have to say) silence.c graph.c (what follows from a file) progress.c state.c (what an Assembly may become)
 * status.c (the document) files.c (records of files) arrivals.c (what clients bring) outcomes.c (what jobs say)
 * assembly.c (where events come in). */
#pragma once
#include "assembly/assembly.h"
#include "assembly/graph.h"

static inline char *text_or_null(const char *s) { return s ? mem_strdup(s) : NULL; }

/* Arrays that grow by doubling: call before writing v[n]. */
#define GROW(v, n)                                                                                                     \
    do {                                                                                                               \
        if (((n) & ((n) - 1)) == 0)                                                                                    \
            (v) = mem_realloc((v), (size_t)((n) ? (n) * 2 : 1) * sizeof *(v));                                         \
    } while (0)

/* ---- event.c ---- */
/* -1 and ERR_INTERNAL: a field of its row in events.def is missing, or is of another kind. */
MUST_CHECK int event_check(const struct event *ev, struct err *err);

/* ---- effects.c ---- */
struct effect *effects_add(struct effects *fx, enum effect_type type);
void effects_tell(struct effects *fx, const char *name, char *text); /* steals text */
void effects_fragment(struct effects *fx, enum doc_list list, int step, int index, char *text); /* steals text */
/* level: "notice" or "warning" (api-status.md). At most a hundred are kept. */
void assembly_say(struct assembly *a, const char *level, const char *text);
void assembly_warn(struct assembly *a, const char *text);

/* ---- silence.c ---- */
/* A file of one of the step's sources is ready. wanted: it is in a form field that the step asks for; taken: it gets a
 * job. */
void silence_offered(struct assembly *a, int step, const struct file *f, bool wanted, bool taken);
/* It is about to be complete: which steps did nothing, and why, as warnings. */
void silence_tell(struct assembly *a);

/* ---- state.c ---- */
/* The only place where an Assembly changes state. False: from here it does not become that. */
bool assembly_set_state(struct assembly *a, enum assembly_state to, int64_t at_us, struct effects *fx);
/* Nothing when it is over. step, previous: where it happened, may be NULL. */
void assembly_fail(struct assembly *a, const struct err *err, const char *step, const char *previous, int64_t at_us,
                   struct effects *fx);
/* Whatever may have become possible: bundles, the end of uploading, of metadata, of everything. */
void assembly_advance(struct assembly *a, int64_t at_us, struct effects *fx);
/* The error that an event carries: {code, name, msg}. The public name counts: numbers of codes are not the same in
 * every version. */
void assembly_stored_error(struct err *why, const json_t *d, enum err_code otherwise);
/* All that job_failed carries. */
void assembly_stored_failure(struct err *why, const json_t *d);
/* More bytes to come; the sum of what clients name never wraps. */
void assembly_expect(struct assembly *a, int64_t size);
/* A limit of the request is passed: it fails, err says why, and 1 comes back. Else 0. */
int assembly_too_big(struct assembly *a, int64_t size, const char *name, int64_t at_us, struct effects *fx,
                     struct err *err);
int assembly_too_many(struct assembly *a, int more, int64_t at_us, struct effects *fx, struct err *err);

/* ---- files.c ---- */
struct file *file_add(struct assembly *a, const char *id, const char *name, int step);
void file_free(struct file *f);
void file_set_text(char **field, const char *value);
void file_be_original(struct file *f, const char *path);
void file_inherit(const struct assembly *a, struct file *f, const struct job *j, const struct file *from);
int64_t robot_cost(const struct robot *r, int64_t bytes);
bool file_is_listed(const struct file *f, int step);
void file_list(struct assembly *a, struct file *f, int step, struct effects *fx);
/* api-instructions.md 7: exported files, `result: true`, and files of steps that nobody uses. */
void file_list_if_due(struct assembly *a, struct file *f, struct effects *fx);
/* The same of a step that passed the file on: it made none. Having been exported is told by the step that did. */
void file_list_passed(struct assembly *a, struct file *f, int step, struct effects *fx);
/* Its record changed: every place that shows it. */
void file_refresh(struct assembly *a, struct file *f, struct effects *fx);
void file_start_consumers(struct assembly *a, struct file *f, int64_t at_us, struct effects *fx); /* once */
void file_is_ready(struct assembly *a, struct file *f, int64_t at_us, struct effects *fx);
/* d: the file's record; u: the tus upload that brought it, or NULL. */
void assembly_add_upload(struct assembly *a, const json_t *d, const struct tus_upload *u, int64_t at_us,
                         struct effects *fx);

/* ---- arrivals.c, outcomes.c ---- */
int arrivals_apply(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err);
int outcomes_apply(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err);
