/* /google/store against a service of the test's own, which believes every token: who signs is looked at by
 * tests/transfer/google.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"
#include "transfer/google.h"
#include "transfer/google_session.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#define ROBOT "/google/store"
#define PIECE (512 * 1024)

static char *key; /* PEM, as JSON has it */

/* The other side: one session, which takes what it is sent in order. */
struct storage {
    char host[40];
    char said[4000]; /* method, target and Content-Range of each request, a line each */
    char described[2000];
    struct str got; /* bytes of the session */
    long size;
    int open;
    int drops; /* so many pieces break the connection, half of them taken */
    int fails; /* so many pieces are answered with `status` and not taken */
    int status;
    bool forgets;    /* the first session, at its second piece */
    bool keeps_open; /* DELETE fails */
    char probe[200]; /* what was written in one request */
    const char *md5; /* that is said of it; NULL: what was announced */
};

static void say_state(struct storage *s, struct str *out)
{
    char range[60] = "";

    if ((long)s->got.len == s->size) {
        AUTO(json_unref) json_t *d = json_loads(s->described, 0, NULL);
        AUTO(mem_free)
        char *body = mem_printf("{\"name\": \"%s\", \"size\": \"%ld\", \"generation\": \"7\", \"md5Hash\": \"%s\"}",
                                jstr(d, "name"), s->size, s->md5 ? s->md5 : jstr(d, "md5Hash"));

        s->open = 0;
        origin_say(out, 200, "", body);
        return;
    }
    if (s->got.len)
        snprintf(range, sizeof range, "Range: bytes=0-%zu\r\n", s->got.len - 1);
    origin_say(out, 308, range, "");
}

static void on_piece(struct storage *s, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *range = origin_header(q, "content-range");
    long from, to, size;

    if (!strncmp(range, "bytes */", 8)) {
        assert_int_equal(q->body.len, 0);
        say_state(s, out);
        return;
    }
    assert_int_equal(sscanf(range, "bytes %ld-%ld/%ld", &from, &to, &size), 3);
    assert_int_equal(size, s->size);
    assert_int_equal(from, s->got.len);
    assert_int_equal(q->body.len, to - from + 1);
    assert_true(to + 1 == size || q->body.len % (256 * 1024) == 0);
    if (s->forgets && from) {
        s->forgets = false;
        s->open = 0;
        str_reset(&s->got);
        origin_say(out, 410, "", "{}");
    } else if (s->drops-- > 0) {
        str_add(&s->got, q->body.s, q->body.len / 2);
    } else if (s->fails-- > 0) {
        origin_say(out, s->status, "", "{}");
    } else {
        str_add(&s->got, q->body.s, q->body.len);
        say_state(s, out);
    }
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct storage *s = ctx;
    size_t used = strlen(s->said);
    AUTO(mem_free) char *range = origin_header(q, "content-range");
    AUTO(mem_free) char *size = origin_header(q, "x-upload-content-length");

    snprintf(s->said + used, sizeof s->said - used, "%s %s %s\n", q->method, q->target, range);
    if (!strcmp(q->target, "/token")) {
        origin_say(out, 200, "", "{\"access_token\": \"t\", \"expires_in\": 3600}");
    } else if (strstr(q->target, "uploadType=media")) {
        snprintf(s->probe, sizeof s->probe, "%s", q->body.s);
        origin_say(out, 200, "", "{}");
    } else if (strstr(q->target, "workcell-probe-")) {
        origin_say(out, 200, "", strstr(q->target, "alt=media") ? s->probe : "{}");
    } else if (!strcmp(q->method, "POST")) {
        AUTO(mem_free) char *to = mem_printf("Location: http://%s/session?upload_id=hush-hush\r\n", s->host);

        snprintf(s->described, sizeof s->described, "%s", q->body.s);
        s->size = atol(size);
        s->open = 1;
        str_reset(&s->got);
        origin_say(out, 200, to, "");
    } else if (!strcmp(q->method, "PUT")) {
        on_piece(s, q, out);
    } else if (strstr(q->target, "/session") && s->keeps_open) {
        origin_say(out, 403, "", "{}");
    } else if (strstr(q->target, "/session")) {
        origin_say(out, s->open ? 499 : 404, "", "");
        s->open = 0;
    } else {
        origin_say(out, 204, "", "");
    }
}

struct bed {
    struct storage storage;
    struct origin *origin;
    struct robot_job *job;
    char *step;
};

