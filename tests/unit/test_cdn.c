/* Requests by URL, piece by piece: the address, its signature, what may be asked for, what is kept. */
#include "api/cdn_address.h"
#include "api/cdn_cache.h"
#include "api/cdn_result.h"
#include "api/cdn_sign.h"
#include "base/clock.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define KEY "demo-key-0001"
#define SECRET "demo-secret-0001"
#define WS "0123456789abcdef0123456789abcdef"

static struct cdn_address *read_address(const char *workspace, const char *path, const char *query)
{
    struct cdn_address *a = NULL;
    struct err err = {0};

    if (cdn_address_read(&a, workspace, path, query, &err) < 0)
        fail_msg("%s?%s: %s", path, query ? query : "", err.msg);
    return a;
}

/* ---- the address ---- */

static void an_address_is_taken_apart_and_decoded_once(void **state)
{
    AUTO(cdn_address_free)
    struct cdn_address *a = read_address(NULL, "/cdn/a%63me/th%20umbs/cats%2Ftom/%2531.jpg", "w=1+2&h=%2B&w=3&&e");
    AUTO(json_unref) json_t *fields = cdn_address_fields(a);
    AUTO(json_unref)
    json_t *want = json_pack("{s:s,s:s,s:[s,s],s:s}", "e", "", "h", "+", "w", "1 2", "3", "input", "cats/tom/%31.jpg");
    (void)state;

    assert_string_equal(a->workspace, "acme");
    assert_string_equal(a->template, "th umbs");
    assert_string_equal(a->input, "cats/tom/%31.jpg");
    assert_true(json_equal(fields, want));
}

static void what_signs_is_no_field_and_no_param_takes_the_inputs_place(void **state)
{
    AUTO(cdn_address_free)
    struct cdn_address *a = read_address("acme", "/t/x", "auth_key=k&exp=1&%73ig=sha256:0&s=old&input=y&input=z");
    AUTO(json_unref) json_t *fields = cdn_address_fields(a);
    (void)state;

    assert_int_equal(json_object_size(fields), 1);
    assert_string_equal(jstr_or(fields, "input", ""), "x");
    assert_string_equal(a->sig, "sha256:0");
    assert_string_equal(a->raw_query, "auth_key=k&exp=1&s=old&input=y&input=z"); /* what was signed, without sig */
}

static void params_are_sorted_as_javascript_does_and_stay_in_order_within_a_name(void **state)
{
    /* U+1F600 is two units of 16 bits there, which come before U+FFFF */
    AUTO(cdn_address_free)
    struct cdn_address *a =
        read_address("w", "/t/x", "b=2&%EF%BF%BF=4&a=2&%F0%9F%98%80=3&b=1&a=1&B=0&ab=9&exp=7&auth_key=k");
    AUTO(mem_free) char *text = cdn_address_signed(a, "w", false);
    (void)state;

    assert_string_equal(text, "w/t/x?B=0&a=2&a=1&ab=9&auth_key=k&b=2&b=1&exp=7&%F0%9F%98%80=3&%EF%BF%BF=4");
}

