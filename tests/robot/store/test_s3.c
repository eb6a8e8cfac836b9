/* /s3/store against a bucket of the test's own, which checks no signature: that is done with a real
 * one, tests/e2e/s3.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "base/clock.h"
#include "host.h"
#include "transfer/s3_upload.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/s3/store"
#define STEP                                                                                       \
    "\"bucket\": \"b\", \"bucket_region\": \"us-east-1\", \"key\": \"k\", \"secret\": "            \
    "\"hush-hush\""

struct bucket {
    int fails;        /* so many requests first */
    int status;       /* with this; 0: the connection breaks */
    bool part_fails;  /* a second part */
    bool lost;        /* the first upload in parts is opened, and its answer does not arrive */
    int gone;         /* so many parts belong to an upload that is not there any more */
    bool abort_fails; /* and taking the upload back */
    bool versions;
    char said[2000];    /* method and target of each request, a line each */
    char headers[2000]; /* of the last that put something */
    char object[4000];  /* what was put, parts in their order */
    int open;           /* uploads in parts */
    const char *head;   /* headers of what HEAD finds; "403", "404"; NULL: not asked */
    bool no_upload;     /* there is none to be aborted */
};
#define OLD_OBJECT                                                                                                   \
    "Content-Length: 5\r\nETag: \"e-3\"\r\nDate: Mon, 02 Jan 2023 10:00:00 GMT\r\n"                                    \
    "Last-Modified: Mon, 02 Jan 2023 09:00:00 GMT\r\n"

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct bucket *b = ctx;
    size_t used = strlen(b->said);
    bool put = !strcmp(q->method, "PUT");

    snprintf(b->said + used, sizeof b->said - used, "%s %s\n", q->method, q->target);
    if (put || !strcmp(q->method, "POST"))
        snprintf(b->headers, sizeof b->headers, "%s", q->headers);
    if (b->fails-- > 0) {
        if (b->status)
            origin_say(out, b->status, "",
                       "<Error><Code>Because</Code><Message>of this</Message></Error>");
    } else if (put && strstr(q->target, "partNumber") && b->gone-- > 0) {
        origin_say(out, 404, "", "<Error><Code>NoSuchUpload</Code></Error>");
    } else if (put && strstr(q->target, "partNumber=2") && b->part_fails) {
        origin_say(out, 400, "", "<Error><Code>BadPart</Code></Error>");
    } else if (put) {
        used = strlen(b->object);
        snprintf(b->object + used, sizeof b->object - used, "%s", q->body.s ? q->body.s : "");
        origin_say(out, 200,
                   b->versions ? "ETag: \"e\"\r\nx-amz-version-id: v7\r\n" : "ETag: \"e\"\r\n", "");
    } else if (!strcmp(q->method, "POST") && strstr(q->target, "?uploads")) {
        b->open++;
        if (b->lost) {
            b->lost = false;
            return;
        }
        origin_say(out, 200, "",
                   "<InitiateMultipartUploadResult><UploadId>u1</UploadId></"
                   "InitiateMultipartUploadResult>");
    } else if (!strcmp(q->method, "POST")) {
        b->open--;
        origin_say(out, 200, "x-amz-version-id: v8\r\n", "<CompleteMultipartUploadResult/>");
    } else if (b->head && !strcmp(q->method, "HEAD")) {
        int status = (int)strtol(b->head, NULL, 10);

        if (status)
            origin_say(out, status, "", "");
        else
            str_addf(out, "HTTP/1.1 200 So\r\n%sConnection: close\r\n\r\n", b->head);
    } else if (!strcmp(q->method, "DELETE") && b->no_upload) {
        origin_say(out, 404, "", "<Error><Code>NoSuchUpload</Code></Error>");
    } else if (!strcmp(q->method, "DELETE") && b->abort_fails) {
        origin_say(out, 403, "", "<Error><Code>AccessDenied</Code></Error>");
    } else if (!strcmp(q->method, "DELETE")) {
        b->open--;
        origin_say(out, 204, "", "");
    } else if (strstr(q->target, "uploads=") && !strstr(q->target, "uploadId")) {
        origin_say(out, 200, "",
                   "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
                   "<Upload><Key>a.txt</Key><UploadId>new</"
                   "UploadId><Initiated>2099-01-01T00:00:00.000Z</Initiated></Upload>"
                   "<Upload><Key>a.txt</Key><UploadId>old</"
                   "UploadId><Initiated>2001-01-01T00:00:00.000Z</Initiated></Upload>"
                   "<Upload><Key>a.txt2</Key><UploadId>other</"
                   "UploadId><Initiated>2099-01-01T00:00:00.000Z</Initiated></Upload>"
                   "</ListMultipartUploadsResult>");
    } else {
        origin_say(out, 404, "", "<Error><Code>NoSuchUpload</Code></Error>");
    }
}

