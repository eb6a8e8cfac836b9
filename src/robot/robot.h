/* robot.h - what a Robot is and what it may ask of its host.
 *
 * A Robot is one file src/robot/FAMILY/NAME.c with one `const struct robot robot_FAMILY_NAME` and one line in
 * src/robot/FAMILY/meson.build. Its table (name, options, accepts) is linked into the daemon, which checks
 * instructions with it; run, check and undo are linked only into the worker program of its role:
 * wrap them in IN_WORKER(). So the daemon never links a media library.
 *
 * run() works in a jail: it reads its inputs (files in the job's directory), writes files to paths
 * from robot_out_path() and hands each over with robot_emit*(). Nothing else is reachable. It may be
 * killed at any instant and run again: the same inputs give the same outputs. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "robot/option.h"
#include "robot/roles.h"

#ifdef WORKCELL_WORKER
#define IN_WORKER(fn) (fn)
#else
#define IN_WORKER(fn) NULL
#endif

/* What the server itself asks of one Robot, whichever that is. */
enum robot_flag {
    ROBOT_HANDLES_UPLOADS = 1 << 0, /* is the Step :original; its job is the look into each file that comes in */
    ROBOT_FETCHES = 1 << 1,         /* gets a file from a URL for a client that sent one in the place of a file */
    ROBOT_IGNORES_META = 1 << 2,    /* `ignore_errors: true` says no more than ["meta"]: its own failures are told */
    ROBOT_GETS_STATUS = 1 << 3,     /* its jobs are told the Assembly's status: robot_status() */
    ROBOT_SERVES = 1 << 4,          /* decides what answers a request by URL */
    ROBOT_SEES_VARIABLES = 1 << 5,  /* its jobs are told what ${...} would see */
    ROBOT_ENCODES = 1 << 6,         /* its jobs may take hours (setting encode_timeout_s), and are told how many
                                       cores they may use: "threads" of robot_settings() */
    ROBOT_TAKES_STUBS = 1 << 7,     /* can do with a file that is an address only (robot_input.stub) */
    ROBOT_KNOWS_HOSTS = 1 << 8,     /* logs in at the SSH server that its parameter `host` names: robot_host_key() */
    ROBOT_FILLS_STUBS = 1 << 9,     /* may be given a stub, and needs the file: what it uses is imported whole */
};

struct robot_job;

/* One input file. All strings are lent for the job's life. */
struct robot_input {
    const char *id;
    const char *path; /* read-only file */
    const char *name, *basename, *ext, *mime; /* mime may be "" */
    const char *type; /* as in the status: "image", "pdf"... (base/filetype.h) or "" */
    const char *stub; /* where its bytes are: here are none. "" or NULL: they are here. See ROBOT_TAKES_STUBS */
    const char *md5;
    const char *as;   /* label from use[].as or "" */
    int64_t size;     /* bytes */
    const json_t *meta; /* object */
    const char *step;   /* which made it; ":original" */
    const char *original_id, *original_basename, *original_path; /* of the upload or import that it stems from */
    const json_t *params; /* rows of the Robot's table with .each, filled in for this input: what the client wrote may
                             be another value for each. Read and checked as any foreign value */
};

/* One output file, written to a path from robot_out_path(). */
#define ROBOT_STUB_MAX 2000
struct robot_output {
    const char *path;
    const char *ext;      /* NULL: the input's */
    const char *name;     /* NULL: input basename + "." + ext; of more than 255 bytes the end is cut off */
    const char *mime;     /* NULL: detected by the host's probe */
    json_t *meta;         /* stolen; extra keys merged over what the probe finds. May be NULL */
    const char *stub;     /* it is empty and stands for what lies at this address, of ROBOT_STUB_MAX bytes. NULL: it is
                             the file itself */
    bool meta_complete;   /* meta is all there is: the file is not looked into, which takes some ms (mime must be given then) */
    const json_t *extra;  /* further keys of the file record (import_url ...); may be NULL */
    int input;            /* index of the input it stems from; -1 for imports */
};

