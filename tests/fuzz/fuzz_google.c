/* What Google's services answer to their Robots, and what takes back what a dead run left. The first byte says which,
 * and how large the file is; or only what is parsed by hand. */
#include "remote.h"
#include "transfer/google.h"
#include "transfer/google_session.h"

#include <string.h>

/* of nobody; as it stands in JSON */
#define KEY                                                                                                           \
    "-----BEGIN PRIVATE KEY-----\\n"                                                                                  \
    "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAOIawLXR+qNXS5Wh\\n"                                             \
    "uekCn05nSH1SRcI5hlvo19FEhz768wSz+OEyY3cxsPQdqqYW2SoT6hQd7YtPUAKn\\n"                                             \
    "mVgkfY8MFAqhVUkahy1jlGyZ58k2wZEldzMf2Qb7iquu5+fgu6X0Bm4c69GWpqrd\\n"                                             \
    "0v/xdj/YiNJX11eo49ShZkSTCFhZAgMBAAECgYBcc03qykHueeo485jdsqnK2CZm\\n"                                             \
    "v7YwVW8fs5RTR+75DIlDmgcgpYbQHOxa1KqLIPqI3v2uXhJcDQENJNRpmvoPN8QX\\n"                                             \
    "8DkIq8WwcPns4lk+/+HB+4W2fADER2xVVrPA8CTxkIpko3I9YQY3UA0BoeDqZ6rK\\n"                                             \
    "f3GwAfQ5TLYkOyIPkQJBAPGaebLn8g0uoDU06hyBHRsK9/BWRINxpnARgskIJa+v\\n"                                             \
    "rRNyUvQUt5+LXjKTpidF2fFRddPYSYd0BVNeI3NgQF0CQQDvk9mhBsbYx7im4nLe\\n"                                             \
    "GTEPd99r8syQ0DF+MqibMekwbUtk5GtGbZFU0aPoPgaeqyLhk/NSZz+yVF7JXFoW\\n"                                             \
    "YKgtAkEAz7S0J4CMcZTCGrvxAKxnb1ZQrYgcwrw0EGidfWLJs25eZzeD5V7iNgFE\\n"                                             \
    "7EpPL7g3k+UqXQO2wwKViYSHCauX6QJBAM4UyiF/qNCUjDvRkqmF1fPOU3uR8XGo\\n"                                             \
    "BMrfXLWS61niyfXRno2IdnkVk/6UTDF0WJ7eG3IIqnwFoztmm3+gSUkCQCbxbulz\\n"                                             \
    "SOcu6hnwkJagcO5EK6MwHPQ3EwKNMX+T7SF5HeIzA5f3ORh2GcP8Ua0P07MYxJLt\\n"                                             \
    "rKGHdLr9jN3sHCg=\\n"                                                                                             \
    "-----END PRIVATE KEY-----\\n"                                                                                    \
    ""

static const char *const steps[][2] = {
    {"/google/store",
     "{\"credentials\":\"c\",\"client_email\":\"e%d\",\"bucket\":\"buck\",\"path\":\"a/b\",\"private_key\":\"" KEY
     "\"}"},
    {"/google/import", "{\"credentials\":\"c\",\"client_email\":\"e%d\",\"bucket\":\"buck\",\"path\":[\"a\",\"d/"
                       "\"],\"private_key\":\"" KEY "\"}"},
    {"/google/import",
     "{\"credentials\":\"c\",\"client_email\":\"e%d\",\"bucket\":\"buck\",\"path\":\"/\",\"recursive\":true,"
     "\"files_per_page\":2,\"ignore_errors\":true,\"private_key\":\"" KEY "\"}"},
    {"/youtube/store",
     "{\"credentials\":\"c\",\"client_id\":\"i%d\",\"client_secret\":\"the secret\",\"refresh_token\":\"the secret "
     "too\","
     "\"title\":\"t\",\"description\":\"d\",\"category\":\"music\",\"keywords\":\"a,b\",\"visibility\":\"public\"}"}};

static void parse(struct bytes *b)
{
    AUTO(mem_free) char *range = take_line(b), *url = take_line(b);
    AUTO(json_unref) json_t *answer = take_json_line(b);
    AUTO(json_unref) json_t *places = json_array(), *known = json_object();
    json_t *place;
    int64_t n = google_session_range(range);
    const char *what = NULL;
    char *next = NULL;
    size_t i;

    CHECK(n >= -1 && (n <= 0 || str_starts(range, "bytes=0-")));
    if (google_same_origin("https://storage.googleapis.com/x", url))
        CHECK(str_starts(url, "https://storage.googleapis.com/"));
    AUTO(mem_free) char *opened = google_session_open_note(answer, "s", "https://storage.googleapis.com");
    CHECK(!opened); /* nobody but us can seal one */
    if (google_read_page(places, known, &next, answer, &what) < 0) {
        CHECK(what && !next);
        return;
    }
    json_array_foreach (places, i, place) {
        const char *name = json_string_value(place);

        CHECK(name && *name && strlen(name) <= GOOGLE_NAME_MAX && !str_ends(name, "/"));
        CHECK(json_object_get(known, name));
    }
    CHECK(!next || *next);
    free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int number; /* no token is kept from one to the next */
    struct bytes b = {data, len};
    unsigned first = take_byte(&b), which = first % 5;
    char file[200] = "x";
    struct err err = {0};
    void *opts;

    if (which == 4) {
        parse(&b);
        return 0;
    }
    const struct robot *r = robot_find(steps[which][0]);
    struct robot_job *job = remote_job(r, &b, file, first & 64 ? 100 : 0);
    ((struct robot_input *)robot_input(job, 0))->mime = "video/mp4";
    AUTO(json_unref) json_t *step = json_loads(steps[which][1], 0, NULL);
    const char *who = which == 3 ? "client_id" : "client_email";
    AUTO(mem_free) char *name = mem_printf("n%d", number++);
    json_object_set_new(step, who, json_string(name));

    CHECK(robot_options(&opts, robot_arena(job), r, step, false, &err) == 0);
    if (first & 32 && r->trial) {
        (void)r->trial(job, opts, &err);
    } else if (r->run(job, opts, &err) < 0) {
        CHECK(err.code && err.msg[0] && !strstr(err.msg, "the secret") && !strstr(err.msg, "upload_id"));
        AUTO(json_unref) json_t *token = json_incref(remote_token(job));
        if (token && r->undo(job, opts, token, &err) < 0)
            CHECK(!strstr(err.msg, "upload_id"));
    } else {
        CHECK(!remote_token(job)); /* it is done: there is nothing to be taken back */
    }
    unlink(robot_out_path(job, "x"));
    remote_done(job);
    return 0;
}
