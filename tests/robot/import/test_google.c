/* /google/import against a service of the test's own, which believes every token: who signs is looked at by
 * tests/transfer/google.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"
#include "transfer/google.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#define ROBOT "/google/import"
#define SIZE 10000

static char *key; /* PEM, as JSON has it */

/* The other side: objects of SIZE bytes, by any name. */
struct storage {
    char said[8000];          /* method, target and Range of each request, a line each */
    int cuts;                 /* so many answers break off in their middle */
    bool ignores;             /* ranges */
    const char *range;        /* that a part says it is; NULL: the right one */
    const char *more;         /* of the object: "" */
    const char *const *pages; /* of a list, one after the other; the last for ever */
    int status;               /* of what is asked for; 0: 200 */
};

static void media(struct storage *s, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *range = origin_header(q, "range");
    long from = *range && !s->ignores ? atol(range + strlen("bytes=")) : 0;
    AUTO(mem_free) char *part = mem_printf("Content-Range: bytes %ld-%d/%d\r\n", from, SIZE - 1, SIZE);
    AUTO(mem_free) char *told = s->range ? mem_printf("Content-Range: %s\r\n", s->range) : NULL;
    long end = s->cuts-- > 0 ? from + (SIZE - from) / 2 : SIZE;

    str_addf(out, "HTTP/1.1 %s\r\n%sContent-Length: %ld\r\nConnection: close\r\n\r\n",
             *range && !s->ignores ? "206 Part" : "200 OK", *range && !s->ignores ? told ? told : part : "",
             SIZE - from);
    for (long i = from; i < end; i++)
        str_putc(out, (char)('a' + i % 23));
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct storage *s = ctx;
    size_t used = strlen(s->said);
    AUTO(mem_free) char *range = origin_header(q, "range");

    snprintf(s->said + used, sizeof s->said - used, "%s %s %s\n", q->method, q->target, range);
    if (!strcmp(q->target, "/token")) {
        origin_say(out, 200, "", "{\"access_token\": \"t\", \"expires_in\": 3600}");
    } else if (s->status) {
        origin_say(out, s->status, "", "{\"error\": {\"message\": \"Because.\"}}");
    } else if (strstr(q->target, "maxResults=")) {
        origin_say(out, 200, "", *s->pages);
        s->pages += s->pages[1] != NULL;
    } else if (strstr(q->target, "alt=media")) {
        media(s, q, out);
    } else {
        AUTO(mem_free)
        char *body = mem_printf("{\"name\": \"?\", \"size\": \"%d\", \"generation\": \"7\"%s}", SIZE, s->more);
        origin_say(out, 200, "", body);
    }
}

struct bed {
    struct storage storage;
    struct origin *origin;
    struct robot_job *job;
};

static void bed_begin(struct bed *b)
{
    *b = (struct bed){.job = host_new(), .storage = {.more = ""}};
    b->origin = origin_start(answer, &b->storage);
    AUTO(mem_free) char *url = mem_printf("http://%s", origin_host(b->origin));
    json_object_set_new(host_settings(b->job), "endpoints", json_pack("{s:s}", "google", url));
    jset(host_settings(b->job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b->job), "retry_ms", json_integer(1));
}

static void bed_end(struct bed b)
{
    origin_end(b.origin);
    host_free(b.job);
}
DEFINE_AUTO(struct bed, bed_end)

static int import(struct bed *b, const char *more, struct err *err)
{
    AUTO(mem_free)
    char *step = mem_printf("{\"credentials\": \"c\", \"client_email\": \"e\", \"bucket\": \"buck\", \"private_key\": "
                            "\"%s\", %s}",
                            key, more);

    *err = (struct err){0};
    return host_run(b->job, ROBOT, step, err);
}

static void comes(struct bed *b, const char *more)
{
    struct err err;
    char buf[SIZE + 1];

    if (import(b, more, &err) < 0)
        fail_msg("%s: %s", err_name(&err), err.msg);
    FILE *f = fopen(host_output(b->job, 0)->path, "re");
    assert_int_equal(fread(buf, 1, sizeof buf, f), SIZE);
    fclose(f);
    for (int i = 0; i < SIZE; i++)
        assert_int_equal(buf[i], 'a' + i % 23);
}