static void an_address_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *path, *query;
        enum err_code code;
    } rows[] = {{"/cdn", NULL, ERR_NOT_FOUND},
                {"/cdn/", NULL, ERR_NOT_FOUND},
                {"/cdn/w", NULL, ERR_NOT_FOUND},
                {"/cdn/w/t", NULL, ERR_NOT_FOUND},
                {"/cdn//t/x", NULL, ERR_NOT_FOUND},
                {"/other/w/t/x", NULL, ERR_NOT_FOUND},
                {"/cdn/w/t/%", NULL, ERR_URL_ENCODING},
                {"/cdn/w%00/t/x", NULL, ERR_URL_ENCODING},
                {"/cdn/w/t/%c3", NULL, ERR_URL_ENCODING},
                {"/cdn/w/t/x", "a=%", ERR_URL_ENCODING},
                {"/cdn/w/t/x", "%00", ERR_URL_ENCODING},
                {"/cdn/w/t/..", NULL, ERR_FORM},
                {"/cdn/w/t/a/%2E./b", NULL, ERR_FORM},
                {"/cdn/w/t/a/%252e.", NULL, ERR_FORM},
                {"/cdn/w/t/a%5c%2e%2e%5Cb", NULL, ERR_FORM},
                {"/cdn/w/t/a%252f..", NULL, ERR_FORM},
                {"/cdn/w/t/x", "sig=1&sig=1", ERR_INVALID_SIGNATURE},
                {"/cdn/w/t/x", "exp=1&e%78p=1", ERR_INVALID_SIGNATURE},
                {"/cdn/w/t/x", "auth_key=1&auth_key=1", ERR_INVALID_SIGNATURE}};
    AUTO(str_done) struct str lengthy = {0};
    struct cdn_address *a = NULL;
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (cdn_address_read(&a, NULL, rows[i].path, rows[i].query, &err) == 0)
            fail_msg("%s?%s is taken", rows[i].path, rows[i].query ? rows[i].query : "");
        if (err.code != (int)rows[i].code)
            fail_msg("%s?%s: %s", rows[i].path, rows[i].query ? rows[i].query : "", err_name(&err));
    }
    for (int i = 0; i < CDN_PARAMS_MOST; i++)
        str_addf(&lengthy, "a%d&", i);
    cdn_address_free(read_address(NULL, "/cdn/w/t/x", lengthy.s));
    str_puts(&lengthy, "one-more");
    assert_int_equal(cdn_address_read(&a, NULL, "/cdn/w/t/x", lengthy.s, &err), -1);
    while (lengthy.len <= CDN_ADDRESS_MOST)
        str_putc(&lengthy, '&');
    assert_int_equal(cdn_address_read(&a, NULL, "/cdn/w/t/x", lengthy.s, &err), -1);
    assert_int_equal(err.code, ERR_FORM);
}

static void a_host_names_a_workspace_only_right_below_the_domain(void **state)
{
    static const char *const none[] = {"cdn.test",   ".cdn.test", "a.b.cdn.test",         "xcdn.test",
                                       "cdn.test.a", "127.0.0.1", "a.cdn.test.evil:8080", "a.cdn.testing",
                                       "",           "[::1]:80"};
    AUTO(mem_free) char *name = cdn_host_workspace("ACME-1.CDN.test:8080", "cdn.test");
    (void)state;

    assert_string_equal(name, "acme-1");
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_null(cdn_host_workspace(none[i], "cdn.test"));
    assert_null(cdn_host_workspace(NULL, "cdn.test"));
    assert_null(cdn_host_workspace("a.", ""));
}

static void the_key_of_an_answer_is_of_all_that_decides_it(void **state)
{
    static const char *const others[][2] = {{"/t/y", "a=1&b=2"},    {"/t/x", "a=1&b=3"},      {"/t/x", "a=1"},
                                            {"/t/x", "b=2&a=1&b"},  {"/t/x%3Fa=1&b=2", NULL}, {"/t/x", "a=1%26b=2"},
                                            {"/t/x", "a=1&b=2&b=2"}};
    AUTO(cdn_address_free) struct cdn_address *a = read_address("w", "/t/x", "b=2&a=1&sig=q&exp=1&auth_key=k");
    AUTO(cdn_address_free) struct cdn_address *same = read_address("w", "/t/%78", "a=%31&s=z&&b=2&exp=2");
    char key[65], other[65];
    (void)state;

    cdn_address_key(key, a, WS, "id", 1);
    cdn_address_key(other, same, WS, "id", 1);
    assert_string_equal(key, other);
    cdn_address_key(other, same, WS, "id", 2);
    assert_string_not_equal(key, other);
    cdn_address_key(other, same, WS, "di", 1);
    assert_string_not_equal(key, other);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        AUTO(cdn_address_free) struct cdn_address *b = read_address("w", others[i][0], others[i][1]);

        cdn_address_key(other, b, WS, "id", 1);
        if (!strcmp(key, other))
            fail_msg("%s?%s", others[i][0], others[i][1]);
    }
}

/* ---- the signature ---- */

/* A table of keys lives as long as the process: it is kept where it is no leak. */
static void keys_free(struct keys *k)
{
    static struct keys *all[200];
    static size_t count;

    assert_true(count < ARRAY_LEN(all));
    all[count++] = k;
}
DEFINE_AUTO(struct keys *, keys_free)

