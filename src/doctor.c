/* workcell doctor: what this machine has, and what it lacks. One line a check: how it stands, what was found and,
 * unless all is well, what to do. What needs a media library or the network is asked of the worker programs. */
#include "api/credential_trial.h"
#include "assembly/credentials.h"
#include "base/clock.h"
#include "base/secret.h"
#include "commands.h"
#include "config.h"
#include "job_settings.h"
#include "server.h"
#include "store/sealed.h"
#include "worker/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/wait.h>

extern char **environ;

enum verdict { OK, WARN, FAIL };
static const char *const verdicts[] = {"ok", "warn", "fail"};

struct doctor {
    const struct config *config;
    bool json;
    json_t *checks;
    int worst;
    char programs[PATH_MAX];
    struct trial trial;
};

/* advice NULL or "": nothing to do. */
static void say(struct doctor *d, enum verdict v, const char *check, const char *advice, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
static void say(struct doctor *d, enum verdict v, const char *check, const char *advice, const char *fmt, ...)
{
    AUTO(mem_free) char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = mem_strdup("?");
    va_end(ap);
    if (v == OK)
        advice = NULL;
    if (v > (enum verdict)d->worst)
        d->worst = v;
    if (!d->json)
        printf("%-4s  %-18s %s%s%s\n", verdicts[v], check, text, advice ? ". " : "", advice ? advice : "");
    json_array_append_new(d->checks, json_pack("{s:s,s:s,s:o,s:s?}", "check", check, "verdict", verdicts[v], "found",
                                               jstring(text), "advice", advice));
}

/* ---- the checks ---- */

static json_t *describe(const struct doctor *d, const char *program, struct err *err)
{
    return trial_ask(&d->trial, program, "--describe", NULL, NULL, 60, err);
}

static void check_jail(struct doctor *d, const char *program, const json_t *said, bool may_network)
{
    const json_t *jail = json_object_get(said, "jail");
    AUTO(mem_free) char *name = mem_printf("jail.%s", jstr_or(said, "program", program));
    AUTO(str_done) struct str notes = {0};
    const char *broken = NULL;
    json_t *note;
    size_t i;

    json_array_foreach (json_object_get(said, "jail_notes"), i, note)
        str_addf(&notes, "%s%s", i ? ", " : "", json_string_value(note));
    if (jstr(jail, "error")) {
        say(d, FAIL, name, "Workers can't start. Another sandbox around the server may forbid theirs.", "%s",
            jstr(jail, "error"));
        return;
    }
    if (!jbool(jail, "own_files", false) && jbool(jail, "writes", true))
        say(d, FAIL, name, "Robots can't write results: look at the mount options of the scratch space.",
            "a worker can't write its own files");
    if (!jbool(jail, "foreign_files_refused", false))
        broken = "a worker can read files that are not its own";
    else if (jbool(jail, "own_files", false) && !jbool(jail, "writes", true))
        broken = "a worker that needs no files can make some";
    else if (jbool(jail, "network", true) && !may_network)
        broken = "a worker without network can open network sockets";
    else if (!jbool(jail, "signals_refused", false))
        broken = "a worker can send signals to others";
    else if (!jbool(jail, "no_new_privs", false) || !jbool(jail, "seccomp", false))
        broken = "no_new_privs or seccomp is not in force";
    else if (!jbool(jail, "local_sockets_refused", false))
        broken = "a worker can open local sockets";
    else if (!jbool(jail, "mounts_refused", false))
        broken = "a worker can mount file systems";
    if (broken)
        say(d, FAIL, name,
            "The kernel needs CONFIG_SECCOMP_FILTER and CONFIG_SECURITY_LANDLOCK (\"landlock\" in lsm=).", "%s: %s",
            broken, notes.s ? notes.s : "");
    else if (!jbool(said, "jail_complete", false))
        say(d, d->config->require_jail ? FAIL : WARN, name,
            "Namespaces need CONFIG_USER_NS and friends, and a container that allows them; docs/security.md says what "
            "each wall is for.",
            "closed, but not by every wall: %s", notes.s ? notes.s : "");
    else
        say(d, OK, name, NULL, "tried and closed: %s, a list of system calls, user %d", notes.s ? notes.s : "",
            (int)jint(jail, "user", -1));
}

static void check_tool(struct doctor *d, const json_t *said, const char *name, const char *advice)
{
    const json_t *t = json_object_get(json_object_get(said, "tools"), name);

    if (jbool(t, "works", false))
        say(d, OK, name, NULL, "%s", *jstr_or(t, "text", "") ? jstr(t, "text") : "there");
    else
        say(d, FAIL, name, advice, "%s", jstr_or(t, "text", "not there"));
}

static void list_flags(struct str *have, struct str *lack, const json_t *flags)
{
    const char *name;
    json_t *v;

    json_object_foreach ((json_t *)flags, name, v) {
        struct str *to = json_is_true(v) ? have : lack;

        str_addf(to, "%s%s", to->len ? " " : "", name);
    }
}

static void check_media(struct doctor *d)
{
    AUTO(str_done) struct str have = {0}, lack = {0}, loads = {0}, lacks = {0};
    struct err err;
    AUTO(json_unref) json_t *said = describe(d, "workcell-media", &err);

    if (!said) {
        say(d, FAIL, "workcell-media", "Install the program beside workcell or in ../libexec/workcell.", "%s", err.msg);
        return;
    }
    check_jail(d, "media", said, false);
    check_tool(d, said, "ffprobe", "Install ffmpeg: without it video and audio have no metadata.");
    check_tool(d, said, "pdfinfo",
               "Install poppler-utils: without it PDF files have no metadata, and /document/extract fails.");
    check_tool(d, said, "7zz", "Install 7zip: /file/decompress needs it for encrypted 7z archives.");
    check_tool(d, said, "optipng", "Install it: /image/optimize needs it for PNG.");
    check_tool(d, said, "pngquant", "Install it: /image/optimize needs it for PNG with `lossy`.");
    check_tool(d, said, "gifsicle", "Install it: /image/optimize needs it for GIF.");
    check_tool(d, said, "cwebp", "Install webp: /image/optimize needs it for WebP.");
    check_tool(d, said, "scour", "Install it: /image/optimize needs it for SVG.");
    check_tool(d, said, "mutool", "Install mupdf-tools: /file/verify needs it for `repair_pdf`.");
    check_tool(d, said, "qpdf", "Install it: /document/split, /document/merge and others need it.");
    check_tool(d, said, "gs", "Install ghostscript: /document/optimize and /document/convert need it.");
    check_tool(d, said, "rsvg-convert", "Install librsvg2-bin: /document/convert needs it to make PDF of SVG.");
    check_tool(d, said, "tesseract",
               "Install tesseract-ocr, tesseract-ocr-eng and tesseract-ocr-osd: /document/ocr, /image/ocr and "
               "/document/autorotate need it.");
    list_flags(&have, &lack, json_object_get(said, "codecs"));
    list_flags(&loads, &lacks, json_object_get(said, "loaders"));
    if (jstr(said, "libvips_error"))
        say(d, FAIL, "libvips", "Install libvips42.", "%s", jstr(said, "libvips_error"));
    else
        say(d, lack.len ? WARN : OK, "libvips", "Steps that ask for these formats fail: install libvips with them.",
            "%s writes and reads %s%s%s", jstr_or(said, "libvips", "?"), have.s ? have.s : "nothing",
            lack.len ? "; not " : "", lack.len ? lack.s : "");
    say(d, lacks.len ? WARN : OK, "libvips.reads", "Such uploads are taken, but no step can read them.",
        "also reads %s%s%s", loads.s ? loads.s : "none", lacks.len ? "; not " : "", lacks.len ? lacks.s : "");
    say(d, jbool(said, "faces", false) ? OK : FAIL, "faces", "The detector of dlib does not work.", "%s",
        jbool(said, "faces", false) ? "the detector runs" : "the detector fails");
    say(d, jint(said, "fonts", 0) ? OK : WARN, "fonts", "Texts in SVG files stay invisible: install fonts-dejavu-core.",
        "%d font files", (int)jint(said, "fonts", 0));
}

static void check_transfer(struct doctor *d)
{
    struct err err;
    AUTO(json_unref) json_t *said = describe(d, "workcell-transfer", &err);

    if (!said) {
        say(d, FAIL, "workcell-transfer", "Install the program beside workcell or in ../libexec/workcell.", "%s",
            err.msg);
        return;
    }
    check_jail(d, "transfer", said, true);
    say(d, jbool(said, "ca_certificates", false) ? OK : WARN, "tls",
        "Imports and exports over https fail: install ca-certificates.", "%s", jstr_or(said, "libcurl", "?"));
}

static void check_office(struct doctor *d)
{
    struct err err;
    AUTO(json_unref) json_t *said = describe(d, "workcell-office", &err);

    if (!said) {
        say(d, FAIL, "workcell-office", "Install the program beside workcell or in ../libexec/workcell.", "%s",
            err.msg);
        return;
    }
    check_jail(d, "office", said, false);
    const char *why = jstr(json_object_get(said, "jail"), "office_error");
    if (!jbool(said, "libreoffice", false))
        say(d, WARN, "libreoffice",
            "/document/convert can't do office documents and HTML: install libreoffice-writer, -calc, -impress and "
            "-draw.",
            "not there");
    else
        say(d, why ? FAIL : OK, "libreoffice", "/document/convert can't do office documents and HTML.", "%s",
            why ? why : "loads behind the walls");
}

static void check_browser(struct doctor *d)
{
    struct err err;
    AUTO(json_unref) json_t *said = describe(d, "workcell-browser", &err);

    if (!said) {
        say(d, FAIL, "workcell-browser", "Install the program beside workcell or in ../libexec/workcell.", "%s",
            err.msg);
        return;
    }
    check_jail(d, "browser", said, true);
    say(d, jstr(said, "browser") ? OK : WARN, "chromium",
        "/html/convert fails: install chromium-headless-shell, or chromium.", "%s",
        jstr_or(said, "browser", "no browser is installed"));
}

static void check_script(struct doctor *d)
{
    struct err err;
    AUTO(json_unref) json_t *said = describe(d, "workcell-script", &err);

    if (!said) {
        say(d, FAIL, "workcell-script", "Install the program beside workcell or in ../libexec/workcell.", "%s",
            err.msg);
        return;
    }
    check_jail(d, "script", said, false);
    const json_t *jail = json_object_get(said, "jail");
    if (strcmp(jstr_or(jail, "answer", ""), "42"))
        say(d, FAIL, "javascript", "Steps with expressions fail: install libjavascriptcoregtk-4.1-0.", "%s",
            jstr_or(jail, "engine_error", "the engine does not answer"));
    else
        say(d, OK, "javascript", NULL, "the engine evaluates");
}

static void check_space(struct doctor *d, const char *name, const char *path)
{
    struct statvfs v;

    if (statvfs(path, &v) < 0) {
        say(d, FAIL, name, "It must be a directory that the server can use.", "'%s': %s", path, strerror(errno));
        return;
    }
    double bytes = (double)v.f_bavail * (double)v.f_frsize;
    double part = v.f_blocks ? 100.0 * (double)v.f_bavail / (double)v.f_blocks : 100;
    double inodes = v.f_files ? 100.0 * (double)v.f_favail / (double)v.f_files : 100;
    enum verdict verdict = part < 1 || inodes < 1 ? FAIL : part < 10 || inodes < 10 ? WARN : OK;

    say(d, verdict, name, "Make room: shorter result_expiry_s, or a larger volume.",
        "%.1f GB free (%.0f %%), inodes %.0f %% free", bytes / 1e9, part, inodes);
}

static void check_data(struct doctor *d)
{
    const char *data = d->config->data;
    AUTO(mem_free) char *probe = mem_printf("%s/.doctor", data);
    struct stat st;
    int64_t took = INT64_MAX;

    if (stat(data, &st) < 0 && errno == ENOENT) {
        say(d, WARN, "data", "The first start makes it. Give --data when it lies elsewhere.", "'%s' is not there yet",
            data);
        return;
    }
    int fd = open(probe, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < 5; i++) {
        int64_t start = clock_mono_us();

        if (write(fd, "x", 1) != 1 || fdatasync(fd) < 0) {
            close(fd);
            fd = -1;
            break;
        }
        took = clock_mono_us() - start < took ? clock_mono_us() - start : took;
    }
    if (fd < 0) {
        say(d, FAIL, "data", "The server's user must be able to write there.", "'%s': %s", data, strerror(errno));
    } else {
        close(fd);
        say(d, took > 50000 ? WARN : OK, "data", "Every acknowledged upload waits for a flush: a faster disk helps.",
            "'%s' is writable, a flush takes %.1f ms", data, (double)took / 1000);
    }
    unlink(probe);
    check_space(d, "disk", data);
    static const char *const below[] = {"blobs", "uploads", "scratch"};
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", data, below[i]);
        AUTO(mem_free) char *name = mem_printf("disk.%s", below[i]);
        struct stat sub;

        if (stat(path, &sub) == 0 && sub.st_dev != st.st_dev)
            check_space(d, name, path);
    }
}

