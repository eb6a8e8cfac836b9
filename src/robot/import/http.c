/* /http/import: fetch files from web addresses. */
#include "base/filetype.h"
#include "base/str.h"
#include "http/client.h"
#include "http/naming.h"
#include "robot/robot.h"

#include <ctype.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define URLS_MAX 10000
#define HEADERS_MAX 64
#define RANGES_MAX 64

struct import_opts {
    json_t *url, *headers, *force_name, *import_on_errors, *range, *ignore_errors;
    const char *url_delimiter, *credentials;
    bool fail_fast;
    int64_t max_file_size;
};

static const struct option options[] = {
    OPT_JSON(struct import_opts, url, .required = true, .example = "\"http://b/\"",
             .help = "Address, list of addresses, or several joined by url_delimiter."),
    OPT_STR(struct import_opts, url_delimiter, .def_str = "|",
            .help = "What separates several addresses in one text."),
    OPT_JSON(struct import_opts, headers, .def_str = "[]", .example = "[\"A: b\"]",
             .help = "Headers sent with every request: a list of \"Name: value\", a list of maps, "
                     "or either as JSON text."),
    OPT_STR(struct import_opts, credentials,
            .help = "Name of stored credentials of type http, which hold the headers."),
    OPT_JSON(struct import_opts, force_name, .nullable = true, .example = "\"n\"",
             .help = "File name to use, or a list of them in the order of the addresses."),
    OPT_JSON(struct import_opts, import_on_errors, .def_str = "[]", .example = "[\"meta\"]",
             .help = "Phases (\"meta\") after whose failure the file is still imported."),
    OPT_BOOL(struct import_opts, fail_fast, .help = "Do not try a failed download again."),
    OPT_INT(struct import_opts, max_file_size, .min = 1, .max = 9e15, .unit = "bytes",
            .help = "Refuse files that are larger."),
    OPT_JSON(struct import_opts, range, .example = "\"0-9\"",
             .help = "Bytes to fetch: \"0-99\", \"-100\" (the last 100), or a list; several are "
                     "written at their own offsets into one file."),
    /* shared by all Robots, and checked there; here each address stands for itself */
    OPT_JSON(struct import_opts, ignore_errors, .nullable = true, .example = "true",
             .help = "true, or a list with \"import\": an address that can't be fetched is left out, and the others go on."),
    OPT_UNSUPPORTED("return_file_stubs", .def_str = "false"),
    OPT_UNSUPPORTED("bucket"),
    OPT_UNSUPPORTED("force_original_id"),
    OPT_END,
};

/* ---- what both the check and the run read ---- */

static bool is_web(const char *url)
{
    while (isspace((unsigned char)*url))
        url++;
    return !strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8);
}

static void unref(void *j) { json_decref(j); }