static struct keys *keys_with(const char *scopes)
{
    struct keys *all = keys_new();
    struct auth_key *k = mem_zalloc(sizeof *k);

    *k = (struct auth_key){.refs = 1,
                           .id = mem_strdup(WS),
                           .key = mem_strdup(KEY),
                           .secret = mem_strdup(SECRET),
                           .workspace = mem_strdup(WS),
                           .scopes = mem_strdup(scopes),
                           .description = mem_strdup(""),
                           .workspace_name = mem_strdup("Acme")};
    keys_put(all, k);
    return all;
}

static int check(const char *workspace, const char *path, const char *query, bool needed, const char *scopes)
{
    AUTO(keys_free) struct keys *keys = keys_with(scopes);
    AUTO(cdn_address_free) struct cdn_address *a = read_address(workspace, path, query);
    struct err err = {0};
    int rc = cdn_sign_check(a, keys, WS, "Acme", needed, 1000 * SECOND_US, &err);

    keys_remove(keys, WS);
    return rc < 0 ? err.code : 0;
}

/* The contract's own vector: "acme", while the workspace is written "Acme". */
#define VECTOR "auth_key=demo-key-0001&exp=1935817689000&h=90&w=120"
#define MAC "8c6ee419c3cd6d464ea58e2653a281652a0576d60011fbd89f49e798b7c4f337"

static void the_contracts_vector_is_right_in_every_form(void **state)
{
    (void)state;
    assert_int_equal(check("acme", "/thumbs/cats%2Ftom%201.jpg", VECTOR "&sig=sha256:" MAC, true, "*"), 0);
    assert_int_equal(check("acme", "/thumbs/cats/tom%201.jpg", VECTOR "&sig=sha256%3A" MAC, true, "*"), 0);
    assert_int_equal(check("acme", "/%74humbs/cats/tom%201.jpg",
                           "w=120&sig=sha256:" MAC "&h=90&exp=1935817689000&auth_key=demo-key-0001", true, "*"),
                     0);
    assert_int_equal(check("acme", "/thumbs/cats%2Ftom%201.jpg", VECTOR "&sig=sha256:" MAC, true, "assemblies:write"),
                     0);
}

static void anything_else_is_refused_with_its_own_code(void **state)
{
    static const struct {
        const char *path, *query;
        enum err_code code;
    } rows[] = {
        {"/thumbs/cats/tom%201.jpg", "w=120", ERR_NO_SIGNATURE},
        {"/thumbs/cats/tom%201.jpg", VECTOR, ERR_NO_SIGNATURE},
        {"/thumbs/cats/tom%202.jpg", VECTOR "&sig=sha256:" MAC, ERR_INVALID_SIGNATURE},
        {"/others/cats/tom%201.jpg", VECTOR "&sig=sha256:" MAC, ERR_INVALID_SIGNATURE},
        {"/thumbs/cats/tom%201.jpg", VECTOR "&x=1&sig=sha256:" MAC, ERR_INVALID_SIGNATURE},
        {"/thumbs/cats/tom%201.jpg", VECTOR "&s=1&sig=sha256:" MAC "00", ERR_INVALID_SIGNATURE},
        {"/thumbs/cats/tom%201.jpg", VECTOR "&sig=" MAC, ERR_INVALID_SIGNATURE},
        {"/thumbs/cats/tom%201.jpg", VECTOR "&sig=", ERR_INVALID_SIGNATURE},
        {"/thumbs/cats/tom%201.jpg", VECTOR "&sig=sha1:" MAC, ERR_INVALID_SIGNATURE},
        {"/thumbs/cats/tom%201.jpg", "exp=1935817689000&sig=sha256:" MAC, ERR_NO_AUTH_KEY},
        {"/thumbs/cats/tom%201.jpg", "auth_key=demo-key-0001&sig=sha256:" MAC, ERR_NO_EXPIRES},
        {"/thumbs/cats/tom%201.jpg", "auth_key=demo-key-0001&exp=&sig=a", ERR_INVALID_EXPIRES},
        {"/thumbs/cats/tom%201.jpg", "auth_key=demo-key-0001&exp=-1&sig=a", ERR_INVALID_EXPIRES},
        {"/thumbs/cats/tom%201.jpg", "auth_key=demo-key-0001&exp=1e3&sig=a", ERR_INVALID_EXPIRES},
        {"/thumbs/cats/tom%201.jpg", "auth_key=demo-key-0001&exp=9999999999999999&sig=a", ERR_INVALID_EXPIRES},
        {"/thumbs/cats/tom%201.jpg", "auth_key=other&exp=1935817689000&sig=sha256:" MAC, ERR_UNKNOWN_KEY},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int code = check("acme", rows[i].path, rows[i].query, true, "*");

        if (code != (int)rows[i].code)
            fail_msg("%s?%s: %d", rows[i].path, rows[i].query, code);
    }
    assert_int_equal(check("acme", "/t/x", "w=1", false, "*"), 0);
    assert_int_equal(check("acme", "/t/x", VECTOR, false, "*"), ERR_NO_SIGNATURE); /* somebody took it away */
    assert_int_equal(check("other", "/thumbs/cats/tom%201.jpg", VECTOR "&sig=sha256:" MAC, true, "*"),
                     ERR_INVALID_SIGNATURE);
    assert_int_equal(check("acme", "/thumbs/cats/tom%201.jpg", VECTOR "&sig=sha256:" MAC, true, "templates:read"),
                     ERR_SCOPE);
}

