#include "server.h"
#include "api/app.h"
#include "api/cdn.h"
#include "api/companion.h"
#include "api/costly.h"
#include "api/credential_trial.h"
#include "api/keys.h"
#include "api/limits.h"
#include "api/routes.h"
#include "api/stream.h"
#include "assembly/assembly.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "blob/blob.h"
#include "conductor/conductor.h"
#include "config.h"
#include "data_dir.h"
#include "http/guard.h"
#include "job_settings.h"
#include "live/live.h"
#include "ssh_key.h"
#include "store/sealed.h"
#include "store/store.h"
#include "upload/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILD_ID "1"

static const struct log log_ctx = {"room", "server", NULL};

struct server {
    struct app app;
    struct space_memory space_memory;
    struct store *store;
    struct store_reader *reader; /* the conductor's own: the API's is busy */
    struct http_server *http;
    struct seal_key seal;
    struct job_settings told;
    char host[256], instance[256], program_dir[PATH_MAX];
    /* lent to the conductor and the uploads for as long as they run */
    char *data, *scratch, *partial, *blobs, *renewed, *connect_allow;
    int lock_fd;
    struct auth_key *new_key;
    enum key_origin key_origin;
    bool unsigned_keys; /* one of them, at the start */
};

struct key_load {
    struct server *s;
    struct err *err;
    int rc;
};

static int keep_key(void *ctx, const struct store_key *row)
{
    struct key_load *l = ctx;
    struct auth_key *k;

    l->rc = auth_key_open(&k, row, &l->s->seal, l->err);
    if (l->rc == 0) {
        l->s->unsigned_keys |= !k->require_signature;
        keys_put(l->s->app.keys, k);
    }
    return l->rc;
}

/* have: the key as it is known already, which keeps what it may; NULL: it is new. */
static int add_key(struct auth_key **out, struct server *s, bool first, const struct auth_key *have, const char *id,
                   const char *key, const char *secret, const char *workspace, const char *name, struct err *err)
{
    AUTO(mem_free) char *sealed = auth_key_seal(id, secret, &s->seal);
    int64_t now = clock_now_us();
    struct store_key row = {.id = id,
                            .key = key,
                            .secret = sealed,
                            .workspace = workspace,
                            .scopes = have ? have->scopes : "*",
                            .description = have ? have->description : NULL,
                            .require_signature = have && have->require_signature,
                            .workspace_name = name,
                            .created_us = have ? have->created_us : now,
                            .modified_us = now};

    /* a workspace that is known already is fine */
    if (store_begin(s->store, err) < 0 || store_key_put(s->store, &row, err) < 0 ||
        (store_workspace_add(s->store, workspace, name, now, err) < 0 && err->code != ERR_EXISTS) ||
        (first && store_setting_put(s->store, "workspace", workspace, err) < 0) || store_commit(s->store, err) < 0 ||
        auth_key_open(out, &row, &s->seal, err) < 0)
        return -1;
    keys_put(s->app.keys, auth_key_ref(*out));
    return 0;
}