static int add_url(json_t *list, const char *url, size_t len, struct err *err)
{
    AUTO(mem_free) char *text = mem_strndup(url, len);

    if (!text[strspn(text, " \t\r\n")])
        return 0; /* "a||b", a trailing delimiter */
    if (!is_web(text)) {
        const char *host = strstr(text, "://");

        if (host && strchr(host, '@'))
            text[host - text] = 0; /* a password may follow */
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'url' holds '%.100s', which is not an http or https address", text);
    }
    if (json_array_size(list) >= URLS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'url' holds more than %d addresses", URLS_MAX);
    json_array_append_new(list, jstring(text));
    return 0;
}

static int add_joined(json_t *list, const char *text, const char *delimiter, struct err *err)
{
    size_t n = delimiter ? strlen(delimiter) : 0;

    for (const char *hit; n && (hit = strstr(text, delimiter)); text = hit + n)
        if (add_url(list, text, (size_t)(hit - text), err) < 0)
            return -1;
    return add_url(list, text, strlen(text), err);
}

/* All addresses as a list of texts in a. NULL with err when there are none or one is not http. */
static json_t *read_urls(struct arena *a, const struct import_opts *o, struct err *err)
{
    json_t *list = json_array(), *item;
    size_t i;

    arena_defer(a, unref, list);
    if (json_is_string(o->url)) {
        if (add_joined(list, json_string_value(o->url), o->url_delimiter, err) < 0)
            return NULL;
    } else if (json_is_array(o->url)) {
        json_array_foreach (o->url, i, item) {
            if (!json_is_string(item)) {
                err_set(err, ERR_ROBOT_VALIDATION, "'url' must hold texts only");
                return NULL;
            }
            /* Lists come out of templates too: "${fields.urls}" may hold several. */
            if (add_joined(list, json_string_value(item), o->url_delimiter, err) < 0)
                return NULL;
        }
    } else {
        err_set(err, ERR_ROBOT_VALIDATION, "'url' must be a text or a list of texts");
        return NULL;
    }
    if (!json_array_size(list)) {
        err_set(err, ERR_ROBOT_VALIDATION, "'url' holds no address");
        return NULL;
    }
    return list;
}

static int add_header_line(json_t *list, const char *line, struct err *err)
{
    static const char *const reserved[] = {"connection", "content-length", "expect", "host",
                                           "transfer-encoding"};
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t n = strspn(line, token);

    if (!n || line[n] != ':')
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' holds '%.*s', not \"Name: value\"",
                       (int)strcspn(line, ": "), line); /* the value may be a secret */
    for (const char *p = line; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7F)
            return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.*s' holds a control character",
                           (int)n, line);
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (strlen(reserved[i]) == n && !strncasecmp(line, reserved[i], n))
            return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.*s' can't be set by hand",
                           (int)n, line);
    if (json_array_size(list) >= HEADERS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' holds more than %d", HEADERS_MAX);
    json_array_append_new(list, jstring(line));
    return 0;
}

static int add_header_value(json_t *list, const json_t *v, bool may_be_text, struct err *err)
{
    const char *name;
    json_t *item;
    size_t i;

    if (json_is_string(v)) {
        const char *s = json_string_value(v);

        s += strspn(s, " \t\r\n");
        if (!may_be_text)
            return add_header_line(list, s, err);
        if (!*s)
            return 0;
        AUTO(json_unref) json_t *inner = json_parse(s, strlen(s), 4, NULL);
        if (!inner || (!json_is_array(inner) && !json_is_object(inner)))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'headers' is a text, but not the JSON of a list or a map");
        return add_header_value(list, inner, false, err);
    }
    if (json_is_object(v)) {
        json_object_foreach ((json_t *)v, name, item) {
            AUTO(mem_free)
            char *value =
                json_is_string(item) ? mem_strdup(json_string_value(item)) : json_text(item);
            AUTO(mem_free) char *line = mem_printf("%s: %s", name, value);

            if (json_is_array(item) || json_is_object(item) || json_is_null(item))
                return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.80s' must be a text",
                               name);
            if (add_header_line(list, line, err) < 0)
                return -1;
        }
        return 0;
    }
    if (!json_is_array(v))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'headers' must be a list of texts or of maps, or JSON text");
    json_array_foreach (v, i, item)
        if (json_is_array(item) || add_header_value(list, item, false, err) < 0)
            return json_is_array(item)
                       ? err_set(err, ERR_ROBOT_VALIDATION, "'headers' must not hold lists")
                       : -1;
    return 0;
}

/* "Name: value" texts in a. */
static json_t *read_headers(struct arena *a, const struct import_opts *o, struct err *err)
{
    json_t *list = json_array();

    arena_defer(a, unref, list);
    return o->headers && add_header_value(list, o->headers, true, err) < 0 ? NULL : list;
}

struct range {
    int64_t from; /* -1: the tail */
    int64_t to;   /* inclusive; -1: the end; of a tail: its length */
};

static bool read_offset(int64_t *out, const char **s)
{
    int64_t n = 0;

    if (!isdigit((unsigned char)**s))
        return false;
    for (; isdigit((unsigned char)**s); ++*s) {
        if (n > INT64_C(900000000000000))
            return false;
        n = n * 10 + **s - '0';
    }
    *out = n;
    return true;
}

