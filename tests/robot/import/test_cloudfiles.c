/* /cloudfiles/import against a server of the test's own: catalogs and listings that lie, tokens
 * that end, wrong sums. A real gateway is in tests/transfer/cloudfiles.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"
#include "transfer/swift.h"

#include <stdio.h>
#include <string.h>

static const char *access_of(struct swift_access *out, json_t **answer, const char *catalog,
                             const char *region)
{
    AUTO(mem_free)
    char *text = mem_printf(
        "{\"access\": {\"token\": {\"id\": \"t\"}, \"user\": {\"RAX-AUTH:defaultRegion\": \"ORD\"},"
        " \"serviceCatalog\": %s}}",
        catalog);

    *answer = json_loads(text, 0, NULL);
    if (!*answer)
        fail_msg("no JSON: %s", text);
    return swift_read_access(out, *answer, region);
}

#define STORE(rest) "{\"type\": \"object-store\", \"endpoints\": " rest "}"

static void a_catalog_gives_the_store_of_the_data_center_or_of_the_user(void **state)
{
    static const char *const rows[][3] = {
        {"[" STORE("[{\"region\": \"DFW\", \"publicURL\": \"https://d\"}, {\"region\": \"ORD\", "
                   "\"publicURL\": \"https://o\"}]") "]",
         "dfw", "https://d"},
        {"[" STORE("[{\"region\": \"DFW\", \"publicURL\": \"https://d\"}, {\"region\": \"ORD\", "
                   "\"publicURL\": \"https://o\"}]") "]",
         NULL, "https://o"},
        {"[5, null, {}, " STORE("{}") ", " STORE(
             "[7, {\"region\": 5, \"publicURL\": \"https://x\"}, {\"region\": \"ORD\"}, "
             "{\"region\": \"ORD\", \"publicURL\": \"https://o\"}]") "]",
         "", "https://o"},
        {"[" STORE("[{\"region\": \"DFW\", \"publicURL\": \"https://d\"}]") "]", "IAD", NULL},
        {"[" STORE("[{\"region\": \"IAD\", \"publicURL\": 5}]") "]", "IAD", NULL},
        {"[{\"type\": \"compute\", \"endpoints\": [{\"region\": \"IAD\", \"publicURL\": "
         "\"https://d\"}]}]",
         "IAD", NULL},
        {"\"x\"", "IAD", NULL},
        {"{}", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *answer = NULL;
        struct swift_access access;
        const char *wrong = access_of(&access, &answer, rows[i][0], rows[i][1]);

        if (!wrong != !!rows[i][2])
            fail_msg("%s: %s", rows[i][0], wrong ? wrong : "fine");
        if (!wrong)
            assert_string_equal(access.storage, rows[i][2]);
    }
}

static void a_token_goes_to_no_odd_address_and_never_from_a_closed_line_to_an_open_one(void **state)
{
    static const char *const bad[] = {"",
                                      "ftp://h",
                                      "http://",
                                      "https:///x",
                                      "https://h@evil",
                                      "https://h/?a=b",
                                      "https://h/#a",
                                      "https://h h",
                                      "https://h\r\nX: y",
                                      "file:///etc/passwd",
                                      "http://h"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (swift_is_storage(bad[i], "https://identity/v2.0"))
            fail_msg("'%s'", bad[i]);
    assert_true(swift_is_storage("https://h/v1/a", "https://identity/v2.0"));
    assert_true(swift_is_storage("http://h/v1/a", "http://identity/v2.0"));
}

static void a_listing_gives_its_names_and_the_place_behind_them(void **state)
{
    static const struct {
        const char *text;
        int64_t n;
        const char *names, *marker;
    } rows[] = {
        {"[{\"name\": \"a/1\", \"hash\": \"x\"}, {\"subdir\": \"a/b/\"}]", 2, "[\"a/1\"]",
         "a/b/\xf4\x8f\xbf\xbf"},
        {"[{\"subdir\": \"a/b/\"}, {\"name\": \"a/\"}, {\"name\": \"d\", \"content_type\": "
         "\"application/directory\"}, {\"name\": \"z\"}]",
         4, "[\"z\"]", "z"},
        {"[]", 0, "[]", NULL},
        {"[{\"name\": \"a\"}, {}]", -1, NULL, NULL},
        {"[{\"name\": 5}]", -1, NULL, NULL},
        {"[{\"name\": \"\"}]", -1, NULL, NULL},
        {"{}", -1, NULL, NULL},
        {"", -1, NULL, NULL},
        {"[{\"name\": \"a\"}, ", -1, NULL, NULL},
        {"[[[[[[[[1]]]]]]]]", -1, NULL, NULL},
        {"[{\"name\": \"1\"}, {\"name\": \"2\"}, {\"name\": \"3\"}, {\"name\": \"4\"}, {\"name\": "
         "\"5\"}]",
         -1, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *names = json_array();
        AUTO(mem_free) char *marker = NULL;

        assert_int_equal(swift_read_list(names, &marker, rows[i].text, strlen(rows[i].text), 4),
                         rows[i].n);
        assert_string_equal(marker ? marker : "none", rows[i].marker ? rows[i].marker : "none");
        AUTO(mem_free) char *text = json_text(names);
        if (rows[i].names)
            assert_string_equal(text, rows[i].names);
    }
}

/* ---- a server ---- */

