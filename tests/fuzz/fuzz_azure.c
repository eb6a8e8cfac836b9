/* What Azure answers: a listing by itself (first byte 0), or to the Robots. The second byte says
 * which parameters. */
#include "remote.h"
#include "transfer/azure.h"

#include <string.h>

static void read_list(struct bytes *b)
{
    AUTO(json_unref) json_t *names = json_array();
    char *next = (char *)"untouched";
    json_t *name;
    size_t i;

    if (azure_read_list(names, &next, (const char *)b->p, b->left) < 0) {
        CHECK(!next);
        return;
    }
    CHECK(json_array_size(names) <= 5000 && (!next || *next));
    json_array_foreach (names, i, name)
        CHECK(json_string_length(name) && json_string_length(name) <= 8192 &&
              !str_ends(json_string_value(name), "/"));
    free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
#define PLACE "\"account\":\"acc\",\"container\":\"con\",\"key\":\"c2VjcmV0IGtleQ==\""
    static const char steps[2][2][200] = {
        {"{" PLACE ",\"path\":\"a/\"}",
         "{" PLACE ",\"path\":[\"/\",\"x/"
                   "y\"],\"recursive\":true,\"next_page_token\":\"t\",\"ignore_errors\":true}"},
        {"{" PLACE ",\"path\":\"a/x\"}",
         "{" PLACE ",\"path\":\"a/x\",\"sas_expires_in\":5,\"metadata\":{\"a\":\"b\"}}"}};
    struct bytes b = {data, len};
    unsigned kind = take_below(&b, 4), which = take_below(&b, 2);
    char file[200] = "x";

    if (!kind) {
        read_list(&b);
        return 0;
    }
    const struct robot *r = robot_find(kind == 1 ? "/azure/import" : "/azure/store");
    struct robot_job *job = remote_job(r, &b, file, kind == 3 ? 100 : 10);
    AUTO(json_unref) json_t *step = json_loads(steps[kind > 1][which], 0, NULL);
    struct err err = {0};
    void *opts;

    CHECK(robot_options(&opts, robot_arena(job), r, step, false, &err) == 0);
    if (r->run(job, opts, &err) < 0)
        CHECK(err.code && err.msg[0] && !strstr(err.msg, "c2VjcmV0"));
    unlink(robot_out_path(job, "x"));
    remote_done(job);
    return 0;
}
