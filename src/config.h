/* config.h - the server's settings: one table (config.c) drives parsing, --help, --print-config and
 * the documentation. A value comes from, in this order: a flag, the environment (WORKCELL_NAME),
 * the file of
 * --config, the default.
 *
 * The file: one `name = value` a line; # begins a comment; a value may stand in double quotes,
 * where \" and \\ are a quote and a backslash. An unknown or repeated name is an error. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "robot/roles.h"

#include <stdint.h>
#include <stdio.h>

enum notify_signature { NOTIFY_SHA384, NOTIFY_SHA1 };
enum isolation { ISOLATION_WORKER, ISOLATION_JOB };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* What each one means: the help texts in config.c. Sizes are bytes. */
struct config {
    const char *config, *listen, *data, *public_url, *import_allow, *sftp_key, *sftp_known_hosts, *ftp_ca,
        *region, *companion, *clamd, *endpoint, *ai_key, *ai_model;
    int log_level; /* enum log_level */
    int log_format, isolation, notify_signature, create_rate_status;
    int64_t http_threads, max_connections, max_strangers, address_connections, min_body_rate;
    int64_t idle_timeout_s, header_timeout_s, stranger_bytes, max_params_values;
    int64_t workers[ROLE_COUNT], worker_jobs;
    int64_t encode_timeout_s, encode_threads;
    int64_t transfer_connections, transfer_bandwidth;
    int64_t job_timeout_s, job_memory_mb, job_file_size, job_scratch_size, job_attempts, script_memory_mb;
    int64_t max_upload_size, max_params_bytes, max_pixels, max_frames, import_max_size;
    int64_t max_archive_files, max_archive_bytes, max_archive_ratio, max_archive_depth;
    const char *notify_allow, *jail_without, *cgroup;
    int64_t notify_timeout_s;
    const char *cdn_domain;
    int64_t cdn_wait_s, cdn_assemblies, cdn_cache_size;
    int64_t create_rate, max_assemblies, priority_jobs, status_rate, max_status_size, start_wait_ms;
    int64_t cancel_wait_ms, drain_timeout_s;
    int64_t upload_expiry_s, assembly_expiry_s, result_expiry_s, status_expiry_s;
    int64_t min_free_bytes, ballast_bytes, memory_keep_s, sweep_interval_s, scrub_interval_s, scrub_grace_s;
    bool trust_forwarded, require_jail, require_signature, cancel_requires_auth, fsync_uploads, core_dumps;

    bool help, print_config;   /* --help, --print-config: for the caller to act on */
    const char *const *origin; /* where each row's value is from; "default", "flag", ... */
};

/* Fill *out; its texts live in a or in argv and envp. argv[0] is skipped.
 * Errors: ERR_CONFIG; msg names the flag, the variable, or file and line. Reads the file: may
 * block. */
MUST_CHECK int config_load(struct config *out, struct arena *a, int argc, char **argv, char **envp,
                           struct err *err);
/* Does the word after this flag ("--name") belong to it? For commands that mix flags and other words. */
bool config_flag_takes_value(const char *flag);
/* A line for each variable that looks like a misspelled setting. Other WORKCELL_... are somebody else's: container
 * platforms make up such names. */
void config_warn_environment(char **envp, FILE *to);
/* Every setting with its value and origin, in the form of the file. */
void config_print(const struct config *c, FILE *to);
void config_help(FILE *to);
void config_print_markdown(FILE *to); /* docs/settings.md */
