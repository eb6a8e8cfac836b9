#include "assembly/credentials.h"
#include "unit.h"

#include <string.h>

static void a_type_is_complete_or_says_what_it_lacks(void **state)
{
    const struct {
        const char *type, *content, *lacks; /* lacks NULL: fine */
    } table[] = {
        {"s3", "{\"key\":\"a\",\"secret\":\"b\",\"bucket\":\"c\",\"bucket_region\":\"d\"}", NULL},
        {"s3", "{\"key\":\"a\",\"secret\":\"\",\"bucket\":\"c\"}", "secret"},
        {"s3", "{\"key\":\"a\",\"secret\":null,\"bucket\":\"c\"}", "secret"},
        {"s3", "[]", "object"},
        {"azure", "{\"account\":\"a\",\"key\":\"b\"}", "container"},
        {"backblaze", "{\"bucket\":\"a\",\"app_key_id\":\"b\",\"app_key\":\"c\"}", NULL},
        {"cloudflare", "{\"bucket\":\"a\",\"host\":\"b\",\"key\":\"c\"}", "secret"},
        {"minio", "{\"bucket\":\"a\",\"host\":\"b\",\"key\":\"c\",\"secret\":\"d\"}", NULL},
        {"tigris", "{}", "bucket"},
        {"supabase", "{\"bucket\":\"a\",\"host\":\"b\",\"key\":\"c\",\"secret\":\"d\"}", "bucket_region"},
        {"swift", "{\"bucket\":\"a\",\"host\":\"b\",\"key\":\"c\",\"secret\":\"d\"}", NULL},
        {"digitalocean", "{\"space\":\"a\",\"key\":\"c\",\"secret\":\"d\"}", "region"},
        {"wasabi", "{\"host\":\"a\",\"user\":\"b\",\"password\":\"c\"}", NULL},
        {"wasabi", "{\"bucket\":\"a\",\"region\":\"b\",\"key\":\"c\",\"secret\":\"d\"}", NULL},
        {"wasabi", "{\"bucket\":\"a\",\"key\":\"c\",\"secret\":\"d\"}", "host"},
        {"rackspace", "{\"account_type\":\"us\",\"data_center\":\"d\",\"container\":\"c\",\"user\":\"u\"}", "key"},
        {"ftp", "{\"host\":\"a\",\"user\":\"b\",\"password\":\"c\",\"port\":21}", NULL},
        {"sftp", "{\"host\":\"a\",\"user\":\"b\",\"public_key\":\"c\"}", "port"},
        {"http", "{\"headers\":\"[\\\"X-A: b\\\"]\"}", NULL},
        {"http", "{\"headers\":\"{\\\"X-A\\\":\\\"b\\\"}\"}", NULL},
        {"http", "{\"headers\":\"X-A: b\"}", "JSON"},
        {"companion", "{\"provider\":\"a\",\"key\":\"b\"}", "secret"},
        {"google", "{\"project_id\":\"a\",\"client_email\":\"b\",\"private_key\":\"c\"}", NULL},
        {"box", "{\"key_file_contents\":\"{}\"}", NULL},
        {"box", "{\"access_token\":\"t\"}", NULL},
        {"box", "{\"client_id\":\"c\",\"client_secret\":\"s\",\"user_id\":\"1\"}", NULL},
        {"box", "{\"client_id\":\"c\",\"client_secret\":\"s\"}", "key_file_contents"},
        {"box", "{\"client_id\":\"c\",\"client_secret\":\"s\",\"refresh_token\":\"r\"}", NULL},
        {"box", "{\"client_id\":\"c\",\"client_secret\":\"s\",\"refresh_token\":\"r\",\"user_id\":\"1\"}", "user_id"},
        {"box", "{\"refresh_token\":\"r\",\"access_token\":\"t\"}", "access_token"},
        {"box", "{\"client_id\":\"c\",\"refresh_token\":\"r\"}", "client_secret"},
        {"dropbox", "{\"refresh_token\":\"r\",\"app_key\":\"k\"}", NULL},
        {"ai", "{}", NULL},
        {"vimeo", "{\"x\":1}", NULL},
        {"gopher", "{}", "gopher"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(json_unref) json_t *content = json_loads(table[i].content, 0, NULL);
        struct err err = {0};
        int rc = credential_check(table[i].type, content, ERR_CREDENTIALS_NOT_CREATED, &err);

        assert_int_equal(rc, table[i].lacks ? -1 : 0);
        if (table[i].lacks) {
            assert_int_equal(err.code, ERR_CREDENTIALS_NOT_CREATED);
            assert_non_null(strstr(err.msg, table[i].lacks));
        }
    }
}

static void a_robot_gets_what_it_has_parameters_for(void **state)
{
    const struct {
        const char *robot, *type, *params, *content, *result; /* result NULL: of a type it can't use */
    } table[] = {
        {"/s3/store", "s3", "{\"credentials\":\"c\",\"path\":\"p\",\"bucket\":\"mine\"}",
         "{\"bucket\":\"b\",\"key\":\"k\",\"secret\":\"s\",\"nonsense\":1}",
         "{\"path\":\"p\",\"bucket\":\"mine\",\"key\":\"k\",\"secret\":\"s\"}"},
        {"/google/store", "google", "{\"credentials\":\"c\"}",
         "{\"project_id\":\"p\",\"client_email\":\"e\",\"private_key\":\"k\",\"bucket\":\"b\"}",
         "{\"credentials\":\"c\",\"project_id\":\"p\",\"client_email\":\"e\",\"private_key\":\"k\",\"bucket\":\"b\"}"},
        {"/youtube/store", "google", "{\"credentials\":\"c\"}", "{\"client_email\":\"e\"}", NULL},
        {"/s3/store", "ftp", "{\"credentials\":\"c\"}", "{\"host\":\"h\"}", NULL},
        {"/s3/store", "minio", "{\"credentials\":\"c\"}", "{\"host\":\"h\"}", NULL},
        {"/digitalocean/import", "digitalocean", "{\"credentials\":\"c\"}",
         "{\"space\":\"b\",\"region\":\"r\",\"key\":\"k\",\"secret\":\"s\",\"bucket\":\"x\"}",
         "{\"space\":\"b\",\"region\":\"r\",\"key\":\"k\",\"secret\":\"s\"}"},
        {"/backblaze/store", "backblaze", "{\"credentials\":\"c\"}",
         "{\"bucket\":\"b\",\"app_key_id\":\"k\",\"app_key\":\"s\"}",
         "{\"bucket\":\"b\",\"app_key_id\":\"k\",\"app_key\":\"s\"}"},
        {"/backblaze/store", "s3", "{\"credentials\":\"c\"}", "{\"bucket\":\"b\"}", NULL},
        {"/http/import", "s3", "{\"credentials\":\"c\"}", "{\"key\":\"h\"}", NULL},
        {"/http/import", "http", "{\"credentials\":\"c\",\"url\":\"u\"}", "{\"headers\":\"[\\\"A: b\\\"]\"}",
         "{\"url\":\"u\",\"headers\":[\"A: b\"]}"},
        /* headers of both, the step's before stored ones of the same name */
        {"/tus/store", "http", "{\"credentials\":\"c\",\"headers\":{}}",
         "{\"headers\":\"{\\\"A\\\":\\\"b\\\"}\"}",
         "{\"headers\":[{\"A\":\"b\"},{}]}"},
        {"/tus/store", "http", "{\"credentials\":\"c\",\"headers\":{\"a\":\"1\",\"X\":\"2\"}}",
         "{\"headers\":\"[\\\"A: b\\\",\\\"C: d\\\"]\"}",
         "{\"headers\":[\"C: d\",{\"a\":\"1\",\"X\":\"2\"}]}"},
        {"/http/import", "http", "{\"credentials\":\"c\",\"headers\":[\"c: 1\"]}",
         "{\"headers\":\"[{\\\"A\\\":\\\"b\\\"},{\\\"C\\\":\\\"d\\\"}]\"}",
         "{\"headers\":[{\"A\":\"b\"},\"c: 1\"]}"},
        {"/http/import", "http", "{\"credentials\":\"c\",\"headers\":\"no json\"}",
         "{\"headers\":\"[\\\"A: b\\\"]\"}",
         "{\"headers\":\"no json\"}"},
        {"/wasabi/store", "wasabi", "{\"credentials\":\"c\"}",
         "{\"host\":\"h\",\"user\":\"u\",\"password\":\"p\",\"bucket\":\"b\",\"region\":\"r\"}",
         "{\"host\":\"h\",\"key\":\"u\",\"secret\":\"p\",\"bucket\":\"b\",\"bucket_region\":\"r\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct robot *robot = robot_find(table[i].robot);
        AUTO(json_unref) json_t *params = json_loads(table[i].params, 0, NULL);
        AUTO(json_unref) json_t *content = json_loads(table[i].content, 0, NULL);
        struct err err = {0};
        int rc = credential_inject(params, robot, "c", table[i].type, content, &err);

        assert_int_equal(rc, table[i].result ? 0 : -1);
        if (!table[i].result) {
            assert_int_equal(err.code, ERR_CREDENTIALS);
            continue;
        }
        AUTO(mem_free) char *text = json_text(params);
        assert_string_equal(text, table[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_is_complete_or_says_what_it_lacks),
        cmocka_unit_test(a_robot_gets_what_it_has_parameters_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
