/* What a renewal of stored credentials leaves on the disk. */
#include "base/clock.h"
#include "store/renewed.h"
#include "store/sealed.h"
#include "tempdir.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONTENT "{\"client_id\":\"c\",\"client_secret\":\"s\",\"refresh_token\":\"first\"}"

struct place {
    char *data, *dir, *key_file;
    char id[RENEWED_ID_LEN + 1];
    struct store *store;
    struct seal_key key;
};

static int place_setup(void **state)
{
    struct place *p = mem_zalloc(sizeof *p);
    AUTO(json_unref) json_t *content = json_loads(CONTENT, 0, NULL);
    struct err err;

    p->data = tempdir_new(NULL);
    p->dir = mem_printf("%s/renewed", p->data);
    p->key_file = mem_printf("%s/credentials.key", p->data);
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", p->data);
    renewed_id(p->id, "w", content);
    *state = p;
    return store_open(&p->store, db, &err) < 0 || sealed_open(&p->key, p->store, p->key_file, &err) < 0 ? -1 : 0;
}

static int place_teardown(void **state)
{
    struct place *p = *state;

    store_close(p->store);
    tempdir_remove(p->data); /* frees it */
    free(p->dir);
    free(p->key_file);
    free(p);
    return 0;
}

static void write_state(struct place *p, const char *refresh_token, const char *access_token)
{
    const struct renewed r = {.refresh_token = (char *)refresh_token, .access_token = (char *)access_token,
                              .renew_at_us = 5, .until_us = 7};
    AUTO(fd_close) int lock = -1;
    struct err err = {0};

    assert_int_equal(renewed_lock(&lock, p->dir, p->id, 0, &err), 0);
    assert_int_equal(renewed_begin(p->dir, p->id, &err), 0);
    assert_int_equal(renewed_write(p->dir, &p->key, p->id, &r, &err), 0);
}

static void assert_state(struct place *p, const char *refresh_token)
{
    AUTO(renewed_done) struct renewed r = {0};
    struct err err = {0};

    assert_int_equal(renewed_read(&r, p->dir, &p->key, p->id, &err), refresh_token ? 1 : 0);
    if (refresh_token)
        assert_string_equal(r.refresh_token, refresh_token);
}

static void what_is_written_is_read_and_lies_sealed(void **state)
{
    struct place *p = *state;
    AUTO(renewed_done) struct renewed r = {0};
    AUTO(mem_free) char *path = mem_printf("%s/%s", p->dir, p->id);
    char bytes[4096] = "";
    struct seal_key other = {{1}};
    struct stat st;
    struct err err = {0};

    assert_state(p, NULL);
    write_state(p, "second-token", "access-token");
    assert_int_equal(renewed_read(&r, p->dir, &p->key, p->id, &err), 1);
    assert_string_equal(r.refresh_token, "second-token");
    assert_string_equal(r.access_token, "access-token");
    assert_true(r.renew_at_us == 5 && r.until_us == 7 && !r.refused);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *f = fopen(path, "r");
    assert_true(fread(bytes, 1, sizeof bytes - 1, f) > 0);
    fclose(f);
    assert_null(strstr(bytes, "token"));
    struct renewed none = {0};
    assert_int_equal(renewed_read(&none, p->dir, &other, p->id, &err), -1);
    assert_int_equal(err.code, ERR_CREDENTIALS);
}

static void another_beginning_is_another_chain(void **state)
{
    static const char *const others[] = {"{\"client_id\":\"c\",\"client_secret\":\"s\",\"refresh_token\":\"other\"}",
                                         "{\"client_id\":\"d\",\"client_secret\":\"s\",\"refresh_token\":\"first\"}"};
    struct place *p = *state;
    char id[RENEWED_ID_LEN + 1];

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        AUTO(json_unref) json_t *content = json_loads(others[i], 0, NULL);

        renewed_id(id, "w", content);
        assert_string_not_equal(id, p->id);
    }
    AUTO(json_unref) json_t *content = json_loads(CONTENT, 0, NULL);
    renewed_id(id, "another", content);
    assert_string_not_equal(id, p->id);
    json_object_set_new(content, "client_secret", json_string("new"));
    renewed_id(id, "w", content);
    assert_string_equal(id, p->id);
    json_object_del(content, "refresh_token");
    renewed_id(id, "w", content);
    assert_string_equal(id, "");
}