static struct robot_job *new_job(size_t size)
{
    struct robot_job *j = host_new();
    const char *path = host_path(j, "a b.txt");
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    for (size_t i = 0; i < size; i++)
        putc('a' + (int)(i % 26), f);
    fclose(f);
    host_add_input(j, path);
    jset(host_settings(j), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(j), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(j), "s3_multipart_threshold", json_integer(1000));
    return j;
}

static int run(struct robot_job *j, const struct origin *o, const char *more, struct err *err)
{
    AUTO(mem_free)
    char *step = mem_printf("{\"host\": \"http://%s\", " STEP "%s}", origin_host(o), more);

    *err = (struct err){0};
    return host_run(j, ROBOT, step, err);
}

static void runs(struct robot_job *j, const struct origin *o, const char *more)
{
    struct err err;

    if (run(j, o, more, &err) < 0)
        fail_msg("%s: %s: %s", more, err_name(&err), err.msg);
}

static void fails(struct robot_job *j, const struct origin *o, const char *more, const char *code,
                  const char *says)
{
    struct err err;

    if (run(j, o, more, &err) == 0)
        fail_msg("%s goes", more);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, says) || strstr(err.msg, "hush"))
        fail_msg("%s: '%s' says nothing of '%s'", more, err.msg, says);
}

static bool was_sent(const struct bucket *b, const char *line)
{
    return strstr(b->headers, line) != NULL;
}

static void a_file_is_put_as_the_parameters_say(void **state)
{
    struct bucket b = {.versions = true};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);

    (void)state;
    runs(j, o,
         ", \"path\": \"/x/a b+\xc3\xa9.txt\", \"headers\": {\"Content-Type\": \"x/y\", "
         "\"X-Amz-Meta-A\": 5, \"Empty\": \"\"}, \"acl\": \"private\", "
         "\"tags\": {\"one\": \"t w\"}, \"check_integrity\": true");
    assert_string_equal(b.said, "PUT /b/x/a%20b%2B%C3%A9.txt\n");
    assert_string_equal(b.object, "abc");
    assert_true(was_sent(&b, "Content-Type: x/y\r\n") && was_sent(&b, "X-Amz-Meta-A: 5\r\n") &&
                was_sent(&b, "x-amz-acl: private\r\n"));
    assert_true(was_sent(&b, "x-amz-tagging: one=t%20w\r\n") &&
                was_sent(&b, "content-md5: kAFQmDzST7DWlj99KOF/cg==\r\n"));
    assert_true(was_sent(&b, "Authorization: AWS4-HMAC-SHA256") ||
                was_sent(&b, "authorization: AWS4-HMAC-SHA256"));
    assert_false(was_sent(&b, "Empty"));
    AUTO(mem_free) char *url = mem_printf("http://%s/b/x/a%%20b%%2B%%C3%%A9.txt", origin_host(o));
    assert_string_equal(host_output(j, 0)->url, url);
    assert_string_equal(host_output(j, 0)->ssl_url, url);
    assert_string_equal(jstr_or(host_output(j, 0)->meta, "version_id", ""), "v7");
    assert_null(host_output(j, 0)->extra);
}

