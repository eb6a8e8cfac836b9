/* /s3/import against a bucket of the test's own, which can be made to misbehave. */
#include "../s3_bed.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/s3/import"
#define STEP                                                                                       \
    "\"bucket\": \"b\", \"bucket_region\": \"us-east-1\", \"key\": \"k\", \"secret\": "            \
    "\"hush-hush\", \"host\": \"HOST\", \"path\": "
#define ABC_MD5 "\"900150983cd24fb0d6963f7d28e17f72\""

static const char *folder(const struct robot_job *j, int i)
{
    return jstr_or(host_output(j, i)->extra, "original_path", "");
}

static void an_object_comes_with_its_name_and_its_folder(void **state)
{
    struct s3_bed b = {
        .objects = {{"x/y/a b+c%d#e?.txt", "abc"}, {"top", "t", "Content-Type: text/plain\r\n"}}};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_runs(j, o, ROBOT, STEP "[\"/x/y/a b+c%d#e?.txt\", \"top\"]");
    assert_string_equal(b.said, "GET /b/x/y/a%20b%2Bc%25d%23e%3F.txt\nGET /b/top\n");
    assert_string_equal(host_output(j, 0)->name, "a b+c%d#e?.txt");
    assert_string_equal(s3_bed_text(j, 0), "abc");
    assert_string_equal(folder(j, 0), "/x/y/");
    assert_string_equal(host_output(j, 1)->name, "top.txt");
    assert_string_equal(folder(j, 1), "/");
    assert_true(jbool(host_output(j, 1)->extra, "from_batch_import", false));
}

static void a_directory_is_its_files_page_by_page(void **state)
{
    struct s3_bed b = {
        .objects =
            {{"d/", ""}, {"d/1", "a"}, {"d/2/x", "no"}, {"d/2/y", "no"}, {"d/3", "b"}, {"e", "no"}},
        .page = 2};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_runs(j, o, ROBOT, STEP "\"d/\", \"force_name\": [\"first.txt\", \"second.txt\"]");
    assert_int_equal(host_output_count(j), 2);
    assert_string_equal(host_output(j, 0)->name, "first.txt");
    assert_string_equal(s3_bed_text(j, 1), "b");
    /* the first file is fetched before the second page is asked for */
    assert_true(strstr(b.said, "GET /b/d/1\n") < strstr(b.said, "continuation-token"));
    assert_non_null(strstr(b.said, "delimiter=%2F"));
}

static void the_root_is_a_slash_and_all_below_it_comes_in_pages(void **state)
{
    struct s3_bed b = {
        .objects = {{"a", "1"}, {"b/", ""}, {"b/c", "2"}, {"b/d/e", "3"}, {"f", "4"}}, .page = 2};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_runs(j, o, ROBOT, STEP "\"/\"");
    assert_int_equal(host_output_count(j), 2);
    s3_bed_runs(j, o, ROBOT, STEP "\"/\", \"recursive\": true");
    assert_int_equal(host_output_count(j), 4);
    assert_string_equal(folder(j, 2), "/b/d/");
    s3_bed_runs(j, o, ROBOT,
                STEP "\"/\", \"recursive\": true, \"files_per_page\": 3, \"page_number\": 2");
    assert_int_equal(host_output_count(j), 1);
    assert_string_equal(s3_bed_text(j, 0), "4");
    s3_bed_fails(j, o, ROBOT, STEP "\"/\", \"recursive\": true, \"page_number\": 9",
                 "S3_IMPORT_NOT_FOUND", "no file");
}