static void an_address_is_good_until_its_time_and_no_longer(void **state)
{
    AUTO(keys_free) struct keys *keys = keys_with("*");
    AUTO(cdn_address_free)
    struct cdn_address *a = read_address("acme", "/thumbs/cats/tom%201.jpg", VECTOR "&sig=sha256:" MAC);
    int64_t at = INT64_C(1935817689000000);
    struct err err;
    (void)state;

    assert_int_equal(cdn_sign_check(a, keys, WS, "acme", true, at, &err), 0);
    assert_int_equal(cdn_sign_check(a, keys, WS, "acme", true, at + 1, &err), -1);
    assert_int_equal(err.code, ERR_CDN_EXPIRED);
    assert_int_equal(err_http_status(&err), 403);
    /* the same key, but the Template is another workspace's */
    assert_int_equal(cdn_sign_check(a, keys, "another", "acme", true, at, &err), -1);
    assert_int_equal(err.code, ERR_UNKNOWN_KEY);
    keys_remove(keys, WS);
}

/* ---- what is kept ---- */

static struct cdn_entry *entry(int n, int64_t size, int64_t until_us, bool owns)
{
    AUTO(json_unref)
    json_t *headers = json_pack("{s:s,s:s,s:s,s:s}", "X-A", "b", "content-type", "text/plain", "Set-Cookie", "c", "X-B",
                                "a\r\nSet-Cookie: c");
    char key[65], id[ID_LEN + 1];

    snprintf(key, sizeof key, "%064x", (unsigned)n);
    snprintf(id, sizeof id, "%032x", (unsigned)n);
    struct cdn_entry *e = cdn_entry_new(key, id, size, headers, "tag", 1, until_us);
    e->owns_blob = owns;
    return e;
}

static bool has(struct cdn_cache *c, int n)
{
    char key[65];

    snprintf(key, sizeof key, "%064x", (unsigned)n);
    AUTO(cdn_entry_unref) struct cdn_entry *e = cdn_cache_get(c, key, 5);
    return e != NULL;
}

static void put(struct cdn_cache *c, struct cdn_entry *e)
{
    cdn_cache_put(c, e);
    cdn_entry_unref(e);
}

#define GONE_MOST 16
static int gone(struct cdn_cache *c, char ids[GONE_MOST][ID_LEN + 1]) { return cdn_cache_gone(c, ids, GONE_MOST); }

static void headers_that_no_answer_may_have_are_not_believed(void **state)
{
    AUTO(cdn_entry_unref) struct cdn_entry *e = entry(1, 5, 9, true);
    AUTO(mem_free) char *record = cdn_entry_record(e);
    AUTO(cdn_entry_unref) struct cdn_entry *again = cdn_entry_read(e->key, e->blob_id, 5, record, 9);
    (void)state;

    assert_memory_equal(e->headers, "X-A\0b\0", 7);
    assert_string_equal(e->type, "text/plain");
    assert_string_equal(e->etag, "\"tag\"");
    assert_memory_equal(again->headers, "X-A\0b\0", 7); /* from a row */
    assert_string_equal(again->type, "text/plain");
    assert_string_equal(again->etag, "\"tag\"");
    assert_int_equal(again->stored_us, 1);
    assert_null(cdn_entry_read(e->key, e->blob_id, 5, "{", 9));
    assert_null(cdn_entry_read(e->key, "../../etc/passwd", 5, record, 9));
}