static void addresses_follow_the_prefix_and_signed_ones_are_added(void **state)
{
    struct bucket b = {0};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);

    (void)state;
    runs(j, o,
         ", \"path\": \"a.txt\", \"acl\": \"bucket-default\", \"url_prefix\": "
         "\"http://cdn.example/{bucket}/\", \"sign_urls_for\": 60");
    assert_string_equal(host_output(j, 0)->url, "http://cdn.example/b/a.txt");
    assert_string_equal(host_output(j, 0)->ssl_url, "https://cdn.example/b/a.txt");
    const char *signed_url = jstr_or(host_output(j, 0)->extra, "signed_url", "");
    assert_true(strstr(signed_url, "/b/a.txt?") && strstr(signed_url, "X-Amz-Signature=") &&
                strstr(signed_url, "X-Amz-Expires=60"));
    assert_false(was_sent(&b, "x-amz-acl"));
}

static void a_dot_between_slashes_is_no_part_of_a_key(void **state)
{
    struct bucket b = {0};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);

    (void)state;
    runs(j, o, ", \"path\": \"films/./a.m3u8\"");
    runs(j, o, ", \"path\": \"./a.m3u8\"");
    runs(j, o, ", \"path\": \"a./.b/c.\"");
    assert_string_equal(b.said, "PUT /b/films/a.m3u8\nPUT /b/a.m3u8\nPUT /b/a./.b/c.\n");
}

static void each_of_several_inputs_is_put(void **state)
{
    struct bucket b = {0};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);

    (void)state;
    host_add_input(j, host_path(j, "a b.txt"));
    runs(j, o, ", \"path\": \"a.txt\"");
    assert_int_equal(host_output_count(j), 2);
    assert_string_equal(b.said, "PUT /b/a.txt\nPUT /b/a.txt\n");
}