/* TRANSLOADIT_KEY and TRANSLOADIT_SECRET are the first Auth Key; else one is made at the first start. */
static int first_key(struct server *s, struct err *err)
{
    const char *key = getenv("TRANSLOADIT_KEY"), *secret = getenv("TRANSLOADIT_SECRET");
    char id[ID_LEN + 1], made_key[ID_LEN + 1], made_secret[ID_LEN + 1], workspace[ID_LEN + 1];
    AUTO(mem_free) char *stored = store_setting_get(s->store, "workspace");
    bool given = key && *key && secret && *secret;
    struct key_load load = {s, err, 0};
    struct auth_key *made;

    s->app.keys = keys_new();
    if (store_keys(s->store, keep_key, &load, err) < 0 || load.rc < 0)
        return -1;
    AUTO(auth_key_unref) struct auth_key *have = given ? keys_find(s->app.keys, key) : NULL;
    s->key_origin = given ? have ? KEY_CHANGED : KEY_GIVEN : KEY_MADE;
    if (given && have && !strcmp(have->secret, secret)) {
        s->key_origin = KEY_GIVEN;
        return 0;
    }
    if (!given && keys_count(s->app.keys)) {
        s->key_origin = KEY_STORED;
        return 0;
    }
    id_new(id);
    id_new(made_key);
    id_new(made_secret);
    id_new(workspace);
    s->unsigned_keys |= !have;
    if (add_key(&made, s, !stored, have, have ? have->id : id, given ? key : made_key, given ? secret : made_secret,
                have ? have->workspace : stored ? stored : workspace, have ? have->workspace_name : "default", err) < 0)
        return -1;
    if (given)
        auth_key_unref(made);
    else
        s->new_key = made;
    return 0;
}

static int split_listen(struct server *s, int *port, const char *listen, struct err *err)
{
    const char *colon = strrchr(listen, ':');
    char *end;

    if (!colon || colon == listen)
        return err_set(err, ERR_CONFIG, "listen must be HOST:PORT, not '%s'%s%s%s", listen,
                       colon ? "; every address is 0.0.0.0" : "", colon ? colon : "", colon ? " or [::]" : "");
    *port = (int)strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || *port < 0 || *port > 65535)
        return err_set(err, ERR_CONFIG, "listen: '%s' is no port", colon + 1);
    bool bracket = *listen == '[' && colon[-1] == ']';
    snprintf(s->host, sizeof s->host, "%.*s", (int)(colon - listen - (bracket ? 2 : 0)), listen + bracket);
    return 0;
}

int server_lock_dir(int *lock_fd, const char *dir, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s/lock", dir);
    int rc;

    if (data_dir_open(dir, err) < 0)
        return -1;
    *lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*lock_fd < 0)
        return err_errno(err, "open '%s'", path);
    /* One that was killed in the middle of starting a zygote: the child holds the lock until its exec, a moment more */
    for (int tries = 0; (rc = flock(*lock_fd, LOCK_EX | LOCK_NB)) < 0 && tries < 40; tries++)
        usleep(50000);
    if (rc < 0)
        return err_set(err, ERR_CONFIG, "another workcell uses the data directory '%s'", dir);
    return 0;
}

int server_program_dir(char *out, size_t size, struct err *err)
{
    char self[PATH_MAX], program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n < 0)
        return err_errno(err, "find my own program");
    self[n] = 0;
    *strrchr(self, '/') = 0;
    /* in libexec after an install, beside us in a build tree */
    const char *const forms[] = {"%s/../libexec/workcell", "%s"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        const char *at = strstr(forms[i], "%s") + 2;

        snprintf(out, size, "%s%s", self, at);
        snprintf(program, sizeof program, "%.4000s/workcell-media", out);
        if (access(program, X_OK) == 0)
            return 0;
    }
    return err_set(err, ERR_CONFIG, "workcell-media is not where it should be (near %s)", self);
}

static int processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : (int)n;
}

/* They wait for the disk when an upload is complete; with several, the file system flushes for all at once. */
static int http_threads(void) { return processors() < 2 ? 4 : processors() * 4; }

int64_t server_files_needed(const struct config *c)
{
    return c->max_connections + c->workers[ROLE_TRANSFER] + 256;
}

/* The soft limit is there for programs that use select(); we may have as many files as the hard one says. */
static void raise_file_limit(const struct config *c)
{
    struct rlimit files;
    rlim_t want = (rlim_t)server_files_needed(c);

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= want)
        return;
    files.rlim_cur = files.rlim_max < want ? files.rlim_max : want;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < want)
        log_warn(&log_ctx, "max_connections needs %llu open files, and %llu are allowed",
                 (unsigned long long)want, (unsigned long long)files.rlim_cur);
}