static int read_range(struct range *out, const json_t *v, struct err *err)
{
    const char *text = json_string_value(v), *s = text;
    struct range r = {-1, -1};

    if (!s)
        return err_set(err, ERR_ROBOT_VALIDATION, "'range' must be a text or a list of texts");
    if (str_starts(s, "bytes="))
        s += 6;
    bool tail = *s == '-';
    bool ok = tail || read_offset(&r.from, &s);
    if (ok && (ok = *s == '-'))
        s++;
    if (ok && (tail || *s))
        ok = read_offset(&r.to, &s);
    if (!ok || *s || (!tail && r.to >= 0 && r.to < r.from) || (tail && r.to == 0))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'range' holds '%.80s', not the form \"0-99\", \"100-\" or \"-100\"", text);
    *out = r;
    return 0;
}

/* Number of ranges, 0 when none are asked for; -1 with err. */
static int read_ranges(struct range out[static RANGES_MAX], const json_t *v, struct err *err)
{
    json_t *item;
    size_t i;

    if (!v)
        return 0;
    if (!json_is_array(v))
        return read_range(out, v, err) < 0 ? -1 : 1;
    if (json_array_size(v) > RANGES_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'range' holds %zu entries, but at most %d go",
                       json_array_size(v), RANGES_MAX);
    json_array_foreach (v, i, item)
        if (read_range(&out[i], item, err) < 0)
            return -1;
    return (int)json_array_size(v);
}

static bool is_text_or_texts(const json_t *v)
{
    json_t *item;
    size_t i;

    if (!json_is_array(v))
        return json_is_string(v);
    json_array_foreach (v, i, item)
        if (!json_is_string(item))
            return false;
    return true;
}

