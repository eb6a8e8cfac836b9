/* /http/request: ask the client's own application what is to become of files: it names those that go on, or addresses
 * of new ones. */
#include "base/clock.h"
#include "base/id.h"
#include "http/naming.h"
#include "transfer/download.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>

#define ATTEMPTS 3
#define PAUSE_MS 500
#define REDIRECTS_MAX 5
#define FORM_FILES_MAX 200 /* each is open while it is sent */
#define ANSWER_DEPTH 20
#define ANSWER_VALUES 20000
#define MIB (INT64_C(1) << 20)

enum method { DELETE, GET, PATCH, POST, PUT };
enum payload { NONE, METADATA, FIRST_FILE, ALL_FILES };

struct request_opts {
    const char *url;
    json_t *headers;
    int method, payload;
    int64_t timeout, max_response_size, max_result_files, max_result_file_size, result_download_timeout;
};
#define T struct request_opts
static const struct opt_choice methods[] = {
    {"DELETE", DELETE}, {"GET", GET}, {"PATCH", PATCH}, {"POST", POST}, {"PUT", PUT}, {0}};
static const struct opt_choice payloads[] = {
    {"none", NONE}, {"metadata", METADATA}, {"file", FIRST_FILE}, {"files", ALL_FILES}, {0}};
static const struct option options[] = {
    OPT_STR(T, url, .required = true, .example = "\"https://app.example/files\"", .help = "Address that is asked."),
    OPT_ENUM(T, method, methods, .def = POST, .help = "How."),
    OPT_ENUM(T, payload, payloads, .def = NONE,
             .help = "What is sent along: nothing, JSON about the Assembly and its files, or a form that has the first "
                     "or all of the files as well."),
    OPT_JSON(T, headers, .def_str = "[]", .example = "[\"A: b\"]",
             .help = "Headers of the request: a list of \"Name: value\" or of maps, a map, or these as JSON text."),
    OPT_INT(T, timeout, .min = 1, .max = 300, .def = 60, .unit = "s",
            .help = "How long it may take. At most 30 s, and one more for each MiB that is sent."),
    OPT_INT(T, max_response_size, .min = 1, .max = 10485760, .def = 1048576, .unit = "bytes",
            .help = "Refuse longer answers."),
    OPT_INT(T, max_result_files, .min = 1, .max = 100, .def = 10, .help = "How many files the answer may name."),
    OPT_INT(T, max_result_file_size, .min = 1, .max = 5368709120, .def = 104857600, .unit = "bytes",
            .help = "How large a file may be that is fetched."),
    OPT_INT(T, result_download_timeout, .min = 1, .max = 600, .def = 120, .unit = "s",
            .help = "How long it may take to fetch one."),
    OPT_END,
};

static int read_lines(json_t *lines, const T *o, struct err *err)
{
    static const char *const of_a_form[] = {"content-type", NULL};

    if (value_headers(lines, o->headers, err) < 0)
        return -1;
    return o->payload >= FIRST_FILE ? value_headers_reserved(lines, of_a_form, err) : 0;
}

