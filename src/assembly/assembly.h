/* assembly.h - the rules: what an Assembly is and what every event does to it.
 *
 * Pure: state, an event and the time go in; changed state and a list of effects come out. No I/O, no
 * clock, no thread. An Assembly is a function of its events: they are what the store keeps, and
 * replaying them after a crash gives the same Assembly (design.md section 3). So nothing in here may
 * depend on anything but the events.
 *
 * Contract: api-assemblies.md 3, 4, 8; api-instructions.md 5-8; api-status.md. */
#pragma once
#include "assembly/created.h"
#include "assembly/instructions.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"

#include <stdint.h>
#include <string.h>

struct credential_source; /* assembly/credentials.h */

enum assembly_state {
    ASSEMBLY_NEW,       /* no `created` event yet */
    ASSEMBLY_UPLOADING, /* files are still to come; jobs may run already */
    ASSEMBLY_EXECUTING, /* every expected file is in */
    ASSEMBLY_COMPLETED, /* terminal: no job is left */
    ASSEMBLY_CANCELED,  /* terminal: DELETE won */
    ASSEMBLY_ABORTED,   /* terminal: the create request's body was cut off (REQUEST_ABORTED) */
    ASSEMBLY_FAILED,    /* terminal: error says why */
};

/* Every event, with the keys of its data object. Volatile ones are not kept in the store. */
enum event_type {
#define RECORD(name, fields)
#define X(name, text, durable, fields) name,
#include "assembly/events.def"
#undef X
#undef RECORD
};

struct event {
    enum event_type type;
    json_t *data; /* object, lent; see events.def */
    int64_t at_us;
};

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_DROPPED };

struct file {
    char id[ID_LEN + 1];
    char *name, *basename, *ext, *mime, *type, *field, *md5; /* mime, type, field, md5 may be NULL */
    int64_t size;                                            /* bytes */
    json_t *original_ids; /* array; one entry for most */
    char *original_name, *original_basename, *original_path, *original_md5;
    json_t *user_meta, *meta, *extra; /* objects; user_meta and extra may be NULL */
    bool from_batch_import, is_tus;
    char *tus_url;         /* NULL unless is_tus */
    char *url, *ssl_url;   /* where an export has put it; NULL: the temporary address */
    int step;              /* producer */
    bool batch;            /* made by a job of the batch queue */
    int64_t cost;          /* bytes billed */
    int64_t exec_us, queue_us;
    int upload_index;      /* in `uploads`, -1 for none */
    double shown_progress; /* of an original, 0..100: what was told last */
    int exports_open;      /* jobs of store steps that will still move it */
    bool exported;
    bool is_stub;          /* there is only the address in url */
    bool ready;            /* its step's consumers have been given it */
    bool is_noted;         /* they wait: a note about it is being made (struct job) */
    int *listed_step, *listed_index, listed_count; /* its entries in `results` */
};

enum job_note { NOTE_NONE, NOTE_THEN_READY, NOTE_THEN_STORED, NOTE_THEN_PASSED };

struct job {
    int id; /* index into assembly.jobs */
    int step;
    int source;    /* step of the first input; -1: none */
    bool probe;    /* reads the metadata of its inputs (small uploads: begun.upload_batch; imports: probe_batch) */
    bool hidden;   /* of a hidden step */
    bool alone;    /* a probe that gets no other files: it is what became of a failed one */
    enum job_note note; /* evaluates its step's `user_meta` for its input, and runs no Robot; what follows then */
    json_t *about; /* of a note: what ${file} is */
    json_t *fetch; /* brings an added file as an upload: data of its file_added event; NULL: any
                      other job */
    struct file **inputs;
    const char **labels; /* use[].as of each input, "" for none */
    int input_count;
    enum job_state state;
    int attempts;      /* runs begun, also those that a restart of the server ended */
    int failures;      /* runs that ended in a failure worth a retry */
    int64_t boot;      /* of the daemon that runs it; 0: none does, or nobody knows */
    int deaths;        /* of daemons while it ran, since its last output */
    int outputs;       /* accepted so far; a repeated run's first `outputs` outputs are dropped */
    int64_t out_bytes;
    int64_t queued_us, started_us, queue_us;
    double progress;   /* 0..1 */
    json_t *undo;      /* token for Robot.undo, NULL: nothing to take back */
    bool undo_failed;  /* it stays there: nobody tries any more to take it back */
    json_t *values;    /* of its expressions that need the engine: an array of those of the job, then one for each
                          input that has some of its own; NULL: not evaluated (yet) */
};

