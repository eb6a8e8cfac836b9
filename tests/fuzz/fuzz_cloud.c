/* What Dropbox, Box and Vimeo answer, to their Robots and to what takes back their open uploads. The first byte says
 * which Robot, and how large the file is: above 50 bytes it goes by a session. */
#include "remote.h"

#include <string.h>

#define TOKEN "\"access_token\":\"the-secret\""
static const struct {
    const char *robot, *step;
} runs[] = {
    {"/dropbox/store", "{" TOKEN ",\"path\":\"a/b\xc3\xa9.txt\",\"create_sharing_link\":true}"},
    {"/dropbox/store", "{\"refresh_token\":\"the-secret\",\"app_key\":\"k\",\"path\":\"a.txt\"}"},
    {"/dropbox/import", "{" TOKEN ",\"path\":\"/in/\"}"},
    {"/dropbox/import", "{" TOKEN ",\"path\":\"in/a.txt\"}"},
    {"/box/store", "{" TOKEN ",\"path\":\"in/a.txt\",\"create_sharing_link\":true}"},
    {"/box/store", "{\"client_id\":\"c\",\"client_secret\":\"the-secret\",\"enterprise_id\":\"1\",\"path\":\"a.txt\"}"},
    {"/box/import", "{" TOKEN ",\"path\":\"/\"}"},
    {"/box/import", "{" TOKEN ",\"path\":[\"in/a.txt\",\"b.txt\"]}"},
    {"/vimeo/store", "{" TOKEN ",\"title\":\"t\",\"description\":\"d\",\"folder_id\":\"1\",\"showcases\":[\"2\"]}"},
    {"/vimeo/import", "{" TOKEN ",\"path\":[\"me/videos\",\"videos/1\"]}"},
};

/* With what is left of the answers: tokens, or words that repeat none. */
static void fuzz_renew(const struct robot *r, struct robot_job *job)
{
    AUTO(json_unref)
    json_t *content = json_pack("{s:s,s:s,s:s}", "client_id", "c", "client_secret", "the-secret", "refresh_token",
                                "the-secret");
    AUTO(json_unref) json_t *pair = NULL;
    struct err err = {0};

    if (r->renew(job, content, &pair, &err) < 0) {
        CHECK(!pair && err.code && err.msg[0] && !strstr(err.msg, "the-secret"));
        return;
    }
    CHECK(jstr(pair, "refused") ? !strstr(jstr(pair, "refused"), "the-secret")
                                : jstr(pair, "access_token") && jstr(pair, "refresh_token"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned first = take_byte(&b), which = (first & 127) % (unsigned)ARRAY_LEN(runs);
    char file[100] = "x";
    const struct robot *r = robot_find(runs[which].robot);
    struct robot_job *job = remote_job(r, &b, file, first & 128 ? sizeof file : 3);
    AUTO(json_unref) json_t *step = json_loads(runs[which].step, 0, NULL);
    struct err err = {0};
    void *opts;

    CHECK(robot_options(&opts, robot_arena(job), r, step, false, &err) == 0);
    if (r->run(job, opts, &err) < 0) {
        CHECK(err.code && err.msg[0] && !strstr(err.msg, "the-secret"));
        AUTO(json_unref) json_t *token = json_incref(remote_token(job));
        if (token && r->undo(job, opts, token, &err) < 0)
            CHECK(!strstr(err.msg, "the-secret"));
    }
    if (r->renew)
        fuzz_renew(r, job);
    unlink(robot_out_path(job, "x"));
    remote_done(job);
    return 0;
}
