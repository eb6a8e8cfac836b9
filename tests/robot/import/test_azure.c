/* /azure/import against a server of the test's own: listings that lie, pages, broken lines and
 * wrong sums. A real one (Azurite) is in tests/transfer/azure.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"
#include "transfer/azure.h"

#include <stdio.h>
#include <string.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults>"
#define BLOB(name)                                                                                 \
    "<Blob><Name>" name "</Name><Properties><Content-Length>3</Content-Length></Properties></"     \
                        "Blob>"

static char *names_of(const char *xml, char **next)
{
    AUTO(json_unref) json_t *names = json_array();

    return azure_read_list(names, next, xml, strlen(xml)) < 0 ? NULL : json_text(names);
}

static void a_listing_gives_its_names_and_how_to_go_on(void **state)
{
    static const char *const rows[][3] = {
        {HEAD "<Blobs>" BLOB("a&amp;b &#x65E5;")
             BLOB("d/") "</Blobs><NextMarker>m&lt;1</NextMarker></EnumerationResults>",
         "[\"a&b \xe6\x97\xa5\"]", "m<1"},
        {"\xef\xbb\xbf" HEAD "<Blobs><BlobPrefix><Name>dir/</Name></BlobPrefix></Blobs><NextMarker "
                             "/></EnumerationResults>",
         "[]", NULL},
        {HEAD "<Blobs><Blob><Name "
              "Encoded=\"true\">a%EF%BF%BEb%25</Name></Blob></Blobs></EnumerationResults>",
         "[\"a\xef\xbf\xbe"
         "b%\"]",
         NULL},
        {HEAD
         "<Blobs><Blob><Name>d</Name><Properties><ResourceType>directory</ResourceType></"
         "Properties></Blob>"
         "<Blob><Name>e</Name><Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>" BLOB(
             "f") "<Blob><Metadata><Name>no</Name></Metadata><Name>g</Name></Blob></Blobs></"
                  "EnumerationResults>",
         "[\"f\",\"g\"]", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *next = NULL;
        AUTO(mem_free) char *names = names_of(rows[i][0], &next);

        assert_non_null(names);
        assert_string_equal(names, rows[i][1]);
        assert_string_equal(next ? next : "none", rows[i][2] ? rows[i][2] : "none");
        free(next);
    }
}

static void a_listing_that_is_none_is_refused_and_entities_are_never_looked_at(void **state)
{
    static const char *const rows[] = {
        "",
        "{}",
        "<html></html>",
        "<Error><Code>x</Code></Error>",
        HEAD "<Blobs>" BLOB("a"),
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>" HEAD
        "<Blobs>" BLOB("&e;") "</Blobs></EnumerationResults>",
        "<!DOCTYPE x [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]>" HEAD
        "<Blobs>" BLOB("&b;") "</Blobs></EnumerationResults>",
        HEAD "<Blobs>" BLOB("&e;") "</Blobs></EnumerationResults>",
        HEAD "<Blobs><Blob><Name Encoded=\"true\">a%00b</Name></Blob></Blobs></EnumerationResults>",
        HEAD "<Blobs><Blob><Name Encoded=\"true\">a%zz</Name></Blob></Blobs></EnumerationResults>",
        HEAD "<Blobs>" BLOB("") "</Blobs></EnumerationResults>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *next = NULL;
        AUTO(mem_free) char *names = names_of(rows[i], &next);

        if (names)
            fail_msg("%s gives %s", rows[i], names);
        assert_null(next);
    }
    AUTO(str_done) struct str deep = {0}, many = {0}, large = {0};
    str_puts(&deep, HEAD);
    for (int i = 0; i < 100; i++)
        str_puts(&deep, "<a>");
    str_addf(&many, HEAD "<Blobs>");
    for (int i = 0; i < 5001; i++)
        str_puts(&many, BLOB("a"));
    str_puts(&many, "</Blobs></EnumerationResults>");
    str_puts(&large, HEAD "<Blobs><Blob><Name>");
    for (int i = 0; i < 1000; i++)
        str_puts(&large, "0123456789");
    str_puts(&large, "</Name></Blob></Blobs></EnumerationResults>");
    char *next;
    assert_null(names_of(deep.s, &next));
    assert_null(names_of(many.s, &next));
    assert_null(names_of(large.s, &next));
}

/* ---- a server ---- */

struct service {
    int gets, breaks; /* breaks: answers that end too early */
    const char *md5;  /* of the blob "sum" */
    char ranges[400], matches[400];
    char listed[2000];
};

static const char text[] = "0123456789";

