/* What a store that speaks like S3 answers, to the Robots and to what takes back open uploads. The first byte says
 * which Step it is: of a store, how large the file is (above 50 bytes it goes in parts) and whether the region is
 * known. */
#include "remote.h"

#include <string.h>
#include <unistd.h>

#define KEYS "\"bucket\":\"b\",\"key\":\"k\",\"secret\":\"the secret\","
#define HOST KEYS "\"host\":\"http://s3.example.com/x\","
static const struct {
    const char *robot, *step;
} imports[] = {
    {"/minio/import", "{" HOST "\"path\":[\"d/\",\"x\"],\"ignore_errors\":[\"import\"]}"},
    {"/s3/import", "{" KEYS "\"path\":\"/\",\"recursive\":true,\"files_per_page\":2,\"page_number\":2}"},
    {"/s3/import", "{" KEYS "\"bucket_region\":\"r\",\"path\":\"a\",\"range\":[\"0-3\",\"-2\"]}"},
    {"/backblaze/import", "{\"bucket\":\"b\",\"app_key_id\":\"k\",\"app_key\":\"the secret\",\"path\":\"d/e/f\"}"},
};

static void import(unsigned which, struct bytes *b)
{
    const struct robot *r = robot_find(imports[which].robot);
    struct robot_job *job = remote_job(r, b, "", 0);
    AUTO(json_unref) json_t *step = json_loads(imports[which].step, 0, NULL);
    struct err err = {0};
    void *opts;

    CHECK(robot_options(&opts, robot_arena(job), r, step, false, &err) == 0);
    if (r->run(job, opts, &err) < 0)
        CHECK(err.code && err.msg[0] && !strstr(err.msg, "the secret"));
    unlink(robot_out_path(job, "x"));
    remote_done(job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char steps[2][400] = {
        "{\"bucket\":\"b\",\"key\":\"k\",\"secret\":\"the secret\",\"host\":\"s3.example.com\",\"path\":\"${file.id}/x\"}",
        "{\"bucket\":\"b.c\",\"key\":\"k\",\"secret\":\"the secret\",\"bucket_region\":\"eu-west-1\",\"sign_urls_for\":60,"
        "\"path\":\"a/${unique_prefix}\",\"headers\":{\"Cache-Control\":\"x\"},\"acl\":\"private\"}"};
    struct bytes b = {data, len};
    unsigned first = take_byte(&b);
    char file[200] = "x";

    if (first & 8) {
        import(first & 3, &b);
        return 0;
    }
    const struct robot *r = robot_find("/s3/store");
    struct robot_job *job = remote_job(r, &b, file, first & 1 ? 100 : 10);
    AUTO(json_unref) json_t *step = json_loads(steps[first >> 1 & 1], 0, NULL);
    struct err err = {0};
    void *opts;

    CHECK(robot_options(&opts, robot_arena(job), r, step, false, &err) == 0);
    if (first & 4) {
        (void)r->trial(job, opts, &err);
    } else if (r->run(job, opts, &err) < 0) {
        CHECK(err.code && err.msg[0] && !strstr(err.msg, "the secret"));
        AUTO(json_unref) json_t *token = json_incref(remote_token(job));
        if (token && r->undo(job, opts, token, &err) < 0)
            CHECK(!strstr(err.msg, "the secret"));
    }
    remote_done(job);
    return 0;
}