static void check_database(struct doctor *d, int64_t *newest_us)
{
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", d->config->data);
    AUTO(store_reader_close) struct store_reader *r = NULL;
    struct store_health h;
    struct err err;

    if (access(db, F_OK) < 0) {
        say(d, OK, "database", NULL, "none yet: the first start makes it");
        return;
    }
    if (store_reader_open(&r, db, &err) < 0 || store_health_get(&h, r, &err) < 0) {
        say(d, FAIL, "database", "Look at its permissions; `workcell fsck` tells more.", "%s", err.msg);
        return;
    }
    *newest_us = h.newest_us;
    if (strcmp(h.journal, "wal"))
        say(d, FAIL, "database", "It must lie on a local file system.", "journal mode is %s", h.journal);
    else if (h.schema > h.latest_schema)
        say(d, FAIL, "database", "Use the newer version of workcell that it was made with.",
            "schema %d, this program knows %d", h.schema, h.latest_schema);
    else if (h.set_aside)
        say(d, WARN, "database",
            "`workcell fsck` names them. Report it, please: a server must not die of what it stored.",
            "%lld Assemblies are set aside, as the server died more than once while it read them",
            (long long)h.set_aside);
    else
        say(d, OK, "database", NULL, "opens, write-ahead log, schema %d", h.schema);
}

