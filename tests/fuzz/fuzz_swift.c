/* What an identity service and a Swift answer: a listing or a catalog by itself (first byte 0 and
 * 1), or to the Robots, and to what takes segments back. The second byte says which parameters. */
#include "remote.h"
#include "transfer/swift.h"

#include <string.h>

static void read_list(struct bytes *b)
{
    AUTO(json_unref) json_t *names = json_array();
    AUTO(mem_free) char *marker = NULL;
    int64_t n = swift_read_list(names, &marker, (const char *)b->p, b->left, 5);

    CHECK(n >= -1 && n <= 5 && (n > 0) == (marker != NULL));
    CHECK(n < 0 || (int64_t)json_array_size(names) <= n);
}

static void read_catalog(struct bytes *b)
{
    static const char identity[] = "https://identity/v2.0";
    AUTO(json_unref) json_t *answer = take_json_line(b);
    AUTO(mem_free) char *region = take_rest(b);
    struct swift_access access = {0};

    if (swift_read_access(&access, answer, region))
        return;
    CHECK(*access.token && !strpbrk(access.token, " \r\n\t") && access.storage);
    if (swift_is_storage(access.storage, identity))
        CHECK(str_starts(access.storage, "https://") && !strpbrk(access.storage, "@\r\n ?#\\"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
#define LOGIN "\"user\":\"u\",\"key\":\"the secret\",\"container\":\"con\""
    static const char steps[2][2][200] = {
        {"{" LOGIN ",\"path\":\"a/\"}",
         "{" LOGIN
         ",\"path\":[\"/\",\"x/"
         "y\"],\"recursive\":true,\"page_number\":2,\"files_per_page\":2,\"ignore_errors\":true}"},
        {"{" LOGIN ",\"path\":\"a/x\"}",
         "{" LOGIN ",\"path\":\"a/x\",\"data_center\":\"dfw\",\"account_type\":\"uk\"}"}};
    struct bytes b = {data, len};
    unsigned kind = take_below(&b, 5), which = take_below(&b, 2);
    char file[200] = "x";

    if (kind < 2) {
        (kind ? read_catalog : read_list)(&b);
        return 0;
    }
    const struct robot *r = robot_find(kind == 2 ? "/cloudfiles/import" : "/cloudfiles/store");
    struct robot_job *job = remote_job(r, &b, file, kind == 4 ? 100 : 10);
    AUTO(json_unref) json_t *step = json_loads(steps[kind > 2][which], 0, NULL);
    struct err err = {0};
    void *opts;

    CHECK(robot_options(&opts, robot_arena(job), r, step, false, &err) == 0);
    if (r->run(job, opts, &err) < 0) {
        CHECK(err.code && err.msg[0] && !strstr(err.msg, "the secret"));
        AUTO(json_unref) json_t *token = json_incref(remote_token(job));
        if (token && r->undo(job, opts, token, &err) < 0)
            CHECK(!strstr(err.msg, "the secret"));
    }
    unlink(robot_out_path(job, "x"));
    remote_done(job);
    return 0;
}
