#include "s3_bed.h"
#include "base/clock.h"
#include "robot/stub.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- requests ---- */

/* The value of a query argument, decoded; NULL: it is not there. The caller frees. */
static char *argument(const char *target, const char *name)
{
    AUTO(mem_free) char *want = mem_printf("%s=", name);
    const char *p = strchr(target, '?');

    while (p && strncmp(p + 1, want, strlen(want)) != 0)
        p = strchr(p + 1, '&');
    if (!p)
        return NULL;
    p += 1 + strlen(want);
    char *value = mem_strndup(p, strcspn(p, "&"));
    ptrdiff_t n = url_decode(value, strlen(value), false);
    value[n < 0 ? 0 : n] = 0;
    return value;
}

static void note(struct s3_bed *b, const struct origin_request *q)
{
    AUTO(mem_free) char *range = origin_header(q, "range");
    AUTO(mem_free) char *match = origin_header(q, "if-match");
    size_t used = strlen(b->said);

    snprintf(b->said + used, sizeof b->said - used, "%s %s%s%s%s%s\n", q->method, q->target,
             *range ? " " : "", range, *match ? " if " : "", match);
}

static void add_escaped(struct str *out, const char *s)
{
    for (; *s; s++)
        if (*s == '&')
            str_puts(out, "&amp;");
        else if (*s == '<')
            str_puts(out, "&lt;");
        else
            str_putc(out, *s);
}

static bool before(const void *token, const char *key) { return token && strcmp(key, token) <= 0; }

/* The keys of a page in their order, the folders in it as S3 has them. */
static void list(const struct s3_bed *b, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *prefix = argument(q->target, "prefix");
    AUTO(mem_free) char *delimiter = argument(q->target, "delimiter");
    AUTO(mem_free) char *token = argument(q->target, "continuation-token");
    AUTO(mem_free) char *start = argument(q->target, "start-after");
    AUTO(str_done) struct str xml = {0};
    const char *last = NULL;
    AUTO(mem_free) char *most = argument(q->target, "max-keys");
    int wanted = atoi(most), left = b->page && b->page < wanted ? b->page : wanted;
    bool more = false;

    str_puts(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
                   "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</"
                   "Name><EncodingType>url</EncodingType>");
    for (const struct s3_bed_object *x = b->objects; x->key; x++) {
        if ((prefix && !str_starts(x->key, prefix)) || before(token ? token : start, x->key))
            continue;
        if (!left--) {
            more = true;
            break;
        }
        bool folder = delimiter && strchr(x->key + strlen(prefix ? prefix : ""), '/');
        AUTO(str_done) struct str coded = {0};
        str_add_urlencoded(&coded, x->key, "/");
        str_puts(&xml, folder ? "<CommonPrefixes><Prefix>" : "<Contents><Key>");
        add_escaped(&xml, coded.s);
        str_addf(&xml, folder ? "</Prefix></CommonPrefixes>" : "</Key><Size>%zu</Size></Contents>",
                 strlen(x->body));
        last = x->key;
    }
    if (more) {
        str_puts(&xml, "<NextContinuationToken>");
        add_escaped(&xml, last);
        str_puts(&xml, "</NextContinuationToken>");
    }
    str_addf(&xml, "<IsTruncated>%s</IsTruncated></ListBucketResult>", more ? "true" : "false");
    origin_say(out, 200, "Content-Type: application/xml\r\n", xml.s);
}

/* An object or the asked part of it, which may break off. */
static void give(struct s3_bed *b, const struct origin_request *q, const struct s3_bed_object *x,
                 struct str *out)
{
    AUTO(mem_free) char *range = origin_header(q, "range");
    AUTO(mem_free) char *match = origin_header(q, "if-match");
    AUTO(mem_free)
    char *etag = x->etag ? mem_strdup(x->etag) : mem_printf("\"e%zu\"", strlen(x->body));
    size_t all = strlen(x->body), from = 0, to = all - 1;
    bool part = *range && !b->no_ranges;
    char *dash = strchr(range, '-');