static void check_clock(struct doctor *d, int64_t newest_us)
{
    struct timex t = {0};
    int64_t now = clock_now_us();
    char date[DATE_LEN + 1];

    date_format(date, now);
    if (now < INT64_C(1735689600) * SECOND_US) /* 2025: before this program */
        say(d, FAIL, "clock", "Signatures expire by it: set the clock.", "%s", date);
    else if (newest_us > now + 5 * SECOND_US)
        say(d, FAIL, "clock", "It went backwards: expiry times are wrong until it has caught up.",
            "%s, %.0f s before the newest Assembly", date, (double)(newest_us - now) / 1e6);
    else if (adjtimex(&t) < 0 || (t.status & STA_UNSYNC))
        say(d, WARN, "clock", "S3 refuses requests 15 minutes off: run an NTP client.",
            "%s, the kernel does not know of a time server", date);
    else
        say(d, OK, "clock", NULL, "%s, kept by a time server", date);
}

static void check_limits(struct doctor *d)
{
    struct rlimit files, procs;
    int64_t want = server_files_needed(d->config);

    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NPROC, &procs);
    say(d, files.rlim_max < (rlim_t)want ? WARN : OK, "limits.files",
        "Raise it (LimitNOFILE= of systemd, ulimit -Hn), or lower max_connections.",
        "%lld open files, max_connections %lld needs %lld", (long long)files.rlim_max,
        (long long)d->config->max_connections, (long long)want);
    say(d, procs.rlim_cur != RLIM_INFINITY && procs.rlim_cur < 512 ? WARN : OK, "limits.processes",
        "Raise it (LimitNPROC= of systemd, ulimit -u).", "%lld processes",
        procs.rlim_cur == RLIM_INFINITY ? -1LL : (long long)procs.rlim_cur);
}