static int request_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *lines = json_array();

    if ((str_given(o->url) || !partial) && (!o->url || !value_is_web(o->url)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'url' is not an http or https address");
    return read_lines(lines, o, err);
}

/* ---- what is sent ---- */

struct asking {
    struct robot_job *job;
    const T *opts;
    const char *url, *shown;
    const char *headers[VALUE_HEADERS_MAX + 2];
    struct http_client_piece *pieces;
    int piece_count;
    int64_t sent; /* bytes of the body */
    int *fds;     /* of the files in it */
    int fd_count;
    struct str answer;
};

/* How the answer names an input. */
static char *request_path(const struct robot_input *in) { return mem_printf("/%s/%s", in->id, in->name); }

static json_t *about_file(const struct robot_input *in)
{
    AUTO(mem_free) char *path = request_path(in);
    json_t *o = json_object();

    jset(o, "path", path);
    jset(o, "id", in->id);
    jset(o, "name", in->name);
    jset(o, "basename", in->basename);
    jset(o, "ext", in->ext);
    json_object_set_new(o, "size", json_integer(in->size));
    jset(o, "mime", in->mime);
    jset(o, "type", in->type);
    jset(o, "md5hash", in->md5);
    jset(o, "original_id", in->original_id);
    jset(o, "original_basename", in->original_basename);
    jset(o, "original_path", in->original_path);
    jset(o, "step", in->step);
    if (str_given(in->as))
        jset(o, "as", in->as);
    json_object_set(o, "meta", (json_t *)in->meta);
    return o;
}

static char *payload_json(const struct robot_job *job)
{
    static const char *const names[] = {"assembly", "fields", "previous_step"};
    AUTO(json_unref) json_t *all = json_object(), *files = json_array();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *v = json_object_get(robot_variables(job), names[i]);

        json_object_set_new(all, names[i], v ? json_incref(v) : json_null());
    }
    for (int i = 0; i < robot_input_count(job); i++)
        json_array_append_new(files, about_file(robot_input(job, i)));
    json_object_set_new(all, "file", json_array_size(files) ? json_incref(json_array_get(files, 0)) : json_null());
    json_object_set(all, "files", files);
    return json_text(all);
}

static void add_text(struct asking *a, const char *text)
{
    int64_t len = (int64_t)strlen(text);

    a->pieces[a->piece_count++] =
        (struct http_client_piece){.text = arena_strdup(robot_arena(a->job), text), .fd = -1, .length = len};
    a->sent += len;
}

/* As browsers write the name of a file in a form. */
static void add_form_name(struct str *out, const char *name)
{
    for (; *name; name++)
        if (*name == '"' || *name == '\r' || *name == '\n')
            str_addf(out, "%%%02X", (unsigned char)*name);
        else
            str_putc(out, *name);
}

static int add_form_file(struct asking *a, const struct robot_input *in, const char *boundary, const char *field,
                         struct err *err)
{
    AUTO(str_done) struct str head = {0};
    int fd = open(in->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, "open '%s'", in->name);
    a->fds[a->fd_count++] = fd;
    str_addf(&head, "\r\n--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"", boundary, field);
    add_form_name(&head, in->name);
    str_addf(&head, "\"\r\nContent-Type: %s\r\n\r\n", *in->mime ? in->mime : "application/octet-stream");
    add_text(a, head.s);
    if (in->size > 0) {
        a->pieces[a->piece_count++] = (struct http_client_piece){.fd = fd, .length = in->size};
        a->sent += in->size;
    }
    return 0;
}

static int add_form(struct asking *a, const char *json, const char *boundary, struct err *err)
{
    bool all = a->opts->payload == ALL_FILES;
    int count = all ? robot_input_count(a->job) : robot_input_count(a->job) > 0;

    if (count > FORM_FILES_MAX)
        return robot_fail(a->job, err, ERR_INPUT, "FAILURE", "there are %d files, but at most %d go into one request",
                          count, FORM_FILES_MAX);
    AUTO(mem_free)
    char *head = mem_printf("--%s\r\nContent-Disposition: form-data; name=\"payload\"\r\n"
                            "Content-Type: application/json\r\n\r\n%s",
                            boundary, json);
    AUTO(mem_free) char *end = mem_printf("\r\n--%s--\r\n", boundary);
    add_text(a, head);
    for (int i = 0; i < count; i++)
        if (add_form_file(a, robot_input(a->job, i), boundary, all ? "files[]" : "file", err) < 0)
            return -1;
    add_text(a, end);
    return 0;
}

static int add_body(struct asking *a, struct err *err)
{
    struct arena *arena = robot_arena(a->job);
    int most = robot_input_count(a->job);
    char boundary[ID_LEN + 1];

    if (a->opts->payload == NONE)
        return 0;
    a->pieces = arena_alloc(arena, (size_t)(2 * most + 3) * sizeof *a->pieces);
    a->fds = arena_alloc(arena, (size_t)(most + 1) * sizeof *a->fds);
    AUTO(mem_free) char *json = payload_json(a->job);
    if (a->opts->payload != METADATA) {
        id_new(boundary);
        return add_form(a, json, boundary, err) < 0
                   ? -1
                   : (a->headers[0] = arena_printf(arena, "Content-Type: multipart/form-data; boundary=%s", boundary),
                      0);
    }
    add_text(a, json);
    a->headers[0] = "Content-Type: application/json";
    return 0;
}

/* The caller's headers behind ours, which gives way to one of the same name. */
static void add_lines(struct asking *a, const json_t *lines)
{
    int n = a->headers[0] != NULL;
    json_t *line;
    size_t i;

    json_array_foreach (lines, i, line)
        if (n && !strncasecmp(json_string_value(line), "content-type:", 13))
            a->headers[0] = json_string_value(line);
        else
            a->headers[n++] = json_string_value(line);
    a->headers[n] = NULL;
}

static void asking_done(struct asking a)
{
    for (int i = 0; i < a.fd_count; i++)
        close(a.fds[i]);
    str_done(a.answer);
}
DEFINE_AUTO(struct asking, asking_done)

/* ---- the answer ---- */

static int answer_too_long(const struct asking *a, struct err *err)
{
    return robot_fail(a->job, err, ERR_IMPORT, "FAILURE", "the answer of '%.150s' is longer than %lld bytes", a->shown,
                      (long long)a->opts->max_response_size);
}

static int request_on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct asking *a = ctx;

