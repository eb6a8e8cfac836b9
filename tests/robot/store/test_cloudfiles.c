/* /cloudfiles/store against a server of the test's own that is a container: large files in
 * segments, and which of them are left after failures and deaths. A real gateway is in
 * tests/transfer/cloudfiles.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"
#include "transfer/swift.h"

#include <stdio.h>
#include <string.h>

struct service {
    json_t *objects; /* by their path: {about, body} */
    int fail_at;     /* the nth PUT of an object is refused; 0: none */
    bool lose;       /* the manifest is taken, and its answer lost */
    int puts, deletes;
    const char *url;
};

static void put_object(struct service *s, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *about = origin_header(q, "x-object-meta-workcell-segments");
    AUTO(mem_free) char *etag = origin_header(q, "etag");
    AUTO(mem_free) char *path = mem_strndup(q->target, strcspn(q->target, "?"));
    bool manifest = strstr(q->target, "multipart-manifest=put") != NULL;

    s->puts++;
    if (s->fail_at && s->puts >= s->fail_at && !(s->lose && manifest)) {
        origin_say(out, 422, "", "the ETag is another");
        return;
    }
    assert_true(manifest || strlen(etag) == 32);
    json_object_set_new(s->objects, path,
                        json_pack("{s:s,s:s,s:s}", "about", about, "body",
                                  q->body.s ? q->body.s : "", "etag", etag));
    if (s->lose && manifest) {
        s->lose = false;
        s->fail_at = 1; /* and then the service says no */
        return;
    }
    origin_say(out, 201, "", "");
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct service *s = ctx;
    const json_t *there = json_object_get(s->objects, q->target);
    const char *about = jstr_or(there, "about", "");

    if (!strcmp(q->target, "/auth/v1.0")) {
        AUTO(mem_free) char *key = origin_header(q, "x-auth-key");
        AUTO(mem_free)
        char *headers = mem_printf("X-Auth-Token: t\r\nX-Storage-Url: %s/acc\r\n", s->url);
        origin_say(out, strcmp(key, "sesame") ? 401 : 204, headers, "");
    } else if (!strcmp(q->method, "HEAD")) {
        str_addf(out, "HTTP/1.1 %d So\r\nConnection: close\r\n", there ? 200 : 404);
        if (*about)
            str_addf(out, "X-Static-Large-Object: True\r\nX-Object-Meta-Workcell-Segments: %s\r\n",
                     about);
        str_puts(out, "\r\n");
    } else if (!strcmp(q->method, "DELETE")) {
        s->deletes++;
        origin_say(out, json_object_del(s->objects, q->target) < 0 ? 404 : 204, "", "");
    } else if (!strcmp(q->target, "/acc/con_segments")) {
        origin_say(out, 202, "", "");
    } else {
        put_object(s, q, out);
    }
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
    AUTO(mem_free) char *identity = NULL;

    s->url = b.url = mem_printf("http://%s", origin_host(b.origin));
    s->objects = json_object();
    identity = mem_printf("%s/auth/v1.0", b.url);
    jset(host_settings(b.job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b.job), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(b.job), "s3_multipart_threshold", json_integer(10));
    json_object_set_new(host_settings(b.job), "endpoints",
                        json_pack("{s:s}", "rackspace", identity));
    return b;
}

static void bed_done(struct bed b)
{
    origin_end(b.origin);
    host_free(b.job);
    free(b.url);
}
DEFINE_AUTO(struct bed, bed_done)

static void service_done(struct service s) { json_decref(s.objects); }
DEFINE_AUTO(struct service, service_done)

#define STEP "{\"user\": \"u\", \"key\": \"sesame\", \"container\": \"con\", \"path\": \"a b/x\"}"

static int run(struct bed *b, const char *bytes)
{
    const char *path = host_path(b->job, "in.txt");
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(bytes, f);
    fclose(f);
    b->err = (struct err){0};
    return host_run_on(b->job, "/cloudfiles/store", STEP, path, &b->err);
}

static int segments(const struct service *s)
{
    const char *path;
    json_t *v;
    int n = 0;

    json_object_foreach (s->objects, path, v)
        n += str_starts(path, "/acc/con_segments/a%20b/x/workcell-");
    return n;
}

#define OBJECT "/acc/con/a%20b/x"
static const char twenty_five[] = "0123456789abcdefghijklmno";

static void a_large_file_is_segments_and_a_manifest_that_names_them(void **state)
{
    AUTO(service_done) struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    if (run(&b, twenty_five) < 0)
        fail_msg("%s", b.err.msg);
    assert_int_equal(segments(&s), 3);
    const json_t *object = json_object_get(s.objects, OBJECT);
    AUTO(json_unref) json_t *list = json_loads(jstr(object, "body"), 0, NULL);
    assert_int_equal(json_array_size(list), 3);
    assert_true(str_starts(jstr(json_array_get(list, 2), "path"), "/con_segments/a b/x/workcell-"));
    assert_true(str_ends(jstr(json_array_get(list, 2), "path"), "/00000002"));
    assert_int_equal(jint(json_array_get(list, 2), "size_bytes", 0), 5);
    assert_string_equal(jstr(json_array_get(list, 0), "etag"), "781e5e245d69b566979b86e28d23f2c7");
    assert_null(host_undo_token(b.job));
}

