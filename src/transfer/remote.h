/* remote.h - what every store and every import does, once: paths and addresses, attempts, progress
 * over several files, what is taken back, names, pages, and what becomes of one failure among many.
 * A protocol (s3_upload.h, sftp.h, download.h) brings a table of functions, a Robot its parameters.
 *
 * Tables and checks are linked into the daemon, too (options.c); the rest only into
 * workcell-transfer. */
#pragma once
#include "base/str.h"
#include "robot/robot.h"

/* ---- failures and attempts ---- */

enum remote_failure { REMOTE_FAILED, REMOTE_DENIED, REMOTE_NOT_FOUND };
/* A failure of the other side. Its code is the Robot's own where its record has one of this kind
 * (codes), else the Robot's FAILURE, and WORKER_JOB_ERROR where it has none. Returns -1. */
int remote_fail(const struct robot_job *job, enum remote_failure kind, struct err *err,
                const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The guard (http/guard.h) turned an address down. what: what was not done, in words. Returns -1.
 */
int remote_refused(const struct robot_job *job, struct err *err, const char *what, const char *why);
/* Was it one of these two? What is ours (no space, too large) is not. */
bool remote_is_failure(const struct robot_job *job, const struct err *err);

#define REMOTE_ATTEMPTS 4 /* the first and three more */
/* Sleeps before another attempt: base_ms and twice as long each time (setting retry_ms: another
 * base), with jitter, so that many workers do not come back at the same moment. attempt: the one
 * that failed, from 1. */
void remote_pause(const struct robot_job *job, int attempt, int64_t base_ms);
/* The same, and at least so long. */
void remote_wait(const struct robot_job *job, int attempt, int64_t base_ms, int64_t least_ms);
#define REMOTE_WAIT_MAX_MS 60000
struct http_client_response;
struct remote_protocol;
/* How long the other side asks to wait: Retry-After, in seconds or as a date. 0: it does not say. At most
 * REMOTE_WAIT_MAX_MS. */
int64_t remote_retry_after(const struct http_client_response *r);

/* Where a service is reached: usual, or what the setting endpoint has in its place (the operator's own server that
 * speaks like it). Without a slash at the end. name: one of remote_endpoints. Lent for the job's life. */
const char *remote_endpoint(const struct robot_job *job, const char *name, const char *usual);
extern const char *const remote_endpoints[]; /* ended by NULL */
/* The setting: "NAME=URL" separated by commas, as {NAME: URL}. NULL with err (ERR_CONFIG). The caller unrefs. */
json_t *remote_endpoints_read(const char *text, struct err *err);

/* ---- stores ---- */

struct store_opts {
    const char *path;
};
extern const struct option store_options[];

/* The rows url_template and ssl_url_template for the struct store_urls that is T's member m. */
struct store_urls {
    const char *url_template, *ssl_url_template;
};
#define STORE_URL_OPTIONS(T, m, url_default, ssl_default)                                          \
    {.name = "url_template",                                                                       \
     .type = OPT_TYPE_STR,                                                                         \
     .offset = offsetof(T, m.url_template),                                                        \
     .def_str = (url_default),                                                                     \
     .help = "Address of the file in the Status; {HOST} and {PATH} are replaced."},                \
    {                                                                                              \
        .name = "ssl_url_template", .type = OPT_TYPE_STR,                                          \
        .offset = offsetof(T, m.ssl_url_template), .def_str = (ssl_default),                       \
        .help = "The same for ssl_url."                                                            \
    }

/* tree: the other side has directories, in which "..", "." and nothing are no names. most: bytes.
 */
MUST_CHECK int store_opts_check(const struct store_opts *o, bool tree, size_t most,
                                struct err *err);

/* One input on its way out. */
struct remote_file {
    struct robot_job *job;
    const struct robot_input *in;
    int fd;           /* the input, open */
    const char *path; /* where to; without the slash in front where there are no directories */
    const char
        *part;  /* name beside it under which it is written first; NULL: the protocol has no such */
    bool made;  /* put() may have left something under part */
    bool again; /* put() failed, and may well succeed if it is called again */
    bool commits; /* remote_commits() was said of it */
    bool probe;   /* of a trial: nobody takes anything back */
    int index;    /* of in */
    double from, share;   /* of the job's progress */
    json_t *meta, *extra; /* what put() learns: for the file's meta and its record. NULL: nothing */
};
void remote_progress(const struct remote_file *f, double fraction); /* of this file */

/* Before the request that makes the file at the other side: from then on nobody here knows whether it is there, so who
 * takes back what a stopped run has left gets this note, looks, and says what stays. token: as robot_set_undo() has it,
 * stolen; commit: how the file is known to be ours, stolen, kept in the token under that name. The note stays until the
 * job is over. */
MUST_CHECK int remote_commits(struct remote_file *f, json_t *token, json_t *commit, struct err *err);
/* The token of a protocol with parts. */
json_t *remote_part_token(const struct remote_file *f);
/* In Robot.undo: the file of that token is there whole. */
MUST_CHECK int remote_kept(struct robot_job *job, const struct remote_protocol *p, void *ctx, const json_t *token,
                           struct err *err);
/* The same moment as a time of this machine, for a commit's note; and is what the answer is about not older than that?
 * By the other side's clock alone: Date and Last-Modified. Without these it may be. */
bool remote_is_since(const struct http_client_response *r, int64_t at_us);

/* Each function gets ctx as remote_store() does, and fails with remote_fail() where it is the other
 * side's failure. */
struct remote_protocol {
    bool tree;  /* see store_opts_check() */
    bool parts; /* written under a name of its own first: remote_store() takes care of what is left
                   of it */
    /* Send f's bytes. Called again while f->again and there are attempts left. */
    int (*put)(void *ctx, struct remote_file *f, struct err *err);
    /* Take back what put() left under f->part (in and fd are not set). Fine if there is nothing.
     * With parts only. */
    int (*clear)(void *ctx, struct remote_file *f, struct err *err);
    /* After that: is what the note of remote_commits() is about at f->path? NULL: the protocol says no such. */
    int (*look)(bool *there, void *ctx, struct remote_file *f, const json_t *commit, struct err *err);
    /* Where the file is now. */
    void (*address)(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url);
};

/* All inputs of the job, one after the other. */
MUST_CHECK int remote_store(struct robot_job *job, const struct remote_protocol *p, void *ctx,
                            const struct store_opts *o, struct err *err);
/* Robot.undo of a protocol with parts. */
MUST_CHECK int remote_undo(struct robot_job *job, const struct remote_protocol *p, void *ctx,
                           const json_t *token, struct err *err);

struct remote_word {
    const char *name, *value; /* name NULL ends a list */
};
/* template with each {name} replaced. */
void remote_fill(struct str *out, const char *template, const struct remote_word *words);
/* The usual pair: {HOST} is host, {PATH} is path, percent-encoded. */
void remote_urls(struct str *url, struct str *ssl_url, const struct store_urls *o, const char *host,
                 const char *path);

/* ---- imports ---- */

/* What an import may be asked for. A Robot's struct has it as the member `import`, its table those groups of rows that
 * its contract has; what it has no row for stays 0. */
struct import_opts {
    json_t *path; /* a text or a list, where one that ends in a slash is a directory */
    json_t *force_name, *import_on_errors, *ignore_errors;
    bool recursive, return_file_stubs;
    int64_t page_number, files_per_page;
    const char *next_page_token;
    int64_t max_file_size; /* bytes; 0: any */
};
#define IMPORT_GROUP(T, rows) OPT_GROUP(T, import, struct import_opts, rows)
extern const struct option import_path_options[];
extern const struct option import_options[]; /* of every import: force_name, import_on_errors, ignore_errors */
extern const struct option import_page_options[];   /* recursive, files_per_page */
extern const struct option import_number_options[]; /* page_number */
extern const struct option import_token_options[];  /* next_page_token */
extern const struct option import_stub_options[];   /* return_file_stubs: the service has stub() */
/* All but path. */
MUST_CHECK int import_opts_check(const struct import_opts *o, struct err *err);
/* path too. */
MUST_CHECK int import_check(const struct import_opts *o, bool partial, struct err *err);
/* The paths as a list of texts. The caller unrefs. */
json_t *import_paths(const struct import_opts *o);

/* Members of the record. */
#define IMPORT_RECORD(T)                                                                                             \
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE", .no_input = true, .opts_size = sizeof(T), .options = options
#define IMPORT_PRICE .price_factor = 6.6666, .slots = 20 /* as the contract has them for most */

/* One file on its way in. */
struct remote_import_file {
    struct robot_job *job;
    const char *place;      /* what is fetched: an address, a path */
    const char *force_name; /* NULL: the other side's name counts */
    bool listed;            /* a page had it a moment ago: it is there */
    int64_t limit;          /* bytes; 0: any */
    const char *limit_name; /* whose limit it is */
    double from, share;     /* of the job's progress */
    int fd;                 /* -1 until remote_open() */
    const char *path, *name, *ext;
    const char *stub; /* remote_stub() */
    json_t *extra; /* more keys of its record; an object */
    json_t *meta;  /* what get() learns, for the file's meta. NULL: nothing */
};
void remote_import_progress(const struct remote_import_file *f, double fraction);
/* Once it is known what the file is called: makes it, to be written through f->fd. name: as the
 * other side says, made safe here; mime: gives it an extension when it has none; may be NULL.
 * Nothing when it is open already. */
MUST_CHECK int remote_open(struct remote_import_file *f, const char *name, const char *mime,
                           struct err *err);
/* In the place of fetching it (return_file_stubs): an empty file that stands for what lies at url. until_us: when that
 * address ends, which the meta of the file says; 0: nobody knows of an end. */
MUST_CHECK int remote_stub(struct remote_import_file *f, const char *name, const char *url, int64_t until_us,
                           struct err *err);
#define REMOTE_STUB_LIFE_S 86400 /* of an address that we sign */
/* Says in its record which folder of the other side it lay in: "a//b/../c.jpg" in "/a/b/". */
void remote_say_folder(struct remote_import_file *f, const char *path);
/* size -1: more than is allowed, nobody knows how much. Returns -1. */
int remote_too_large(const struct remote_import_file *f, const char *shown, int64_t size,
                     struct err *err);

/* A page of what a directory holds. */
struct remote_page {
    const char *place;
    const struct import_opts *opts;
    int64_t number;    /* from 1 */
    const char *after; /* what the page before said to go on with; NULL: it is the first */
    json_t *places;    /* to be filled: texts */
    char *next;        /* to be set if there are more pages; freed by who asked */
};

/* How much of a directory is imported: all its pages, one after the other; or one, the page_number-th or that of
 * next_page_token, which is told in the meta of its files. */
enum import_pages {
    IMPORT_ALL,
    IMPORT_ONE_DEEP,   /* one with `recursive` */
    IMPORT_ONE_TOLD,   /* the same, and with next_page_token */
    IMPORT_ONE_ALWAYS, /* one */
};

/* What a service does itself; all else is done here. ctx is remote_import()'s. Each function fails with remote_fail()
 * where it is the other side's failure. */
struct import_service {
    const char *things; /* what its files are called in messages: "addresses" */
    enum import_pages pages;
    bool keys; /* a slash in front of a path stands for the root, which is "", and is no part of the name */
    /* A path as the Robot was given it, as the service has it; the caller frees. NULL: as it is. */
    char *(*place)(const char *path);
    /* Before anything else. close() follows, whether it succeeded or not. NULL: there is nothing to do. */
    int (*open)(void *ctx, struct robot_job *job, struct err *err);
    void (*close)(void *ctx);
    /* A page of what lies below a place that ends in a slash. NULL: there are no directories. */
    int (*list)(void *ctx, struct remote_page *page, struct err *err);
    /* Fetch f->place: remote_open(), write, and say in f->extra what else there is to say. */
    int (*get)(void *ctx, struct remote_import_file *f, struct err *err);
    /* Say by remote_stub() where it lies, with return_file_stubs. NULL: nobody has an address for it. */
    int (*stub)(void *ctx, struct remote_import_file *f, struct err *err);
};
#define REMOTE_IMPORT_MAX 10000 /* files of one job */
/* Fetch all of o->path, page by page, each handed over before the next is begun. With ignore_errors
 * the others go on after one that failed, and the job fails in the end with what happened first. */
MUST_CHECK int remote_import(struct robot_job *job, const struct import_service *service, void *ctx,
                             const struct import_opts *o, struct err *err);