struct service {
    const char *url, *storage; /* storage: what the catalog has, NULL: this server */
    int tokens, uses;          /* uses: how often a token is taken; 0: for ever */
    int used;
    char listed[1000], ranges[200];
    int breaks;
    const char *headers; /* of objects */
};

static const char text[] = "0123456789";

static void give_object(struct service *s, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *range = origin_header(q, "range");
    int from = 0;

    snprintf(s->ranges + strlen(s->ranges), sizeof s->ranges - strlen(s->ranges), "%s ", range);
    sscanf(range, "bytes=%d-", &from);
    AUTO(mem_free)
    char *headers = mem_printf("Content-Range: bytes %d-9/10\r\n%s", from, s->headers);
    if (s->breaks && s->breaks--)
        str_addf(out, "HTTP/1.1 206 Part\r\n%sContent-Length: %d\r\n\r\n%.4s", headers, 10 - from,
                 text + from);
    else if (strstr(q->target, "lies"))
        str_addf(out, "HTTP/1.1 206 Part\r\n%s\r\n%s%s", headers, text + from, "more");
    else
        origin_say(out, 206, headers, text + from);
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct service *s = ctx;
    AUTO(mem_free) char *token = origin_header(q, "x-auth-token");

    if (!strcmp(q->target, "/v2.0/tokens")) {
        bool known = q->body.s && strstr(q->body.s, "\"apiKey\":\"sesame\"") &&
                     strstr(q->body.s, "\"username\":\"al\\\"ice\"");
        AUTO(mem_free)
        char *body =
            mem_printf("{\"access\": {\"token\": {\"id\": \"t%d\"}, \"serviceCatalog\": "
                       "[{\"type\": \"object-store\","
                       "\"endpoints\": [{\"region\": \"DFW\", \"publicURL\": \"%s/v1/acc/\"}]}]}}",
                       ++s->tokens, s->storage ? s->storage : s->url);
        s->used = 0;
        origin_say(out, known ? 200 : 401, "",
                   known ? body : "{\"unauthorized\": {\"message\": \"no sesame\"}}");
        return;
    }
    AUTO(mem_free) char *want = mem_printf("t%d", s->tokens);
    if (strcmp(token, want) != 0 || (s->uses && s->used++ >= s->uses)) {
        origin_say(out, 401, "", "");
        return;
    }
    if (!strstr(q->target, "format=json")) {
        give_object(s, q, out);
        return;
    }
    snprintf(s->listed + strlen(s->listed), sizeof s->listed - strlen(s->listed), "%s\n",
             q->target);
    origin_say(out, 200, "",
               strstr(q->target, "marker=d%2Fb")   ? "[{\"name\": \"d/c\"}]"
               : strstr(q->target, "marker=d%2Fc") ? "[]"
               : strstr(q->target, "prefix=up")    ? "[{\"name\": \"up/../../x\"}]"
                                                   : "[{\"name\": \"d/a\"}, {\"name\": \"d/b\"}]");
}

struct bed {
    struct origin *origin;
    struct robot_job *job;
    char *url;
    struct err err;
};

static struct bed bed_new(struct service *s)
{
    struct bed b = {.origin = origin_start(answer, s), .job = host_new()};

    b.url = mem_printf("http://%s", origin_host(b.origin));
    s->url = b.url;
    if (!s->headers)
        s->headers = "ETag: 781e5e245d69b566979b86e28d23f2c7\r\n";
    jset(host_settings(b.job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b.job), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(b.job), "endpoints", json_pack("{s:s}", "rackspace", b.url));
    return b;
}

static void bed_done(struct bed b)
{
    origin_end(b.origin);
    host_free(b.job);
    free(b.url);
}
DEFINE_AUTO(struct bed, bed_done)

static int run(struct bed *b, const char *key, const char *more)
{
    AUTO(mem_free)
    char *step = mem_printf(
        "{\"user\": \"al\\\"ice\", \"key\": \"%s\", \"container\": \"con\", %s}", key, more);

    b->err = (struct err){0};
    return host_run(b->job, "/cloudfiles/import", step, &b->err);
}

