/* /tus/store against a server of the test's own, which is strict about what the protocol demands and breaks where a
 * test says so. The real @tus/server is in tests/transfer/tus.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define ROBOT "/tus/store"
#define SIZE 300000

enum fault {
    NO_FAULT,
    CUTS,          /* takes a third of the first bytes, then the connection breaks */
    SAYS_ONCE,     /* the first PATCH gets `status`, and nothing of it is taken */
    SAYS_ALWAYS,   /* every PATCH does */
    LOSES,         /* the upload is gone after the first PATCH */
    LOSES_ALWAYS,
    CLAIMS_MORE,   /* an offset beyond what was sent */
    CLAIMS_IN_HEAD,
    OTHER_LENGTH,  /* in HEAD, after a cut */
    SAYS_NOTHING,  /* no Upload-Offset anywhere */
    TAKES_NOTHING, /* 204 with the old offset */
    LOSES_ANSWER,  /* takes all, and the connection breaks before it says so */
    NO_LOCATION,
};

struct server {
    enum fault fault;
    int status;
    const char *extensions; /* NULL: it does not know OPTIONS */
    const char *location;   /* of an upload; NULL: relative */
    const char *redirect;   /* where POST / is sent on to; NULL: nowhere */
    int64_t limit;          /* most bytes of one request; 0: any */
    char data[SIZE + 1];
    int64_t size, offset; /* -1: there is no upload */
    int created, patched, looked, deleted, faults;
    int secrets; /* requests with the header X-Secret */
    char metadata[8000], checksum[200], complaint[200];
};

static void complain(struct server *s, const char *what)
{
    snprintf(s->complaint, sizeof s->complaint, "%s", what);
}

static int64_t header_number(const struct origin_request *q, const char *name)
{
    AUTO(mem_free) char *text = origin_header(q, name);

    return *text ? atoll(text) : -1;
}

static void begin_upload(struct server *s, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *metadata = origin_header(q, "upload-metadata");
    AUTO(mem_free) char *head = NULL;

    s->created++;
    s->size = header_number(q, "upload-length");
    s->offset = 0;
    snprintf(s->metadata, sizeof s->metadata, "%s", metadata);
    if (q->body.len || s->size < 0 || header_number(q, "content-length") != 0)
        complain(s, "a POST with a body or without a length");
    head = s->fault == NO_LOCATION ? mem_strdup("")
                                   : mem_printf("Location: %s\r\n", s->location ? s->location : "../up/1?x=2");
    origin_say(out, 201, head, "");
}

static void add_offset(struct server *s, int status, int64_t offset, struct str *out)
{
    AUTO(mem_free) char *head = mem_printf("Upload-Offset: %lld\r\n", (long long)offset);

    origin_say(out, status, s->fault == SAYS_NOTHING ? "" : head, "");
}

static void check_sum(struct server *s, const struct origin_request *q)
{
    AUTO(mem_free) char *said = origin_header(q, "upload-checksum");
    unsigned char md[EVP_MAX_MD_SIZE], text[100];
    unsigned len;

    snprintf(s->checksum, sizeof s->checksum, "%s", said);
    if (!str_starts(said, "sha1 "))
        return;
    EVP_Digest(q->body.s, q->body.len, md, &len, EVP_sha1(), NULL);
    EVP_EncodeBlock(text, md, (int)len);
    if (strcmp((char *)text, said + 5) != 0)
        complain(s, "a wrong checksum");
}

/* How many of the bytes are taken; -1: out is filled. */
static int64_t patch_fault(struct server *s, const struct origin_request *q, struct str *out)
{
    int64_t len = (int64_t)q->body.len;
    bool first = !s->faults++;

    if (s->limit && len > s->limit) {
        origin_say(out, 413, "", "too much");
        return -1;
    }
    switch (s->fault) {
    case SAYS_ALWAYS:
    case SAYS_ONCE:
        if (s->fault == SAYS_ALWAYS || first) {
            origin_say(out, s->status, "", "why not");
            return -1;
        }
        return len;
    case LOSES:
    case LOSES_ALWAYS:
        if (s->fault == LOSES_ALWAYS || first) {
            s->offset = -1;
            origin_say(out, 410, "", "");
            return -1;
        }
        return len;
    case CUTS:
    case OTHER_LENGTH:
    case CLAIMS_IN_HEAD:
        return first ? len / 3 : len;
    case TAKES_NOTHING:
        return 0;
    default:
        return len;
    }
}