static void keys_of_any_characters_are_listed_and_fetched(void **state)
{
    static const char *const odd[] = {"d/\\back", "d/a+b c",  "d/50%",
                                      "d/l\nf",   "d/q?#&<>", "d/\xc3\xa9\xe6\x97\xa5"};
    static const char *const names[] = {"back", "a+b c",  "50%",
                                        "lf",   "q?#&<>", "\xc3\xa9\xe6\x97\xa5"};
    struct s3_bed b = {0};
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        b.objects[i] = (struct s3_bed_object){odd[i], odd[i]};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    s3_bed_runs(j, o, ROBOT, STEP "\"d/\"");
    assert_int_equal(host_output_count(j), ARRAY_LEN(odd));
    for (int i = 0; i < (int)ARRAY_LEN(odd); i++) {
        assert_string_equal(s3_bed_text(j, i), odd[i]);
        if (!strstr(host_output(j, i)->name, names[i]) || strpbrk(host_output(j, i)->name, "/\\\n"))
            fail_msg("'%s' is called '%s'", odd[i], host_output(j, i)->name);
    }
}

static void no_key_names_a_file_outside(void **state)
{
    struct s3_bed b = {
        .objects = {{"../../etc/x", "1"}, {"/abs/y", "2"}, {"a/../../z", "3"}, {"a/..", "4"}}};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_runs(j, o, ROBOT, STEP "\"/\", \"recursive\": true");
    assert_int_equal(host_output_count(j), 4);
    assert_string_equal(folder(j, 0), "/etc/");
    assert_string_equal(folder(j, 1), "/abs/");
    assert_string_equal(folder(j, 2), "/a/");
    assert_true(strcmp(host_output(j, 3)->name, "..") != 0);
    assert_non_null(strstr(b.said, "GET /b//abs/y\n"));
    assert_non_null(strstr(b.said, "GET /b/../../etc/x\n"));
}

static void ranges_are_a_request_each_of_one_object(void **state)
{
    struct s3_bed b = {.objects = {{"a", "0123456789"}}};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_runs(j, o, ROBOT, STEP "\"a\", \"range\": \"2-4\"");
    assert_string_equal(s3_bed_text(j, 0), "234");
    b.said[0] = 0;
    s3_bed_runs(j, o, ROBOT, STEP "\"a\", \"range\": [\"1-2\", \"-2\"]");
    assert_string_equal(b.said, "GET /b/a bytes=1-2\nGET /b/a bytes=-2 if \"e10\"\n");
    assert_int_equal(host_output(j, 0)->size, 10);
    FILE *f = fopen(host_output(j, 0)->path, "re");
    char got[11] = "";
    assert_int_equal(fread(got, 1, 10, f), 10);
    fclose(f);
    assert_memory_equal(got,
                        "\0"
                        "12\0\0\0\0\0"
                        "89",
                        10);
    b.no_ranges = true;
    s3_bed_runs(j, o, ROBOT, STEP "\"a\", \"range\": [\"1-2\", \"4-5\"]");
    assert_string_equal(s3_bed_text(j, 0), "0123456789");
}

static void what_breaks_off_goes_on_where_it_was(void **state)
{
    struct s3_bed b = {.objects = {{"a", "abc", NULL, ABC_MD5}}, .cut = 1, .cuts = 2};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_runs(j, o, ROBOT, STEP "\"a\"");
    assert_string_equal(s3_bed_text(j, 0), "abc");
    assert_string_equal(b.said, "GET /b/a\nGET /b/a bytes=1-2 if " ABC_MD5
                                "\nGET /b/a bytes=2-2 if " ABC_MD5 "\n");
    b.said[0] = 0;
    b.cuts = 1;
    b.no_ranges = true;
    s3_bed_runs(j, o, ROBOT, STEP "\"a\"");
    assert_string_equal(s3_bed_text(j, 0), "abc");
    b.cuts = 9;
    s3_bed_fails(j, o, ROBOT, STEP "\"a\"", "S3_IMPORT_FAILURE", "can't talk");
}

static void changes(struct s3_bed *b)
{
    b->objects[0] = (struct s3_bed_object){"a", "ABCDEF", NULL, "\"other\""};
}