static void fails(struct bed *b, const char *more, const char *code, const char *says)
{
    struct err err;

    assert_int_equal(import(b, more, &err), -1);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, says))
        fail_msg("'%s' says nothing of '%s'", err.msg, says);
}

static void a_name_of_any_kind_is_one_part_of_the_address(void **state)
{
    static const struct {
        const char *path, *target, *name, *directory;
    } cases[] = {{"a/b c.txt", "/o/a%2Fb%20c.txt?", "b c.txt", "/a/"},
                 {"/a.txt", "/o/a.txt?", "a.txt", "/"},
                 {"//a.txt", "/o/%2Fa.txt?", "a.txt", "/"},
                 {"a/../b?c#d.txt", "/o/a%2F..%2Fb%3Fc%23d.txt?", "b?c#d.txt", "/a/"},
                 {"100%25.txt", "/o/100%2525.txt?", "100%25.txt", "/"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};
        AUTO(mem_free) char *more = mem_printf("\"path\": \"%s\"", cases[i].path);

        bed_begin(&b);
        comes(&b, more);
        if (!strstr(b.storage.said, cases[i].target))
            fail_msg("'%s' is not asked for: %s", cases[i].target, b.storage.said);
        assert_string_equal(host_output(b.job, 0)->name, cases[i].name);
        assert_string_equal(jstr(host_output(b.job, 0)->extra, "original_path"), cases[i].directory);
    }
}

static void what_breaks_off_goes_on_where_it_broke(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.storage.cuts = 2;
    comes(&b, "\"path\": \"a\"");
    assert_non_null(strstr(b.storage.said, "alt=media&generation=7 bytes=5000-\n"));
    assert_non_null(strstr(b.storage.said, "alt=media&generation=7 bytes=7500-\n"));
}

static void a_server_without_ranges_gives_all_of_it_again(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.storage.cuts = 2;
    b.storage.ignores = true;
    comes(&b, "\"path\": \"a\"");
}

static void another_part_than_was_asked_for_is_none(void **state)
{
    static const char *const parts[][2] = {{"bytes 0-9999/10000", "another range"},
                                           {"bytes 5000-9999/10001", "another range"},
                                           {"bytes 5000-10000/10001", "another range"},
                                           {"bytes 5000-9998/10000", "more bytes"},
                                           {"bytes */10000", "another range"},
                                           {"", "another range"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b);
        b.storage.cuts = 1;
        b.storage.range = parts[i][0];
        fails(&b, "\"path\": \"a\"", "GOOGLE_IMPORT_FAILURE", parts[i][1]);
        assert_int_equal(host_output_count(b.job), 0);
    }
}

static void what_always_breaks_off_is_given_up(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.storage.cuts = 1000;
    fails(&b, "\"path\": \"a\"", "GOOGLE_IMPORT_FAILURE", "Google Cloud Storage");
    assert_true(origin_requests(b.origin) < 10);
}

static void bytes_are_compared_with_every_checksum_there_is(void **state)
{
    static const char *const wrong[] = {", \"md5Hash\": \"AAAAAAAAAAAAAAAAAAAAAA==\"", ", \"crc32c\": \"AAAAAA==\"",
                                        ", \"crc32c\": \"\"", ", \"md5Hash\": \"x\""};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b);
        b.storage.more = wrong[i];
        fails(&b, "\"path\": \"a\"", "GOOGLE_IMPORT_FAILURE", "checksum");
    }
}

static void failures_have_their_codes(void **state)
{
    static const struct {
        int status;
        const char *code;
    } cases[] = {{404, "GOOGLE_IMPORT_NOT_FOUND"},
                 {403, "GOOGLE_IMPORT_ACCESS_DENIED"},
                 {401, "GOOGLE_IMPORT_ACCESS_DENIED"},
                 {400, "GOOGLE_IMPORT_FAILURE"},
                 {500, "GOOGLE_IMPORT_FAILURE"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b);
        b.storage.status = cases[i].status;
        fails(&b, "\"path\": \"a\"", cases[i].code, "Because.");
    }
}