static void bed_begin(struct bed *b, size_t size)
{
    *b = (struct bed){.job = host_new()};
    b->origin = origin_start(answer, &b->storage);
    snprintf(b->storage.host, sizeof b->storage.host, "%s", origin_host(b->origin));
    const char *path = host_path(b->job, "a b.txt");
    FILE *f = fopen(path, "we");
    for (size_t i = 0; i < size; i++)
        putc('a' + (int)(i % 23), f);
    fclose(f);
    host_add_input(b->job, path);
    AUTO(mem_free) char *url = mem_printf("http://%s", b->storage.host);
    json_object_set_new(host_settings(b->job), "endpoints", json_pack("{s:s}", "google", url));
    jset(host_settings(b->job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b->job), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(b->job), "google_piece", json_integer(PIECE));
    b->step = mem_printf("{\"credentials\": \"c\", \"client_email\": \"e\", \"bucket\": \"buck\", \"private_key\": "
                         "\"%s\", \"path\": \"x/a b.txt\"}",
                         key);
}

static void bed_end(struct bed b)
{
    origin_end(b.origin);
    host_free(b.job);
    str_done(b.storage.got);
    free(b.step);
}
DEFINE_AUTO(struct bed, bed_end)

static void arrives(struct bed *b)
{
    const struct robot_input *in = host_input(b->job);
    AUTO(mem_free) char *sent = mem_zalloc((size_t)in->size + 1);
    FILE *f = fopen(in->path, "re");
    struct err err = {0};

    if (host_run(b->job, ROBOT, b->step, &err) < 0)
        fail_msg("%s: %s", err_name(&err), err.msg);
    assert_int_equal(fread(sent, 1, (size_t)in->size, f), in->size);
    fclose(f);
    assert_int_equal(b->storage.got.len, in->size);
    assert_memory_equal(b->storage.got.s ? b->storage.got.s : "", sent, (size_t)in->size);
    assert_null(host_undo_token(b->job));
    assert_int_equal(b->storage.open, 0);
}

static void fails(struct bed *b, const char *code, const char *says)
{
    struct err err = {0};

    assert_int_equal(host_run(b->job, ROBOT, b->step, &err), -1);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, says) || strstr(err.msg, "hush") || strstr(err.msg, "PRIVATE"))
        fail_msg("'%s' says nothing of '%s'", err.msg, says);
}

static void a_file_goes_in_pieces_and_its_address_is_told(void **state)
{
    static const size_t sizes[] = {0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 17};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b, sizes[i]);
        arrives(&b);
        AUTO(mem_free) char *url = mem_printf("https://%s/buck/x/a%%20b.txt", b.storage.host);
        assert_string_equal(host_output(b.job, 0)->url, url);
        assert_string_equal(host_output(b.job, 0)->ssl_url, url);
        assert_non_null(strstr(b.storage.said, "predefinedAcl=publicRead"));
        assert_non_null(strstr(b.storage.described, "\"name\":\"x/a b.txt\""));
    }
}

static void who_may_read_is_left_to_the_bucket_by_null_alone(void **state)
{
    static const char *const cases[][2] = {{"\"acl\": null", NULL},
                                           {"\"acl\": \"bucket-default\"", NULL},
                                           {"\"cache_control\": \"no-store\"", "predefinedAcl=publicRead"},
                                           {"\"acl\": \"private\"", "predefinedAcl=private"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b, 3);
        AUTO(mem_free) char *step = mem_printf("%.*s, %s}", (int)strlen(b.step) - 1, b.step, cases[i][0]);
        free(b.step);
        b.step = take(step);
        arrives(&b);
        assert_non_null(strstr(b.storage.said, cases[i][1] ? cases[i][1] : "uploadType=resumable "));
        if (i == 2)
            assert_non_null(strstr(b.storage.described, "\"cacheControl\":\"no-store\""));
    }
}

static void what_breaks_off_goes_on_where_it_broke(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b, 4 * PIECE);
    b.storage.drops = 3;
    arrives(&b);
    assert_non_null(strstr(b.storage.said, "bytes 262144-786431/2097152"));
}

static void what_is_turned_away_is_asked_about_and_sent_again(void **state)
{
    static const int statuses[] = {408, 429, 500, 502, 503, 504};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b, 2 * PIECE);
        b.storage.fails = 2;
        b.storage.status = statuses[i];
        arrives(&b);
        assert_non_null(strstr(b.storage.said, "bytes */1048576"));
    }
}