struct tus_upload {
    char id[ID_LEN + 1];
    char *filename, *fieldname, *url;
    json_t *user_meta; /* may be NULL */
    int64_t size;      /* -1: not known yet */
    int64_t offset;
    bool finished, removed, counted;
};

struct bundle { /* files that wait for a bundling step */
    struct file *file;
    const char *label;
    int use;
};

struct offers { /* files of the steps that a step uses, as they became ready */
    int count, unwanted, passed_by; /* all; in another form field; of a type that its Robot does not take */
    const struct file *first;       /* passed by */
};

struct assembly {
    char id[ID_LEN + 1];
    enum assembly_state state;
    struct log log;
    char *workspace, *key_id, *base_url; /* base_url: scheme://host, no slash at the end */
    struct instructions *in;             /* NULL when they did not parse */
    json_t *fields;
    json_t *created; /* data of the `created` event... */
    struct created begun; /* ...and what it says, lent from it */
    int64_t created_us, uploaded_us, execution_us, ended_us, last_job_us, first_job_us; /* 0: not yet */
    int64_t max_size, max_files;   /* 0: no limit */
    int max_attempts;
    int left_elsewhere;            /* of what jobs made at other servers: could not be taken back, and stays there */
    int64_t body_bytes;            /* of the create request */
    int body_files;                /* that came with it and are uploads now */
    int64_t body_expected;         /* Content-Length of the create request */
    int expected_uploads, started_uploads, finished_uploads;
    int open_uploads;              /* counted, neither finished nor removed */
    int reserved, added;           /* places kept for files that lie elsewhere; those that were named since */
    int fetched;                   /* those that have arrived */
    bool body_done, uploading_finished, meta_extracted, has_dupe_jobs, is_infinite;
    struct tus_upload *tus;
    int tus_count;
    int64_t tus_received, tus_expected; /* bytes, over all of them */
    struct map tus_by_id;
    struct file **files;
    int file_count, upload_count, import_count;
    struct job **jobs;
    int job_count, jobs_open;
    int *running, running_count; /* ids of running jobs */
    int *step_open;              /* [step] jobs queued or running */
    int64_t jobs_queue_us, bytes_usage;
    struct bundle **bundles; /* [step] */
    int *bundle_counts;      /* [step] */
    bool *bundle_done;       /* [step] */
    int *result_counts;      /* [step] entries in results */
    struct offers *offers;   /* [step] */
    bool *is_export;         /* [step] store Robot */
    int started_count, ignored_count;
    double shown_progress;   /* 0..100, as told last */
    json_t *warnings;
    struct err *error;       /* NULL: none */
    char *error_step, *error_previous;
    json_t *cancel;          /* the receipt, NULL when never canceled */
    int64_t cancel_us;
    int jobs_dropped, jobs_stopped; /* counted by the cancel */
    json_t *notify;          /* notify_* fields that changed; NULL: none */
};

/* ---- effects, in the order in which they must be done ---- */
enum effect_type {
    FX_START_JOB,    /* job: put it into the queue, after delay_us */
    FX_STOP_JOBS,    /* kill what runs, forget what waits */
    FX_STOP_UPLOADS, /* end and discard unfinished uploads, refuse new ones */
    FX_FRAGMENT,     /* list, step, index, text: a piece of the status document */
    FX_TELL,         /* name, text: an event for the streams; text NULL: a plain message */
    FX_END,          /* a terminal state was reached */
};

enum doc_list { LIST_UPLOADS, LIST_TUS, LIST_STARTED, LIST_IGNORED, LIST_RESULTS };

struct effect {
    enum effect_type type;
    int job;
    int64_t delay_us;
    enum doc_list list;
    int step, index;
    const char *name; /* static */
    char *text;       /* owned */
};

struct effects {
    struct effect *v;
    int count, cap;
};
void effects_reset(struct effects *fx); /* frees texts, keeps the array */
void effects_done(struct effects *fx);

struct assembly *assembly_new(const char *id);
void assembly_free(struct assembly *a);
DEFINE_AUTO(struct assembly *, assembly_free)

/* The event happens. 0: accepted; it must be kept (when durable) and the effects done. err->code may
 * still be set then: what to answer to whoever sent it (a file too many fails the Assembly and is
 * refused). -1: refused, nothing changed; err says why. Effects are appended to fx. */
MUST_CHECK int assembly_apply(struct assembly *a, const struct event *ev, struct effects *fx,
                              struct err *err);