static void give_blob(struct service *s, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *range = origin_header(q, "range");
    AUTO(mem_free) char *match = origin_header(q, "if-match");
    int from = 0;

    s->gets++;
    snprintf(s->ranges + strlen(s->ranges), sizeof s->ranges - strlen(s->ranges), "%s ", range);
    snprintf(s->matches + strlen(s->matches), sizeof s->matches - strlen(s->matches), "%s ", match);
    sscanf(range, "bytes=%d-", &from);
    if (strstr(q->target, "gone")) {
        origin_say(out, 404, "", "<Error><Message>not there</Message></Error>");
        return;
    }
    if (strstr(q->target, "changes") && from) {
        origin_say(out, 412, "", "");
        return;
    }
    if (strstr(q->target, "moves"))
        from++;
    AUTO(mem_free)
    char *headers =
        mem_printf("Content-Range: bytes %d-9/10\r\nETag: \"e\"\r\nContent-Type: "
                   "text/plain\r\nContent-Encoding: gzip\r\n%s%s\r\n",
                   from, s->md5 ? "x-ms-blob-content-md5: " : "X: ", s->md5 ? s->md5 : "");
    if (s->breaks) {
        s->breaks--;
        str_addf(out, "HTTP/1.1 206 Part\r\n%sContent-Length: %d\r\n\r\n%.4s", headers, 10 - from,
                 text + from);
    } else if (strstr(q->target, "lies")) {
        str_addf(out, "HTTP/1.1 206 Part\r\n%s\r\n%s%s", headers, text + from, "more");
    } else {
        origin_say(out, 206, headers, text + from);
    }
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct service *s = ctx;

    if (!strstr(q->target, "comp=list")) {
        give_blob(s, q, out);
        return;
    }
    snprintf(s->listed + strlen(s->listed), sizeof s->listed - strlen(s->listed), "%s\n",
             q->target);
    if (strstr(q->target, "prefix=up"))
        origin_say(out, 200, "",
                   HEAD "<Blobs>" BLOB("up/../../other/x") "</Blobs></EnumerationResults>");
    else if (strstr(q->target, "prefix=holes") && !strstr(q->target, "marker=h3"))
        origin_say(out, 200, "",
                   strstr(q->target, "marker=h2")
                       ? HEAD "<Blobs/><NextMarker>h3</NextMarker></EnumerationResults>"
                       : HEAD "<Blobs/><NextMarker>h2</NextMarker></EnumerationResults>");
    else if (strstr(q->target, "prefix=never"))
        origin_say(out, 200, "", HEAD "<Blobs/><NextMarker>m</NextMarker></EnumerationResults>");
    else if (strstr(q->target, "marker="))
        origin_say(out, 200, "",
                   HEAD "<Blobs>" BLOB("d/c") "</Blobs><NextMarker/></EnumerationResults>");
    else
        origin_say(out, 200, "",
                   HEAD "<Blobs>" BLOB("d/a")
                       BLOB("d/b") "</Blobs><NextMarker>t&amp;1</NextMarker></EnumerationResults>");
}

struct bed {
    struct origin *origin;
    struct robot_job *job;
    struct err err;
};

static struct bed bed_new(struct service *s)
{
    struct bed b = {.origin = origin_start(answer, s), .job = host_new()};
    AUTO(mem_free) char *url = mem_printf("http://%s", origin_host(b.origin));

    jset(host_settings(b.job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b.job), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(b.job), "endpoints", json_pack("{s:s}", "azure", url));
    return b;
}

static void bed_done(struct bed b)
{
    origin_end(b.origin);
    host_free(b.job);
}
DEFINE_AUTO(struct bed, bed_done)

static int run(struct bed *b, const char *more)
{
    AUTO(mem_free)
    char *step = mem_printf(
        "{\"account\": \"acc\", \"container\": \"con\", \"key\": \"c2VjcmV0IGtleQ==\", %s}", more);

    b->err = (struct err){0};
    return host_run(b->job, "/azure/import", step, &b->err);
}

static void holds_all(const struct bed *b, int i)
{
    char have[100] = "";
    FILE *f = fopen(host_output(b->job, i)->path, "re");

    assert_non_null(f);
    (void)!fread(have, 1, sizeof have - 1, f);
    fclose(f);
    assert_string_equal(have, text);
}