static void the_least_used_go_and_their_blobs_are_told(void **state)
{
    AUTO(cdn_cache_free) struct cdn_cache *c = cdn_cache_new(3 * (1000 + CDN_ENTRY_COST));
    char ids[GONE_MOST][ID_LEN + 1];
    (void)state;

    for (int i = 1; i <= 3; i++)
        put(c, entry(i, 1000, 9, true));
    assert_int_equal(cdn_cache_bytes(c), 3 * (1000 + CDN_ENTRY_COST));
    assert_true(has(c, 1)); /* used: 2 is the oldest now */
    put(c, entry(4, 1000, 9, true));
    assert_true(has(c, 1) && has(c, 3) && has(c, 4) && !has(c, 2));
    assert_int_equal(gone(c, ids), 1);
    assert_string_equal(ids[0], "00000000000000000000000000000002");
    put(c, entry(5, 1 << 20, 9, true)); /* larger than all: pushes nothing out */
    assert_true(has(c, 1) && has(c, 3) && has(c, 4) && !has(c, 5));
    assert_int_equal(gone(c, ids), 1);
    put(c, entry(4, 500, 9, true)); /* in its own place */
    assert_int_equal(cdn_cache_count(c), 3);
    assert_int_equal(gone(c, ids), 1);
    put(c, entry(6, 3000, 9, true)); /* needs the room of two */
    assert_int_equal(cdn_cache_count(c), 2);
    cdn_cache_shrink(c, 0);
    assert_int_equal(cdn_cache_bytes(c), 0);
    assert_int_equal(gone(c, ids), 4);
    assert_int_equal(gone(c, ids), 0);
}

static void what_is_over_is_not_found_and_goes(void **state)
{
    AUTO(cdn_cache_free) struct cdn_cache *c = cdn_cache_new(1 << 20);
    char ids[GONE_MOST][ID_LEN + 1];
    (void)state;

    put(c, entry(1, 10, 5, true)); /* has() asks at 5 */
    put(c, entry(2, 10, 6, true));
    put(c, entry(3, 10, 7, false));
    assert_false(has(c, 1));
    assert_true(has(c, 2));
    cdn_cache_expire(c, 7);
    assert_int_equal(cdn_cache_count(c), 0);
    assert_int_equal(gone(c, ids), 2); /* the third had no blob of its own */
}

static void an_entry_that_went_before_it_got_its_blob_says_so(void **state)
{
    AUTO(cdn_cache_free) struct cdn_cache *c = cdn_cache_new(1 << 20);
    AUTO(cdn_entry_unref) struct cdn_entry *stays = entry(1, 10, 9, false);
    AUTO(cdn_entry_unref) struct cdn_entry *goes = entry(2, 10, 9, false);
    char ids[GONE_MOST][ID_LEN + 1];
    (void)state;

    cdn_cache_put(c, stays);
    cdn_cache_put(c, goes);
    put(c, entry(3, 10, 9, false));
    cdn_cache_drop(c, goes);
    cdn_cache_drop(c, goes); /* nothing more */
    assert_false(cdn_cache_settle(c, goes, WS));
    assert_true(cdn_cache_settle(c, stays, WS));
    assert_false(cdn_cache_settle(c, stays, WS)); /* it is another one now */
    assert_int_equal(cdn_cache_count(c), 2);
    assert_int_equal(cdn_cache_bytes(c), 2 * (10 + CDN_ENTRY_COST));
    AUTO(cdn_entry_unref) struct cdn_entry *now = cdn_cache_get(c, stays->key, 5);
    assert_string_equal(now->blob_id, WS);
    assert_true(now->owns_blob);
    assert_int_equal(gone(c, ids), 0);
    cdn_cache_shrink(c, 0);
    assert_int_equal(gone(c, ids), 1);
    assert_string_equal(ids[0], WS);
}