static void
what_the_store_says_has_the_contracts_code_and_what_may_pass_is_tried_again(void **state)
{
    static const struct {
        int fails, status, requests;
        const char *code; /* NULL: it goes */
    } cases[] = {{9, 403, 1, "S3_STORE_ACCESS_DENIED"},
                 {9, 404, 1, "S3_STORE_FAILURE"},
                 {9, 500, 4, "S3_STORE_FAILURE"},
                 {9, 0, 4, "S3_STORE_FAILURE"},
                 {3, 503, 4, NULL},
                 {3, 429, 4, NULL},
                 {3, 0, 4, NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bucket b = {.fails = cases[i].fails, .status = cases[i].status};
        AUTO(origin_end) struct origin *o = origin_start(answer, &b);
        AUTO(host_free) struct robot_job *j = new_job(3);

        if (cases[i].code)
            fails(j, o, ", \"path\": \"a.txt\"", cases[i].code,
                  cases[i].status ? "Because: of this" : "can't talk to");
        else
            runs(j, o, ", \"path\": \"a.txt\"");
        assert_int_equal(origin_requests(o), cases[i].requests);
        assert_null(host_undo_token(j));
    }
}

static void a_large_file_goes_in_parts_and_leaves_no_note(void **state)
{
    struct bucket b = {0};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(1001);

    (void)state;
    runs(j, o, ", \"path\": \"a.txt\"");
    assert_string_equal(b.said, "POST /b/a.txt?uploads=\nPUT "
                                "/b/a.txt?partNumber=1&uploadId=u1\nPOST /b/a.txt?uploadId=u1\n");
    assert_int_equal(strlen(b.object), 1001);
    assert_int_equal(b.open, 0);
    assert_string_equal(jstr_or(host_output(j, 0)->meta, "version_id", ""), "v8");
}

static void parts_of_a_failed_upload_are_aborted_or_stay_announced(void **state)
{
    struct bucket b = {.part_fails = true};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(9 << 20);

    (void)state;
    fails(j, o, ", \"path\": \"a.txt\"", "S3_STORE_FAILURE", "BadPart");
    assert_non_null(strstr(b.said, "DELETE /b/a.txt?uploadId=u1\n"));
    assert_int_equal(b.open, 0);
    assert_null(host_undo_token(j));

    b.abort_fails = true;
    fails(j, o, ", \"path\": \"a.txt\"", "S3_STORE_FAILURE", "BadPart");
    assert_int_equal(b.open, 1);
    AUTO(json_unref) json_t *token = json_deep_copy(host_undo_token(j));
    assert_string_equal(jstr_or(token, "upload_id", ""), "u1");
    b.abort_fails = false;
    AUTO(mem_free)
    char *step =
        mem_printf("{\"host\": \"http://%s\", " STEP ", \"path\": \"${file.id}\"}", origin_host(o));
    struct err err;
    assert_int_equal(host_undo(j, ROBOT, step, token, &err), 0);
    assert_int_equal(b.open, 0);
}

static void an_upload_whose_opening_went_unanswered_is_taken_back_when_another_is_opened(void **state)
{
    struct bucket b = {.lost = true};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(1001);

    (void)state;
    runs(j, o, ", \"path\": \"a.txt\"");
    assert_non_null(strstr(b.said, "DELETE /b/a.txt?uploadId=new\n"));
    assert_null(strstr(b.said, "DELETE /b/a.txt?uploadId=u1"));
    assert_int_equal(b.open, 0);
    assert_null(host_undo_token(j));
}

/* The undo of a run that died does that to the next one, when it knows only the key. */
static void an_upload_that_somebody_aborted_is_begun_again(void **state)
{
    struct bucket b = {.gone = 1};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(1001);

    (void)state;
    runs(j, o, ", \"path\": \"a.txt\"");
    assert_int_equal(strlen(b.object), 1001);
    assert_null(host_undo_token(j));
    b.gone = 99;
    fails(j, o, ", \"path\": \"a.txt\"", "S3_STORE_FAILURE", "NoSuchUpload");
}

static void an_upload_whose_id_nobody_knows_is_found_by_key_and_time(void **state)
{
    struct bucket b = {0};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);
    AUTO(mem_free) char *step = mem_printf("{\"host\": \"http://%s\", " STEP "}", origin_host(o));
    AUTO(json_unref)
    json_t *token = json_pack("{s:s,s:s,s:I}", "bucket", "b", "path", "a.txt", "started_us",
                              (json_int_t)1600000000000000);
    struct err err;

    (void)state;
    assert_int_equal(host_undo(j, ROBOT, step, token, &err), 0);
    assert_non_null(strstr(b.said, "DELETE /b/a.txt?uploadId=new\n"));
    assert_null(strstr(b.said, "uploadId=old"));
    assert_null(strstr(b.said, "uploadId=other"));
}

