/* /vimeo/import. What needs a whole service: tests/transfer/vimeo.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "base/clock.h"
#include "robot/stub.h"
#include "transfer/vimeo.h"

#define ROBOT "/vimeo/import"

static void what_can_be_imported_is_asked_before(void **state)
{
    static const char *const odd[] = {"a?b", "a#b", "../a", "a//b", "http://x/", "", "/", "a b", "a%2fb"};

    (void)state;
    talk_checks(ROBOT, "{\"access_token\": \"t\"}", NULL);
    talk_checks(ROBOT, "{\"access_token\": \"t\", \"path\": [\"/me/videos/\", \"albums/1/videos\", \"videos/5\"]}",
                NULL);
    talk_checks(ROBOT, "{}", "sign in");
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"access_token\": \"t\", \"path\": \"%s\"}", odd[i]);

        talk_checks(ROBOT, step, "'path'");
    }
}

static void the_nearest_rendition_is_taken(void **state)
{
#define ONE(r) "{\"rendition\": \"" r "\", \"link\": \"http://h/" r "\"}"
    const struct {
        const char *video;
        int64_t lines;
        const char *link; /* NULL: none */
    } table[] = {
        {"{\"download\": [" ONE("360p") ", " ONE("720p") ", " ONE("source") "]}", 720, "http://h/720p"},
        {"{\"download\": [" ONE("360p") ", " ONE("720p") ", " ONE("source") "]}", 540, "http://h/360p"},
        {"{\"download\": [" ONE("360p") ", " ONE("720p") ", " ONE("source") "]}", VIMEO_SOURCE, "http://h/source"},
        {"{\"download\": [" ONE("720p") ", " ONE("1080p") "]}", 240, "http://h/720p"},
        {"{\"download\": [" ONE("240p") "], \"files\": [" ONE("1080p") "]}", VIMEO_SOURCE, "http://h/1080p"},
        {"{\"files\": [{\"quality\": \"hls\", \"height\": 720, \"link\": \"http://h/x\"}]}", 720, NULL},
        {"{\"files\": [{\"height\": 720, \"link\": \"ftp://h/x\"}, {\"height\": -5, \"link\": \"http://h/x\"}, 5, "
         "{}]}",
         720, NULL},
        {"{\"files\": [{\"height\": 712, \"rendition\": \"720px\", \"link\": \"http://h/x\"}]}", 720, "http://h/x"},
        {"{\"files\": 5}", 720, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(json_unref) json_t *video = json_loads(table[i].video, 0, NULL);
        const char *link = jstr(vimeo_pick(video, table[i].lines), "link");

        if (!table[i].link)
            assert_null(link);
        else
            assert_string_equal(link, table[i].link);
    }
}

static void what_goes_into_addresses_is_a_video(void **state)
{
    (void)state;
    assert_true(vimeo_is_video("/videos/1") && vimeo_is_video("/videos/12:aF9"));
    assert_false(vimeo_is_video("/videos/") || vimeo_is_video("/videos/1/x") || vimeo_is_video("/videos/1:") ||
                 vimeo_is_video("/videos/1:a/b") || vimeo_is_video("videos/1") || vimeo_is_video(NULL) ||
                 vimeo_is_video("/videos/1?x") || vimeo_is_video("/users/1"));
}

static void one_page_is_asked_for_and_another_answer_is_none(void **state)
{
    static const char *const odd[] = {
        "{\"data\": [{\"uri\": \"/users/1\"}]}", "{\"data\": {}}", "{}",
        "{\"data\": [{\"uri\": \"/videos/1\"}, {\"uri\": \"/videos/2\"}, {\"uri\": \"/videos/3\"}]}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const struct talk_turn turns[] = {{"GET /me/videos?page=3&per_page=2&fields=uri",
                                           "Accept: application/vnd.vimeo.*+json;version=3.4", 200, NULL, odd[i]},
                                          {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "vimeo", NULL);
        talk_run(&t, "{\"access_token\": \"t\", \"page_number\": 3, \"files_per_page\": 2}", "VIMEO_IMPORT_FAILURE",
                 "oddly");
        talk_end(&t);
    }
}

static void a_stub_is_the_address_that_vimeo_gives_with_its_end(void **state)
{
#define LINK "https://far.example/v.mp4?s=1"
#define FILE_OF(more) "\"link\": \"" LINK "\", \"rendition\": \"720p\", \"type\": \"video/mp4\"" more
    static const struct {
        const char *video;
        int64_t until_s; /* 0: an hour from now */
    } rows[] = {
        {"{\"uri\": \"/videos/5\", \"name\": \"a/b\", \"download\": [{"
         FILE_OF(", \"expires\": \"2031-05-06T09:08:09+02:00\"") "}]}",
         1935817689},
        {"{\"uri\": \"/videos/5\", \"name\": \"a/b\", \"files\": [{" FILE_OF("") "}]}", 0},
        {"{\"uri\": \"/videos/5\", \"name\": \"a/b\", \"files\": [{" FILE_OF(", \"expires\": \"soon\"") "}]}", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct talk_turn turns[] = {
            {"GET /videos/5?fields=uri,name,download,files", NULL, 200, NULL, rows[i].video}, {0}};
        int64_t now_s = clock_now_us() / SECOND_US;
        struct talk t;

        talk_begin(&t, turns, ROBOT, "vimeo", NULL);
        talk_run(&t, "{\"access_token\": \"t\", \"path\": \"videos/5\", \"return_file_stubs\": true}", NULL, NULL);
        const struct host_output *f = host_output(t.job, 0);
        int64_t until_s = jint(f->meta, STUB_META, 0);

        assert_string_equal(f->stub, LINK);
        assert_string_equal(f->name, "a_b.mp4");
        assert_int_equal(f->size, 0);
        if (rows[i].until_s)
            assert_int_equal(until_s, rows[i].until_s);
        else
            assert_true(until_s >= now_s + 3600 && until_s < now_s + 3660);
        talk_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stub_is_the_address_that_vimeo_gives_with_its_end),
        cmocka_unit_test(what_can_be_imported_is_asked_before),
        cmocka_unit_test(the_nearest_rendition_is_taken),
        cmocka_unit_test(what_goes_into_addresses_is_a_video),
        cmocka_unit_test(one_page_is_asked_for_and_another_answer_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
