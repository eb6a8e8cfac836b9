#include "config.h"
#include "base/log.h"
#include "base/near.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum kind { KIND_STRING, KIND_LIST, KIND_PATH, KIND_INT, KIND_SIZE, KIND_BOOL, KIND_ENUM };

static const char *const kind_names[] = {"text", "texts", "path", "number", "size", "yes/no", "choice"};

struct choice {
    const char *name; /* NULL ends the list */
    int value;
};

struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *def; /* parsed like any other value */
    const char *help;
    const struct choice *choices; /* ENUM */
    int64_t min, max;             /* INT, SIZE; max 0: no limit */
    bool secret;                  /* not printed, and no flag: everybody may list those of a process */
};

static const struct choice log_levels[] = {
    {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {0}};
static const struct choice log_formats[] = {{"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}, {0}};
static const struct choice notify_signatures[] = {{"sha384", NOTIFY_SHA384}, {"sha1", NOTIFY_SHA1}, {0}};
static const struct choice rate_statuses[] = {{"413", 413}, {"429", 429}, {0}};
static const struct choice isolations[] = {{"worker", ISOLATION_WORKER}, {"job", ISOLATION_JOB}, {0}};

/* A row that points at a field of another type does not compile. */
#define ROW(f, ctype, k, d, h, ...)                                                                \
    {                                                                                              \
        .name = #f, .kind = k, .def = d, .help = h,                                                \
        .offset = _Generic(((struct config *)0)->f, ctype                                          \
                           : offsetof(struct config, f)),                                          \
        __VA_ARGS__                                                                                \
    }
#define STRING(f, d, h) ROW(f, const char *, KIND_STRING, d, h)
#define LIST(f, d, h) ROW(f, const char *, KIND_LIST, d, h) /* given again it grows: "a,b" */
#define SECRETS(f, d, h) ROW(f, const char *, KIND_LIST, d, h, .secret = true)
#define PATH(f, d, h) ROW(f, const char *, KIND_PATH, d, h)
#define INT(f, d, h, ...) ROW(f, int64_t, KIND_INT, d, h, __VA_ARGS__)
#define SIZE(f, d, h, ...) ROW(f, int64_t, KIND_SIZE, d, h, __VA_ARGS__)
#define BOOL(f, d, h) ROW(f, bool, KIND_BOOL, d, h)
#define ENUM(f, list, d, h) ROW(f, int, KIND_ENUM, d, h, .choices = list)

/* clang-format off */
static const struct setting settings[] = {
    STRING(config, "", "File with settings. Not allowed in the file itself."),
    STRING(listen, "127.0.0.1:8080", "Address and port to serve on."),
    PATH(data, "./workcell-data", "Directory of everything that is kept."),
    STRING(public_url, "", "Address clients reach the server at. Empty: as in the request's Host."),
    BOOL(trust_forwarded, "no", "Believe X-Forwarded-* headers. Only behind a proxy that sets them."),
    ENUM(log_level, log_levels, "info", "Least important lines to log."),
    ENUM(log_format, log_formats, "text", "Form of log lines."),
    INT(http_threads, "0", "Threads serving requests. 0: four times the cores.", .max = 1024),
    INT(max_connections, "8192", "Connections at a time.", .min = 1, .max = 1000000),
    INT(max_strangers, "2048", "Of these, connections of clients that are not known yet: the slowest above that are closed.", .min = 1, .max = 1000000),
    INT(address_connections, "0", "Connections of one address (IPv6: /64). 0: a quarter of max_connections, of this machine any number.", .max = 1000000),
    INT(min_body_rate, "256", "Least bytes a second of a body whose client is not known yet, on the average of 30 s. 0: any.", .max = 1000000),
    INT(idle_timeout_s, "75", "Close a connection that is silent for so long.", .min = 1, .max = 86400),
    INT(header_timeout_s, "20", "Time a client has to send a request's headers.", .min = 1, .max = 86400),
#define X(id, role, network, writes, address, data, together, files, processes, nice, usual, least, late, text)        \
    {.name = "workers_" #role, .kind = KIND_INT, .offset = offsetof(struct config, workers[ROLE_##id]), .def = usual,                   \
     .help = text, .min = least, .max = 1024},
#include "robot/roles.def"
#undef X
    INT(worker_jobs, "100", "Replace a worker after so many jobs; a look that needs no decoder counts less.", .min = 1),
    ENUM(isolation, isolations, "worker", "A jail for each worker, or a new one for each job."),
    BOOL(require_jail, "no", "Refuse to start when workers can not be locked in."),
    STRING(cgroup, "", "Control group (v2) for workers. Empty: the server's own, if delegated; off: none."),
    STRING(jail_without, "", "For tests: do as if the kernel lacked these: landlock,user,userns,pid,ipc,net,mount,broker."),
    INT(job_timeout_s, "600", "Longest time of a job.", .min = 1),
    INT(encode_timeout_s, "21600", "Longest time of a job that encodes films or sounds.", .min = 1, .max = 31536000),
    INT(encode_threads, "0",
        "Threads of a job that encodes. 0: twice its share of the cores among the media jobs that run or wait then.",
        .max = 256),
    INT(job_memory_mb, "4096", "Most memory of a job, in MB.", .min = 64),
    SIZE(job_file_size, "10G", "Largest file a job may write.", .min = 1),
    SIZE(job_scratch_size, "20G", "Most bytes that a job's files may have together.", .min = 1),
    INT(script_memory_mb, "128", "Most memory of a job's expressions, and of a script, in MB.", .min = 16, .max = 512),
    INT(job_attempts, "3", "How often a job is tried when its worker dies.", .min = 1, .max = 100),
    SIZE(max_upload_size, "200G", "Largest upload.", .min = 1),
    SIZE(max_params_bytes, "8M", "Longest params field of a request.", .min = 1, .max = 1 << 30),
    INT(max_params_values, "50000", "Most values in a params field.", .min = 1, .max = 100000000),
    SIZE(stranger_bytes, "20M", "Bytes that all clients together may keep here before it is known who they are; one of them half.", .min = 65536),
    SIZE(max_pixels, "100M", "Largest picture, in pixels.", .min = 1),
    INT(max_frames, "2000", "Most frames of an animation.", .min = 1),
    INT(max_archive_files, "10000", "Most members of an archive that is unpacked.", .min = 1, .max = 10000),
    SIZE(max_archive_bytes, "10G", "Most bytes that an archive may unpack to.", .min = 1),
    INT(max_archive_ratio, "200", "How many times its size an archive may unpack to, from 64 MB of contents on.",
        .min = 1),
    INT(max_archive_depth, "64", "How deep members of an archive may lie.", .min = 1, .max = 1000),
    STRING(companion, "", "Companion beside this server, e.g. http://127.0.0.1:3020. Empty: none."),
    STRING(import_allow, "", "Private networks that imports may reach. Empty: none."),
    INT(transfer_connections, "8", "Connections to one host at a time, of all workers. 0: any number.", .max = 1024),
    SIZE(transfer_bandwidth, "0",
         "Bytes a second that all imports together read, and all exports together send. 0: any number."),
    STRING(sftp_key, "",
           "File with the private key that logs in at SFTP servers. Empty: ssh_key in the data directory."),
    STRING(sftp_known_hosts, "",
           "File with the keys of the only SFTP servers to talk to. Empty: any, each with the key that it had first."),
    STRING(ftp_ca, "",
           "File with certificates that FTP servers are trusted by beside those of the system. Empty: none."),
    LIST(endpoint, "",
         "NAME=URL: where a service (dropbox, google, ...) is reached instead of its own address. May be given again."),
    SECRETS(ai_key, "", "NAME=KEY: key of an AI service (endpoint), in the file or the environment. More with commas."),
    LIST(ai_model, "", "NAME=MODEL: the model of an AI service, when none is named. Empty: the first that it lists."),
    STRING(clamd, "", "ClamAV's daemon that looks for viruses: path of its socket, or address:port. Empty: none."),
    SIZE(import_max_size, "10G", "Largest imported file.", .min = 1),
    STRING(cdn_domain, "",
           "Requests by URL at WORKSPACE.DOMAIN/TEMPLATE/INPUT, where nothing else is. Empty: only below /cdn/."),
    INT(cdn_wait_s, "60", "How long a request by URL waits for its file.", .min = 1, .max = 3600),
    INT(cdn_assemblies, "64", "Files of a workspace that are made at a time for requests by URL.", .min = 1,
        .max = 100000),
    SIZE(cdn_cache_size, "2G", "Bytes of files that were made for requests by URL and are kept. 0: none."),
    INT(create_rate, "0", "Assemblies a workspace may create in a minute. 0: any number.", .max = 1000000),
    ENUM(create_rate_status, rate_statuses, "413", "HTTP status of a creation above that; Uppy waits at 429 only."),
    INT(max_assemblies, "10000", "Assemblies of a workspace that are not over. 0: any number."),
    INT(priority_jobs, "0", "Jobs of a workspace at a time, of each kind, batch aside. 0: any number.", .max = 1000000),
    INT(status_rate, "0", "Reads of one Assembly's status in a second. 0: any number.", .max = 1000000),
    SIZE(max_status_size, "64M", "Largest status document. 0: any size."),
    INT(start_wait_ms, "500", "At the start read open Assemblies so long before serving; the others while serving.", .max = 600000),
    INT(cancel_wait_ms, "1000", "How long a cancel waits for the end of the jobs.", .max = 60000),
    INT(upload_expiry_s, "28800", "Forget an upload that nobody goes on with.", .min = 1),
    INT(assembly_expiry_s, "28800", "End an Assembly that nothing happens in.", .min = 1),
    INT(result_expiry_s, "86400", "Keep results that are served from here so long.", .min = 1),
    INT(status_expiry_s, "2592000", "Keep the status of an Assembly that is over so long.", .min = 1),
    SIZE(min_free_bytes, "256M", "Take no new work when less is free. Of a small volume at most 5 %."),
    SIZE(ballast_bytes, "16M", "Keep a file of this size to give back when the disk is full. 0: none."),
    INT(memory_keep_s, "60", "Keep an Assembly that is over in memory so long.", .min = 1),
    INT(sweep_interval_s, "60", "How often to look for what has expired.", .min = 1),
    INT(scrub_interval_s, "3600", "How often to look for files that nothing refers to.", .min = 1),
    INT(scrub_grace_s, "3600", "Leave such files alone until they are so old.", .min = 1),
    BOOL(require_signature, "no", "Refuse requests that are not signed."),
    BOOL(cancel_requires_auth, "no", "Refuse to cancel without a signature; else the URL is enough."),
    STRING(notify_allow, "", "Private networks that notifications may reach. Empty: none."),
    INT(notify_timeout_s, "30", "How long a receiver of a notification may take.", .min = 1, .max = 600),
    ENUM(notify_signature, notify_signatures, "sha384", "Signature of notifications. sha1: for old receivers."),
    INT(drain_timeout_s, "30", "How long a stop waits for jobs."),
    STRING(region, "local", "Name of this installation in the status."),
    BOOL(core_dumps, "no", "Allow core dumps: they hold every Auth Secret. To hunt a crash."),
    BOOL(fsync_uploads, "yes", "Flush uploaded bytes before they are acknowledged."),
};
/* clang-format on */
#define SETTINGS ARRAY_LEN(settings)

/* Rows in the making. */
struct loading {
    struct config *c;
    struct arena *a;
    const char *origin[SETTINGS];
};

/* ---- values ---- */

static int parse_number(int64_t *out, const char *s, bool units)
{
    char *end;
    static const char units_up[] = "KMGT";
    const char *unit;
    int shift = 0;
    long long v;

    if (!isdigit((unsigned char)*s))
        return -1;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno)
        return -1;
    if (units && *end && (unit = strchr(units_up, toupper((unsigned char)*end)))) {
        shift = 10 * ((int)(unit - units_up) + 1);
        end++;
    }
    if (*end || v > INT64_MAX >> shift)
        return -1;
    *out = (int64_t)v << shift;
    return 0;
}

static int parse_bool(bool *out, const char *s)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"0", "1"}, {"off", "on"}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        for (int v = 0; v < 2; v++)
            if (!strcasecmp(s, words[i][v])) {
                *out = v;
                return 0;
            }
    return -1;
}