/* Socket.IO's clients hear what event streams do. */
static int listen_to(struct published **live, void *app, const char *id, struct listener *(*make)(void *ctx), void *ctx,
                     struct err *err)
{
    return stream_listen(live, app, id, /* last_id */ -1, make, ctx, err);
}

static int check_settings(struct server *s, const struct config *c, struct err *err)
{
    struct err why;

    if (guard_check_list(c->import_allow) < 0)
        return err_set(err, ERR_CONFIG, "import_allow: '%s' can't be read", c->import_allow);
    if (guard_check_list(c->notify_allow) < 0)
        return err_set(err, ERR_CONFIG, "notify_allow: '%s' can't be read", c->notify_allow);
    if (job_settings_read(&s->told, c, err) < 0)
        return -1;
    if (*c->companion && proxy_check_url(c->companion, &why) < 0)
        return err_set(err, ERR_CONFIG, "companion: %s", why.msg);
    return 0;
}

/* Who logs in at SFTP servers when the operator has not said it. */
static int own_key(struct server *s, const struct config *c, struct err *err)
{
    AUTO(mem_free) char *key = NULL;

    if (*c->sftp_key)
        return 0;
    if (ssh_key_load(&key, c->data, err) < 0)
        return -1;
    json_object_set_new(s->told.keys, "sftp_key", json_string(key));
    explicit_bzero(key, strlen(key));
    return 0;
}

static int open_stores(struct server *s, const struct config *c, struct err *err)
{
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", c->data);
    AUTO(mem_free) char *blobs = mem_printf("%s/blobs", c->data);
    AUTO(mem_free) char *key_file = mem_printf("%s/credentials.key", c->data);

    return server_lock_dir(&s->lock_fd, c->data, err) < 0 || store_open(&s->store, db, err) < 0 ||
                   store_reader_open(&s->app.reader, db, err) < 0 || store_reader_open(&s->reader, db, err) < 0 ||
                   store_reader_open(&s->app.list_reader, db, err) < 0 ||
                   blob_store_open(&s->app.blobs, blobs, err) < 0 ||
                   sealed_open(&s->seal, s->store, key_file, err) < 0 || first_key(s, err) < 0 ||
                   own_key(s, c, err) < 0
               ? -1
               : 0;
}

static void set_dirs(struct server *s, const struct config *c)
{
    AUTO(mem_free) char *absolute = realpath(c->data, NULL);
    AUTO(mem_free) char *scratch = mem_printf("%s/scratch", absolute ? absolute : c->data);
    char *elsewhere = realpath(scratch, NULL); /* a link of the operator's, to another disk */
    s->scratch = elsewhere ? elsewhere : take(scratch);
    s->partial = mem_printf("%s/uploads", absolute ? absolute : c->data);
    s->data = mem_strdup(absolute ? absolute : c->data);
    s->blobs = mem_printf("%s/blobs", s->data);
    s->renewed = mem_printf("%s/renewed", s->data);
    s->app.strangers.limit = c->stranger_bytes;
    s->space_memory = (struct space_memory)SPACE_MEMORY;
    s->app.space = (struct space){{s->data, s->scratch, s->partial, s->blobs}, c->min_free_bytes, &s->space_memory};
}