#define OBJECT(n) "{\"name\": \"" n "\", \"size\": \"10000\", \"generation\": \"7\"}"

static void a_directory_is_read_page_by_page_and_markers_are_left_out(void **state)
{
    static const char *const pages[] = {
        "{\"items\": [" OBJECT("d/") ", " OBJECT("d/a") "], \"nextPageToken\": \"t/1\"}",
        "{\"nextPageToken\": \"t2\"}", "{\"items\": [" OBJECT("d/b") "]}", NULL};
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.storage.pages = pages;
    comes(&b, "\"path\": \"/d/\"");
    assert_int_equal(host_output_count(b.job), 2);
    assert_string_equal(host_output(b.job, 1)->name, "b");
    assert_non_null(strstr(b.storage.said, "&prefix=d%2F&delimiter=%2F"));
    assert_non_null(strstr(b.storage.said, "&pageToken=t%2F1"));
    assert_null(strstr(b.storage.said, "/o/d%2Fa?fields")); /* what it is was in the list */
}

static void a_recursive_import_is_one_page_and_says_what_comes_next(void **state)
{
    static const char *const pages[] = {"{\"items\": [" OBJECT("d/") "], \"nextPageToken\": \"t1\"}",
                                        "{\"items\": [" OBJECT("d/e/a") "], \"nextPageToken\": \"t2\"}", NULL};
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.storage.pages = pages;
    comes(&b, "\"path\": \"d/\", \"recursive\": true, \"files_per_page\": 1, \"next_page_token\": \"t0\"");
    assert_int_equal(host_output_count(b.job), 1);
    assert_string_equal(jstr(host_output(b.job, 0)->meta, "next_page_token"), "t2");
    assert_non_null(strstr(b.storage.said, "&pageToken=t0"));
    assert_null(strstr(b.storage.said, "delimiter"));
}

static void an_object_that_is_too_large_is_not_fetched(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    json_object_set_new(host_settings(b.job), "max_file_size", json_integer(SIZE - 1));
    fails(&b, "\"path\": \"a\"", "GOOGLE_IMPORT_FAILURE", "max_file_size allows 9999");
    assert_null(strstr(b.storage.said, "alt=media"));
}

static void wrong_parameters_are_refused_by_name(void **state)
{
    static const char *const cases[][2] = {{"\"path\": \"\"", "path"},
                                           {"\"path\": [\"a\", 3]", "path"},
                                           {"\"path\": \"a\", \"files_per_page\": 0", "files_per_page"},
                                           {"\"path\": \"a\", \"force_name\": {}", "force_name"},
                                           {"\"path\": \"a\", \"bucket\": \"../b\"", "bucket"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b);
        fails(&b, cases[i][0], "GOOGLE_IMPORT_VALIDATION", cases[i][1]);
        assert_int_equal(origin_requests(b.origin), 0);
    }
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
        str_puts(&out, data[i] == '\n' ? "\\\\n" : (const char[]){data[i], 0}); /* as it stands in a file: \n */
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
        cmocka_unit_test(a_name_of_any_kind_is_one_part_of_the_address),
        cmocka_unit_test(what_breaks_off_goes_on_where_it_broke),
        cmocka_unit_test(a_server_without_ranges_gives_all_of_it_again),
        cmocka_unit_test(another_part_than_was_asked_for_is_none),
        cmocka_unit_test(what_always_breaks_off_is_given_up),
        cmocka_unit_test(bytes_are_compared_with_every_checksum_there_is),
        cmocka_unit_test(failures_have_their_codes),
        cmocka_unit_test(a_directory_is_read_page_by_page_and_markers_are_left_out),
        cmocka_unit_test(a_recursive_import_is_one_page_and_says_what_comes_next),
        cmocka_unit_test(an_object_that_is_too_large_is_not_fetched),
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