static void take_bytes(struct server *s, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *type = origin_header(q, "content-type");
    bool first = !s->faults;

    s->patched++;
    if (s->offset < 0 || header_number(q, "upload-offset") != s->offset) {
        complain(s, "a PATCH at another offset");
        origin_say(out, 409, "", "");
        return;
    }
    if (strcmp(type, "application/offset+octet-stream") != 0 || s->offset + (int64_t)q->body.len > s->size)
        complain(s, "a PATCH of another type, or too long");
    check_sum(s, q);
    int64_t n = patch_fault(s, q, out);
    if (n < 0)
        return;
    memcpy(s->data + s->offset, q->body.s, (size_t)n);
    s->offset += n;
    if (first && (n < (int64_t)q->body.len || s->fault == LOSES_ANSWER) && s->fault != TAKES_NOTHING)
        return; /* the connection breaks */
    add_offset(s, 204, s->offset + (s->fault == CLAIMS_MORE ? 1 : 0), out);
}

static void say_offset(struct server *s, struct str *out)
{
    s->looked++;
    if (s->offset < 0) {
        origin_say(out, 404, "", "");
        return;
    }
    AUTO(mem_free)
    char *head = mem_printf("Upload-Length: %lld\r\nUpload-Offset: %lld\r\nCache-Control: no-store\r\n",
                            (long long)s->size + (s->fault == OTHER_LENGTH),
                            (long long)(s->fault == CLAIMS_IN_HEAD ? INT64_C(800000000000000) : s->offset));
    origin_say(out, 200, s->fault == SAYS_NOTHING ? "" : head, "");
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct server *s = ctx;
    AUTO(mem_free) char *version = origin_header(q, "tus-resumable");
    AUTO(mem_free) char *secret = origin_header(q, "x-secret");

    s->secrets += *secret != 0;
    if (!strcmp(q->method, "OPTIONS")) {
        AUTO(mem_free) char *head = mem_printf("Tus-Version: 1.0.0,0.2.2\r\n%s", s->extensions ? s->extensions : "");

        origin_say(out, s->extensions ? 204 : 405, head, "");
        return;
    }
    if (strcmp(version, "1.0.0") != 0)
        complain(s, "a request without a version");
    if (!strcmp(q->method, "POST") && s->redirect && !strcmp(q->target, "/files/")) {
        AUTO(mem_free) char *head = mem_printf("Location: %s\r\n", s->redirect);

        origin_say(out, 307, head, "");
    } else if (!strcmp(q->method, "POST")) {
        begin_upload(s, q, out);
    } else if (!strcmp(q->method, "PATCH")) {
        take_bytes(s, q, out);
    } else if (!strcmp(q->method, "HEAD")) {
        say_offset(s, out);
    } else if (!strcmp(q->method, "DELETE")) {
        s->deleted++;
        origin_say(out, s->offset < 0 ? 404 : 204, "", "");
        s->offset = -1;
    } else {
        complain(s, "an unknown method");
    }
}

/* ---- a run ---- */

struct bed {
    struct server server;
    struct origin *origin;
    struct robot_job *job;
    char bytes[SIZE];
};

#define TERMINATES "Tus-Extension: creation,termination\r\n"

static struct bed *bed_new(enum fault fault)
{
    struct bed *b = mem_zalloc(sizeof *b);
    FILE *f;

    b->server = (struct server){.fault = fault, .extensions = TERMINATES, .offset = -1};
    b->origin = origin_start(answer, &b->server);
    b->job = host_new();
    jset(host_settings(b->job), "import_allow", origin_host(b->origin)); /* its port, and no other */
    json_object_set_new(host_settings(b->job), "retry_ms", json_integer(1));
    for (size_t i = 0; i < SIZE; i++)
        b->bytes[i] = (char)(i * 7 + i / 251);
    const char *path = host_path(b->job, "a b.txt");
    assert_non_null(f = fopen(path, "we"));
    assert_int_equal(fwrite(b->bytes, 1, SIZE, f), SIZE);
    fclose(f);
    host_add_input(b->job, path);
    return b;
}

static void bed_free(struct bed *b)
{
    host_free(b->job);
    origin_end(b->origin);
    free(b);
}
DEFINE_AUTO(struct bed *, bed_free)