    if (*match && strcmp(match, etag) != 0 && !b->no_match) {
        origin_say(out, 412, "", "<Error><Code>PreconditionFailed</Code></Error>");
        return;
    }
    if (part && dash == range + 6) {
        from = all - strtoull(dash + 1, NULL, 10);
    } else if (part) {
        from = strtoull(range + 6, NULL, 10);
        to = dash[1] ? strtoull(dash + 1, NULL, 10) : to;
    }
    size_t n = all ? to - from + 1 : 0;
    str_addf(out, "HTTP/1.1 %d So\r\nETag: %s\r\n%sContent-Length: %zu\r\n", part ? 206 : 200, etag,
             x->headers ? x->headers : "", n);
    if (part)
        str_addf(out, "Content-Range: bytes %zu-%zu/%zu\r\n", from, to, all);
    str_puts(out, "Connection: close\r\n\r\n");
    if (b->cuts > 0) {
        b->cuts--;
        n = n < (size_t)b->cut ? n : (size_t)b->cut;
    }
    str_add(out, x->body + from, n);
    if (b->then)
        b->then(b);
}

static void object(struct s3_bed *b, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *key = mem_strndup(q->target, strcspn(q->target, "?"));
    const char *at = strstr(key, "/b/");
    const struct s3_bed_object *x = b->objects;

    url_decode(key, strlen(key) + 1, false);
    while (x->key && (!at || strcmp(x->key, at + 3) != 0))
        x++;
    if (x->key)
        give(b, q, x, out);
    else
        origin_say(out, 404, "",
                   "<Error><Code>NoSuchKey</Code><Message>not here</Message></Error>");
}

void s3_bed_answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct s3_bed *b = ctx;

    note(b, q);
    if (b->fails-- > 0) {
        if (b->status)
            origin_say(out, b->status, b->fail_head ? b->fail_head : "",
                       b->fail_body ? b->fail_body : "");
    } else if (strstr(q->target, "b2_authorize_account")) {
        AUTO(mem_free) char *host = origin_header(q, "host");
        AUTO(mem_free)
        char *body =
            mem_printf("{\"apiInfo\":{\"storageApi\":{\"s3ApiUrl\":\"http://%s\"}}}", host);

        origin_say(out, 200, "Content-Type: application/json\r\n", body);
    } else if (!strcmp(q->method, "PUT")) {
        snprintf(b->headers, sizeof b->headers, "%s", q->headers);
        snprintf(b->object, sizeof b->object, "%s", q->body.s ? q->body.s : "");
        origin_say(out, 200, "ETag: \"e\"\r\n", "");
    } else if (strstr(q->target, "?location")) {
        origin_say(out, 200, "", "<LocationConstraint>us-east-1</LocationConstraint>");
    } else if (strstr(q->target, "list-type=2") && b->list) {
        origin_say(out, 200, "", b->list);
    } else if (strstr(q->target, "list-type=2")) {
        list(b, q, out);
    } else {
        object(b, q, out);
    }
}

/* ---- jobs ---- */

struct robot_job *s3_bed_job(const char *input)
{
    struct robot_job *j = host_new();

    if (input) {
        const char *path = host_path(j, "a b.txt");
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        fputs(input, f);
        fclose(f);
        host_add_input(j, path);
    }
    jset(host_settings(j), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(j), "retry_ms", json_integer(1));
    return j;
}

const char *s3_bed_text(struct robot_job *j, int i)
{
    FILE *f = fopen(host_output(j, i)->path, "re");
    char *text = arena_alloc(robot_arena(j), 4096);

    assert_non_null(f);
    text[fread(text, 1, 4095, f)] = 0;
    fclose(f);
    return text;
}

static int run(struct robot_job *j, const struct origin *o, const char *robot, const char *step,
               struct err *err)
{
    AUTO(str_done) struct str whole = {0};

    str_putc(&whole, '{');
    for (const char *p = step, *at; *p; p = at ? at + 4 : p + strlen(p)) {
        at = strstr(p, "HOST");
        str_add(&whole, p, at ? (size_t)(at - p) : strlen(p));
        if (at)
            str_addf(&whole, "http://%s", origin_host(o));
    }
    str_putc(&whole, '}');
    *err = (struct err){0};
    return host_run(j, robot, whole.s, err);
}