int assembly_refuse_over(const struct assembly *a, struct err *err); /* -1: how it ended */
/* -1: why one that is over, or never takes such a thing, does not take an event of this type. */
int assembly_refuse(const struct assembly *a, enum event_type type, struct err *err);

/* Of one that is over: no event can be accepted that would change what its document says. */
bool assembly_may_rest(const struct assembly *a);
/* All that made its document goes. What is left: its state and error, whose it is, the nonce of the request that made
 * it, notify_url and notify_*. No event may be applied to it any more. */
void assembly_rest(struct assembly *a);

/* How many daemons died while this job ran and gave nothing new, also the one before this one (boot)? Too many, and it
 * is not tried again: whatever it is, it must not end each daemon there is. Many more than tries for one that fails by
 * itself, since most jobs that run when a daemon dies have nothing to do with it. */
int job_deaths(const struct job *j, int64_t boot);
bool job_is_deadly(const struct assembly *a, const struct job *j, int64_t boot);
/* It has something to take back from another server, unless its run, which has it, is still under way; any job. */
bool job_leaves(const struct job *j);
bool assembly_leaves(const struct assembly *a);
/* After a replay: the effects that start again what was open when the process ended. */
void assembly_recover(struct assembly *a, struct effects *fx);

int64_t assembly_bytes_expected(const struct assembly *a); /* of the request and of all uploads; never wraps */
bool assembly_is_over(const struct assembly *a);
const char *assembly_code(const struct assembly *a);    /* "ASSEMBLY_EXECUTING", or the error code */
const char *assembly_message(const struct assembly *a); /* for people */
bool event_is_durable(enum event_type t);
const char *event_name(enum event_type t);
/* The member of its data that may hold secrets, and is sealed in the store; NULL: none. */
const char *event_sealed(enum event_type t);
int event_type_by_name(const char *name); /* -1 when unknown */

/* When does the present phase end (ASSEMBLY_EXPIRED)? 0: never. */
int64_t assembly_deadline(const struct assembly *a, int64_t upload_us, int64_t execution_us);
/* What must be evaluated before the job can begin: {expressions[{code, text, of}], variables, inputs, counts} for a
 * script worker; of: it is for that input, and sees inputs[of]. NULL: nothing (any more). The caller unrefs. */
json_t *assembly_job_asks(const struct assembly *a, const struct job *j, const char *region);
/* Of its answer and the counts: what EV_JOB_VALUES has. The caller unrefs. */
json_t *assembly_job_values(const json_t *counts, const json_t *values);
/* What ${...} sees in the parameters of the job. The caller unrefs. */
json_t *assembly_job_variables(const struct assembly *a, const struct job *j, const char *region);
/* What a job's Robot gets, complete: every ${...} replaced, then stored credentials in the place of their name, then
 * all of it checked, once. credentials NULL: there are none. Errors: the Robot's validation code, ERR_CREDENTIALS. */
MUST_CHECK int assembly_job_params(json_t **out, const struct assembly *a, const struct job *j, const char *region,
                                   const struct credential_source *credentials, struct err *err);
/* What differs for one input of several: the parameters that the Robot's table has filled in for each (option.h). *out
 * NULL: there are none. The caller unrefs. Errors: the Robot's validation code. */
MUST_CHECK int assembly_input_params(json_t **out, const struct assembly *a, const struct job *j, int input,
                                     const char *region, struct err *err);
const struct robot *job_robot(const struct assembly *a, const struct job *j);
/* Work that no step asked for: not in the lists of jobs. */
static inline bool job_is_hidden(const struct job *j)
{
    return j->fetch || j->hidden || j->note || (j->probe && j->step != STEP_ORIGINAL);
}
/* Did it come in from outside (an upload, an import)? */
static inline bool file_is_original(const struct file *f)
{
    const char *id = json_string_value(json_array_get(f->original_ids, 0));

    return id && !strcmp(id, f->id);
}
char *progress_json(struct assembly *a); /* the progress object of api-realtime.md 4; it never falls */
double assembly_progress(const struct assembly *a); /* 0..1 */

/* ---- status.c: the document, in pieces ---- */
char *status_file(const struct assembly *a, const struct file *f, bool as_upload);
char *status_tus(const struct tus_upload *u);
char *status_job(const struct assembly *a, const struct job *j); /* "faces_detected:::original" */
/* Everything that never changes after `created`: `"assembly_id":..., ` without braces. */
char *status_fixed(const struct assembly *a, const char *instance, const char *region,
                   const char *build_id);
/* What changes, apart from lists and durations. */
char *status_head(const struct assembly *a);