static int set(struct loading *l, const struct setting *s, const char *value, const char *origin, struct err *err)
{
    void *field = (char *)l->c + s->offset;
    int64_t n;
    const char *before = l->origin[s - settings];
    /* from the same place: the file's lines differ only by number */
    bool again = before && !strncmp(origin, before, strcspn(before, ":"));

    l->origin[s - settings] = origin;
    switch (s->kind) {
    case KIND_LIST:
        if (again && *(const char **)field && **(const char **)field) {
            *(const char **)field = arena_printf(l->a, "%s,%s", *(const char **)field, value);
            return 0;
        }
        *(const char **)field = arena_strdup(l->a, value);
        return 0;
    case KIND_PATH:
        if (!*value)
            return err_set(err, ERR_CONFIG, "%s: %s must not be empty", origin, s->name);
        /* fall through */
    case KIND_STRING:
        *(const char **)field = arena_strdup(l->a, value);
        return 0;
    case KIND_BOOL:
        if (parse_bool(field, value) < 0)
            return err_set(err, ERR_CONFIG, "%s: %s is yes or no, not '%s'", origin, s->name, value);
        return 0;
    case KIND_ENUM:
        for (const struct choice *c = s->choices; c->name; c++)
            if (!strcmp(c->name, value)) {
                *(int *)field = c->value;
                return 0;
            }
        return err_set(err, ERR_CONFIG, "%s: %s can not be '%s'", origin, s->name, value);
    case KIND_INT:
    case KIND_SIZE:
        if (parse_number(&n, value, s->kind == KIND_SIZE) < 0)
            return err_set(err, ERR_CONFIG, "%s: %s is a whole number%s, not '%s'", origin, s->name,
                           s->kind == KIND_SIZE ? " with K, M, G or T" : "", value);
        if (n < s->min || (s->max && n > s->max))
            return err_set(err, ERR_CONFIG, "%s: %s is %" PRId64 ", allowed is %" PRId64 " to %s",
                           origin, s->name, n, s->min,
                           s->max ? arena_printf(l->a, "%" PRId64, s->max) : "any number");
        *(int64_t *)field = n;
        return 0;
    }
    return 0;
}