static void what_never_gets_through_is_given_up_and_the_session_ended(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b, 2 * PIECE);
    b.storage.fails = 1000;
    b.storage.status = 500;
    fails(&b, "WORKER_JOB_ERROR", "Google Cloud Storage answered 500");
    assert_true(origin_requests(b.origin) < 15);
    assert_int_equal(b.storage.open, 0);
    assert_null(host_undo_token(b.job));
}

static void a_session_that_is_forgotten_is_begun_again(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b, 2 * PIECE);
    b.storage.forgets = true;
    arrives(&b);
}

static void what_can_not_be_ended_stays_noted_and_sealed_until_it_is(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err = {0};

    (void)state;
    bed_begin(&b, PIECE);
    b.storage.fails = 1000;
    b.storage.status = 400;
    b.storage.keeps_open = true;
    fails(&b, "WORKER_JOB_ERROR", "400");
    AUTO(json_unref) json_t *note = json_deep_copy(host_undo_token(b.job));
    assert_non_null(note);
    AUTO(mem_free) char *text = json_text(note);
    assert_null(strstr(text, "hush"));
    assert_null(strstr(text, "upload_id"));
    assert_int_equal(host_undo(b.job, ROBOT, b.step, note, &err), -1);
    b.storage.keeps_open = false;
    assert_int_equal(host_undo(b.job, ROBOT, b.step, note, &err), 0);
    assert_int_equal(b.storage.open, 0);
    assert_int_equal(host_undo(b.job, ROBOT, b.step, note, &err), 0); /* once more: there is nothing */

    json_object_set_new(note, "session", json_string("00"));
    assert_int_equal(host_undo(b.job, ROBOT, b.step, note, &err), -1);
}

static void a_note_is_opened_by_its_credentials_alone_and_only_for_its_place(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b, PIECE);
    b.storage.fails = 1000;
    b.storage.status = 400;
    b.storage.keeps_open = true;
    fails(&b, "WORKER_JOB_ERROR", "400");
    const json_t *note = host_undo_token(b.job);
    AUTO(json_unref) json_t *step = json_loads(b.step, 0, NULL);
    AUTO(mem_free) char *origin = mem_printf("http://%s", b.storage.host);
    const char *secret = jstr(step, "private_key");
    AUTO(mem_free) char *uri = google_session_open_note(note, secret, origin);

    assert_non_null(uri);
    assert_non_null(strstr(uri, "/session?upload_id=hush-hush"));
    assert_null(google_session_open_note(note, "another", origin));
    assert_null(google_session_open_note(note, secret, "https://storage.googleapis.com"));
    AUTO(json_unref) json_t *changed = json_deep_copy(note);
    AUTO(mem_free) char *hex = mem_strdup(jstr(note, "session"));
    hex[60] = hex[60] == '0' ? '1' : '0';
    jset(changed, "session", hex);
    assert_null(google_session_open_note(changed, secret, origin));
    assert_null(google_session_open_note(NULL, secret, origin));
}

static void another_checksum_than_that_of_the_file_fails_and_the_copy_is_removed(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b, 100);
    b.storage.md5 = "AAAAAAAAAAAAAAAAAAAAAA==";
    fails(&b, "WORKER_JOB_ERROR", "not what was sent");
    assert_non_null(strstr(b.storage.said, "DELETE /storage/v1/b/buck/o/x%2Fa%20b.txt?generation=7"));
}

static void checksums_are_those_that_everybody_computes(void **state)
{
    static const struct {
        const char *text, *md5, *crc32c;
    } cases[] = {{"", "1B2M2Y8AsgTpgAmY7PhCfg==", "AAAAAA=="}, {"123456789", "JfnnlDI7RTiF9RgfG2JNCw==", "4waSgw=="}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(google_sums_free) struct google_sums *s = google_sums_new();
        char md5[25], crc[9];

        for (const char *p = cases[i].text; *p; p++)
            google_sums_add(s, p, 1);
        google_sums_end(s, md5, crc);
        assert_string_equal(md5, cases[i].md5);
        assert_string_equal(crc, cases[i].crc32c);
    }
}