static void a_broken_line_is_taken_up_where_it_broke_if_the_blob_is_the_same(void **state)
{
    struct service s = {.breaks = 2, .md5 = "eB5eJF1ptWaXm4bijSPyxw=="};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    if (run(&b, "\"path\": \"d/a b.txt\"") < 0)
        fail_msg("%s", b.err.msg);
    holds_all(&b, 0);
    assert_string_equal(s.ranges, "bytes=0- bytes=4- bytes=8- ");
    assert_string_equal(s.matches, " \"e\" \"e\" ");
    assert_string_equal(host_output(b.job, 0)->name, "a b.txt");
    assert_string_equal(jstr(host_output(b.job, 0)->extra, "original_path"), "/d/");
    s = (struct service){.breaks = 1};
    assert_int_equal(run(&b, "\"path\": \"changes\""), 0);
    holds_all(&b, 0);
    assert_string_equal(s.ranges, "bytes=0- bytes=4- bytes=0- ");
}

static void what_is_not_what_was_announced_is_no_file(void **state)
{
    static const char *const rows[][3] = {{"gone", "AZURE_IMPORT_NOT_FOUND", "not there"},
                                          {"moves", "AZURE_IMPORT_FAILURE", "another range"},
                                          {"lies", "AZURE_IMPORT_FAILURE", "more bytes"},
                                          {"sum", "AZURE_IMPORT_FAILURE", "MD5"},
                                          {"a/../b", "AZURE_IMPORT_FAILURE", "no names"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct service s = {.md5 = strcmp(rows[i][0], "sum") ? NULL : "AAAAAAAAAAAAAAAAAAAAAA=="};
        AUTO(bed_done) struct bed b = bed_new(&s);
        AUTO(mem_free) char *step = mem_printf("\"path\": \"%s\"", rows[i][0]);

        assert_int_equal(run(&b, step), -1);
        assert_string_equal(err_name(&b.err), rows[i][1]);
        if (!strstr(b.err.msg, rows[i][2]))
            fail_msg("%s: %s", rows[i][0], b.err.msg);
        assert_int_equal(host_output_count(b.job), 0);
    }
}

static void a_directory_comes_page_by_page_and_a_page_says_how_to_go_on(void **state)
{
    struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    assert_int_equal(run(&b, "\"path\": \"/d/\""), 0);
    assert_int_equal(host_output_count(b.job), 3);
    assert_string_equal(s.listed, "/acc/"
                                  "con?restype=container&comp=list&include=metadata&maxresults="
                                  "1000&prefix=d%2F&delimiter=%2F\n"
                                  "/acc/"
                                  "con?restype=container&comp=list&include=metadata&maxresults="
                                  "1000&prefix=d%2F&delimiter=%2F&marker=t%261\n");
    s = (struct service){0};
    assert_int_equal(run(&b, "\"path\": \"d/\", \"recursive\": true, \"files_per_page\": 2"), 0);
    assert_int_equal(host_output_count(b.job), 2);
    assert_string_equal(jstr(host_output(b.job, 1)->meta, "next_page_token"), "t&1");
    assert_string_equal(
        s.listed,
        "/acc/con?restype=container&comp=list&include=metadata&maxresults=2&prefix=d%2F\n");
    s = (struct service){0};
    assert_int_equal(run(&b, "\"path\": \"/\", \"recursive\": true, \"next_page_token\": \"t&1\""),
                     0);
    assert_int_equal(host_output_count(b.job), 1);
    assert_null(jstr(host_output(b.job, 0)->meta, "next_page_token"));
    assert_string_equal(
        s.listed,
        "/acc/con?restype=container&comp=list&include=metadata&maxresults=1000&marker=t%261\n");
}

static void
pages_without_files_are_passed_but_not_for_ever_and_no_name_leads_out_of_the_container(void **state)
{
    struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    assert_int_equal(run(&b, "\"path\": \"holes/\", \"recursive\": true"), 0);
    assert_int_equal(host_output_count(b.job), 1);
    assert_int_equal(run(&b, "\"path\": \"never/\""), -1);
    assert_non_null(strstr(b.err.msg, "empty pages"));
    assert_int_equal(run(&b, "\"path\": \"up/\""), -1);
    assert_non_null(strstr(b.err.msg, "no names"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_gives_its_names_and_how_to_go_on),
        cmocka_unit_test(a_listing_that_is_none_is_refused_and_entities_are_never_looked_at),
        cmocka_unit_test(a_broken_line_is_taken_up_where_it_broke_if_the_blob_is_the_same),
        cmocka_unit_test(what_is_not_what_was_announced_is_no_file),
        cmocka_unit_test(a_directory_comes_page_by_page_and_a_page_says_how_to_go_on),
        cmocka_unit_test(
            pages_without_files_are_passed_but_not_for_ever_and_no_name_leads_out_of_the_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