/* ---- stored credentials ---- */

struct stored_credential {
    json_t *content;
    char type[CREDENTIAL_TYPE_MAX], *workspace;
    struct seal_key key;
};
static void stored_credential_done(struct stored_credential s)
{
    json_decref(s.content);
    free(s.workspace);
}
DEFINE_AUTO(struct stored_credential, stored_credential_done)

static int stored_one(struct stored_credential *out, const struct config *c, const char *name, struct err *err)
{
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", c->data);
    AUTO(mem_free) char *key_file = mem_printf("%s/credentials.key", c->data);
    AUTO(store_close) struct store *store = NULL;
    AUTO(mem_free) char *plain = NULL;
    struct store_credential *found = NULL;

    if (access(db, F_OK) < 0)
        return err_errno(err, "'%s'", db);
    if (store_open(&store, db, err) < 0 || sealed_open(&out->key, store, key_file, err) < 0)
        return -1;
    out->workspace = store_setting_get(store, "workspace");
    if (store_credential_get(&found, store, out->workspace ? out->workspace : "", name, err) < 0)
        return -1;
    AUTO(mem_free) char *context = mem_printf("%s/%s", out->workspace, found->name);
    int rc = unseal(&plain, &out->key, context, found->sealed, err);
    if (rc == 0) {
        snprintf(out->type, sizeof out->type, "%s", found->type);
        out->content = json_reads(plain);
        explicit_bzero(plain, strlen(plain));
    }
    free(found);
    return rc;
}