static void what_lay_there_before_leaves_no_segments(void **state)
{
    AUTO(service_done) struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    assert_int_equal(run(&b, twenty_five), 0);
    assert_int_equal(run(&b, twenty_five), 0); /* the same again */
    assert_int_equal(segments(&s), 3);
    assert_int_equal(run(&b, "small"), 0);
    assert_int_equal(segments(&s), 0);
    assert_string_equal(jstr(json_object_get(s.objects, OBJECT), "body"), "small");
    assert_int_equal(json_object_size(s.objects), 1);
    assert_null(host_undo_token(b.job));
}

static void a_failure_takes_its_segments_back_and_leaves_those_of_the_object(void **state)
{
    (void)state;
    for (int at = 1; at <= 4; at++) { /* each segment, then the manifest */
        AUTO(service_done) struct service s = {0};
        AUTO(bed_done) struct bed b = bed_new(&s);

        assert_int_equal(run(&b, twenty_five), 0);
        s.puts = 0;
        s.fail_at = at;
        assert_int_equal(run(&b, twenty_five), -1);
        assert_string_equal(err_name(&b.err), "CLOUDFILES_STORE_ERROR");
        assert_int_equal(segments(&s), 3);
        assert_int_equal(json_object_size(s.objects), 4);
        assert_null(host_undo_token(b.job));
    }
}

static void a_manifest_whose_answer_is_lost_keeps_its_segments(void **state)
{
    AUTO(service_done) struct service s = {.lose = true};
    AUTO(bed_done) struct bed b = bed_new(&s);

    (void)state;
    assert_int_equal(run(&b, twenty_five), -1);
    assert_non_null(json_object_get(s.objects, OBJECT));
    assert_int_equal(segments(&s), 3);
}

/* As a run leaves it that dies: notes, and what of it is there. */
static void after_a_death_only_segments_that_make_no_object_are_taken_back(void **state)
{
    static const char one[] = "00000000000000000000000000000001",
                      two[] = "00000000000000000000000000000002";

    (void)state;
    for (int now = 0; now < 3; now++) /* nothing is there, the former, the new one */
        for (int again = 0; again < 2; again++) {
            AUTO(service_done) struct service s = {0};
            AUTO(bed_done) struct bed b = bed_new(&s);
            AUTO(json_unref)
            json_t *token = json_pack(
                "{s:s,s:s,s:i,s:s,s:i}", "path", "a b/x", "made",
                "a b/x/workcell-00000000000000000000000000000002/", "made_count", 2, "former",
                "a b/x/workcell-00000000000000000000000000000001/", "former_count", 2);

            for (int i = 0; i < 4; i++) {
                AUTO(mem_free)
                char *path = mem_printf("/acc/con_segments/a%%20b/x/workcell-%s/%08d",
                                        i < 2 ? one : two, i % 2);
                json_object_set_new(s.objects, path, json_object());
            }
            if (now) {
                AUTO(mem_free) char *about = mem_printf("%s-2", now == 1 ? one : two);
                json_object_set_new(s.objects, OBJECT, json_pack("{s:s}", "about", about));
            }
            for (int i = 0; i <= again; i++)
                assert_int_equal(host_undo(b.job, "/cloudfiles/store", STEP, token, &b.err), 0);
            assert_int_equal(segments(&s), now ? 2 : 0);
            AUTO(mem_free)
            char *kept =
                mem_printf("/acc/con_segments/a%%20b/x/workcell-%s/00000001", now == 1 ? one : two);
            assert_true(!now || json_object_get(s.objects, kept));
        }
}

static void what_others_say_of_their_objects_removes_nothing(void **state)
{
    static const char *const rows[] = {"x",
                                       "00000000000000000000000000000001",
                                       "00000000000000000000000000000001-",
                                       "../../x-5",
                                       "00000000000000000000000000000001-99999999999999999999",
                                       "00000000000000000000000000000001-5x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(service_done) struct service s = {0};
        AUTO(bed_done) struct bed b = bed_new(&s);

        json_object_set_new(s.objects, OBJECT, json_pack("{s:s}", "about", rows[i]));
        assert_int_equal(run(&b, "small"), 0);
        assert_int_equal(s.deletes, 0);
    }
}

static void what_is_no_container_or_path_is_refused_before_anything_is_sent(void **state)
{
    static const char *const rows[] = {
        "\"container\": \"a/b\", \"path\": \"x\"",
        "\"container\": \"..\", \"path\": \"x\"",
        "\"container\": \"c\", \"path\": \"../x\"",
        "\"container\": \"c\", \"path\": \"a\\nb\"",
        "\"container\": \"c\", \"path\": \"x\", \"data_center\": \"a/b\"",
        "\"path\": \"x\""};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(service_done) struct service s = {0};
        AUTO(bed_done) struct bed b = bed_new(&s);
        AUTO(mem_free)
        char *step = mem_printf("{\"user\": \"u\", \"key\": \"sesame\", %s}", rows[i]);

        if (host_run(b.job, "/cloudfiles/store", step, &b.err) == 0)
            fail_msg("%s goes", rows[i]);
        assert_string_equal(err_name(&b.err), "CLOUDFILES_STORE_VALIDATION");
        assert_int_equal(origin_requests(b.origin), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_file_is_segments_and_a_manifest_that_names_them),
        cmocka_unit_test(what_lay_there_before_leaves_no_segments),
        cmocka_unit_test(a_failure_takes_its_segments_back_and_leaves_those_of_the_object),
        cmocka_unit_test(a_manifest_whose_answer_is_lost_keeps_its_segments),
        cmocka_unit_test(after_a_death_only_segments_that_make_no_object_are_taken_back),
        cmocka_unit_test(what_others_say_of_their_objects_removes_nothing),
        cmocka_unit_test(what_is_no_container_or_path_is_refused_before_anything_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