    str_reset(&a->answer);
    return status / 100 == 2 && length > a->opts->max_response_size ? answer_too_long(a, err) : 0;
}

static int request_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct asking *a = ctx;

    if ((int64_t)(a->answer.len + len) > a->opts->max_response_size)
        return answer_too_long(a, err);
    str_add(&a->answer, data, len);
    return 0;
}

/* Seconds for all attempts together. */
static int64_t time_for(const struct asking *a)
{
    int64_t cap = 30 + a->sent / MIB;

    return a->opts->timeout < cap ? a->opts->timeout : cap;
}

static int ask_once(struct http_client_response *r, struct asking *a, struct http_client *client, int seconds,
                    struct err *cause)
{
    return http_client_run(r, client,
                           &(struct http_client_request){
                               .method = methods[a->opts->method].name,
                               .url = a->url,
                               .headers = a->headers,
                               .body_length = -1,
                               .pieces = a->pieces,
                               .piece_count = a->piece_count,
                               /* who thinks sends nothing meanwhile */
                               .idle_timeout_s = seconds,
                               .total_timeout_s = seconds,
                               .max_redirects = REDIRECTS_MAX,
                               .guard = jstr_or(robot_settings(a->job), "import_allow", ""),
                               .on_head = request_on_head,
                               .on_body = request_on_body,
                               .ctx = a,
                           },
                           cause);
}

static int request_refuse(const struct asking *a, int rc, int status, const struct err *cause, struct err *err)
{
    char what[200];

    snprintf(what, sizeof what, "'%.150s' is not asked", a->shown);
    if (rc < 0 && cause->is_private_address)
        return remote_refused(a->job, err, what, cause->msg);
    if (rc < 0 && (cause->code == ERR_IO || cause->code == ERR_INPUT))
        return remote_fail(a->job, REMOTE_FAILED, err, "can't ask '%.150s': %s", a->shown, cause->msg);
    if (rc < 0) {
        *err = *cause;
        return -1;
    }
    return remote_fail(a->job, REMOTE_FAILED, err, "'%.150s' answered with status %d", a->shown, status);
}