/* more: further parameters, ", ..." */
static int run(struct bed *b, const char *more, struct err *err)
{
    AUTO(mem_free) char *step = mem_printf("{\"endpoint\": \"http://%s/files/\"%s}", origin_host(b->origin), more);

    *err = (struct err){0};
    return host_run(b->job, ROBOT, step, err);
}

static void runs(struct bed *b, const char *more)
{
    struct err err;

    if (run(b, more, &err) < 0)
        fail_msg("%s: %s", err_name(&err), err.msg);
    assert_string_equal(b->server.complaint, "");
    assert_null(host_undo_token(b->job));
}

static void arrived(const struct bed *b)
{
    assert_int_equal(b->server.offset, SIZE);
    assert_memory_equal(b->server.data, b->bytes, SIZE);
    assert_int_equal(host_output_count(b->job), 1);
}

static void fails(struct bed *b, const char *more, const char *says)
{
    struct err err;

    if (run(b, more, &err) == 0)
        fail_msg("it goes, where '%s' was expected", says);
    assert_string_equal(err_name(&err), "WORKER_JOB_ERROR");
    if (!strstr(err.msg, says))
        fail_msg("'%s' says nothing of '%s'", err.msg, says);
    assert_null(host_undo_token(b->job));
}

/* ---- what must hold ---- */

static void a_file_arrives_whole_and_its_address_is_where_the_server_says(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);
    AUTO(mem_free) char *url = mem_printf("http://%s/up/1?x=2", origin_host(b->origin));

    (void)state;
    runs(b, "");
    arrived(b);
    assert_string_equal(host_output(b->job, 0)->url, url);
    assert_string_equal(host_output(b->job, 0)->ssl_url, "");
    assert_int_equal(b->server.created, 1);
    assert_int_equal(b->server.patched, 1);
    assert_int_equal(b->server.deleted, 0);
    assert_string_equal(b->server.metadata, "filename YSBiLnR4dA==,basename YSBi,extension dHh0");
}

static void templates_make_the_addresses(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);
    AUTO(mem_free) char *ssl = mem_printf("https://%s/x", origin_host(b->origin));

    (void)state;
    runs(b, ", \"url_template\": \"http://cdn.example/{PATH}\", \"ssl_url_template\": \"https://{HOST}/x\"");
    assert_string_equal(host_output(b->job, 0)->url, "http://cdn.example/up/1");
    assert_string_equal(host_output(b->job, 0)->ssl_url, ssl);
    runs(b, ", \"url_template\": \"https://cdn.example/{PATH}\"");
    assert_string_equal(host_output(b->job, 0)->ssl_url, "https://cdn.example/up/1");
}

static void metadata_are_those_of_the_step_and_its_example_counts_as_none(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT), *example = bed_new(NO_FAULT);

    (void)state;
    runs(b, ", \"metadata\": {\"filetype\": \"text/plain\", \"empty\": \"\", \"n\": 3}");
    assert_string_equal(b->server.metadata, "filetype dGV4dC9wbGFpbg==,empty,n Mw==");
    runs(example, ", \"metadata\": {\"filename\": \"example.png\", \"basename\": \"example\", \"extension\": \"png\"}");
    assert_string_equal(example->server.metadata, "filename YSBiLnR4dA==,basename YSBi,extension dHh0");
}

static void an_empty_file_is_complete_once_it_is_created(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);

    (void)state;
    fclose(fopen(host_path(b->job, "a b.txt"), "we"));
    host_input(b->job)->size = 0;
    runs(b, "");
    assert_int_equal(b->server.size, 0);
    assert_int_equal(b->server.patched, 0);
}

static void a_cut_goes_on_where_the_server_says_that_it_is(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(CUTS);

    (void)state;
    runs(b, "");
    arrived(b);
    assert_int_equal(b->server.created, 1);
    assert_int_equal(b->server.patched, 2);
    assert_int_equal(b->server.looked, 1);
}

static void a_lost_last_answer_does_not_send_the_bytes_again(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(LOSES_ANSWER);

    (void)state;
    runs(b, "");
    arrived(b);
    assert_int_equal(b->server.patched, 1);
    assert_int_equal(b->server.looked, 1);
}