#define ROBOT_TOGETHER_MAX 8

struct robot {
    const char *name; /* "/image/resize" */
    const char *summary;
    const char *accepts; /* "image/" prefix of the mime types, several separated by '|'; NULL: any */
    struct {
        const char *as, *accepts;
    } beside; /* what an input with this `as` may be, as above, where that is something else: {"watermark", "image/"} */
    const char *takes[8]; /* what `as` of an input may say: "image"; "audio_*" with any number for *. None: nothing */
    const char *credentials; /* type of the stored credentials that are of its own service; NULL: any type that fits */
    enum robot_role role;
    /* Of two kinds of worker: inputs of these types, said as in `accepts`, go to one of `role` instead. The record says
     * it in one line as well, `.instead = {ROLE_...`, and both programs have the Robot. types NULL: there is none. */
    struct {
        enum robot_role role;
        const char *types;
    } instead;
    const char *keys;  /* settings with secrets that its jobs get and no other's: "sftp_key sftp_known_hosts" */
    const char *codes; /* of its failures, as the contract has them: "ACCESS_DENIED FAILURE". See transfer/remote.h */
    const char *invalid; /* code of a wrong parameter, without its name: "VALIDATION_ERROR"; NULL: "VALIDATION" */
    const char *coded; /* what its codes begin with, where that is not its name: "IMAGE_COPYRIGHT_DETECT" */
    const char *nothing; /* what it means that a job gives no file ("no face was found"); NULL: nothing special */
    bool no_input; /* imports: runs once without `use` */
    bool is_store; /* passes its input on with a new url; never listed in results itself */
    unsigned flags; /* enum robot_flag */
    bool passes_input; /* may emit its input again, or decides by its meta: waits until that is complete */
    double price_factor;  /* robots.json; 0: costs nothing */
    int64_t min_charge;   /* bytes */
    int timeout_s;        /* 0: the server's default */
    int slots;            /* job slots that a running job occupies, 0 to 60 */
    size_t opts_size;
    const struct option *options;
    const char *example; /* JSON of parameters with which it can be used; NULL: it needs none */
    /* What involves two options at once. Runs in the daemon when the Assembly is created (partial: some
     * values are still ${...} and hold their defaults) and again before run. May be NULL. */
    int (*check)(const void *opts, bool partial, struct err *err);
    int (*run)(struct robot_job *job, const void *opts, struct err *err);
    /* May a job with these options and one input be done together with others of the Robot over the same input, for
     * less than each alone? Pure; in the daemon. NULL: never. */
    bool (*joins)(const void *opts);
    /* Does what run() does for each of 2 to ROBOT_TOGETHER_MAX such jobs. errs come zeroed; errs[i].code 0: job i is
     * done. One that fails is run again, alone. */
    void (*run_together)(struct robot_job *const jobs[], const void *const opts[], int n, struct err errs[]);
    /* Does run() with these options call robot_measured() when it is asked to, before it does anything that takes long?
     * Pure; in the daemon. NULL: never. */
    bool (*measures)(const void *opts);
    /* Take back what a killed run left at somebody else's (an open multipart upload). token is what
     * robot_set_undo() got. Runs in a fresh worker; must be idempotent. May be NULL. */
    int (*undo)(struct robot_job *job, const void *opts, const json_t *token, struct err *err);
    /* Does the other side do what run() needs of it, with these options? Leaves nothing behind, and says what it did
     * beside signing in (robot_tried()). May be NULL. */
    int (*trial)(struct robot_job *job, const void *opts, struct err *err);
    const char *trial_params; /* JSON of parameters that it needs beside the credentials; NULL: none */
    /* A new pair of tokens for credentials whose refresh token works once. content: theirs, with the token that is to
     * be used. *out: {access_token, refresh_token, expires_in}, or {refused: why} when no other try can help; the
     * caller's. May be NULL. */
    int (*renew)(struct robot_job *job, const json_t *content, json_t **out, struct err *err);
};