/* What the note of a run that was stopped after its last word finds. */
static void what_was_made_to_the_end_stays_and_is_told(void **state)
{
    enum { UPLOAD_OPEN = 1, MADE = 2, OLD = 4, OTHER_SIZE = 8, HIDDEN = 16 };
    static const struct {
        int how, parts;
        bool kept;
    } cases[] = {{UPLOAD_OPEN, 3, false},
                 {MADE, 3, true},
                 {MADE | OLD, 3, false},
                 {MADE | OTHER_SIZE, 3, false},
                 {MADE, 4, false},
                 {HIDDEN, 3, true},
                 {HIDDEN | UPLOAD_OPEN, 3, false},
                 {MADE, 0, true},
                 {MADE | OLD, 0, false},
                 {HIDDEN, 0, false},
                 {0, 0, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int how = cases[i].how;
        struct bucket b = {.head = how & HIDDEN          ? "403"
                                   : !(how & MADE)       ? "404"
                                   : how & OTHER_SIZE    ? "Content-Length: 6\r\nETag: \"e-3\"\r\n"
                                   : how & OLD           ? OLD_OBJECT
                                                         : "Content-Length: 5\r\nETag: \"e-3\"\r\n",
                           .no_upload = !(how & UPLOAD_OPEN)};
        AUTO(origin_end) struct origin *o = origin_start(answer, &b);
        AUTO(host_free) struct robot_job *j = new_job(3);
        AUTO(mem_free)
        char *step = mem_printf("{\"host\": \"http://%s\", " STEP ", \"path\": \"${file.id}\"}", origin_host(o));
        AUTO(json_unref)
        json_t *token = json_pack("{s:s,s:s,s:I,s:s?,s:i,s:{s:i,s:i}}", "bucket", "b", "path", "a.txt", "started_us",
                                  (json_int_t)clock_now_us(), "upload_id", cases[i].parts ? "u1" : NULL, "input", 0,
                                  "commit", "size", 5, "parts", cases[i].parts);
        struct err err;

        assert_int_equal(host_undo(j, ROBOT, step, token, &err), 0);
        if (!host_kept(j) != !cases[i].kept)
            fail_msg("case %zu: %s", i, host_kept(j) ? host_kept(j) : "nothing is told");
        if (cases[i].kept)
            assert_non_null(strstr(host_kept(j), "/a.txt"));
    }
}

/* A server that is down is asked again later, as the undo has not been done. */
static void what_can_not_be_seen_now_is_not_called_gone(void **state)
{
    struct bucket b = {.head = "500"};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);
    AUTO(mem_free)
    char *step = mem_printf("{\"host\": \"http://%s\", " STEP ", \"path\": \"${file.id}\"}", origin_host(o));
    AUTO(json_unref)
    json_t *token = json_pack("{s:s,s:s,s:I,s:i,s:{s:i,s:i}}", "bucket", "b", "path", "a.txt", "started_us",
                              (json_int_t)clock_now_us(), "input", 0, "commit", "size", 5, "parts", 0);
    struct err err;

    (void)state;
    assert_int_equal(host_undo(j, ROBOT, step, token, &err), -1);
    assert_null(host_kept(j));
}

static void bad_parameters_are_refused_before_anything_is_sent(void **state)
{
    static const char *const bad[] = {", \"path\": \"\"",
                                      ", \"path\": \"/\"",
                                      ", \"path\": \"a/\"",
                                      ", \"path\": \"a\\u0001b\"",
                                      ", \"bucket_region\": \"a b\"",
                                      ", \"headers\": {\"Host\": \"x\"}",
                                      ", \"headers\": {\"a b\": \"x\"}",
                                      ", \"headers\": {\"a\": \"x\\ny\"}",
                                      ", \"headers\": [1]",
                                      ", \"tags\": {\"a\": []}",
                                      ", \"tags\": 1",
                                      ", \"tags\": "
                                      "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,"
                                      "\"8\":1,\"9\":1,\"10\":1,\"11\":1}"};
    struct bucket b = {0};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        fails(j, o, bad[i], "S3_STORE_VALIDATION", "");
    assert_int_equal(host_run(j, ROBOT, "{\"bucket\": \"b\", \"key\": \"k\"}", &err), -1);
    assert_non_null(strstr(err.msg, "'secret' is missing"));
    assert_int_equal(host_run(j, ROBOT, "{\"credentials\": \"c\"}", &err), -1);
    assert_string_equal(err_name(&err), "S3_STORE_VALIDATION");
    jset(host_settings(j), "import_allow", "");
    assert_int_equal(run(j, o, ", \"path\": \"a\"", &err), -1);
    assert_true(err.is_private_address);
    assert_string_equal(err_name(&err), "S3_STORE_ACCESS_DENIED");
    assert_int_equal(origin_requests(o), 0);
}