static void what_may_pass_is_tried_again_and_what_stays_ends(void **state)
{
    static const int passes[] = {409, 423, 429, 460, 500, 503};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(passes); i++) {
        AUTO(bed_free) struct bed *b = bed_new(SAYS_ONCE);

        b->server.status = passes[i];
        runs(b, "");
        arrived(b);
    }
    AUTO(bed_free) struct bed *busy = bed_new(SAYS_ALWAYS);
    busy->server.status = 503;
    fails(busy, "", "can't send the bytes");
    assert_int_equal(busy->server.patched, 4);
    assert_int_equal(busy->server.deleted, 1);
    AUTO(bed_free) struct bed *locked = bed_new(SAYS_ALWAYS);
    locked->server.status = 423;
    fails(locked, "", "status 423");
    assert_int_equal(locked->server.patched, 8);
    AUTO(bed_free) struct bed *denied = bed_new(SAYS_ALWAYS);
    denied->server.status = 403;
    fails(denied, "", "status 403");
    assert_int_equal(denied->server.patched, 1);
    assert_int_equal(denied->server.deleted, 1);
}

static void who_takes_small_requests_only_gets_such(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT), *never = bed_new(NO_FAULT);

    (void)state;
    b->server.limit = 80000;
    runs(b, "");
    arrived(b);
    assert_int_equal(b->server.patched, 5); /* one too large, then four of 75,000 */
    never->server.limit = 1000;
    fails(never, "", "takes not even small pieces");
    assert_int_equal(never->server.deleted, 1);
}

static void a_server_that_lies_is_not_believed(void **state)
{
    static const struct {
        enum fault fault;
        const char *says;
    } lies[] = {{CLAIMS_MORE, "more bytes than were sent"}, {CLAIMS_IN_HEAD, "more bytes than were sent"},
                {OTHER_LENGTH, "another length"},           {SAYS_NOTHING, "does not say how much"},
                {TAKES_NOTHING, "none arrive"},             {LOSES_ALWAYS, "keeps losing"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        AUTO(bed_free) struct bed *b = bed_new(lies[i].fault);

        fails(b, "", lies[i].says);
        assert_int_equal(b->server.deleted, 1);
        assert_int_equal(host_output_count(b->job), 0);
    }
    AUTO(bed_free) struct bed *nowhere = bed_new(NO_LOCATION);
    fails(nowhere, "", "not where the upload is");
}

static void an_upload_that_is_gone_is_begun_anew(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(LOSES);

    (void)state;
    runs(b, "");
    arrived(b);
    assert_int_equal(b->server.created, 2);
}

static void what_a_killed_run_left_is_removed_and_again_is_fine(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);
    AUTO(mem_free) char *step = mem_printf("{\"endpoint\": \"http://%s/files/\"}", origin_host(b->origin));
    AUTO(json_unref)
    json_t *token = json_pack("{s:o,s:b}", "url", json_sprintf("http://%s/up/1", origin_host(b->origin)), "foreign", 0);
    struct err err = {0};

    (void)state;
    b->server.offset = 5;
    for (int i = 0; i < 2; i++)
        if (host_undo(b->job, ROBOT, step, token, &err) < 0)
            fail_msg("%s", err.msg);
    assert_int_equal(b->server.deleted, 2);
    assert_int_equal(b->server.offset, -1);
}

static void a_server_without_the_extension_is_asked_for_nothing_it_lacks(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(SAYS_ALWAYS);

    (void)state;
    b->server.status = 400;
    b->server.extensions = NULL;
    fails(b, "", "status 400: why not");
    assert_int_equal(b->server.deleted, 0);
}

static void bytes_have_a_checksum_where_the_server_knows_one(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);

    (void)state;
    b->server.extensions = "Tus-Extension: creation, checksum\r\nTus-Checksum-Algorithm: crc32,sha1,md5\r\n";
    runs(b, "");
    arrived(b);
    assert_true(str_starts(b->server.checksum, "sha1 "));
}

static void limits_and_versions_are_asked_for_first(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);

    (void)state;
    b->server.extensions = "Tus-Max-Size: 299999\r\n";
    fails(b, "", "takes at most 299999");
    assert_int_equal(b->server.created, 0);
}

