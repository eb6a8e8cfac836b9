/* What every import does (src/transfer/remote.h), with a protocol that is a table of names:
 * directories, pages, names, limits, and one failure among many. */
#include "../unit/unit.h"
#include "host.h"
#include "transfer/remote.h"

#include <stdio.h>
#include <string.h>

/* The other side: pages of a directory, by its name. */
struct shelf {
    int lists, gets;
    int opened, closed;
    bool circle; /* each page says to go on with the same */
    bool locked;
    char got[400];
};

static int list_shelf(void *ctx, struct remote_page *page, struct err *err)
{
    struct shelf *s = ctx;

    s->lists++;
    (void)err;
    if (str_starts(page->place, "empty"))
        return 0;
    for (int i = 0; i < 2; i++) {
        AUTO(mem_free) char *name = mem_printf("%sp%d-%d.txt", page->place, (int)page->number, i);
        json_array_append_new(page->places, json_string(name));
    }
    if (page->after)
        assert_true(s->circle || atoi(page->after) == page->number);
    if (s->circle || page->number < 3)
        page->next = s->circle ? mem_strdup("same") : mem_printf("%d", (int)page->number + 1);
    return 0;
}

static int get_shelf(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct shelf *s = ctx;
    const char *slash = strrchr(f->place, '/');

    s->gets++;
    size_t used = strlen(s->got);
    snprintf(s->got + used, sizeof s->got - used, "%s ", f->place);
    if (strstr(f->place, "gone"))
        return remote_fail(f->job, REMOTE_NOT_FOUND, err, "'%s' is gone", f->place);
    if (strstr(f->place, "disk"))
        return err_set(err, ERR_NOSPACE, "the disk is full");
    if (remote_open(f, slash ? slash + 1 : f->place, "text/plain", err) < 0)
        return -1;
    if (f->limit && f->limit < (int64_t)strlen(f->place))
        return remote_too_large(f, f->place, (int64_t)strlen(f->place), err);
    assert_int_equal(write(f->fd, f->place, strlen(f->place)), strlen(f->place));
    remote_import_progress(f, 1);
    return 0;
}

static const struct import_service shelf_service = {
    .list = list_shelf, .get = get_shelf, .things = "files"};
static const struct import_service one_page_service = {
    .list = list_shelf, .get = get_shelf, .things = "files", .pages = IMPORT_ONE_ALWAYS};

static struct robot_job *new_job(void)
{
    struct robot_job *j = host_new();

    host_be(j, "/http/import");
    return j;
}

static int import(struct robot_job *j, const struct import_service *service, struct shelf *s, const char *places,
                  struct import_opts o, struct err *err)
{
    AUTO(json_unref) json_t *list = json_loads(places, JSON_DECODE_ANY, NULL);

    *err = (struct err){0};
    o.path = list;
    return remote_import(j, service, s, &o, err);
}

static bool in_batch(struct robot_job *j, int i)
{
    return json_is_true(json_object_get(host_output(j, i)->extra, "from_batch_import"));
}

static void a_directory_is_taken_page_by_page_until_there_is_no_more(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct shelf s = {0};
    struct err err;

    (void)state;
    assert_int_equal(import(j, &shelf_service, &s, "[\"one.txt\", \"dir/\"]", (struct import_opts){0}, &err), 0);
    assert_int_equal(s.lists, 3);
    assert_int_equal(host_output_count(j), 7);
    assert_string_equal(host_output(j, 0)->name, "one.txt");
    assert_string_equal(host_output(j, 6)->name, "p3-1.txt");
    assert_true(in_batch(j, 0) && in_batch(j, 6));
}

static void one_page_is_one_page(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct shelf s = {0};
    struct err err;

    (void)state;
    assert_int_equal(
        import(j, &one_page_service, &s, "[\"dir/\"]", (struct import_opts){.page_number = 2}, &err), 0);
    assert_int_equal(s.lists, 1);
    assert_int_equal(host_output_count(j), 2);
    assert_string_equal(host_output(j, 0)->name, "p2-0.txt");
}

static const char *token_of(struct robot_job *j, int i)
{
    return jstr_or(host_output(j, i)->meta, "next_page_token", "");
}

static void only_what_came_of_a_page_says_how_to_go_on_behind_it(void **state)
{
    static const struct import_service told = {
        .list = list_shelf, .get = get_shelf, .things = "files", .pages = IMPORT_ONE_TOLD};
    AUTO(host_free) struct robot_job *j = new_job();
    struct shelf s = {0};
    struct err err;

    (void)state;
    assert_int_equal(import(j, &told, &s, "[\"dir/\", \"one.txt\"]",
                            (struct import_opts){.recursive = true, .next_page_token = ""}, &err),
                     0);
    assert_int_equal(s.lists, 1);
    assert_int_equal(host_output_count(j), 3);
    assert_string_equal(token_of(j, 1), "2");
    assert_string_equal(token_of(j, 2), "");
    assert_int_equal(
        import(j, &told, &s, "[\"dir/\"]", (struct import_opts){.next_page_token = "1"}, &err), 0);
    assert_int_equal(s.lists, 2);
    assert_int_equal(import(j, &told, &s, "[\"dir/\"]", (struct import_opts){.next_page_token = ""}, &err), 0);
    assert_int_equal(s.lists, 5);
    assert_string_equal(token_of(j, host_output_count(j) - 6), "");
}