/* name: with - or _ */
static const struct setting *find(const char *name, size_t len)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        size_t n = 0;

        while (n < len && settings[i].name[n] &&
               settings[i].name[n] == (name[n] == '-' ? '_' : name[n]))
            n++;
        if (n == len && !settings[i].name[n])
            return &settings[i];
    }
    return NULL;
}

/* The setting that a mistyped name may have meant. */
static struct near nearest(const char *typed)
{
    struct near near = near_to(typed);

    for (size_t i = 0; i < SETTINGS; i++)
        near_try(&near, settings[i].name);
    return near;
}

/* As a flag or a variable is written. */
static const char *spelled(struct arena *a, const char *name, bool loud)
{
    char *out = arena_strdup(a, name);

    for (char *p = out; *p; p++)
        *p = loud ? (char)toupper((unsigned char)*p) : *p == '_' ? '-' : *p;
    return out;
}

/* ---- the file ---- */

/* The value at s, in place; NULL when quotes are not closed or something follows them. */
static char *file_value(char *s)
{
    char *to = s, *from = s;

    if (*s != '"') {
        for (char *p = s; *p; p++)
            if (*p == '#' && (p == s || isspace((unsigned char)p[-1]))) {
                *p = 0;
                break;
            }
        for (size_t n = strlen(s); n && isspace((unsigned char)s[n - 1]);)
            s[--n] = 0;
        return s;
    }
    for (from++; *from && *from != '"'; from++) {
        if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    if (*from++ != '"')
        return NULL;
    from += strspn(from, " \t\r");
    *to = 0;
    return *from && *from != '#' ? NULL : s;
}

static int load_line(struct loading *l, char *line, const char *origin, struct err *err)
{
    size_t len;
    char *value;
    const struct setting *s;

    line += strspn(line, " \t\r");
    if (!*line || *line == '#')
        return 0;
    len = strcspn(line, " \t=");
    value = line + len + strspn(line + len, " \t");
    if (*value != '=')
        return err_set(err, ERR_CONFIG, "%s: not of the form name = value", origin);
    s = find(line, len);
    if (!s || s == settings) { /* a file can't name another */
        struct near near = nearest(arena_printf(l->a, "%.*s", (int)(len < 100 ? len : 100), line));

        err_set(err, ERR_CONFIG, "%s: there is no setting '%.*s'", origin, (int)len, line);
        return near_say(err, &near, "");
    }
    if (s->kind != KIND_LIST && strcmp(l->origin[s - settings], "default"))
        return err_set(err, ERR_CONFIG, "%s: %s was given before (%s)", origin, s->name, l->origin[s - settings]);
    value++;
    value = file_value(value + strspn(value, " \t"));
    if (!value)
        return err_set(err, ERR_CONFIG, "%s: the quotes of %s are not right", origin, s->name);
    return set(l, s, value, origin, err);
}

static int load_file(struct loading *l, const char *path, struct err *err)
{
    enum { LIMIT = 1 << 20 };
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = arena_alloc(l->a, LIMIT + 1);
    size_t len = 0;
    ssize_t n = 1;

    if (fd < 0)
        return err_set(err, ERR_CONFIG, "open '%s': %s", path, strerror(errno));
    while (len < LIMIT && (n = read(fd, text + len, LIMIT - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        return err_set(err, ERR_CONFIG, "read '%s': %s", path, strerror(errno));
    if (len == LIMIT || strlen(text) != len)
        return err_set(err, ERR_CONFIG, "'%s' is no file of settings", path);
    for (int number = 1; text; number++) {
        char *line = strsep(&text, "\n");

        if (load_line(l, line, arena_printf(l->a, "file %s:%d", path, number), err) < 0)
            return -1;
    }
    return 0;
}

/* ---- environment and flags ---- */

static const char *environment_of(const struct setting *s, char **envp, struct arena *a)
{
    char *name = arena_printf(a, "WORKCELL_%s=", s->name);

    for (char *p = name; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    for (; envp && *envp; envp++)
        if (str_starts(*envp, name))
            return *envp + strlen(name);
    return NULL;
}

static int refuse_secret(struct loading *l, const struct setting *s, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "%s is a secret, and anybody could list the flag: give it in the file, or as WORKCELL_%s", s->name,
                   spelled(l->a, s->name, true));
}

static int load_flag(struct loading *l, int argc, char **argv, int *i, struct err *err)
{
    const char *flag = argv[*i], *name = flag + 2, *value = strchr(flag, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    const struct setting *s;

    if (!strcmp(flag, "--help"))
        return l->c->help = true, 0;
    if (!strcmp(flag, "--print-config"))
        return l->c->print_config = true, 0;
    if (!str_starts(flag, "--"))
        return err_set(err, ERR_CONFIG, "'%s' is not understood (see --help)", flag);
    s = find(name, len);
    if (!s && !value && str_starts(name, "no-") && (s = find(name + 3, len - 3)) &&
        s->kind == KIND_BOOL)
        return set(l, s, "no", "flag", err);
    if (!s || !find(name, len)) {
        struct near near = nearest(arena_printf(l->a, "%.*s", (int)(len < 100 ? len : 100), name));

        err_set(err, ERR_CONFIG, "there is no flag '%.*s' (see --help)", (int)(len < 100 ? len : 100) + 2, flag);
        if (near.name)
            near.name = spelled(l->a, near.name, false);
        return near_say(err, &near, "--");
    }
    if (s->secret)
        return refuse_secret(l, s, err);
    if (value)
        value++;
    else if (s->kind == KIND_BOOL)
        value = "yes";
    else if (*i + 1 < argc)
        value = argv[++*i];
    else
        return err_set(err, ERR_CONFIG, "%s needs a value", flag);
    return set(l, s, value, "flag", err);
}

bool config_flag_takes_value(const char *flag)
{
    const struct setting *s = find(flag + 2, strlen(flag + 2));

    return s && s->kind != KIND_BOOL;
}

static int load_flags(struct loading *l, int argc, char **argv, struct err *err)
{
    for (int i = 1; i < argc; i++)
        if (load_flag(l, argc, argv, &i, err) < 0)
            return -1;
    return 0;
}

int config_load(struct config *out, struct arena *a, int argc, char **argv, char **envp, struct err *err)
{
    struct config c = {0};
    struct loading l = {.c = &c, .a = a};
    const char **origin = arena_alloc(a, sizeof l.origin);
    const char *path, *value;

    /* Flags twice: first for --config, and again over what the file and the environment said. */
    if (load_flags(&l, argc, argv, err) < 0)
        return -1;
    path = c.config ? c.config : environment_of(&settings[0], envp, a);
    for (size_t i = 0; i < SETTINGS; i++)
        if (set(&l, &settings[i], settings[i].def, "default", err) < 0)
            return -1;
    if (path && *path && load_file(&l, path, err) < 0)
        return -1;
    /* Other variables that begin alike are not ours: container platforms make up such names. */
    for (size_t i = 0; i < SETTINGS; i++)
        if ((value = environment_of(&settings[i], envp, a))) {
            char *from = arena_printf(a, "environment WORKCELL_%s", settings[i].name);

            for (char *p = from + strlen("environment "); *p; p++)
                *p = (char)toupper((unsigned char)*p);
            if (set(&l, &settings[i], value, from, err) < 0)
                return -1;
        }
    if (load_flags(&l, argc, argv, err) < 0)
        return -1;
    memcpy(origin, l.origin, sizeof l.origin);
    c.origin = origin;
    *out = c;
    return 0;
}

void config_warn_environment(char **envp, FILE *to)
{
    AUTO(arena_free) struct arena *a = arena_new();

    for (; envp && *envp; envp++) {
        const char *name = *envp + strlen("WORKCELL_");
        size_t len = str_starts(*envp, "WORKCELL_") ? strcspn(name, "=") : 0;

        if (!len || len > 60)
            continue;
        char *typed = arena_printf(a, "%.*s", (int)len, name);
        struct near near = nearest(typed);
        const char *meant = near.name ? spelled(a, near.name, true) : typed;

        if (strcmp(meant, typed) != 0)
            fprintf(to, "workcell: WORKCELL_%s in the environment is no setting and does nothing; did you mean WORKCELL_%s?\n",
                    typed, meant);
    }
}

/* ---- printing ---- */

static void print_value(const struct config *c, const struct setting *s, FILE *to)
{
    static const char *const units[] = {"", "K", "M", "G", "T"};
    const void *field = (const char *)c + s->offset;
    int64_t n;
    int unit = 0;

    if (s->secret && **(const char *const *)field)
        return (void)fputs("\"****\"", to);
    switch (s->kind) {
    case KIND_STRING:
    case KIND_LIST:
    case KIND_PATH:
        putc('"', to);
        for (const char *p = *(const char *const *)field; *p; p++) {
            if (*p == '"' || *p == '\\')
                putc('\\', to);
            putc(*p, to);
        }
        putc('"', to);
        return;
    case KIND_BOOL:
        fputs(*(const bool *)field ? "yes" : "no", to);
        return;
    case KIND_ENUM:
        for (const struct choice *o = s->choices; o->name; o++)
            if (o->value == *(const int *)field)
                fputs(o->name, to);
        return;
    case KIND_INT:
        fprintf(to, "%" PRId64, *(const int64_t *)field);
        return;
    case KIND_SIZE:
        for (n = *(const int64_t *)field; n && n % 1024 == 0 && unit < 4; n /= 1024)
            unit++;
        fprintf(to, "%" PRId64 "%s", n, units[unit]);
        return;
    }
}

void config_print(const struct config *c, FILE *to)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        bool hidden = settings[i].secret && strcmp(c->origin[i], "default") != 0;

        /* Comments, so that the whole is a file that can be used as it is. */
        fprintf(to, "%s%s = ", i && !hidden ? "" : "# ", settings[i].name);
        print_value(c, &settings[i], to);
        fprintf(to, " # %s\n", c->origin[i]);
    }
}

static void print_choices(const struct setting *s, const char *between, FILE *to)
{
    if (s->kind != KIND_ENUM)
        fputs(kind_names[s->kind], to);
    else
        for (const struct choice *c = s->choices; c->name; c++)
            fprintf(to, "%s%s", c == s->choices ? "" : between, c->name);
}

static void print_dashed(const char *name, FILE *to)
{
    for (; *name; name++)
        putc(*name == '_' ? '-' : *name, to);
}

void config_help(FILE *to)
{
    fputs(
        "Each setting is also WORKCELL_NAME in the environment and `name = value` in the file of\n"
        "--config. A flag goes before the environment, that before the file.\n\n"
        "  --help          this text\n"
        "  --print-config  every setting, its value and where it is from\n",
        to);
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];

        fputs(s->kind == KIND_BOOL ? "  --[no-]" : "  --", to);
        print_dashed(s->name, to);
        if (s->kind != KIND_BOOL) {
            putc(' ', to);
            print_choices(s, "|", to);
        }
        fprintf(to, "\n      %s%s%s%s\n", s->help, *s->def ? " [" : "", s->def, *s->def ? "]" : "");
    }
}

void config_print_markdown(FILE *to)
{
    fputs("| Setting | Value | Default | Meaning |\n| --- | --- | --- | --- |\n", to);
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];

        fprintf(to, "| `%s` | ", s->name);
        print_choices(s, ", ", to);
        fprintf(to, " | %s%s%s | %s |\n", *s->def ? "`" : "", s->def, *s->def ? "`" : "", s->help);
    }
}
