/* Which address each service has, by region, and in which style a bucket is part of it. */
#include "transfer/s3_service.h"
#include "unit.h"

#include <string.h>

static void each_service_has_its_host_by_region(void **state)
{
    static const struct {
        const char *robot, *region,
            *host; /* region NULL: the one that is taken when nobody names one */
    } table[] = {
        {"/s3/store", NULL, "s3.amazonaws.com"},
        {"/s3/import", "eu-west-1", "s3.eu-west-1.amazonaws.com"},
        {"/s3/import", "cn-north-1", "s3.cn-north-1.amazonaws.com.cn"},
        {"/wasabi/store", NULL, "s3.us-east-1.wasabisys.com"},
        {"/wasabi/import", "eu-central-2", "s3.eu-central-2.wasabisys.com"},
        {"/backblaze/import", "eu-central-003", "s3.eu-central-003.backblazeb2.com"},
        {"/digitalocean/store", "ams3", "ams3.digitaloceanspaces.com"},
        {"/tigris/import", NULL, "fly.storage.tigris.dev"},
        {"/tigris/store", "eu-west-1", "fly.storage.tigris.dev"},
        {"/mega/store", NULL, "s3.eu-central-1.s4.mega.io"},
        {"/mega/import", "ca-west-1", "s3.ca-west-1.s4.mega.io"},
        {"/minio/store", NULL, ""},
        {"/cloudflare/store", NULL, ""},
        {"/supabase/import", "r", ""},
        {"/swift/store", NULL, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct s3_service *s = s3_service_of(table[i].robot);
        AUTO(str_done) struct str host = {0};

        assert_non_null(s);
        s3_service_host(&host, s, table[i].region ? table[i].region : s->region);
        assert_string_equal(host.s ? host.s : "", table[i].host);
    }
    assert_null(s3_service_of("/s/store"));
    assert_null(s3_service_of("/s33/store"));
    assert_null(s3_service_of(""));
}

/* The table and the Robots know the same services, both ways, and stored credentials are of their
 * type. */
static void each_service_stores_and_imports(void **state)
{
    int robots = 0;

    (void)state;
    for (const struct s3_service *s = s3_services; s->name; s++)
        for (int import = 0; import < 2; import++) {
            AUTO(mem_free) char *name = mem_printf("/%s/%s", s->name, import ? "import" : "store");
            const struct robot *r = robot_find(name);

            if (!r)
                fail_msg("there is no %s", name);
            assert_string_equal(r->credentials, s->name);
            assert_true(import ? r->no_input : r->is_store);
            robots++;
        }
    assert_int_equal(robots, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_service_has_its_host_by_region),
        cmocka_unit_test(each_service_stores_and_imports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