static void a_range_is_read_or_is_none(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{NULL, 0},
                 {"bytes=0-0", 1},
                 {"bytes=0-99", 100},
                 {"", -1},
                 {"bytes=1-99", -1},
                 {"bytes=0-", -1},
                 {"bytes=-99", -1},
                 {"bytes 0-99", -1},
                 {"bytes=0-99,100-200", -1},
                 {"bytes=0-9223372036854775807", -1},
                 {"bytes=0-99999999999999999999", -1},
                 {"bytes=0-+9", -1},
                 {"Bytes=0-9", -1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (google_session_range(cases[i].text) != cases[i].bytes)
            fail_msg("'%s'", cases[i].text);
    assert_true(google_same_origin("https://h/x", "https://h/y"));
    assert_false(google_same_origin("https://h/x", "https://h.evil/y"));
    assert_false(google_same_origin("https://h/x", "http://h/y"));
    assert_false(google_same_origin("https://h/x", "https://h:8/y"));
    assert_false(google_same_origin("https://h/x", "https://h"));
    assert_false(google_same_origin("https://h/x", "https://h@evil/y"));
    assert_false(google_same_origin("", ""));
}

static void wrong_parameters_are_refused_by_name(void **state)
{
    static const struct {
        const char *more, *says;
    } cases[] = {{"\"path\": \"a/\"", "path"},
                 {"\"path\": \"..\"", "path"},
                 {"\"path\": \"a\\nb\"", "path"},
                 {"\"path\": \".well-known/acme-challenge/a\"", "path"},
                 {"\"acl\": \"everybody\"", "acl"},
                 {"\"bucket\": \"A/b\"", "bucket"},
                 {"\"cache_control\": \"a\\r\\nb\"", "cache_control"},
                 {"\"credentials\": \"\"", "credentials"},
                 {"\"private_key\": \"x\"", "private key"},
                 {"\"bucket\": null", "bucket"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b, 3);
        AUTO(mem_free)
        char *step = mem_printf("%.*s, %s}", (int)strlen(b.step) - 1, b.step, cases[i].more);
        free(b.step);
        b.step = take(step);
        fails(&b, "GOOGLE_STORE_VALIDATION", cases[i].says);
        assert_int_equal(origin_requests(b.origin), 0);
    }
}

static void a_trial_writes_reads_lists_and_removes(void **state)
{
    static const char *const calls[] = {"POST /upload/storage/v1/b/buck/o?uploadType=media&name=workcell-probe-",
                                        "GET /storage/v1/b/buck/o/workcell-probe-", "&prefix=workcell-probe-",
                                        "DELETE /storage/v1/b/buck/o/workcell-probe-"};
    AUTO(bed_end) struct bed b = {0};
    struct err err = {0};
    void *opts;

    (void)state;
    bed_begin(&b, 3);
    AUTO(json_unref) json_t *step = json_loads(b.step, 0, NULL);
    host_be(b.job, ROBOT);
    const struct robot *r = robot_of_job(b.job);
    assert_int_equal(robot_options(&opts, robot_arena(b.job), r, step, false, &err), 0);
    if (r->trial(b.job, opts, &err) < 0)
        fail_msg("%s", err.msg);
    const char *at = b.storage.said;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (!(at = strstr(at, calls[i])))
            fail_msg("no '%s' in its place: %s", calls[i], b.storage.said);
    assert_null(strstr(b.storage.said, "resumable")); /* nothing that would have to be noted */
}

static int make_key(void **state)
{
    EVP_PKEY *k = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    AUTO(str_done) struct str out = {0};
    char *data;

    (void)state;
    PEM_write_bio_PKCS8PrivateKey(bio, k, NULL, NULL, 0, NULL, NULL);
    long n = BIO_get_mem_data(bio, &data);
    for (long i = 0; i < n; i++)
        if (data[i] == '\n')
            str_puts(&out, "\\n");
        else
            str_putc(&out, data[i]);
    key = str_take(&out);
    BIO_free(bio);
    EVP_PKEY_free(k);
    return 0;
}

static int drop_key(void **state)
{
    (void)state;
    free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_goes_in_pieces_and_its_address_is_told),
        cmocka_unit_test(who_may_read_is_left_to_the_bucket_by_null_alone),
        cmocka_unit_test(what_breaks_off_goes_on_where_it_broke),
        cmocka_unit_test(what_is_turned_away_is_asked_about_and_sent_again),
        cmocka_unit_test(what_never_gets_through_is_given_up_and_the_session_ended),
        cmocka_unit_test(a_session_that_is_forgotten_is_begun_again),
        cmocka_unit_test(what_can_not_be_ended_stays_noted_and_sealed_until_it_is),
        cmocka_unit_test(a_note_is_opened_by_its_credentials_alone_and_only_for_its_place),
        cmocka_unit_test(another_checksum_than_that_of_the_file_fails_and_the_copy_is_removed),
        cmocka_unit_test(checksums_are_those_that_everybody_computes),
        cmocka_unit_test(a_range_is_read_or_is_none),
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
        cmocka_unit_test(a_trial_writes_reads_lists_and_removes),
    };
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
