/* /azure/store against a server of the test's own, that looks at what is sent and says what a
 * service seldom says. A real one (Azurite) is in tests/transfer/azure.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "base/clock.h"
#include "host.h"
#include "transfer/azure.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PLACE "\"account\": \"acc\", \"container\": \"con\", \"key\": \"c2VjcmV0IGtleQ==\", "

/* ---- what is signed, by the documentation ---- */

static void what_is_signed_is_what_the_documentation_says(void **state)
{
    static const struct {
        const char *method, *url, *lines;
        int64_t length;
        const char *text;
    } rows[] = {
        {"GET",
         "https://acc.blob.core.windows.net/"
         "con?restype=container&comp=list&prefix=a%20b%2Fc&maxresults=5",
         "x-ms-date: Sun, 29 Nov 2026 01:02:03 GMT\nx-ms-version: 2021-08-06\n", 0,
         "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Sun, 29 Nov 2026 01:02:03 "
         "GMT\nx-ms-version:2021-08-06\n"
         "/acc/con\ncomp:list\nmaxresults:5\nprefix:a b/c\nrestype:container"},
        {"PUT", "http://127.0.0.1:10000/acc/con/a%20b.txt",
         "Content-Type: text/plain\nX-MS-Meta-B:  two \nx-ms-blob-type: BlockBlob\nContent-MD5: "
         "MD5==\n"
         "x-ms-meta-a_b: 1\nx-ms-meta-a1: 2\nx-ms-date: now\n",
         11,
         "PUT\n\n\n11\nMD5==\ntext/"
         "plain\n\n\n\n\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:now\nx-ms-meta-a_b:1\n"
         "x-ms-meta-a1:2\nx-ms-meta-b:two\n/acc/acc/con/a%20b.txt"},
        {"GET", "https://acc.blob.core.windows.net/con/x", "Range: bytes=5-\nIf-Match: \"e\"\n", 0,
         "GET\n\n\n\n\n\n\n\n\"e\"\n\n\nbytes=5-\n/acc/con/x"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *text =
            azure_string_to_sign("acc", rows[i].method, rows[i].url, rows[i].lines, rows[i].length);
        assert_string_equal(text, rows[i].text);
    }
}

/* printf 'rw\n\n2026-11-29T01:02:03Z\n/blob/acc/con/a b\n\n\n\n2020-12-06\nb\n\n\n\n\n\n\n' |
 *     openssl dgst -sha256 -hmac 'secret key' -binary | base64 */
#define SAS_SIGNATURE "ur7zFNn99eW4U7jyxmtVuGXVb1hAcUceQ%2BGew16wHrU%3D"

static void a_signed_address_is_what_openssl_signs(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const struct azure_place place = {
        .account = "acc", .container = "con", .key = "c2VjcmV0IGtleQ=="};
    AUTO(azure_done) struct azure z = {.place = NULL};
    struct tm tm = {
        .tm_year = 126, .tm_mon = 10, .tm_mday = 29, .tm_hour = 1, .tm_min = 2, .tm_sec = 3};
    struct err err;

    (void)state;
    host_be(j, "/azure/store");
    assert_int_equal(azure_open(&z, j, &place, &err), 0);
    AUTO(mem_free) char *url = azure_sas_url(&z, "a b", "wrw", timegm(&tm) * SECOND_US);
    assert_string_equal(
        url,
        "https://acc.blob.core.windows.net/con/a%20b?sv=2020-12-06&sr=b&sp=rw&se=2026-11-29T01%3A"
        "02%3A03Z&sig=" SAS_SIGNATURE);
}

/* ---- a server ---- */

struct service {
    int lost, late,
        broken; /* commits that find their blocks gone; answers about the clock; cut connections */
    struct str said;    /* a line a request */
    char list[2][4096]; /* bodies of the commits */
    int commits;
    const char *deny; /* body of a 403 to everything */
};

static void note(struct service *s, const struct origin_request *q, const char *name)
{
    AUTO(mem_free) char *value = origin_header(q, name);

    if (*value)
        str_addf(&s->said, " %s=%s", name, value);
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    static const char *const names[] = {"content-md5",
                                        "x-ms-blob-type",
                                        "x-ms-blob-content-type",
                                        "x-ms-blob-cache-control",
                                        "x-ms-meta-one",
                                        "x-ms-blob-content-md5"};
    struct service *s = ctx;
    bool commits = strstr(q->target, "comp=blocklist") != NULL;

    if (s->broken) {
        s->broken--;
        return;
    }
    if (s->deny) {
        origin_say(out, 403, "", s->deny);
        return;
    }
    if (s->late) {
        AUTO(mem_free) char *date = origin_header(q, "x-ms-date");
        bool believed = strstr(date, " 2041 ") != NULL;

        s->late += believed ? 0 : 1;
        origin_say(out, believed ? 201 : 403, "Date: Tue, 01 Jan 2041 00:00:00 GMT\r\n",
                   "<Error><Code>AuthenticationFailed</Code></Error>");
        return;
    }
    str_addf(&s->said, "%s %.*s %zu", q->method, (int)strcspn(q->target, "?"), q->target,
             q->body.len);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        note(s, q, names[i]);
    str_putc(&s->said, '\n');
    if (commits)
        snprintf(s->list[s->commits++ % 2], sizeof s->list[0], "%s", q->body.s ? q->body.s : "");
    if (commits && s->lost) {
        s->lost--;
        origin_say(out, 400, "x-ms-error-code: InvalidBlockList\r\n",
                   "<Error><Message>no such block</Message></Error>");
    } else {
        origin_say(out, 201, "", "");
    }
}

static struct robot_job *new_job(const struct origin *o, const char *bytes)
{
    struct robot_job *j = host_new();
    const char *path = host_path(j, "a b.txt");
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(bytes, f);
    fclose(f);
    jset(host_settings(j), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(j), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(j), "s3_multipart_threshold", json_integer(10));
    AUTO(mem_free) char *url = mem_printf("http://%s", origin_host(o));
    json_object_set_new(host_settings(j), "endpoints", json_pack("{s:s}", "azure", url));
    host_add_input(j, path);
    return j;
}

static int run(struct service *s, const char *bytes, const char *more, struct err *err, char *url,
               size_t n)
{
    AUTO(origin_end) struct origin *o = origin_start(answer, s);
    AUTO(host_free) struct robot_job *j = new_job(o, bytes);
    AUTO(mem_free) char *step = mem_printf("{" PLACE "%s}", more);

    *err = (struct err){0};
    int rc = host_run(j, "/azure/store", step, err);
    if (rc == 0)
        snprintf(url, n, "%s",
                 host_output(j, 0)->url + strcspn(host_output(j, 0)->url, ":") + strlen("://") +
                     strlen(origin_host(o)));
    return rc;
}

static void a_small_file_goes_in_one_request_with_its_md5_and_all_that_is_said_of_it(void **state)
{
    struct service s = {.broken = 1};
    struct err err;
    char url[512];

    (void)state;
    assert_int_equal(run(&s, "abc",
                         "\"path\": \"/d/a b#?%\xc3\xa9.txt\", \"cache_control\": \"no-store\", "
                         "\"metadata\": {\"one\": 1}",
                         &err, url, sizeof url),
                     0);
    assert_string_equal(
        s.said.s,
        "PUT /acc/con/d/a%20b%23%3F%25%C3%A9.txt 3 content-md5=kAFQmDzST7DWlj99KOF/cg== "
        "x-ms-blob-type=BlockBlob x-ms-blob-content-type=text/plain x-ms-blob-cache-control="
        "no-store x-ms-meta-one=1\n");
    assert_string_equal(url, "/acc/con/d/a%20b%23%3F%25%C3%A9.txt");
    str_done(s.said);
}

static void a_large_one_goes_in_blocks_and_again_when_somebody_else_threw_them_away(void **state)
{
    struct service s = {.lost = 1};
    struct err err;
    char url[512];

    (void)state;
    assert_int_equal(run(&s, "0123456789abcdefghijklmno",
                         "\"path\": \"x\", \"content_type\": \"a/b\"", &err, url, sizeof url),
                     0);
    assert_int_equal(s.commits, 2);
    assert_string_not_equal(
        s.list[0], s.list[1]); /* other blocks, so that two jobs never make one blob of both */
    int blocks = 0;
    for (const char *p = s.list[1]; (p = strstr(p, "<Latest>")); p++)
        blocks++;
    assert_int_equal(blocks, 3);
    const char *last = strrchr(s.said.s, 'P');
    assert_non_null(
        strstr(last, "x-ms-blob-content-type=a/b x-ms-blob-content-md5=wpN9YMqKFY1G1DLFJbbk1Q=="));
    str_done(s.said);
}

static void a_wrong_clock_of_ours_is_corrected_by_the_servers(void **state)
{
    struct service s = {.late = 1};
    struct err err;
    char url[512];

    (void)state;
    assert_int_equal(run(&s, "abc", "\"path\": \"x\"", &err, url, sizeof url), 0);
    assert_int_equal(s.late, 2);
    str_done(s.said);
}

static void what_the_service_says_is_told_but_never_the_key(void **state)
{
    struct service s = {.deny = "<Error><Code>X</Code><Message>not you</Message></Error>"};
    struct err err;
    char url[512];

    (void)state;
    assert_int_equal(run(&s, "abc", "\"path\": \"x\"", &err, url, sizeof url), -1);
    assert_string_equal(err_name(&err), "AZURE_STORE_ACCESS_DENIED");
    assert_non_null(strstr(err.msg, "not you"));
    s.deny = "<Error><Message>c2VjcmV0IGtleQ== is wrong</Message></Error>";
    assert_int_equal(run(&s, "abc", "\"path\": \"x\"", &err, url, sizeof url), -1);
    assert_null(strstr(err.msg, "c2VjcmV0"));
    s = (struct service){.broken = 100};
    assert_int_equal(run(&s, "abc", "\"path\": \"x\"", &err, url, sizeof url), -1);
    assert_string_equal(err_name(&err), "WORKER_JOB_ERROR");
}

static void
what_could_mean_another_address_or_header_is_refused_before_anything_is_sent(void **state)
{
    static const char *const rows[][2] = {
        {"\"path\": \"a/../../other/x\"", "path"},
        {"\"path\": \"a//x\"", "path"},
        {"\"path\": \"a\\nb\"", "path"},
        {"\"path\": \"x\", \"metadata\": {\"a-b\": \"c\"}", "metadata"},
        {"\"path\": \"x\", \"metadata\": {\"a\\nb\": \"c\"}", "metadata"},
        {"\"path\": \"x\", \"metadata\": {\"a\": \"c\\r\\nd: e\"}", "metadata"},
        {"\"path\": \"x\", \"metadata\": [1]", "metadata"},
        {"\"path\": \"x\", \"content_type\": \"a/b\\nx: y\"", "content_type"},
        {"\"path\": \"x\", \"cache_control\": \"\xc3\xa9\"", "cache_control"},
        {"\"path\": \"x\", \"sas_permissions\": \"x\"", "sas_permissions"},
        {"\"path\": \"x\", \"container\": \"a/b\"", "container"},
        {"\"path\": \"x\", \"account\": \"evil.example/\"", "account"},
        {"\"path\": \"x\", \"key\": \"no base64!\"", "key"},
    };
    struct service s = {0};
    struct err err;
    char url[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (run(&s, "abc", rows[i][0], &err, url, sizeof url) == 0)
            fail_msg("%s goes", rows[i][0]);
        assert_string_equal(err_name(&err), "AZURE_STORE_VALIDATION");
        if (!strstr(err.msg, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], err.msg);
    }
    assert_null(s.said.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_is_what_the_documentation_says),
        cmocka_unit_test(a_signed_address_is_what_openssl_signs),
        cmocka_unit_test(a_small_file_goes_in_one_request_with_its_md5_and_all_that_is_said_of_it),
        cmocka_unit_test(a_large_one_goes_in_blocks_and_again_when_somebody_else_threw_them_away),
        cmocka_unit_test(a_wrong_clock_of_ours_is_corrected_by_the_servers),
        cmocka_unit_test(what_the_service_says_is_told_but_never_the_key),
        cmocka_unit_test(
            what_could_mean_another_address_or_header_is_refused_before_anything_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