static void secrets_go_to_the_endpoints_server_and_to_no_other(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT), *other = bed_new(NO_FAULT);
    AUTO(mem_free) char *away = mem_printf("http://%s/up/9", origin_host(other->origin));
    AUTO(mem_free) char *both = mem_printf("%s,%s", origin_host(b->origin), origin_host(other->origin));
    struct err err;

    (void)state;
    other->server.size = SIZE;
    other->server.offset = 0;
    b->server.location = away;
    jset(host_settings(b->job), "import_allow", both);
    runs(b, ", \"headers\": {\"X-Secret\": \"s\"}");
    assert_int_equal(b->server.secrets, 2); /* OPTIONS, POST */
    assert_int_equal(other->server.secrets, 0);
    assert_int_equal(other->server.offset, SIZE);
    assert_string_equal(host_output(b->job, 0)->url, away);

    /* and where nobody may connect to, nobody does */
    int before = origin_requests(other->origin);
    jset(host_settings(b->job), "import_allow", origin_host(b->origin));
    assert_int_equal(run(b, "", &err), -1);
    assert_true(err.is_private_address);
    b->server.location = NULL;
    b->server.redirect = away;
    assert_int_equal(run(b, "", &err), -1);
    assert_true(err.is_private_address);
    assert_int_equal(origin_requests(other->origin), before);
}

static void a_redirect_keeps_the_method_and_its_locations_are_read_from_there(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);
    AUTO(mem_free) char *url = mem_printf("http://%s/v2/up/1?x=2", origin_host(b->origin));

    (void)state;
    b->server.redirect = "/v2/files/";
    runs(b, ", \"headers\": [\"X-Secret: s\"]");
    arrived(b);
    assert_string_equal(host_output(b->job, 0)->url, url);
    assert_int_equal(b->server.secrets, 4);
}

static void wrong_parameters_have_the_contracts_code(void **state)
{
    static const struct {
        const char *step, *says;
    } wrong[] = {
        {"{\"endpoint\": \"ftp://a/\"}", "'endpoint'"},
        {"{\"endpoint\": \"http:///a\"}", "'endpoint'"},
        {"{}", "endpoint"},
        {"{\"endpoint\": \"http://a/\", \"headers\": {\"Tus-Resumable\": \"2\"}}", "can't be set by hand"},
        {"{\"endpoint\": \"http://a/\", \"headers\": {\"a\": \"b\\nc\"}}", "control character"},
        {"{\"endpoint\": \"http://a/\", \"metadata\": {\"a b\": \"c\"}}", "'a b'"},
        {"{\"endpoint\": \"http://a/\", \"metadata\": {\"a\": []}}", "'metadata'"},
        {"{\"endpoint\": \"http://a/\", \"metadata\": \"a\"}", "'metadata'"},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        err = (struct err){0};
        assert_int_equal(host_run(j, ROBOT, wrong[i].step, &err), -1);
        assert_string_equal(err_name(&err), "TUS_STORE_VALIDATION");
        if (!strstr(err.msg, wrong[i].says))
            fail_msg("%s: %s", wrong[i].step, err.msg);
    }
    AUTO(bed_free) struct bed *b = bed_new(NO_FAULT);
    AUTO(mem_free) char *text = mem_zalloc(6001);
    memset(text, 'x', 6000);
    AUTO(mem_free) char *more = mem_printf(", \"metadata\": {\"a\": \"%s\"}", text);
    assert_int_equal(run(b, more, &err), -1);
    assert_string_equal(err_name(&err), "TUS_STORE_VALIDATION");
    assert_int_equal(b->server.created, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_arrives_whole_and_its_address_is_where_the_server_says),
        cmocka_unit_test(templates_make_the_addresses),
        cmocka_unit_test(metadata_are_those_of_the_step_and_its_example_counts_as_none),
        cmocka_unit_test(an_empty_file_is_complete_once_it_is_created),
        cmocka_unit_test(a_cut_goes_on_where_the_server_says_that_it_is),
        cmocka_unit_test(a_lost_last_answer_does_not_send_the_bytes_again),
        cmocka_unit_test(what_may_pass_is_tried_again_and_what_stays_ends),
        cmocka_unit_test(who_takes_small_requests_only_gets_such),
        cmocka_unit_test(a_server_that_lies_is_not_believed),
        cmocka_unit_test(an_upload_that_is_gone_is_begun_anew),
        cmocka_unit_test(what_a_killed_run_left_is_removed_and_again_is_fine),
        cmocka_unit_test(a_server_without_the_extension_is_asked_for_nothing_it_lacks),
        cmocka_unit_test(bytes_have_a_checksum_where_the_server_knows_one),
        cmocka_unit_test(limits_and_versions_are_asked_for_first),
        cmocka_unit_test(secrets_go_to_the_endpoints_server_and_to_no_other),
        cmocka_unit_test(a_redirect_keeps_the_method_and_its_locations_are_read_from_there),
        cmocka_unit_test(wrong_parameters_have_the_contracts_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