void s3_bed_runs(struct robot_job *j, const struct origin *o, const char *robot, const char *step)
{
    struct err err;

    if (run(j, o, robot, step, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

void s3_bed_fails(struct robot_job *j, const struct origin *o, const char *robot, const char *step,
                  const char *code, const char *says)
{
    struct err err;

    if (run(j, o, robot, step, &err) == 0)
        fail_msg("%s goes", step);
    if (strcmp(err_name(&err), code) != 0)
        fail_msg("%s: %s (%s) in the place of %s", step, err_name(&err), err.msg, code);
    if (!strstr(err.msg, says) || strstr(err.msg, "hush"))
        fail_msg("%s: '%s' says nothing of '%s'", step, err.msg, says);
}

/* ---- what holds for each service ---- */

static const struct s3_bed_service *service;

static struct robot_job *job_of(const struct origin *o, const char *input)
{
    struct robot_job *j = s3_bed_job(input);

    json_object_set_new(host_settings(j), "endpoints", json_object());
    AUTO(mem_free) char *url = mem_printf("http://%s", origin_host(o));
    jset(json_object_get(host_settings(j), "endpoints"), service->name, url);
    return j;
}

static void it_is_stored_as_the_service_has_it(void **state)
{
    struct s3_bed b = {0};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = job_of(o, "abc");
    AUTO(mem_free) char *robot = mem_printf("/%s/store", service->name);
    AUTO(mem_free)
    char *step = mem_printf("%s, \"path\": \"/x/a b.txt\"%s", service->place,
                            service->unsigned_ ? "" : ", \"sign_urls_for\": 60");
    AUTO(mem_free) char *acl = mem_printf("x-amz-acl: %s\r\n", service->acl);
    AUTO(mem_free) char *type = mem_printf("Content-Type: %s\r\n", service->type);
    AUTO(mem_free)
    AUTO(mem_free)
    char *put = mem_printf("PUT %s/b/x/a%%20b.txt\n", service->folder ? service->folder : "");
    AUTO(mem_free)
    char *url = service->url ? mem_strdup(service->url)
                             : mem_printf("http://%s%s/b/x/a%%20b.txt", origin_host(o),
                                          service->folder ? service->folder : "");

    (void)state;
    s3_bed_runs(j, o, robot, step);
    if (!strstr(b.said, put))
        fail_msg("said: %s", b.said);
    assert_string_equal(b.object, "abc");
    assert_non_null(strstr(b.headers, "content-md5: kAFQmDzST7DWlj99KOF/cg==\r\n"));
    assert_true(service->acl ? strstr(b.headers, acl) != NULL : !strstr(b.headers, "x-amz-acl"));
    if (service->type)
        assert_non_null(strstr(b.headers, type));
    assert_string_equal(host_output(j, 0)->url, url);
    const char *ssl = jstr_or(host_output(j, 0)->extra, "signed_ssl_url", "");
    assert_true(service->unsigned_
                    ? !*ssl
                    : strstr(ssl, "/b/x/a%20b.txt?") && strstr(ssl, "X-Amz-Signature="));
    assert_null(jstr(host_output(j, 0)->extra, "signed_url"));
}

static void what_the_store_says_has_the_codes_of_the_contract(void **state)
{
    const struct {
        int status;
        const char *code;
    } cases[] = {{403, service->denied}, {404, service->failed}, {500, service->failed}};
    AUTO(mem_free) char *robot = mem_printf("/%s/store", service->name);
    AUTO(mem_free) char *step = mem_printf("%s, \"path\": \"a\"", service->place);
    AUTO(mem_free) char *missing = mem_printf("%s", strchr(service->place, ',') + 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_bed b = {.fails = 99, .status = cases[i].status};
        AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
        AUTO(host_free) struct robot_job *j = job_of(o, "abc");

        s3_bed_fails(j, o, robot, step, cases[i].code, "answer");
        char code[ROBOT_CODE_MAX];
        robot_code_invalid(code, robot_find(robot));
        s3_bed_fails(j, o, robot, missing, code, "is missing");
    }
}

int s3_bed_store(const struct s3_bed_service *s)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_stored_as_the_service_has_it),
        cmocka_unit_test(what_the_store_says_has_the_codes_of_the_contract),
    };

    service = s;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static void a_page_of_all_that_lies_below_is_imported(void **state)
{
    struct s3_bed b = {.objects = {{"d/1.txt", "one"}, {"d/2/3.txt", "three"}, {"d/4.txt", "four"}},
                       .page = 2};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = job_of(o, NULL);
    AUTO(mem_free) char *robot = mem_printf("/%s/import", service->name);
    AUTO(mem_free)
    char *step = mem_printf(
        "%s, \"path\": \"d/\", \"recursive\": true, \"files_per_page\": 2, \"%s", service->place,
        strcmp(service->name, "backblaze") ? "page_number\": 2"
                                           : "start_file_name\": \"d/2/3.txt\"");
    char code[ROBOT_CODE_MAX];

    (void)state;
    s3_bed_runs(j, o, robot, step);
    assert_int_equal(host_output_count(j), 1);
    assert_string_equal(s3_bed_text(j, 0), "four");
    AUTO(mem_free) char *none = mem_printf("%s, \"path\": \"e\"", service->place);
    robot_code(code, robot_find(robot), "NOT_FOUND");
    s3_bed_fails(j, o, robot, none, code, "");
}

static void a_stub_is_an_address_that_is_signed_for_a_day(void **state)
{
    struct s3_bed b = {.objects = {{"d/1 a.mp4", "one"}, {"top.txt", "two"}}};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = job_of(o, NULL);
    const char *folder = service->folder ? service->folder : "";
    AUTO(mem_free) char *robot = mem_printf("/%s/import", service->name);
    AUTO(mem_free)
    char *step = mem_printf("%s, \"path\": [\"/d/\", \"top.txt\"], \"return_file_stubs\": true", service->place);
    AUTO(mem_free) char *none = mem_printf("%s, \"path\": \"e\", \"return_file_stubs\": true", service->place);
    AUTO(mem_free) char *first = mem_printf("http://%s%s/b/d/1%%20a.mp4?", origin_host(o), folder);
    AUTO(mem_free) char *head = mem_printf("HEAD %s/b/top.txt\n", folder);
    int64_t before_s = clock_now_us() / SECOND_US;
    char code[ROBOT_CODE_MAX];

    (void)state;
    if (!option_find(robot_find(robot)->options, "return_file_stubs"))
        return; /* the contract does not give it to this one */
    s3_bed_runs(j, o, robot, step);
    assert_int_equal(host_output_count(j), 2);
    const struct host_output *f = host_output(j, 0);
    if (!str_starts(f->stub, first) || !strstr(f->stub, "X-Amz-Expires=86400&") ||
        !strstr(f->stub, "X-Amz-Signature=") || strstr(f->stub, "hush"))
        fail_msg("stub: %s", f->stub);
    assert_string_equal(f->mime, "video/mp4");
    assert_string_equal(s3_bed_text(j, 0), "");
    assert_string_equal(jstr_or(f->extra, "original_path", ""), "/d/");
    int64_t life_s = jint(f->meta, STUB_META, 0) - before_s;
    assert_true(life_s >= 86400 && life_s < 86400 + 60);
    /* what was listed is there; what was not is asked for, and nothing is fetched */
    assert_non_null(strstr(b.said, head));
    assert_null(strstr(b.said, "1%20a.mp4"));
    assert_null(strstr(b.said, "GET /b/top"));
    robot_code(code, robot_find(robot), "NOT_FOUND");
    s3_bed_fails(j, o, robot, none, code, "");
}

int s3_bed_import(const struct s3_bed_service *s)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_of_all_that_lies_below_is_imported),
        cmocka_unit_test(a_stub_is_an_address_that_is_signed_for_a_day),
    };

    service = s;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