static void an_object_that_changes_meanwhile_is_not_spliced(void **state)
{
    for (int no_match = 0; no_match < 2; no_match++) {
        struct s3_bed b = {.objects = {{"a", "abcdef", NULL, "\"one\""}},
                           .cut = 3,
                           .cuts = 1,
                           .then = changes,
                           .no_match = no_match};
        AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
        AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

        (void)state;
        s3_bed_runs(j, o, ROBOT, STEP "\"a\"");
        assert_string_equal(s3_bed_text(j, 0), "ABCDEF");
        assert_int_equal(origin_requests(o), 3);
        struct s3_bed c = {
            .objects = {{"a", "abcdef", NULL, "\"one\""}}, .then = changes, .no_match = no_match};
        AUTO(origin_end) struct origin *p = origin_start(s3_bed_answer, &c);
        s3_bed_runs(j, p, ROBOT, STEP "\"a\", \"range\": [\"0-2\", \"3-5\"]");
        assert_string_equal(s3_bed_text(j, 0), "ABCDEF");
    }
}

static void bytes_that_are_not_those_of_the_checksum_are_no_file(void **state)
{
    static const struct {
        const char *headers, *etag, *says; /* says NULL: it goes */
    } cases[] = {
        {NULL, ABC_MD5, NULL},
        {NULL, "\"900150983cd24fb0d6963f7d28e17f73\"", "etag"},
        {NULL, "\"900150983cd24fb0d6963f7d28e17f73-2\"", NULL},
        {"x-amz-server-side-encryption: aws:kms\r\n", "\"900150983cd24fb0d6963f7d28e17f73\"", NULL},
        {"x-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n", NULL, NULL},
        {"x-amz-checksum-sha256: anGWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n", NULL, "sha256"},
        {"x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n", NULL, NULL},
        {"x-amz-checksum-sha1: rZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n", NULL, "sha1"},
        {"x-amz-checksum-crc32: NSRBwg==\r\n", NULL, NULL},
        {"x-amz-checksum-crc32: NSRBww==\r\n", NULL, "crc32"},
        {"x-amz-checksum-crc32: NSRBww==-3\r\n", NULL, NULL},
        {"x-amz-checksum-crc32c: NkskoA==\r\n", NULL, "crc32c"},
        {"x-amz-checksum-crc32c: Nks/tw==\r\n", NULL, NULL},
        {"x-amz-checksum-crc64nvme: BeXKuz/B+us=\r\n", NULL, NULL},
        {"x-amz-checksum-crc64nvme: BeXKuz/B+uw=\r\n", NULL, "crc64nvme"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_bed b = {.objects = {{"a", "abc", cases[i].headers, cases[i].etag}}};
        AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
        AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

        if (cases[i].says)
            s3_bed_fails(j, o, ROBOT, STEP "\"a\"", "S3_IMPORT_FAILURE", cases[i].says);
        else
            s3_bed_runs(j, o, ROBOT, STEP "\"a\"");
        assert_int_equal(origin_requests(o), cases[i].says ? 3 : 1);
    }
}

static void failures_have_the_contracts_codes(void **state)
{
    static const struct {
        int fails, status, requests;
        const char *code; /* NULL: it goes */
    } cases[] = {{9, 403, 1, "S3_IMPORT_ACCESS_DENIED"},
                 {9, 401, 1, "S3_IMPORT_ACCESS_DENIED"},
                 {9, 404, 1, "S3_IMPORT_NOT_FOUND"},
                 {9, 416, 1, "S3_IMPORT_FAILURE"},
                 {9, 503, 4, "S3_IMPORT_FAILURE"},
                 {3, 503, 4, NULL},
                 {3, 0, 4, NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int dir = 0; dir < 2; dir++) {
            struct s3_bed b = {.objects = {{"d/a", "abc"}},
                               .fails = cases[i].fails,
                               .status = cases[i].status,
                               .fail_body = "<Error><Code>SlowDown</Code></Error>"};
            if (cases[i].status < 429)
                b.fail_body = "<Error><Code>Because</Code></Error>";
            AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
            AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

            if (cases[i].code)
                s3_bed_fails(j, o, ROBOT, dir ? STEP "\"d/\"" : STEP "\"d/a\"", cases[i].code,
                             "answered");
            else
                s3_bed_runs(j, o, ROBOT, dir ? STEP "\"d/\"" : STEP "\"d/a\"");
            assert_int_equal(origin_requests(o), cases[i].requests + (dir && !cases[i].code));
        }
}

static void the_region_is_found_out_and_corrected(void **state)
{
    struct s3_bed b = {.objects = {{"a", "abc"}},
                       .fails = 1,
                       .status = 301,
                       .fail_head = "x-amz-bucket-region: eu-north-1\r\n",
                       .fail_body = "<Error><Code>PermanentRedirect</Code></Error>"};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_runs(j, o, ROBOT, STEP "\"a\"");
    assert_int_equal(origin_requests(o), 2);
    b.said[0] = 0;
    s3_bed_runs(j, o, ROBOT, STEP "\"a\", \"bucket_region\": \"\"");
    assert_string_equal(b.said, "GET /b?location=\nGET /b/a\n");
}

static void a_bad_list_ends_the_import(void **state)
{
    static const struct {
        const char *list, *says;
    } cases[] = {
        {"", "no XML"},
        {"<ListBucketResult>", "no XML"},
        {"<Other/>", "something else"},
        {"<!DOCTYPE x [<!ENTITY a "
         "\"b\">]><ListBucketResult><Contents><Key>&a;</Key></Contents></ListBucketResult>",
         "DTD"},
        {"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
         "does not say where"},
        {"<ListBucketResult><a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a></"
         "ListBucketResult>",
         "too deep"},
        {"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>d/%zz</Key></Contents></"
         "ListBucketResult>",
         "no text"},
        {"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>d/%00x</Key></"
         "Contents></ListBucketResult>",
         "no text"},
        {"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>d/%ff</Key></Contents></"
         "ListBucketResult>",
         "no text"},
        {"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</"
         "NextContinuationToken>"
         "</ListBucketResult>",
         "circle"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_bed b = {.list = cases[i].list};
        AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
        AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

        s3_bed_fails(j, o, ROBOT, STEP "\"d/\"", "S3_IMPORT_FAILURE", cases[i].says);
        assert_in_range(origin_requests(o), 1, 2);
    }
}

/* Of a list with so many keys of so many bytes. */
static char *long_list(int keys, int size)
{
    AUTO(str_done) struct str xml = {0};

    str_puts(&xml, "<ListBucketResult>");
    for (int i = 0; i < keys; i++)
        str_addf(&xml, "<Contents><Key>d/%0*d</Key></Contents>", size, i);
    str_puts(&xml, "</ListBucketResult>");
    return str_take(&xml);
}

static void a_list_has_limits(void **state)
{
    static const struct {
        int keys, size;
        const char *says;
    } cases[] = {{1001, 5, "more keys"}, {1, 5000, "too long"}, {2400, 3900, "more keys"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(mem_free) char *text = long_list(cases[i].keys, cases[i].size);
        struct s3_bed b = {.list = text};
        AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
        AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

        s3_bed_fails(j, o, ROBOT, STEP "\"d/\"", "S3_IMPORT_FAILURE", cases[i].says);
        assert_int_equal(origin_requests(o), 1);
    }
}

/* Always another page, and never a file. */
static void say_more(void *ctx, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free)
    char *xml =
        mem_printf("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%d"
                   "</NextContinuationToken></ListBucketResult>",
                   q->number);

    origin_say(out, 200, "", xml);
}

static void pages_without_an_end_have_one(void **state)
{
    AUTO(origin_end) struct origin *o = origin_start(say_more, NULL);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_fails(j, o, ROBOT, STEP "\"d/\"", "S3_IMPORT_FAILURE", "no end");
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    struct s3_bed b = {.objects = {{"a", "0123456789"}}};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    json_object_set_new(host_settings(j), "max_file_size", json_integer(9));
    s3_bed_fails(j, o, ROBOT, STEP "\"a\"", "S3_IMPORT_FAILURE", "allows 9 bytes");
    s3_bed_runs(j, o, ROBOT, STEP "\"a\", \"range\": \"5-9\"");
    s3_bed_fails(j, o, ROBOT, STEP "\"a\", \"range\": [\"0-1\", \"8-9\"]", "S3_IMPORT_FAILURE",
                 "allows 9 bytes");
}

static void one_that_fails_may_leave_the_others(void **state)
{
    struct s3_bed b = {.objects = {{"a", "1"}, {"c", "3"}}};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    s3_bed_fails(j, o, ROBOT, STEP "[\"a\", \"b\", \"c\"], \"ignore_errors\": [\"import\"]",
                 "S3_IMPORT_NOT_FOUND", "1 of 3 keys");
    assert_int_equal(host_output_count(j), 2);
}

static void bad_parameters_are_refused_before_anything_is_sent(void **state)
{
    static const char *const bad[] = {"\"\"",
                                      "[]",
                                      "5",
                                      "[5]",
                                      "\"a\", \"range\": \"x\"",
                                      "\"a\", \"page_number\": 0",
                                      "\"a\", \"files_per_page\": 0",
                                      "\"a\", \"files_per_page\": 10001",
                                      "\"a\", \"bucket\": \"..\"",
                                      "\"a\", \"bucket\": \"x/y\"",
                                      "\"a\", \"bucket_region\": \"evil.example/\"",
                                      "\"a\", \"host\": \"http://x@evil.example\"",
                                      "\"a\", \"range\": \"0-9\", \"return_file_stubs\": true"};
    struct s3_bed b = {0};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(mem_free) char *step = mem_printf(STEP "%s", bad[i]);
        s3_bed_fails(j, o, ROBOT, step, "S3_IMPORT_VALIDATION", "");
    }
    jset(host_settings(j), "import_allow", "");
    s3_bed_fails(j, o, ROBOT, STEP "\"a\"", "S3_IMPORT_ACCESS_DENIED", "allow");
    assert_int_equal(origin_requests(o), 0);
}

static void a_stub_of_what_may_not_be_read_is_none(void **state)
{
    struct s3_bed b = {.fails = 99, .status = 403};
    AUTO(origin_end) struct origin *o = origin_start(s3_bed_answer, &b);
    AUTO(host_free) struct robot_job *j = s3_bed_job(NULL);
    AUTO(mem_free) char *token = mem_zalloc(1801);
    AUTO(mem_free) char *far = NULL;

    (void)state;
    s3_bed_fails(j, o, ROBOT, STEP "\"a\", \"return_file_stubs\": true", "S3_IMPORT_ACCESS_DENIED", "");
    assert_int_equal(host_output_count(j), 0);
    /* the address of a session has its token in it, and is too long with some */
    memset(token, 'x', 1800);
    far = mem_printf(STEP "\"d/\", \"session_token\": \"%s\", \"return_file_stubs\": true", token);
    b = (struct s3_bed){.objects = {{"d/1", "one"}}};
    s3_bed_fails(j, o, ROBOT, far, "S3_IMPORT_FAILURE", "at most 2000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stub_of_what_may_not_be_read_is_none),
        cmocka_unit_test(an_object_comes_with_its_name_and_its_folder),
        cmocka_unit_test(a_directory_is_its_files_page_by_page),
        cmocka_unit_test(the_root_is_a_slash_and_all_below_it_comes_in_pages),
        cmocka_unit_test(keys_of_any_characters_are_listed_and_fetched),
        cmocka_unit_test(no_key_names_a_file_outside),
        cmocka_unit_test(ranges_are_a_request_each_of_one_object),
        cmocka_unit_test(what_breaks_off_goes_on_where_it_was),
        cmocka_unit_test(an_object_that_changes_meanwhile_is_not_spliced),
        cmocka_unit_test(bytes_that_are_not_those_of_the_checksum_are_no_file),
        cmocka_unit_test(failures_have_the_contracts_codes),
        cmocka_unit_test(the_region_is_found_out_and_corrected),
        cmocka_unit_test(a_bad_list_ends_the_import),
        cmocka_unit_test(a_list_has_limits),
        cmocka_unit_test(pages_without_an_end_have_one),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
        cmocka_unit_test(one_that_fails_may_leave_the_others),
        cmocka_unit_test(bad_parameters_are_refused_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