/* ---- what came of it ---- */

static int result(struct cdn_entry **out, const char *status, struct err *err)
{
    AUTO(json_unref) json_t *s = json_reads(status);
    AUTO(json_unref)
    json_t *steps = json_reads("{\"a\":{\"robot\":\"/image/resize\"},\"b\":{\"robot\":\"/file/serve\"},"
                               "\"c\":{\"robot\":\"/file/serve\"}}");

    assert_non_null(s);
    *err = (struct err){0};
    return cdn_result_read(out, s, steps, "key", 100, err);
}

#define FILE_JSON(id, cc)                                                                                              \
    "{\"id\":\"" id "\",\"size\":7,\"md5hash\":\"m\",\"meta\":{\"serve\":{\"headers\":{\"cache-Control\":\"" cc "\"}}" \
                                                                                                                "}}"

static void the_first_file_of_the_first_step_that_serves_is_the_answer(void **state)
{
    struct cdn_entry *e = NULL;
    struct err err;
    (void)state;

    assert_int_equal(
        result(&e,
               "{\"ok\":\"ASSEMBLY_COMPLETED\",\"results\":{\"a\":[" FILE_JSON(
                   "00000000000000000000000000000001",
                   "") "],\"b\":[],\"c\":[" FILE_JSON("00000000000000000000000000000002",
                                                      "max-age=5, s-maxage=3") "," FILE_JSON("0000000000000000000000000"
                                                                                             "0000003",
                                                                                             "") "]}}",
               &err),
        0);
    assert_string_equal(e->blob_id, "00000000000000000000000000000002");
    assert_int_equal(e->size, 7);
    assert_string_equal(e->etag, "\"m\"");
    assert_int_equal(e->until_us, 100 + 3 * SECOND_US);
    cdn_entry_unref(e);
    assert_int_equal(result(&e,
                            "{\"ok\":\"ASSEMBLY_COMPLETED\",\"results\":{\"b\":[" FILE_JSON(
                                "00000000000000000000000000000002", "no-store") "]}}",
                            &err),
                     0);
    assert_int_equal(e->until_us, 100); /* not to be kept */
    cdn_entry_unref(e);
}

static void a_failure_has_the_status_of_what_it_is_called(void **state)
{
    static const struct {
        const char *json, *name;
        int status;
    } rows[] = {
        {"{\"ok\":\"ASSEMBLY_COMPLETED\",\"results\":{}}", "FILE_SERVE_NO_RESULT", 404},
        {"{\"ok\":\"ASSEMBLY_COMPLETED\",\"results\":{\"b\":[{\"id\":\"../x\"}]}}", "FILE_SERVE_NO_RESULT", 404},
        {"{\"ok\":\"ASSEMBLY_CANCELED\"}", "CANNOT_ACCEPT_NEW_ASSEMBLIES", 503},
        {"{\"error\":\"HTTP_IMPORT_NOT_FOUND\",\"message\":\"m\"}", "HTTP_IMPORT_NOT_FOUND", 404},
        {"{\"error\":\"SFTP_IMPORT_NOT_FOUND\"}", "SFTP_IMPORT_NOT_FOUND", 404},
        {"{\"error\":\"DROPBOX_IMPORT_ACCESS_DENIED\"}", "DROPBOX_IMPORT_ACCESS_DENIED", 403},
        {"{\"error\":\"IMAGE_RESIZE_VALIDATION\"}", "IMAGE_RESIZE_VALIDATION", 400},
        {"{\"error\":\"WORKER_JOB_ERROR\"}", "WORKER_JOB_ERROR", 500}};
    struct cdn_entry *e = NULL;
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(result(&e, rows[i].json, &err), -1);
        assert_string_equal(err_name(&err), rows[i].name);
        assert_int_equal(err_http_status(&err), rows[i].status);
    }
}