static void check_credential(struct doctor *d, const char *name)
{
    AUTO(stored_credential_done) struct stored_credential one = {0};
    AUTO(json_unref) json_t *found = NULL;
    AUTO(job_settings_done) struct job_settings told = {0};
    AUTO(mem_free) char *renewed = mem_printf("%s/renewed", d->config->data);
    struct err err;

    if (stored_one(&one, d->config, name, &err) < 0 || job_settings_read(&told, d->config, &err) < 0) {
        say(d, FAIL, "s3", "`workcell credential list` shows what there is.", "'%s': %s", name, err.msg);
        return;
    }
    const struct credential_bench bench = {d->trial.program_dir, d->trial.without, told.settings, told.keys,
                                           renewed, &one.key};
    if (credential_try(&found, &bench, one.workspace, name, one.type, one.content, &err) < 0)
        say(d, FAIL, "s3", NULL, "'%s': %s", name, err.msg);
    else
        say(d, jbool(found, "works", false) ? OK : FAIL, "s3",
            "Check key, secret, bucket, host and region; a private host needs --import-allow.", "'%s': %s", name,
            jstr_or(found, "message", ""));
}

int command_doctor(int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct doctor d = {.checks = json_array()};
    struct config c;
    struct err err;
    char **flags = mem_zalloc((size_t)(argc + 1) * sizeof *flags);
    const char *s3 = NULL;
    int64_t newest_us = 0;
    int n = 0, rc;

    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            d.json = true;
        else if (!strcmp(argv[i], "--s3") && i + 1 < argc)
            s3 = argv[++i];
        else
            flags[n++] = argv[i];
    }
    rc = config_load(&c, a, n, flags, environ, &err);
    free(flags);
    if (rc < 0) {
        fprintf(stderr, "workcell doctor: %s\n", err.msg);
        json_decref(d.checks);
        return 2;
    }
    d.config = &c;
    d.trial = (struct trial){.program_dir = d.programs, .without = c.jail_without};
    signal(SIGPIPE, SIG_IGN);
    if (server_program_dir(d.programs, sizeof d.programs, &err) < 0 || trial_open(&d.trial, &err) < 0) {
        say(&d, FAIL, "programs", "Install workcell as a whole.", "%s", err.msg);
    } else {
        check_media(&d);
        check_transfer(&d);
        check_office(&d);
        check_browser(&d);
        check_script(&d);
    }
    check_data(&d);
    check_database(&d, &newest_us);
    check_clock(&d, newest_us);
    check_limits(&d);
    if (s3)
        check_credential(&d, s3);
    trial_close(d.trial);
    if (d.json) {
        AUTO(json_unref) json_t *all =
            json_pack("{s:s,s:O}", "verdict", verdicts[d.worst], "checks", d.checks);
        AUTO(mem_free) char *text = json_text(all);

        puts(text);
    }
    json_decref(d.checks);
    return d.worst == FAIL;
}