/* Only who says that he has not taken it (429, 503) is asked again: nobody knows what else came of it. */
static int ask(struct asking *a, struct http_client *client, struct err *err)
{
    int64_t deadline_us = clock_mono_us() + time_for(a) * SECOND_US;

    for (int attempt = 1;; attempt++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct err cause = {0};
        int64_t left = (deadline_us - clock_mono_us()) / SECOND_US;
        int rc = ask_once(&r, a, client, left > 0 ? (int)left : 1, &cause);
        int64_t wait_ms = rc == 0 ? remote_retry_after(&r) : 0;

        if (rc == 0 && r.status / 100 == 2)
            return 0;
        bool again = rc == 0 && (r.status == 429 || r.status == 503);
        if (!again || attempt == ATTEMPTS || clock_mono_us() + wait_ms * 1000 >= deadline_us)
            return request_refuse(a, rc, r.status, &cause, err);
        remote_wait(a->job, attempt, PAUSE_MS, wait_ms);
    }
}

/* ---- the files that it names ---- */

/* What is to be emitted, in the order of the answer. */
struct chosen {
    int input;       /* -1: it is fetched */
    const char *url; /* lent from the answer */
};

static int odd(const struct asking *a, const char *what, struct err *err)
{
    return remote_fail(a->job, REMOTE_FAILED, err, "the answer of '%.150s' %s", a->shown, what);
}

/* A list of objects: of one, of a list, of {files: list or map}. NULL with err. The caller unrefs. */
static json_t *listed(const struct asking *a, json_t *answer, struct err *err)
{
    json_t *files = json_is_object(answer) ? json_object_get(answer, "files") : NULL, *v = files ? files : answer;
    json_t *list = json_array();
    const char *name;
    json_t *item;

    if (json_is_array(v)) {
        json_array_extend(list, v);
    } else if (files && json_is_object(files)) {
        json_object_foreach (files, name, item)
            json_array_append(list, item);
    } else if (!files && json_is_object(v) && json_object_size(v)) {
        json_array_append(list, v);
    } else if (!json_is_null(v) && !(json_is_object(v) && !json_object_size(v))) {
        odd(a, "names its files in a form that is not known", err);
        json_decref(list);
        return NULL;
    }
    if ((int64_t)json_array_size(list) <= a->opts->max_result_files)
        return list;
    remote_fail(a->job, REMOTE_FAILED, err, "the answer of '%.150s' names %zu files, but max_result_files allows %lld",
                a->shown, json_array_size(list), (long long)a->opts->max_result_files);
    json_decref(list);
    return NULL;
}

static int find_input(const struct asking *a, const char *path)
{
    for (int i = 0; a->opts->payload != NONE && i < robot_input_count(a->job); i++) {
        AUTO(mem_free) char *own = request_path(robot_input(a->job, i));

        if (!strcmp(own, path))
            return i;
    }
    return -1;
}

static int request_choose(struct chosen *out, const struct asking *a, const json_t *item, struct err *err)
{
    const char *path = jstr(item, "path"), *url = jstr(item, "url");

    if (!json_is_object(item) || (!str_given(path) && !str_given(url)))
        return odd(a, "has a file without path and url", err);
    if (str_given(path)) { /* a file that is told about and comes back may have both */
        out->input = find_input(a, path);
        return out->input < 0 ? odd(a, "has a path that none of the files that were sent has", err) : 0;
    }
    out->input = -1;
    out->url = url;
    return value_is_web(url) ? 0 : odd(a, "has a url that is not an http or https address", err);
}

static int fetch_result(const struct asking *a, struct http_client *client, const char *url, double from, double share,
                        struct err *err)
{
    static const char *const none[] = {NULL};
    AUTO(json_unref) json_t *extra = json_object();
    int64_t server = jint(robot_settings(a->job), "max_file_size", 0), own = a->opts->max_result_file_size;
    struct remote_import_file f = {.job = a->job,
                                   .place = url,
                                   .limit = server > 0 && server < own ? server : own,
                                   .limit_name = server > 0 && server < own ? "the server's max_file_size"
                                                                            : "the Step's max_result_file_size",
                                   .from = from,
                                   .share = share,
                                   .fd = -1,
                                   .extra = extra};
    const struct download_plan plan = {
        .client = client, .headers = none, .total_timeout_s = (int)a->opts->result_download_timeout};
    int rc = download(&f, &plan, err);