static int open_conductor(struct server *s, const struct config *c, int log_level, struct err *err)
{
    struct conductor_conf conductor = {
        .store = s->store,
        .reader = s->reader,
        .blobs = s->app.blobs,
        .seal = &s->seal,
        .program_dir = s->program_dir,
        .scratch = s->scratch,
        .renewed = s->renewed,
        .instance = s->instance,
        .region = c->region,
        .build_id = BUILD_ID,
        .worker_jobs = (int)c->worker_jobs,
        .isolate_jobs = c->isolation == ISOLATION_JOB,
        .require_jail = c->require_jail,
        .job_memory_bytes = c->job_memory_mb << 20,
        .job_file_bytes = c->job_file_size,
        .job_scratch_bytes = c->job_scratch_size,
        .connect_allow = s->connect_allow,
        .places = (int)c->transfer_connections,
        .connect_socket = *c->clamd == '/' ? c->clamd : NULL,
        .cgroup = c->cgroup,
        .jail_without = c->jail_without,
        .job_timeout_s = (int)c->job_timeout_s,
        .encode_timeout_s = (int)c->encode_timeout_s,
        .encode_threads = (int)c->encode_threads,
        .cores = processors(),
        .log_level = log_level,
        .cancel_wait_us = c->cancel_wait_ms * 1000,
        .upload_expiry_us = c->upload_expiry_s * SECOND_US,
        .execution_expiry_us = c->assembly_expiry_s * SECOND_US,
        .result_expiry_us = c->result_expiry_s * SECOND_US,
        .status_expiry_us = c->status_expiry_s * SECOND_US,
        .space = s->app.space,
        .ballast_bytes = c->ballast_bytes,
        .keep_over_us = c->memory_keep_s * SECOND_US,
        .sweep_interval_us = c->sweep_interval_s * SECOND_US,
        .scrub_interval_us = c->scrub_interval_s * SECOND_US,
        .scrub_grace_us = c->scrub_grace_s * SECOND_US,
        .notify_allow = c->notify_allow,
        .notify_timeout_s = (int)c->notify_timeout_s,
        .notify_sha1 = c->notify_signature == NOTIFY_SHA1,
        .job_slots = (int)c->priority_jobs,
        .max_assemblies = c->max_assemblies,
        .start_wait_us = c->start_wait_ms * 1000,
        .max_status_bytes = c->max_status_size,
        .too_many = c->create_rate_status == 429 ? ERR_RATE_429 : ERR_RATE,
        .robot_settings = s->told.settings,
        .robot_keys = s->told.keys,
    };
    for (int role = 0; role < ROLE_COUNT; role++)
        if (robots_have_role(role) || role == ROLE_SCRIPT) /* each Step may have expressions */
            conductor.workers[role] = c->workers[role] ? (int)c->workers[role] : processors();
    return conductor_open(&s->app.conductor, &conductor, err);
}

static int start_uploads(struct server *s, const struct config *c, struct err *err)
{
    struct uploads_conf uploads = {.conductor = s->app.conductor,
                                   .blobs = s->app.blobs,
                                   .dir = s->partial,
                                   .space = s->app.space,
                                   .max_size = c->max_upload_size,
                                   .stranger_bytes = c->require_signature ? 0 : c->stranger_bytes,
                                   .expiry_us = c->upload_expiry_s * SECOND_US,
                                   .sync = c->fsync_uploads,
                                   .base_url = app_base_url};
    if (uploads_open(&s->app.uploads, &uploads, s->store, err) < 0)
        return -1;
    struct upload_stopper stopper = {uploads_stop_assembly, uploads_tell, uploads_sweep, s->app.uploads};
    return conductor_start(s->app.conductor, &stopper, err);
}

static int start_http(struct server *s, const struct config *c, int port, struct err *err)
{
    struct http_config http = {.host = s->host,
                               .port = port,
                               .threads = c->http_threads ? (int)c->http_threads : http_threads(),
                               .connection_memory = 128 * 1024,
                               .stream_prefix = "GET /ws",
                               .short_prefix = "GET /cdn/",
                               .short_host = c->cdn_domain,
                               .stream_memory = 16 * 1024,
                               .large_memory = 512 * 1024,
                               .large_body = 8 << 20,
                               .large_most = 64,
                               .idle_timeout_s = (int)c->idle_timeout_s,
                               .header_timeout_s = (int)c->header_timeout_s,
                               .max_connections = (int)c->max_connections,
                               .max_strangers = (int)c->max_strangers,
                               .address_connections = c->address_connections ? (int)c->address_connections
                                                                             : (int)(c->max_connections + 3) / 4,
                               .local_is_exempt = !c->address_connections,
                               .trust_forwarded = c->trust_forwarded,
                               .strangers = &s->app.strangers,
                               .min_body_rate = (int)c->min_body_rate,
                               .route = app_route,
                               .ctx = &s->app};
    if (http_server_start(&s->http, &http, err) < 0)
        return -1;
    s->app.port = http_server_port(s->http);
    return 0;
}