/* A failure with a code of the Robot's own: with "ACCESS_DENIED" it is SFTP_STORE_ACCESS_DENIED. like: the code that it
 * otherwise behaves like (HTTP status, whether it is tried again). Returns -1. */
int robot_fail(const struct robot_job *job, struct err *err, enum err_code like, const char *suffix, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* Every Robot of this program with its options, for people and tools: an array. The caller unrefs. example: parameters
 * with which it can be used, where it needs some. */
json_t *robots_describe(void);
/* Adds its default as JSON text; nothing: it has none. */
void option_default(struct str *text, const struct option *o);

/* ---- what run() may call; implemented by worker/host.c and, for tests, tests/robot/host.c ---- */

int robot_input_count(const struct robot_job *job);
const struct robot_input *robot_input(const struct robot_job *job, int i);
/* The nth input (from 0) with this `as`; NULL: there is none. */
const struct robot_input *robot_input_as(const struct robot_job *job, const char *as, int nth);
const struct robot *robot_of_job(const struct robot_job *job);
struct arena *robot_arena(struct robot_job *job); /* freed after the job */
const char *robot_assembly_id(const struct robot_job *job);
/* The Assembly's status document as anybody may read it, when the job was started; JSON. NULL: its
 * record does not ask for that (ROBOT_GETS_STATUS), or the document is larger than ROBOT_STATUS_MAX. */
const char *robot_status(const struct robot_job *job);
#define ROBOT_STATUS_MAX (16 << 20) /* bytes */

/* What ${...} would see: {assembly, file, fields, previous_step...}, where the record asks for it; else NULL. */
const json_t *robot_variables(const struct robot_job *job);

/* A fresh path in the job's output directory ending in "." ext. Lent for the job's life. */
const char *robot_out_path(struct robot_job *job, const char *ext);
/* Hand a written file over; it is closed. Size, MD5, and (unless meta_complete) MIME type and meta are filled in by
 * the host. The file belongs to the host afterwards. */
MUST_CHECK int robot_emit(struct robot_job *job, const struct robot_output *out, struct err *err);
/* The input file itself is the output (same bytes, new id) with extra meta keys, stolen. */
MUST_CHECK int robot_emit_same(struct robot_job *job, int input, json_t *meta, struct err *err);
/* The input itself goes on under the name of this step: the same record, with its id and addresses. Once an input. */
MUST_CHECK int robot_emit_passed(struct robot_job *job, int input, struct err *err);
/* The input lies somewhere else now (store Robots): url, ssl_url ("": there is none) and further record keys;
 * meta: keys merged into the file's meta. extra and meta are stolen and may be NULL. */
MUST_CHECK int robot_emit_stored(struct robot_job *job, int input, const char *url,
                                 const char *ssl_url, json_t *extra, json_t *meta,
                                 struct err *err);
/* What a trial has done with a probe at the other side, each when it has gone well. */
enum robot_trial_step {
    TRIAL_WROTE = 1 << 0,
    TRIAL_READ = 1 << 1,
    TRIAL_LISTED = 1 << 2,
    TRIAL_REMOVED = 1 << 3,
    TRIAL_ANSWERED = 1 << 4,
    TRIAL_ALL = (1 << 5) - 1,
};
void robot_tried(struct robot_job *job, enum robot_trial_step step);

/* 0 to 1. May be called often: it is told at most five times a second, and never goes back. */
void robot_progress(struct robot_job *job, double fraction);
/* From now until robot_set_undo(job, NULL): if this run dies, Robot.undo gets token. Stolen.
 * Returns when the server has it. */
MUST_CHECK int robot_set_undo(struct robot_job *job, json_t *token, struct err *err);
/* In Robot.undo, once: what its run did to this input was done to the end. It lies whole where url says, and stays; who
 * canceled is told so. */
MUST_CHECK int robot_kept(struct robot_job *job, int input, const char *url, struct err *err);

/* Does a probe of the first input, a picture, wait for what its pixels tell? It has read the header, and leaves the
 * decode to this job. */
bool robot_asked(const struct robot_job *job);
/* Then: what image_measure() finds (stolen). It is told at once; nobody asks any more. */
MUST_CHECK int robot_measured(struct robot_job *job, json_t *meta, struct err *err);

/* The key that a host of this workspace is known by ("ssh-ed25519 AAAA..."), lent for the job's life; NULL: none yet.
 * host is that of the job's parameters, in lower case, without brackets. seen: the key that it has now; where none was
 * known it is from then on, for every job and after a restart, and comes back. NULL: only a question. What comes back
 * counts, as another worker may have been first. NULL although there is a seen one: the workspace knows too many, or
 * nothing can be written. At most four a job. */
MUST_CHECK int robot_host_key(const char **known, struct robot_job *job, const char *host, int port, const char *seen,
                              struct err *err);
/* Was the job given an access token that is renewed? Then it may ask for another when the other side refuses that one.
 * *token is lent for the job's life. Errors: ERR_SERVER_403: there is none, and why. */
bool robot_renews(const struct robot_job *job);
MUST_CHECK int robot_access_token(const char **token, struct robot_job *job, const char *refused, struct err *err);

/* Settings of the server that a Robot may look at (allowed import networks, limits): a JSON object.
 * Keys: "import_allow" (string, see http/guard.h), "max_pixels" (int), "max_frames" (int),
 * "max_file_size" (bytes), "timeout_s" (int: of this job),
 * "endpoints" (object: remote_endpoint()),
 * "threads" (int; where its record says ROBOT_ENCODES), those of media/unpack.h; of those that its record names in
 * keys:
 * "sftp_key" (text of a private key),
 * "sftp_known_hosts" (text, as of OpenSSH), where the operator has given them. */
const json_t *robot_settings(const struct robot_job *job);

/* ---- registry: generated from src/robot/meson.build ---- */
extern const struct robot *const robot_table[]; /* NULL-terminated */
const struct robot *robot_find(const char *name);
/* The one with this flag; NULL: it is not in this program. */
const struct robot *robot_that(enum robot_flag flag);
#define ROBOT_CODE_MAX 64
/* "/image/resize" and "VALIDATION" make "IMAGE_RESIZE_VALIDATION". */
void robot_code(char out[static ROBOT_CODE_MAX], const struct robot *r, const char *suffix);
/* Is that one of its codes? */
bool robot_has_code(const struct robot *r, const char *suffix);
/* Of a wrong parameter, where its row says nothing else. */
void robot_code_invalid(char out[static ROBOT_CODE_MAX], const struct robot *r);
/* May an input come with this `as`? */
bool robot_takes(const struct robot *r, const char *as);
/* The kind of worker that does a job of r whose first input is of this type; mime NULL: it has none. */
enum robot_role robot_role_for(const struct robot *r, const char *mime);
/* Has this program a Robot of this role? */
bool robots_have_role(enum robot_role role);
/* Would other servers know a Robot of this name? Says nothing about this one. */
bool robot_is_known(const char *name);
/* -1 and ERR_STEP_UNKNOWN_ROBOT: no such Robot is built, with what may have been meant. In the daemon only. */
int robot_unknown(struct err *err, const char *name);
/* What robot_options() has checked, once more as a struct: for the worker. The same errors where it was not. */
MUST_CHECK int robot_fill(void **opts, struct arena *a, const struct robot *r, const json_t *step, struct err *err);
/* Of what options_fill() or a reader of values that Robots share has refused: the Robot's name comes before its code, if
 * it has one. Returns -1. */
int robot_refusal(struct err *err, const struct robot *r);
/* options_fill plus check; err gets the Robot's validation code. *opts lives in a. */
MUST_CHECK int robot_options(void **opts, struct arena *a, const struct robot *r,
                             const json_t *step, bool partial, struct err *err);
/* Would the Robot take a file of this type with this `as` ("": none), or silently pass it by (instructions section
 * 5.3)? */
bool robot_accepts(const struct robot *r, const char *as, const char *mime);
