/* What a store that speaks like S3 answers, to the Robot and to what takes back its open uploads. The first byte says how
 * large the file is (above 50 bytes it goes in parts) and whether the region is known. */
#include "remote.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char steps[2][400] = {
        "{\"bucket\":\"b\",\"key\":\"k\",\"secret\":\"the secret\",\"host\":\"s3.example.com\",\"path\":\"${file.id}/x\"}",
        "{\"bucket\":\"b.c\",\"key\":\"k\",\"secret\":\"the secret\",\"bucket_region\":\"eu-west-1\",\"sign_urls_for\":60,"
        "\"path\":\"a/${unique_prefix}\",\"headers\":{\"Cache-Control\":\"x\"},\"acl\":\"private\"}"};
    struct bytes b = {data, len};
    unsigned first = take_byte(&b);
    char file[200] = "x";
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