    fd_close(f.fd);
    if (rc < 0)
        return -1;
    return robot_emit(a->job,
                      &(struct robot_output){.path = f.path,
                                             .ext = f.ext,
                                             .name = f.name,
                                             .extra = f.extra,
                                             .input = robot_input_count(a->job) ? 0 : -1},
                      err);
}

/* All of them are looked at before the first is emitted. */
static int emit_all(const struct asking *a, struct http_client *client, const json_t *list, struct err *err)
{
    size_t n = json_array_size(list), i;
    struct chosen *chosen = arena_alloc(robot_arena(a->job), (n + 1) * sizeof *chosen);
    bool *passed = arena_alloc(robot_arena(a->job), (size_t)robot_input_count(a->job) + 1);
    json_t *item;

    memset(passed, 0, (size_t)robot_input_count(a->job) + 1);
    json_array_foreach (list, i, item)
        if (request_choose(&chosen[i], a, item, err) < 0)
            return -1;
    for (i = 0; i < n; i++) {
        int input = chosen[i].input, rc = 0;

        if (input < 0)
            rc = fetch_result(a, client, chosen[i].url, 0.2 + 0.8 * (double)i / (double)n, 0.8 / (double)n, err);
        else if (!passed[input]) /* named twice it goes on once */
            rc = robot_emit_passed(a->job, input, err);
        if (rc < 0)
            return -1;
        if (input >= 0)
            passed[input] = true;
    }
    return 0;
}

static int read_answer(json_t **list, const struct asking *a, struct err *err)
{
    const char *text = a->answer.s ? a->answer.s : "";
    size_t blank = strspn(text, " \t\r\n");
    struct err why = {0};

    *list = NULL;
    if (blank == a->answer.len)
        return 0;
    AUTO(json_unref)
    json_t *answer = json_parse_within(
        text, a->answer.len, &(struct json_bounds){.depth = ANSWER_DEPTH, .values = ANSWER_VALUES}, &why);
    if (!answer)
        return remote_fail(a->job, REMOTE_FAILED, err, "the answer of '%.150s' can't be read as JSON: %.150s", a->shown,
                           why.msg);
    *list = listed(a, answer, err);
    return *list ? 0 : -1;
}

static int request_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *lines = json_array(), *list = NULL;
    AUTO(mem_free) char *url = naming_clean_url(o->url);
    AUTO(mem_free) char *shown = naming_public_url(url ? url : "");
    AUTO(asking_done) struct asking a = {.job = job, .opts = o, .url = url, .shown = shown};
    AUTO(http_client_free) struct http_client *client = http_client_new();

    if (!url)
        return err_set(err, ERR_ROBOT_VALIDATION, "'url' is not an http or https address");
    if (read_lines(lines, o, err) < 0 || add_body(&a, err) < 0)
        return -1;
    add_lines(&a, lines);
    if (ask(&a, client, err) < 0 || read_answer(&list, &a, err) < 0)
        return -1;
    robot_progress(job, 0.2);
    return list ? emit_all(&a, client, list, err) : 0;
}

const struct robot robot_http_request = {
    .name = "/http/request",
    .summary = "Ask an application of your own which files go on, or for new ones",
    .role = ROLE_TRANSFER,
    .codes = "FAILURE",
    .nothing = "the endpoint named no file",
    .no_input = true,
    .flags = ROBOT_SEES_VARIABLES,
    .passes_input = true,
    .price_factor = 10,
    .slots = 1,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"url\": \"https://app.example/files\"}",
    .check = request_check,
    .run = IN_WORKER(request_run),
};