static void what_a_template_asks_for_is_its_steps_with_the_addresses_fields(void **state)
{
    AUTO(cdn_address_free) struct cdn_address *a = read_address("acme", "/t/x", "w=1&k=mine");
    AUTO(json_unref)
    json_t *content = json_reads("{\"fields\":{\"k\":\"theirs\",\"l\":1},\"auth\":{\"max_size\":9},\"steps\":"
                                 "{\"b\":{\"robot\":\"/file/serve\"},\"a\":{\"robot\":\"/image/resize\"}}}");
    struct template_use use = {.name = (char *)"t", .content = content};
    struct cdn_template t = {1, (char *)"w", (char *)"acme", (char *)"k", &use, false, 0, {0}};
    AUTO(json_unref) json_t *created = cdn_created(&(struct cdn_order){.address = a, .template = &t, .base_url = "u"});
    const json_t *fields = json_object_get(created, "fields"), *steps = json_object_get(created, "steps");
    (void)state;

    assert_string_equal(jstr_or(fields, "k", ""), "mine");
    assert_int_equal(jint(fields, "l", 0), 1);
    assert_string_equal(jstr_or(fields, "input", ""), "x");
    assert_int_equal(jint(created, "max_size", 0), 9);
    assert_true(jbool(created, "by_url", false) && jbool(created, "body_done", false));
    assert_true(jbool(json_object_get(steps, "b"), "result", false)); /* shown, whoever uses it */
    assert_null(json_object_get(json_object_get(steps, "a"), "result"));
    assert_null(json_object_get(json_object_get(json_object_get(content, "steps"), "b"), "result"));
}

static bool spares_meta(const char *steps)
{
    AUTO(cdn_address_free) struct cdn_address *a = read_address("acme", "/t/x", NULL);
    AUTO(mem_free) char *text = mem_printf("{\"steps\":%s}", steps);
    AUTO(json_unref) json_t *content = json_reads(text);
    struct template_use use = {.name = (char *)"t", .content = content};
    struct cdn_template t = {1, (char *)"w", (char *)"acme", (char *)"k", &use, false, 0, {0}};
    AUTO(json_unref) json_t *created = cdn_created(&(struct cdn_order){.address = a, .template = &t, .base_url = "u"});

    return json_is_false(json_object_get(json_object_get(json_object_get(created, "steps"), "a"), "output_meta"));
}

static void what_nobody_can_see_of_a_file_is_not_looked_for(void **state)
{
    (void)state;
#define PLAIN "\"a\":{\"robot\":\"/http/import\"},\"b\":{\"robot\":\"/image/resize\"}"
    assert_true(spares_meta("{" PLAIN ",\"c\":{\"robot\":\"/file/serve\"}}"));
    assert_false(
        spares_meta("{" PLAIN ",\"c\":{\"robot\":\"/file/serve\",\"headers\":{\"a\":\"${file.meta.width}\"}}}"));
    assert_false(spares_meta("{" PLAIN ",\"c\":{\"robot\":\"/image/facedetect\"}}"));
    assert_false(spares_meta("{" PLAIN ",\"c\":{\"robot\":\"/file/serve\",\"output_meta\":true}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_taken_apart_and_decoded_once),
        cmocka_unit_test(what_signs_is_no_field_and_no_param_takes_the_inputs_place),
        cmocka_unit_test(params_are_sorted_as_javascript_does_and_stay_in_order_within_a_name),
        cmocka_unit_test(an_address_that_is_none_is_refused),
        cmocka_unit_test(a_host_names_a_workspace_only_right_below_the_domain),
        cmocka_unit_test(the_key_of_an_answer_is_of_all_that_decides_it),
        cmocka_unit_test(the_contracts_vector_is_right_in_every_form),
        cmocka_unit_test(anything_else_is_refused_with_its_own_code),
        cmocka_unit_test(an_address_is_good_until_its_time_and_no_longer),
        cmocka_unit_test(headers_that_no_answer_may_have_are_not_believed),
        cmocka_unit_test(the_least_used_go_and_their_blobs_are_told),
        cmocka_unit_test(what_is_over_is_not_found_and_goes),
        cmocka_unit_test(an_entry_that_went_before_it_got_its_blob_says_so),
        cmocka_unit_test(the_first_file_of_the_first_step_that_serves_is_the_answer),
        cmocka_unit_test(a_failure_has_the_status_of_what_it_is_called),
        cmocka_unit_test(what_a_template_asks_for_is_its_steps_with_the_addresses_fields),
        cmocka_unit_test(what_nobody_can_see_of_a_file_is_not_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