static void a_bucket_is_part_of_the_host_or_of_the_path(void **state)
{
    static const struct {
        const char *service, *given, *bucket, *region, *host, *path, *url, *ssl_url;
    } table[] = {
        {"s3", NULL, "b-1", "us-east-1", "b-1.s3.amazonaws.com", "/k/l",
         "http://b-1.s3.amazonaws.com/k/l", "https://b-1.s3.amazonaws.com/k/l"},
        {"s3", "s3.amazonaws.com", "b.1.x", "eu-west-1", "s3.eu-west-1.amazonaws.com", "/b.1.x/k/l",
         "http://b.1.x.s3.amazonaws.com/k/l", "https://s3.amazonaws.com/b.1.x/k/l"},
        {"s3", "h.example", "b-1", "r", "b-1.h.example", "/k/l", "http://b-1.h.example/k/l",
         "https://b-1.h.example/k/l"},
        {"s3", "s3://h.example/", "b-1", "r", "b-1.h.example", "/k/l", "https://b-1.h.example/k/l",
         "https://b-1.h.example/k/l"},
        {"s3", "h.example:8080", "b-1", "r", "h.example:8080", "/b-1/k/l",
         "http://h.example:8080/b-1/k/l", "http://h.example:8080/b-1/k/l"},
        {"s3", "[::1]", "b-1", "r", "[::1]", "/b-1/k/l", "http://[::1]/b-1/k/l",
         "https://[::1]/b-1/k/l"},
        {"wasabi", NULL, "b-1", "eu-central-1", "b-1.s3.eu-central-1.wasabisys.com", "/k/l",
         "https://b-1.s3.eu-central-1.wasabisys.com/k/l",
         "https://b-1.s3.eu-central-1.wasabisys.com/k/l"},
        {"tigris", "", "b-1", NULL, "b-1.fly.storage.tigris.dev", "/k/l",
         "https://b-1.fly.storage.tigris.dev/k/l", "https://b-1.fly.storage.tigris.dev/k/l"},
        {"minio", "m.example:9000", "b-1", NULL, "m.example:9000", "/b-1/k/l",
         "https://m.example:9000/b-1/k/l", "https://m.example:9000/b-1/k/l"},
        {"swift", "http://s.example/s3", "b-1", NULL, "s.example", "/s3/b-1/k/l",
         "http://s.example/s3/b-1/k/l", "https://s.example/s3/b-1/k/l"},
        {"supabase", "p.supabase.co", "b-1", NULL, "p.supabase.co", "/storage/v1/s3/b-1/k/l",
         "https://p.supabase.co/storage/v1/s3/b-1/k/l",
         "https://p.supabase.co/storage/v1/s3/b-1/k/l"},
        {"supabase", "https://p.supabase.co/storage/v1/s3/", "b-1", NULL, "p.supabase.co",
         "/storage/v1/s3/b-1/k/l", "https://p.supabase.co/storage/v1/s3/b-1/k/l",
         "https://p.supabase.co/storage/v1/s3/b-1/k/l"},
        {"cloudflare", "a.r2.cloudflarestorage.com", "b-1", NULL, "a.r2.cloudflarestorage.com",
         "/b-1/k/l", "https://a.r2.cloudflarestorage.com/b-1/k/l",
         "https://a.r2.cloudflarestorage.com/b-1/k/l"},
        {"mega", NULL, "b-1", NULL, "s3.eu-central-1.s4.mega.io", "/b-1/k/l",
         "https://s3.eu-central-1.s4.mega.io/b-1/k/l",
         "https://s3.eu-central-1.s4.mega.io/b-1/k/l"},
        {"digitalocean", NULL, "b-1", "ams3", "b-1.ams3.digitaloceanspaces.com", "/k/l",
         "https://b-1.ams3.digitaloceanspaces.com/k/l",
         "https://b-1.ams3.digitaloceanspaces.com/k/l"},
    };
    AUTO(host_free) struct robot_job *j = host_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(s3_bucket_done) struct s3_bucket b = {0};
        AUTO(str_done) struct str url = {0}, ssl_url = {0};
        struct s3_place p = {.host = table[i].given,
                             .bucket = table[i].bucket,
                             .region = table[i].region,
                             .key = "k",
                             .secret = "s"};

        s3_bucket_init(&b, j, s3_service_of(table[i].service), &p);
        AUTO(mem_free) char *host = s3_host(&b);
        AUTO(mem_free) char *path = s3_path(&b, "k/l");
        s3_urls(&url, &ssl_url, &b, !strcmp(table[i].service, "s3") ? S3_URL_PREFIX : NULL, "k/l");
        assert_string_equal(host, table[i].host);
        assert_string_equal(path, table[i].path);
        assert_string_equal(url.s, table[i].url);
        assert_string_equal(ssl_url.s, table[i].ssl_url);
    }
}