static void one_has_the_lock_at_a_time(void **state)
{
    struct place *p = *state;
    AUTO(fd_close) int one = -1;
    AUTO(fd_close) int two = -1;
    AUTO(fd_close) int other = -1;
    AUTO(fd_close) int all = -1;
    AUTO(json_unref) json_t *content = json_pack("{s:s,s:s}", "client_id", "c", "refresh_token", "other");
    char id[RENEWED_ID_LEN + 1];
    struct err err = {0};

    renewed_id(id, "w", content);
    assert_int_equal(renewed_lock(&one, p->dir, p->id, 0, &err), 0);
    assert_int_equal(renewed_lock(&two, p->dir, p->id, 30000, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_int_equal(renewed_lock(&other, p->dir, id, 0, &err), 0);
    assert_int_equal(renewed_lock(&all, p->dir, NULL, 0, &err), -1);
    close(one);
    one = -1;
    assert_int_equal(renewed_lock(&two, p->dir, p->id, 0, &err), 0);
}

static void a_change_of_the_key_takes_all_along(void **state)
{
    struct place *p = *state;
    struct seal_key next = {{7}};
    struct err err = {0};

    write_state(p, "second", "a");
    assert_int_equal(renewed_reseal(p->dir, &p->key, &next, &err), 0);
    renewed_settle(p->dir, &p->key); /* it was cut short before its commit */
    assert_state(p, "second");
    assert_int_equal(renewed_reseal(p->dir, &p->key, &next, &err), 0);
    renewed_settle(p->dir, &next);
    p->key = next;
    assert_state(p, "second");
}

static void a_whole_rotation_keeps_it(void **state)
{
    struct place *p = *state;
    struct err err = {0};

    write_state(p, "second", "a");
    assert_int_equal(sealed_rotate(&p->key, p->store, p->key_file, &err), 0);
    assert_state(p, "second");
}

static void what_nobody_has_any_more_is_swept(void **state)
{
    struct place *p = *state;
    AUTO(mem_free) char *sealed = seal(&p->key, "w/mine", CONTENT);
    const struct store_credential row = {"i", "w", "mine", "box", sealed, 1, 1};
    struct err err = {0};

    write_state(p, "second", "a");
    assert_int_equal(store_begin(p->store, &err), 0);
    assert_int_equal(store_workspace_add(p->store, "w", "w", 1, &err), 0);
    assert_int_equal(store_credential_add(p->store, &row, &err), 0);
    assert_int_equal(store_commit(p->store, &err), 0);
    assert_int_equal(renewed_sweep(p->dir, p->store, &p->key, &err), 0);
    assert_state(p, "second");
    assert_int_equal(store_begin(p->store, &err), 0);
    assert_int_equal(store_credential_del(p->store, "w", "i", &err), 0);
    assert_int_equal(store_commit(p->store, &err), 0);
    {
        AUTO(fd_close) int lock = -1;

        assert_int_equal(renewed_lock(&lock, p->dir, p->id, 0, &err), 0);
        assert_int_equal(renewed_sweep(p->dir, p->store, &p->key, &err), 0);
        assert_state(p, "second"); /* somebody is at it */
    }
    assert_int_equal(renewed_sweep(p->dir, p->store, &p->key, &err), 0);
    assert_state(p, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_and_lies_sealed, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(another_beginning_is_another_chain, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(one_has_the_lock_at_a_time, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_change_of_the_key_takes_all_along, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_whole_rotation_keeps_it, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_nobody_has_any_more_is_swept, place_setup, place_teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