static void a_token_that_ends_is_renewed_and_the_files_go_on(void **state)
{
    struct service s = {.uses = 2};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    if (run(&b, "sesame", "\"path\": [\"x/1\", \"x/2\", \"x/3\", \"x/4\", \"x/5\"]") < 0)
        fail_msg("%s", b.err.msg);
    assert_int_equal(host_output_count(b.job), 5);
    assert_int_equal(s.tokens, 3);
    assert_string_equal(jstr(host_output(b.job, 0)->extra, "original_path"), "/x/");
    assert_string_equal(host_output(b.job, 4)->name, "5");
}

static void a_wrong_key_and_a_catalog_that_leads_elsewhere_are_told(void **state)
{
    struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    assert_int_equal(run(&b, "simsim", "\"path\": \"x\""), -1);
    assert_string_equal(err_name(&b.err), "CLOUDFILES_IMPORT_ACCESS_DENIED");
    assert_int_equal(run(&b, "sesame", "\"path\": \"x\", \"data_center\": \"hkg\""), -1);
    assert_string_equal(err_name(&b.err), "CLOUDFILES_IMPORT_FAILURE");
    assert_non_null(strstr(b.err.msg, "data center"));
    s.storage = "http://10.0.0.1";
    assert_int_equal(run(&b, "sesame", "\"path\": \"x\""), -1);
    assert_string_equal(err_name(&b.err), "CLOUDFILES_IMPORT_ACCESS_DENIED");
    assert_true(b.err.is_private_address);
    s.storage = "gopher://h";
    assert_int_equal(run(&b, "sesame", "\"path\": \"x\""), -1);
    assert_non_null(strstr(b.err.msg, "no address"));
    assert_null(strstr(b.err.msg, "sesame"));
}

static void a_broken_line_is_taken_up_and_what_came_is_checked(void **state)
{
    struct service s = {.breaks = 1};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    assert_int_equal(run(&b, "sesame", "\"path\": \"x\""), 0);
    assert_string_equal(s.ranges, "bytes=0- bytes=4- ");
    s.headers = "ETag: 00000000000000000000000000000000\r\n";
    assert_int_equal(run(&b, "sesame", "\"path\": \"x\""), -1);
    assert_non_null(strstr(b.err.msg, "MD5"));
    s.headers =
        "ETag: \"00000000000000000000000000000000\"\r\nX-Static-Large-Object: True\r\n"; /* none of
                                                                                            its
                                                                                            bytes */
    assert_int_equal(run(&b, "sesame", "\"path\": \"x\""), 0);
    assert_int_equal(run(&b, "sesame", "\"path\": \"lies\""), -1);
    assert_non_null(strstr(b.err.msg, "more bytes"));
    assert_int_equal(run(&b, "sesame", "\"path\": \"up/\""), -1);
    assert_non_null(strstr(b.err.msg, "no names"));
}

static void a_directory_comes_page_by_page_and_a_page_by_its_number(void **state)
{
    struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    assert_int_equal(run(&b, "sesame", "\"path\": \"/d/\", \"files_per_page\": 2"), 0);
    assert_int_equal(host_output_count(b.job), 3);
    assert_string_equal(s.listed,
                        "/v1/acc/con?format=json&limit=2&prefix=d%2F&delimiter=%2F\n"
                        "/v1/acc/con?format=json&limit=2&prefix=d%2F&delimiter=%2F&marker=d%2Fb\n");
    *s.listed = 0;
    assert_int_equal(
        run(&b, "sesame",
            "\"path\": \"/\", \"recursive\": true, \"files_per_page\": 2, \"page_number\": 2"),
        0);
    assert_int_equal(host_output_count(b.job), 1);
    assert_string_equal(host_output(b.job, 0)->name, "c");
    assert_string_equal(
        s.listed,
        "/v1/acc/con?format=json&limit=2\n/v1/acc/con?format=json&limit=2&marker=d%2Fb\n");
    assert_int_equal(
        run(&b, "sesame",
            "\"path\": \"/\", \"recursive\": true, \"files_per_page\": 2, \"page_number\": 3"),
        -1);
    assert_string_equal(err_name(&b.err), "CLOUDFILES_IMPORT_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_catalog_gives_the_store_of_the_data_center_or_of_the_user),
        cmocka_unit_test(
            a_token_goes_to_no_odd_address_and_never_from_a_closed_line_to_an_open_one),
        cmocka_unit_test(a_listing_gives_its_names_and_the_place_behind_them),
        cmocka_unit_test(a_token_that_ends_is_renewed_and_the_files_go_on),
        cmocka_unit_test(a_wrong_key_and_a_catalog_that_leads_elsewhere_are_told),
        cmocka_unit_test(a_broken_line_is_taken_up_and_what_came_is_checked),
        cmocka_unit_test(a_directory_comes_page_by_page_and_a_page_by_its_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