static int open_shelf(void *ctx, struct robot_job *job, struct err *err)
{
    struct shelf *s = ctx;

    s->opened++;
    return s->locked ? remote_fail(job, REMOTE_DENIED, err, "it is locked") : 0;
}

static void close_shelf(void *ctx) { ((struct shelf *)ctx)->closed++; }

static void a_service_is_closed_also_when_it_did_not_open(void **state)
{
    static const struct import_service service = {
        .open = open_shelf, .close = close_shelf, .list = list_shelf, .get = get_shelf, .things = "files"};
    AUTO(host_free) struct robot_job *j = new_job();
    struct shelf s = {.locked = true};
    struct err err;

    (void)state;
    assert_int_equal(import(j, &service, &s, "[\"a\"]", (struct import_opts){0}, &err), -1);
    assert_string_equal(err_name(&err), "HTTP_IMPORT_ACCESS_DENIED");
    assert_int_equal(s.gets, 0);
    s.locked = false;
    assert_int_equal(import(j, &service, &s, "[\"a\"]", (struct import_opts){0}, &err), 0);
    assert_true(s.opened == 2 && s.closed == 2);
}

static void a_slash_in_front_of_a_key_is_the_root_once_and_only_where_it_was_given(void **state)
{
    static const struct import_service keys = {
        .list = list_shelf, .get = get_shelf, .things = "keys", .keys = true};
    AUTO(host_free) struct robot_job *j = new_job();
    struct shelf s = {0};
    struct err err;

    (void)state;
    assert_int_equal(import(j, &keys, &s, "[\"/a/b\", \"//c\", \"/\", \"//\"]", (struct import_opts){0}, &err), 0);
    assert_string_equal(s.got, "a/b /c p1-0.txt p1-1.txt p2-0.txt p2-1.txt p3-0.txt p3-1.txt "
                               "/p1-0.txt /p1-1.txt /p2-0.txt /p2-1.txt /p3-0.txt /p3-1.txt ");
}

static void what_is_empty_or_without_an_end_is_said(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct shelf s = {0};
    struct err err;

    (void)state;
    assert_int_equal(import(j, &shelf_service, &s, "[\"empty/\"]", (struct import_opts){0}, &err), -1);
    assert_string_equal(err_name(&err), "HTTP_IMPORT_NOT_FOUND");
    s.circle = true;
    assert_int_equal(import(j, &shelf_service, &s, "[\"dir/\"]", (struct import_opts){0}, &err), -1);
    assert_non_null(strstr(err.msg, "have no end"));
    assert_true(s.lists < 5);
}

static void forced_names_are_given_in_their_order_across_pages(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(json_unref) json_t *names = json_pack("[s,s,s]", "first", "../second.txt", "");
    const struct import_opts o = {.force_name = names};
    struct shelf s = {0};
    struct err err;

    (void)state;
    assert_int_equal(import(j, &shelf_service, &s, "[\"dir/\"]", o, &err), 0);
    assert_string_equal(host_output(j, 0)->name, "first");
    assert_string_equal(host_output(j, 1)->name, "second.txt");
    assert_string_equal(host_output(j, 2)->name, "p2-0.txt");
}

static void with_ignore_errors_only_the_other_sides_failures_are_passed_over(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(json_unref) json_t *yes = json_true();
    const struct import_opts o = {.ignore_errors = yes};
    struct shelf s = {0};
    struct err err;

    (void)state;
    assert_int_equal(import(j, &shelf_service, &s, "[\"gone\", \"a\", \"empty/\", \"b\"]",
                            o, &err),
                     -1);
    assert_string_equal(err_name(&err), "HTTP_IMPORT_NOT_FOUND");
    assert_non_null(strstr(err.msg, "2 of "));
    assert_non_null(strstr(err.msg, "'gone' is gone"));
    assert_int_equal(host_output_count(j), 2);
    s.gets = 0;
    assert_int_equal(import(j, &shelf_service, &s, "[\"disk\", \"a\"]", o, &err),
                     -1);
    assert_string_equal(err_name(&err), "CANNOT_ACCEPT_NEW_ASSEMBLIES");
    assert_int_equal(s.gets, 1);
    assert_int_equal(import(j, &shelf_service, &s, "[\"gone\", \"a\"]", (struct import_opts){0}, &err), -1);
    assert_int_equal(s.gets, 2);
}