static int import_check(const void *opts, bool partial, struct err *err)
{
    const struct import_opts *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();
    struct range ranges[RANGES_MAX];

    if ((o->url || !partial) && !read_urls(a, o, err))
        return -1;
    if (!read_headers(a, o, err) || read_ranges(ranges, o->range, err) < 0)
        return -1;
    if (o->force_name && !is_text_or_texts(o->force_name))
        return err_set(err, ERR_ROBOT_VALIDATION, "'force_name' must be a text or a list of texts");
    if (o->import_on_errors &&
        (!json_is_array(o->import_on_errors) || !is_text_or_texts(o->import_on_errors)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'import_on_errors' must be a list of texts");
    return 0;
}

#define ATTEMPTS 3
#define REDIRECTS_MAX 10

/* One address on its way into a file. */
struct download {
    struct robot_job *job;
    struct http_client *client;
    const struct import_opts *opts;
    const char *const *headers;
    const char *url;        /* what is fetched */
    const char *shown_url;  /* what may be shown */
    const char *force_name; /* NULL: derived */
    int64_t limit;          /* bytes; 0: none */
    const char *limit_name;
    double progress_from, progress_share;

    char *name;
    const char *path, *ext;
    int fd;
    int64_t offset, end; /* where the next byte goes; one past the highest byte */
    int64_t stop;        /* bytes of this answer end here; -1: anywhere */
    const struct range *range;
    bool several;                        /* each range at its own offset */
    bool whole;                          /* the server ignored the range */
    struct http_client_response *answer; /* of the request under way */
};

static void download_done(struct download d)
{
    fd_close(d.fd);
    free(d.name);
}
DEFINE_AUTO(struct download, download_done)

static int refuse_size(struct err *err, const struct download *d, int64_t size)
{
    char shown[40] = "more";

    if (size >= 0)
        snprintf(shown, sizeof shown, "%lld bytes", (long long)size);
    return err_set(err, ERR_HTTP_IMPORT, "the file at '%.150s' has %s, but %s allows %lld bytes",
                   d->shown_url, shown, d->limit_name, (long long)d->limit);
}

/* Name, extension and file, once the first good answer says what it is. */
static int open_file(struct download *d, struct err *err)
{
    AUTO(mem_free) char *disposition = http_client_header(d->answer, "content-disposition");
    AUTO(mem_free) char *mime = http_client_header(d->answer, "content-type");
    AUTO(mem_free) char *raw = NULL;

    if (d->path) /* an earlier attempt got as far */
        return 0;
    if (d->force_name) {
        d->name = naming_safe(d->force_name);
    } else {
        if (disposition)
            raw = naming_from_disposition(disposition);
        if (!raw)
            raw = naming_from_url(d->answer->url);
        d->name = naming_safe(raw ? raw : "");
    }
    const char *dot = strrchr(d->name, '.');
    const char *known = mime ? filetype_ext(mime) : NULL;
    if ((!dot || dot == d->name || !dot[1]) && known && !d->force_name) {
        AUTO(mem_free)
        char *longer =
            mem_printf("%.*s.%s",
                       (int)(dot && !dot[1] ? dot - d->name : (ptrdiff_t)strlen(d->name)), d->name,
                       known);
        free(d->name);
        d->name = naming_safe(longer);
        dot = strrchr(d->name, '.');
    }
    d->ext = arena_strdup(robot_arena(d->job), dot && dot != d->name ? dot + 1 : "");
    bool tame = *d->ext && strlen(d->ext) <= 10;
    for (const char *p = d->ext; *p; p++)
        tame = tame && isalnum((unsigned char)*p);
    d->path = robot_out_path(d->job, tame ? d->ext : "bin");
    d->fd = open(d->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return d->fd < 0 ? err_errno(err, "create the imported file") : 0;
}

/* First byte of "bytes 0-99/1000"; -1 when it can't be read. */
static int64_t content_range(int64_t *to, const char *text)
{
    int64_t from;

    if (strncasecmp(text, "bytes", 5) != 0)
        return -1;
    text += 5 + strspn(text + 5, " =");
    if (!read_offset(&from, &text) || *text++ != '-' || !read_offset(to, &text) || *to < from)
        return -1;
    return from;
}

static int on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct download *d = ctx;

    if (status / 100 != 2)
        return 0;
    if (open_file(d, err) < 0)
        return -1;
    d->stop = -1;
    if (d->range && status == 206) {
        AUTO(mem_free) char *text = http_client_header(d->answer, "content-range");
        const struct range *r = d->range;
        int64_t to, from = text ? content_range(&to, text) : -1;

        if (from < 0 || (r->from >= 0 && (from != r->from || (r->to >= 0 && to > r->to))) ||
            (r->from < 0 && to - from >= r->to))
            return err_set(err, ERR_HTTP_IMPORT,
                           "'%.150s' answered with another range than was asked for", d->shown_url);
        d->offset = d->several ? from : 0;
        d->stop = d->offset + (to - from + 1);
        if (d->limit && d->stop > d->limit)
            return refuse_size(err, d, d->stop);
    } else {
        d->whole = true; /* a server that does not know ranges sends all there is */
        d->offset = d->end = 0;
        if (ftruncate(d->fd, 0) < 0)
            return err_errno(err, "empty the imported file");
        if (d->limit && length > d->limit)
            return refuse_size(err, d, length);
    }
    return 0;
}

static int on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct download *d = ctx;

    if (d->stop >= 0 && d->offset + (int64_t)len > d->stop)
        return err_set(err, ERR_HTTP_IMPORT, "'%.150s' sent more bytes than it announced",
                       d->shown_url);
    if (d->limit && d->offset + (int64_t)len > d->limit)
        return refuse_size(err, d, -1);
    while (len) {
        ssize_t n = pwrite(d->fd, data, len, d->offset);

        if (n < 0)
            return err_errno(err, "write the imported file");
        data += n;
        len -= (size_t)n;
        d->offset += n;
    }
    if (d->offset > d->end)
        d->end = d->offset;
    return 0;
}

static void on_progress(void *ctx, double fraction)
{
    const struct download *d = ctx;

    robot_progress(d->job, d->progress_from + d->progress_share * fraction);
}

/* Exponential with jitter, so that many workers do not come back at the same moment. */
static void pause_before(int attempt, struct robot_job *job)
{
    int64_t base_ms = jint(robot_settings(job), "import_retry_ms", 500) << (attempt - 1);
    unsigned char dice = 128;

    RAND_bytes(&dice, 1);
    int64_t ms = base_ms / 2 + base_ms * dice / 255;
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static int set_refused(struct err *err, const struct download *d, const struct err *cause)
{
    err_set(err, ERR_HTTP_IMPORT_DENIED,
            "'%.150s' is not fetched: %.150s. WORKCELL_IMPORT_ALLOW (--import-allow) can allow it",
            d->shown_url, cause->msg);
    if (err)
        err->is_private_address = true;
    return -1;
}

/* One request: the whole file or one of its ranges. */
static int fetch(struct download *d, struct err *err)
{
    AUTO(mem_free) char *range = NULL;
    const char *headers[HEADERS_MAX + 2];
    int n = 0;

    for (const char *const *p = d->headers; *p; p++)
        if (!d->range || strncasecmp(*p, "range:", 6) != 0)
            headers[n++] = *p;
    if (d->range && d->range->from < 0)
        range = mem_printf("Range: bytes=-%lld", (long long)d->range->to);
    else if (d->range && d->range->to < 0)
        range = mem_printf("Range: bytes=%lld-", (long long)d->range->from);
    else if (d->range)
        range = mem_printf("Range: bytes=%lld-%lld", (long long)d->range->from,
                           (long long)d->range->to);
    if (range)
        headers[n++] = range;
    headers[n] = NULL;

    for (int attempt = 1;; attempt++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct err cause = {0};

        int64_t end_before = d->end;

        d->answer = &r;
        int rc = http_client_run(
            &r, d->client,
            &(struct http_client_request){
                .method = "GET",
                .url = d->url,
                .headers = headers,
                .body_length = -1,
                .idle_timeout_s = (int)jint(robot_settings(d->job), "import_idle_s", 0),
                .max_redirects = REDIRECTS_MAX,
                .cookies = true,
                .guard = jstr_or(robot_settings(d->job), "import_allow", ""),
                .on_head = on_head,
                .on_body = on_body,
                .on_progress = on_progress,
                .ctx = d,
            },
            &cause);
        d->answer = NULL;
        if (rc == 0 && r.status / 100 == 2)
            return 0;
        bool again = rc < 0 ? cause.code == ERR_IO : r.status >= 500 || r.status == 429;
        if (again && !d->opts->fail_fast && attempt < ATTEMPTS) {
            d->end = end_before; /* what a broken answer wrote does not count */
            d->whole = false;
            pause_before(attempt, d->job);
            continue;
        }
        if (rc < 0 && cause.is_private_address)
            return set_refused(err, d, &cause);
        if (rc < 0 && (cause.code == ERR_IO || cause.code == ERR_INPUT))
            return err_set(err, ERR_HTTP_IMPORT, "can't fetch '%.150s': %s", d->shown_url,
                           cause.msg);
        if (rc < 0) { /* ours: no space, too large */
            *err = cause;
            return -1;
        }
        return err_set(err,
                       r.status == 404 || r.status == 410   ? ERR_HTTP_IMPORT_NOT_FOUND
                       : r.status == 401 || r.status == 403 ? ERR_HTTP_IMPORT_DENIED
                                                            : ERR_HTTP_IMPORT,
                       "'%.150s' answered with status %d", d->shown_url, r.status);
    }
}

static int emit(struct download *d, bool from_batch, struct err *err)
{
    AUTO(json_unref) json_t *extra = json_object();

    jset(extra, "import_url", d->shown_url);
    json_object_set_new(extra, "from_batch_import", json_boolean(from_batch));
    fd_close(take_fd(d->fd));
    return robot_emit(
        d->job,
        &(struct robot_output){
            .path = d->path, .ext = d->ext, .name = d->name, .extra = extra, .input = -1},
        err);
}

/* The smaller of two limits, where 0 is none. */
static void find_limit(struct download *d)
{
    int64_t server = jint(robot_settings(d->job), "max_file_size", 0);

    d->limit = d->opts->max_file_size;
    d->limit_name = "the Step's max_file_size";
    if (server > 0 && (!d->limit || server < d->limit)) {
        d->limit = server;
        d->limit_name = "the server's max_file_size";
    }
}

static const char *nth_name(const json_t *force_name, size_t i)
{
    const char *s = json_is_array(force_name) ? json_string_value(json_array_get(force_name, i))
                                              : json_string_value(force_name);

    return s && *s ? s : NULL;
}

static int import_one(struct download *base, const struct range *ranges, int range_count, size_t i,
                      size_t total, struct err *err)
{
    AUTO(download_done) struct download d = *base;
    AUTO(mem_free) char *asked = NULL, *direct = NULL, *shown = NULL;
    int requests = range_count ? range_count : 1;

    d.fd = -1;
    asked = naming_clean_url(base->url);
    shown = naming_public_url(asked ? asked : "");
    if (!asked)
        return err_set(err, ERR_HTTP_IMPORT, "'url' holds something that is not a web address");
    direct = naming_direct_url(asked);
    d.url = direct;
    d.shown_url = shown;
    d.force_name = nth_name(d.opts->force_name, i);
    d.several = range_count > 1;
    for (int k = 0; k < requests && !d.whole; k++) {
        d.range = range_count ? &ranges[k] : NULL;
        d.progress_share = 1.0 / (double)total / requests;
        d.progress_from = (double)i / (double)total + k * d.progress_share;
        if (fetch(&d, err) < 0) {
            if (d.path)
                unlink(d.path); /* others may go on: its room is theirs */
            return -1;
        }
    }
    /* A shorter second answer must not leave the tail of a longer, broken first one behind. */
    if (ftruncate(d.fd, d.end) < 0)
        return err_errno(err, "cut the imported file");
    return emit(&d, total > 1, err);
}

/* What an address may do to the others: nothing, when its failure is to be ignored. */
static bool ignores_failures(const json_t *v)
{
    const char *s = json_string_value(v);
    json_t *item;
    size_t i;

    if (json_is_true(v) || (s && !strcmp(s, "true")))
        return true;
    json_array_foreach (v, i, item)
        if (json_is_string(item) && (!strcmp(json_string_value(item), "import") || !strcmp(json_string_value(item), "execute")))
            return true;
    return false;
}

/* The other side's fault; ours (a full disk) ends the job as always. */
static bool is_about_address(const struct err *err)
{
    return err->code == ERR_HTTP_IMPORT || err->code == ERR_HTTP_IMPORT_NOT_FOUND || err->code == ERR_HTTP_IMPORT_DENIED;
}

static int import_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct import_opts *o = opts;
    struct arena *a = robot_arena(job);
    json_t *urls = read_urls(a, o, err), *headers = urls ? read_headers(a, o, err) : NULL, *item;
    const char *lines[HEADERS_MAX + 1];
    struct range ranges[RANGES_MAX];
    int range_count = headers ? read_ranges(ranges, o->range, err) : -1, n = 0;
    size_t i;

    if (range_count < 0)
        return -1;
    json_array_foreach (headers, i, item)
        lines[n++] = json_string_value(item);
    lines[n] = NULL;
    AUTO(http_client_free) struct http_client *client = http_client_new();
    struct download base = {.job = job, .client = client, .opts = o, .headers = lines};
    find_limit(&base);
    size_t total = json_array_size(urls), failed = 0;
    struct err first = {0};
    bool ignore = ignores_failures(o->ignore_errors);

    json_array_foreach (urls, i, item) {
        struct err why = {0};

        base.url = json_string_value(item);
        if (import_one(&base, ranges, range_count, i, total, &why) == 0)
            continue;
        if (!ignore || !is_about_address(&why)) {
            *err = why;
            return -1;
        }
        if (!failed++)
            first = why;
    }
    if (!failed)
        return 0;
    /* One error for the job, after the good ones were handed over: it goes to the ignored errors of the Assembly. */
    *err = first;
    if (total > 1)
        err_set_named(err, first.code, first.name, "%zu of %zu addresses failed, the first one so: %s", failed, total, first.msg);
    err->is_private_address = first.is_private_address;
    return -1;
}

const struct robot robot_import_http = {
    .name = "/http/import",
    .summary = "Import files from web addresses",
    .role = ROLE_TRANSFER,
    .no_input = true,
    .flags = ROBOT_FETCHES,
    .price_factor = 10,
    .opts_size = sizeof(struct import_opts),
    .slots = 10,
    .options = options,
    .example = "{\"url\": \"http://a.example/\"}",
    .check = import_check,
    .run = IN_WORKER(import_run),
};
