/* conductor.h - one thread that owns every live Assembly and is the only writer of state.
 *
 * Others post news; a turn takes all that is waiting, applies it (assembly/), commits it to the
 * store in one transaction, publishes what changed, tells the listeners, and only then answers. So
 * nobody is told what a crash could still take back. Contract: design.md section 2. */
#pragma once
#include "assembly/assembly.h"
#include "base/secret.h"
#include "base/space.h"
#include "blob/blob.h"
#include "conductor/publish.h"
#include "store/store.h"

struct conductor;

/* What ends uploads of an Assembly that is over (the upload room; called on a thread of the pool).
 */
struct upload_stopper {
    void (*stop)(void *ctx, const char *assembly_id, const char *code, int *stopped,
                 int64_t *bytes_freed);
    void (*tell)(void *ctx);  /* ten times a second, on the conductor's thread: post what is due;
                                 never waits */
    void (*sweep)(void *ctx); /* now and then: forget what has expired */
    void *ctx;
};

struct conductor_conf {
    struct store *store;
    struct store_reader *reader; /* for the conductor's threads */
    struct blob_store *blobs;
    const struct seal_key *seal;
    const char *program_dir, *scratch;
    const char *renewed; /* see store/renewed.h */
    const char *instance, *region, *build_id;
    int workers[ROLE_COUNT], worker_jobs;
    bool isolate_jobs, require_jail;
    int64_t job_memory_bytes, job_file_bytes, job_scratch_bytes;
    const char *connect_allow; /* private networks that transfer workers may reach */
    int places;                 /* connections of transfer workers to one host at a time; 0: any */
    const char *connect_socket; /* path of the only local socket that they may reach; NULL: none */
    const char *cgroup;        /* see worker/cgroup.h */
    const char *jail_without;  /* for tests: see worker/pool.h */
    int job_timeout_s, log_level;
    int encode_timeout_s, encode_threads, cores; /* see worker/pool.h */
    int64_t cancel_wait_us, upload_expiry_us, execution_expiry_us, result_expiry_us,
        status_expiry_us;
    int64_t keep_over_us; /* how long an Assembly that is over stays in memory */
    struct space space;   /* paths[0]: where the database lies, [1]: where workers write */
    int64_t ballast_bytes;
    int64_t sweep_interval_us, scrub_interval_us, scrub_grace_us;
    const char *notify_allow; /* guard list for notifications */
    int notify_timeout_s;
    bool notify_sha1;       /* for receivers that know nothing else */
    int64_t start_wait_us;  /* how long conductor_start() may read open Assemblies; the others are
                               read later */
    int64_t max_assemblies; /* of a workspace that are not over; 0: any number */
    int job_slots; /* live jobs of a workspace at a time; 0: as many as there are workers */
    enum err_code too_many;       /* what refuses one more */
    int64_t max_status_bytes;     /* of a status document; 0: any */
    const json_t *robot_settings; /* lent */
    const json_t *robot_keys;     /* settings for the Robots only that name them (robot.h); lent */
};

/* Reads store-held state again and opens the workers; nothing moves yet. The store's writer handle
 * is the conductor's from here on. News may be posted. After a failure the process can only end. */
MUST_CHECK int conductor_open(struct conductor **out, const struct conductor_conf *conf,
                              struct err *err);
/* Starts the thread, once. */
MUST_CHECK int conductor_start(struct conductor *c, const struct upload_stopper *uploads,
                               struct err *err);
/* Nothing when it was not started. No new jobs; wait at most so long for running ones, then kill
 * workers and end the thread. Jobs that were running go on after the next start. */
void conductor_stop(struct conductor *c, int64_t wait_us);

/* Called on the conductor's thread after the commit. err NULL: accepted. p: the Assembly as
 * published, NULL when it is not live (unknown, or over for a while: ask the store). Both lent. */
typedef void (*conductor_reply)(void *ctx, const struct err *err, struct published *p);

/* Only from a conductor_reply: the content of a file that came to nothing goes, on a thread of the pool. */
void conductor_discard(struct conductor *c, const char *blob_id);

struct conductor_news {
    const char *assembly_id;
    enum event_type type;
    json_t *data; /* stolen; NULL: empty */
    const char
        *upload_id; /* put (upload_meta) or delete (NULL) this upload row in the same commit */
    const char *upload_meta;
    conductor_reply reply; /* may be NULL */
    void *ctx;
};
/* From any thread; news of one thread are applied in order. EV_CANCEL is answered when the work is
 * gone (api-assemblies.md 3), at most cancel_wait later; with a "workspace" in its data only of an
 * Assembly of that one (ERR_ACCOUNT_MISMATCH). */
void conductor_post(struct conductor *c, const struct conductor_news *news);
/* Only the upload row, without an event (partial uploads; assembly_id may be ""). */
void conductor_post_upload(struct conductor *c, const char *assembly_id, const char *upload_id,
                           const char *upload_meta, conductor_reply reply, void *ctx);

/* Anything else that must be durable (Templates, credentials...): apply runs on the conductor's
 * thread inside the turn's transaction, with the writer; reply follows when the turn is committed,
 * or has failed. apply returns 0, or -1 with err when it refuses; it must not refuse after its
 * first put. */
void conductor_post_write(struct conductor *c,
                          int (*apply)(void *ctx, struct store *s, struct err *err),
                          conductor_reply reply, void *ctx);

/* Only from apply() of conductor_post_write(): send the notification of an Assembly of this
 * workspace again, once; to url, NULL: its own notify_url. reply (may be NULL) follows the attempt;
 * a refusal is ASSEMBLY_NOTIFICATION_NOT_REPLAYED. Errors: ERR_ASSEMBLY_NOT_FOUND,
 * ASSEMBLY_NO_NOTIFY_URL. */
MUST_CHECK int conductor_replay_notification(struct conductor *c, const char *assembly_id,
                                             const char *workspace, const char *key_id,
                                             const char *url, char id[static ID_LEN + 1],
                                             conductor_reply reply, void *ctx, struct err *err);

/* reply follows when the Assembly is over (notified: and its notification has been delivered or
 * given up), or when the server stops. At once when it is so already. */
void conductor_await(struct conductor *c, const char *assembly_id, bool notified,
                     conductor_reply reply, void *ctx);

/* Fills out, an object, with count and slots of api-resources.md 4. out is lent until the reply. */
void conductor_job_slots(struct conductor *c, const char *workspace, json_t *out,
                         conductor_reply reply, void *ctx);
/* Fills out, an object, with workers (what each does, when it is this workspace's), queues (what of
 * the workspace waits), open_assemblies, waits_for_space. out is lent until the reply. */
void conductor_work(struct conductor *c, const char *workspace, json_t *out, conductor_reply reply,
                    void *ctx);
/* Brings published_report() up to date. */
void conductor_report(struct conductor *c, const char *assembly_id, conductor_reply reply,
                      void *ctx);

/* From any thread but the conductor's; may wait for one that was open when the last process ended.
 * *out: the caller unrefs; NULL when it is not live (unknown, or over for a while: ask the store).
 * Errors: ERR_BUSY, it is open but could not be read again so far: nothing can be said of it yet.
 */
MUST_CHECK int conductor_find(struct published **out, struct conductor *c, const char *assembly_id,
                              struct err *err);
int conductor_live_count(struct conductor *c);
bool conductor_is_ready(struct conductor *c); /* recovered, and workers can start */