/* Nobody may be asked for the location: the refusal of HEAD names it. */
static void say_head_only(void *ctx, const struct origin_request *q, struct str *out)
{
    struct bucket *b = ctx;
    size_t used = strlen(b->said);

    snprintf(b->said + used, sizeof b->said - used, "%s %s %s\n", q->method, q->target,
             strstr(q->headers, "/eu-north-1/") ? "north" : "east");
    if (!strcmp(q->method, "PUT"))
        origin_say(out, 200, "ETag: \"e\"\r\n", "");
    else if (!strcmp(q->method, "HEAD"))
        str_puts(out, "HTTP/1.1 403 So\r\nx-amz-bucket-region: eu-north-1\r\nContent-Length: "
                      "0\r\nConnection: "
                      "close\r\n\r\n");
    else
        origin_say(out, 403, "", "<Error><Code>AccessDenied</Code></Error>");
}

static void the_region_is_learned_from_a_refusal(void **state)
{
    struct bucket b = {0};
    AUTO(origin_end) struct origin *o = origin_start(say_head_only, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);

    (void)state;
    runs(j, o, ", \"bucket_region\": \"\", \"path\": \"a\"");
    assert_string_equal(b.said,
                        "GET /b?location= east\nHEAD /b east\nHEAD /b north\nPUT /b/a north\n");
    b.said[0] = 0; /* a worker asks once */
    runs(j, o, ", \"bucket_region\": \"\", \"path\": \"a\"");
    assert_string_equal(b.said, "PUT /b/a north\n");
}

static void a_session_token_is_sent_and_never_told(void **state)
{
    struct bucket b = {.fails = 1, .status = 403};
    AUTO(origin_end) struct origin *o = origin_start(answer, &b);
    AUTO(host_free) struct robot_job *j = new_job(3);
    const char *step =
        ", \"path\": \"a.txt\", \"session_token\": \"hush-token\", \"sign_urls_for\": 9";

    (void)state;
    fails(j, o, step, "S3_STORE_ACCESS_DENIED", "Because");
    runs(j, o, step);
    assert_true(was_sent(&b, "x-amz-security-token: hush-token") ||
                was_sent(&b, "X-Amz-Security-Token: hush-token"));
    assert_non_null(
        strstr(jstr_or(host_output(j, 0)->extra, "signed_ssl_url", ""), "X-Amz-Security-Token="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_part_of_the_host_or_of_the_path),
        cmocka_unit_test(the_region_is_learned_from_a_refusal),
        cmocka_unit_test(a_session_token_is_sent_and_never_told),
        cmocka_unit_test(a_file_is_put_as_the_parameters_say),
        cmocka_unit_test(addresses_follow_the_prefix_and_signed_ones_are_added),
        cmocka_unit_test(a_dot_between_slashes_is_no_part_of_a_key),
        cmocka_unit_test(each_of_several_inputs_is_put),
        cmocka_unit_test(
            what_the_store_says_has_the_contracts_code_and_what_may_pass_is_tried_again),
        cmocka_unit_test(a_large_file_goes_in_parts_and_leaves_no_note),
        cmocka_unit_test(parts_of_a_failed_upload_are_aborted_or_stay_announced),
        cmocka_unit_test(an_upload_whose_opening_went_unanswered_is_taken_back_when_another_is_opened),
        cmocka_unit_test(an_upload_that_somebody_aborted_is_begun_again),
        cmocka_unit_test(an_upload_whose_id_nobody_knows_is_found_by_key_and_time),
        cmocka_unit_test(what_was_made_to_the_end_stays_and_is_told),
        cmocka_unit_test(what_can_not_be_seen_now_is_not_called_gone),
        cmocka_unit_test(bad_parameters_are_refused_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