int server_start(struct server **out, const struct config *c, int log_level, struct err *err)
{
    struct server *s = mem_zalloc(sizeof *s);
    int port = 0;

    raise_file_limit(c);
    s->app.config = c;
    s->app.seal = &s->seal;
    gethostname(s->instance, sizeof s->instance - 1);
    s->app.instance = s->instance;
    s->app.limits =
        limits_new(c->create_rate, c->status_rate, c->create_rate_status == 429 ? ERR_RATE_429 : ERR_RATE);
    if (check_settings(s, c, err) < 0 || split_listen(s, &port, c->listen, err) < 0 ||
        server_program_dir(s->program_dir, sizeof s->program_dir, err) < 0 || open_stores(s, c, err) < 0)
        return -1;
    set_dirs(s, c);
    s->connect_allow =
        mem_printf("%s,%s,%s", c->import_allow, c->notify_allow, *c->clamd == '/' ? "" : c->clamd);
    struct live_conf live = {(int)c->max_connections, listen_to, &s->app};
    s->app.trials = credential_trials_new(
        &(struct credential_bench){s->program_dir, c->jail_without, s->told.settings, s->told.keys, s->renewed,
                                   &s->seal});
    if (open_conductor(s, c, log_level, err) < 0 || start_uploads(s, c, err) < 0 ||
        live_start(&s->app.live, &live, err) < 0 || costly_start(&s->app.costly, err) < 0 ||
        companion_open(&s->app.companion, c, err) < 0 || cdn_start(&s->app.cdn, &s->app, err) < 0 ||
        start_http(s, c, port, err) < 0)
        return -1;
    *out = s;
    return 0;
}

void server_drain(struct server *s)
{
    s->app.draining = true;
    http_server_quiesce(s->http);
    cdn_stop(s->app.cdn);
    credential_trials_stop(s->app.trials);
    conductor_stop(s->app.conductor, s->app.config->drain_timeout_s * SECOND_US);
    live_stop(s->app.live); /* "going away", after the last event */
    proxy_stop(s->app.companion);
}

void server_stop(struct server *s)
{
    server_drain(s);
    uploads_stop(s->app.uploads);
    http_server_stop(s->http); /* streams and idle uploads: their clients come back and go on */
    live_close(s->app.live);
    proxy_close(s->app.companion);
    cdn_free(s->app.cdn);
    credential_trials_free(s->app.trials);
    uploads_close(s->app.uploads);
    store_reader_close(s->app.reader);
    store_reader_close(s->app.list_reader);
    store_reader_close(s->reader);
    blob_store_close(s->app.blobs);
    store_close(s->store);
    fd_close(s->lock_fd);
    limits_free(s->app.limits);
    free(s->scratch);
    free(s->connect_allow);
    free(s->partial);
    free(s->data);
    free(s->blobs);
    free(s->renewed);
    job_settings_done(s->told);
    free(s);
}

struct app *server_app(struct server *s) { return &s->app; }
const char *server_host(const struct server *s) { return s->host; }
int server_port(const struct server *s) { return s->app.port; }
const char *server_data(const struct server *s) { return s->data; }
enum key_origin server_key_origin(const struct server *s) { return s->key_origin; }
bool server_takes_unsigned(const struct server *s) { return s->unsigned_keys && !s->app.config->require_signature; }
const struct auth_key *server_new_key(const struct server *s) { return s->new_key; }