static void the_smaller_limit_counts_and_what_is_too_large_leaves_no_file(void **state)
{
    AUTO(host_free) struct robot_job *j = new_job();
    struct shelf s = {0};
    struct err err;

    (void)state;
    json_object_set_new(host_settings(j), "max_file_size", json_integer(4));
    assert_int_equal(import(j, &shelf_service, &s, "[\"12345\"]", (struct import_opts){.max_file_size = 100}, &err),
                     -1);
    assert_non_null(strstr(err.msg, "the server's max_file_size allows 4"));
    assert_int_equal(access(host_path(j, "out-0.txt"), F_OK), -1);
    assert_int_equal(import(j, &shelf_service, &s, "[\"1234\"]", (struct import_opts){.max_file_size = 3}, &err),
                     -1);
    assert_non_null(strstr(err.msg, "the Step's max_file_size allows 3"));
    assert_int_equal(import(j, &shelf_service, &s, "[\"1234\"]", (struct import_opts){.max_file_size = 100}, &err),
                     0);
}

static void paths_are_a_text_or_a_list_of_texts_that_name_something(void **state)
{
    static const char *const good[] = {"\"a/b\"", "\"/\"", "[\"a\", \"b/\"]"};
    static const char *const bad[] = {"\"\"", "[]", "[\"a\", 1]", "{}", "3", "\"a\\u0001\""};
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO(json_unref) json_t *v = json_loads(good[i], JSON_DECODE_ANY, NULL);
        const struct import_opts o = {v};

        assert_int_equal(import_check(&o, false, &err), 0);
        AUTO(json_unref) json_t *list = import_paths(&o);
        assert_int_equal(json_array_size(list), json_is_array(v) ? 2 : 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(json_unref) json_t *v = json_loads(bad[i], JSON_DECODE_ANY, NULL);
        const struct import_opts o = {v};

        assert_int_equal(import_check(&o, false, &err), -1);
        assert_non_null(strstr(err.msg, "'path'"));
    }
    assert_int_equal(import_check(&(struct import_opts){0}, true, &err), 0);
    assert_int_equal(import_check(&(struct import_opts){0}, false, &err), -1);
}

static void a_template_has_its_words_replaced_and_nothing_else(void **state)
{
    const struct remote_word words[] = {{"HOST", "h"}, {"PATH", "{HOST}"}, {0}};
    static const char *const cases[][2] = {{"http://{HOST}/{PATH}", "http://h/{HOST}"},
                                           {"{HOST", "{HOST"},
                                           {"{}{WHAT}", "{}{WHAT}"},
                                           {"{{HOST}}", "{h}"},
                                           {"", ""}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(str_done) struct str out = {0};

        remote_fill(&out, cases[i][0], words);
        assert_string_equal(out.s ? out.s : "", cases[i][1]);
    }
}

static void a_failure_has_the_robots_own_code_where_it_has_one(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;

    (void)state;
    host_be(j, "/s3/store");
    remote_fail(j, REMOTE_DENIED, &err, "x");
    assert_string_equal(err_name(&err), "S3_STORE_ACCESS_DENIED");
    remote_fail(j, REMOTE_NOT_FOUND, &err, "x");
    assert_string_equal(err_name(&err), "S3_STORE_FAILURE");
    assert_true(remote_is_failure(j, &err));
    host_be(j, "/sftp/store");
    remote_fail(j, REMOTE_DENIED, &err, "x");
    assert_string_equal(err_name(&err), "WORKER_JOB_ERROR");
    assert_int_equal(err_retry(&err), RETRY_NEVER); /* it was tried again already */
    err_set(&err, ERR_NOSPACE, "x");
    assert_false(remote_is_failure(j, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_taken_page_by_page_until_there_is_no_more),
        cmocka_unit_test(one_page_is_one_page),
        cmocka_unit_test(only_what_came_of_a_page_says_how_to_go_on_behind_it),
        cmocka_unit_test(a_service_is_closed_also_when_it_did_not_open),
        cmocka_unit_test(a_slash_in_front_of_a_key_is_the_root_once_and_only_where_it_was_given),
        cmocka_unit_test(what_is_empty_or_without_an_end_is_said),
        cmocka_unit_test(forced_names_are_given_in_their_order_across_pages),
        cmocka_unit_test(with_ignore_errors_only_the_other_sides_failures_are_passed_over),
        cmocka_unit_test(the_smaller_limit_counts_and_what_is_too_large_leaves_no_file),
        cmocka_unit_test(paths_are_a_text_or_a_list_of_texts_that_name_something),
        cmocka_unit_test(a_template_has_its_words_replaced_and_nothing_else),
        cmocka_unit_test(a_failure_has_the_robots_own_code_where_it_has_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
