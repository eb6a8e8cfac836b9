/* /youtube/store against a service of the test's own. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"
#include "transfer/youtube.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/youtube/store"
#define SIZE 700000
#define PIECE (512 * 1024)
#define STEP(title)                                                                                                   \
    "{\"credentials\": \"c\", \"client_id\": \"i d\", \"client_secret\": \"s&hush\", \"refresh_token\": "             \
    "\"1//hush\", "                                                                                                   \
    "\"title\": \"" title "\", \"description\": \"d\", \"category\": \"music\", \"keywords\": \" a b, c,, d \", "     \
    "\"visibility\": \"unlisted\""

struct channel {
    char host[40];
    char said[3000], described[2000], form[500];
    int sessions, open, videos; /* begun; not complete; there */
    size_t got;
    const char *answer; /* about the video; NULL: a good one */
    const char *begin;  /* body of a 403 when a session is begun; NULL: it goes */
    int drops;          /* so many answers to a last piece are lost */
    bool forgets;       /* what came of a session, when asked */
    int remove_status;  /* of DELETE of a video; 0: 204 */
};

static void say_video(struct channel *c, struct str *out)
{
    origin_say(out, 200, "", c->answer ? c->answer : "{\"kind\": \"youtube#video\", \"id\": \"dQw4w9-_XcQ\"}");
}

static void on_session(struct channel *c, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *range = origin_header(q, "content-range");
    bool is_question = str_starts(range, "bytes *");

    if (!strcmp(q->method, "DELETE")) {
        c->open = 0;
        origin_say(out, 499, "", "");
        return;
    }
    if (is_question && c->forgets) {
        origin_say(out, 404, "", "{}");
        return;
    }
    c->got += q->body.len;
    if (c->got < SIZE) {
        AUTO(mem_free) char *have = mem_printf("Range: bytes=0-%zu\r\n", c->got - 1);
        origin_say(out, 308, c->got ? have : "", "");
        return;
    }
    c->videos += c->open;
    c->open = 0;
    if (is_question || c->drops-- <= 0)
        say_video(c, out);
}

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct channel *c = ctx;
    size_t used = strlen(c->said);

    snprintf(c->said + used, sizeof c->said - used, "%s %s\n", q->method, q->target);
    if (!strcmp(q->target, "/token")) {
        snprintf(c->form, sizeof c->form, "%s", q->body.s);
        origin_say(out, 200, "", "{\"access_token\": \"an-access-token\", \"expires_in\": 3600}");
    } else if (strstr(q->target, "upload_id")) {
        on_session(c, q, out);
    } else if (!strcmp(q->method, "POST") && c->begin) {
        origin_say(out, 403, "", c->begin);
    } else if (!strcmp(q->method, "POST")) {
        AUTO(mem_free) char *to = mem_printf("Location: http://%s%s&upload_id=u\r\n", c->host, q->target);

        snprintf(c->described, sizeof c->described, "%s", q->body.s);
        c->sessions++;
        c->open = 1;
        c->got = 0;
        origin_say(out, 200, to, "");
    } else {
        c->videos -= !c->remove_status;
        origin_say(out, c->remove_status ? c->remove_status : 204, "", "");
    }
}

struct bed {
    struct channel channel;
    struct origin *origin;
    struct robot_job *job;
};

static void bed_begin(struct bed *b)
{
    *b = (struct bed){.job = host_new()};
    b->origin = origin_start(answer, &b->channel);
    snprintf(b->channel.host, sizeof b->channel.host, "%s", origin_host(b->origin));
    const char *path = host_path(b->job, "a.mp4");
    FILE *f = fopen(path, "we");
    for (size_t i = 0; i < SIZE; i++)
        putc('a', f);
    fclose(f);
    host_add_input(b->job, path);
    host_input(b->job)->mime = "video/mp4";
    AUTO(mem_free) char *url = mem_printf("http://%s", b->channel.host);
    json_object_set_new(host_settings(b->job), "endpoints", json_pack("{s:s}", "youtube", url));
    jset(host_settings(b->job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b->job), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(b->job), "google_piece", json_integer(PIECE));
}

static void bed_end(struct bed b)
{
    origin_end(b.origin);
    host_free(b.job);
}
DEFINE_AUTO(struct bed, bed_end)

static void fails(struct bed *b, const char *step, const char *code, const char *says)
{
    struct err err = {0};

    assert_int_equal(host_run(b->job, ROBOT, step, &err), -1);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, says) || strstr(err.msg, "hush"))
        fail_msg("'%s' says nothing of '%s'", err.msg, says);
}

static void publishes(struct bed *b)
{
    struct err err = {0};

    if (host_run(b->job, ROBOT, STEP("t") "}", &err) < 0)
        fail_msg("%s: %s", err_name(&err), err.msg);
    assert_null(host_undo_token(b->job));
    assert_int_equal(b->channel.videos, 1);
    assert_int_equal(b->channel.sessions, 1);
}

static void a_video_is_described_sent_and_has_its_address(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    publishes(&b);
    assert_string_equal(host_output(b.job, 0)->url, "https://www.youtube.com/watch?v=dQw4w9-_XcQ");
    assert_string_equal(host_output(b.job, 0)->ssl_url, "https://www.youtube.com/watch?v=dQw4w9-_XcQ");
    assert_string_equal(b.channel.described,
                        "{\"snippet\":{\"title\":\"t\",\"description\":\"d\",\"tags\":[\"a b\",\"c\",\"d\"],"
                        "\"categoryId\":\"10\"},\"status\":{\"privacyStatus\":\"unlisted\"}}");
    assert_string_equal(b.channel.form,
                        "grant_type=refresh_token&client_id=i%20d&client_secret=s%26hush&refresh_token=1%2F%2Fhush");
    assert_non_null(
        strstr(b.channel.said, "POST /upload/youtube/v3/videos?uploadType=resumable&part=snippet%2Cstatus\n"));
}

static void an_answer_that_is_lost_makes_no_second_video(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.channel.drops = 1;
    publishes(&b);
}

static void when_nobody_knows_what_came_of_a_video_it_is_not_sent_again(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.channel.drops = 1;
    b.channel.forgets = true;
    fails(&b, STEP("t") "}", "YOUTUBE_STORE_PROBLEM_SENDING_FILE", "it is not known whether all of it had arrived");
    assert_int_equal(b.channel.sessions, 1);
}

static void only_videos_are_taken(void **state)
{
    static const char *const types[] = {"image/jpeg", "audio/mpeg", "", "text/plain"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b);
        host_input(b.job)->mime = types[i];
        fails(&b, STEP("t") "}", "YOUTUBE_STORE_PROBLEM_SENDING_FILE", "YouTube takes videos only");
        assert_int_equal(origin_requests(b.origin), 0);
    }
}

static void a_quota_that_is_used_up_is_named(void **state)
{
    static const char *const reasons[] = {"quotaExceeded", "uploadLimitExceeded", "forbidden"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        AUTO(bed_end) struct bed b = {0};
        AUTO(mem_free)
        char *body =
            mem_printf("{\"error\": {\"message\": \"No more.\", \"errors\": [{\"reason\": \"%s\"}]}}", reasons[i]);

        bed_begin(&b);
        b.channel.begin = body;
        fails(&b, STEP("t") "}", "YOUTUBE_STORE_PROBLEM_SENDING_FILE", reasons[i]);
        assert_int_equal(origin_requests(b.origin), 2); /* a token, one attempt */
    }
}

static void a_pace_that_is_too_fast_is_slowed_down(void **state)
{
    AUTO(bed_end) struct bed b = {0};

    (void)state;
    bed_begin(&b);
    b.channel.begin = "{\"error\": {\"message\": \"Slower.\", \"errors\": [{\"reason\": \"rateLimitExceeded\"}]}}";
    fails(&b, STEP("t") "}", "YOUTUBE_STORE_PROBLEM_SENDING_FILE", "rateLimitExceeded");
    assert_int_equal(origin_requests(b.origin), 5); /* a token, four attempts */
}

static void an_answer_without_a_video_is_no_success(void **state)
{
    static const char *const answers[] = {
        "{}",
        "[]",
        "",
        "{\"id\": 3}",
        "{\"id\": \"\"}",
        "{\"id\": \"a&b\"}",
        "{\"id\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b);
        b.channel.answer = answers[i];
        fails(&b, STEP("t") "}", "YOUTUBE_STORE_PROBLEM_SENDING_FILE", "YouTube answered oddly");
        assert_int_equal(b.channel.sessions, 1);
    }
}

static json_t *note_of_a_dead_run; /* as it was while the last piece was on its way */

static void on_last_piece(void *ctx, const struct origin_request *q, struct str *out)
{
    struct bed *b = ctx;

    if (!strcmp(q->method, "PUT") && !note_of_a_dead_run)
        note_of_a_dead_run = json_deep_copy(host_undo_token(b->job));
    answer(&b->channel, q, out);
}

static void what_a_dead_run_left_is_ended_or_removed(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err = {0};

    (void)state;
    bed_begin(&b);
    struct origin *spy = origin_start(on_last_piece, &b);
    AUTO(mem_free) char *url = mem_printf("http://%s", origin_host(spy));
    json_object_set_new(host_settings(b.job), "endpoints", json_pack("{s:s}", "youtube", url));
    snprintf(b.channel.host, sizeof b.channel.host, "%s", origin_host(spy));
    publishes(&b);
    assert_non_null(note_of_a_dead_run);
    assert_int_equal(host_undo(b.job, ROBOT, STEP("t") "}", note_of_a_dead_run, &err), 0);
    assert_int_equal(b.channel.videos, 0);
    assert_non_null(strstr(b.channel.said, "DELETE /youtube/v3/videos?id=dQw4w9-_XcQ"));

    b.channel.remove_status = 403; /* the grant does not go so far: it stays */
    assert_int_equal(host_undo(b.job, ROBOT, STEP("t") "}", note_of_a_dead_run, &err), 0);
    b.channel.got = 10; /* not complete */
    b.channel.open = 1;
    assert_int_equal(host_undo(b.job, ROBOT, STEP("t") "}", note_of_a_dead_run, &err), 0);
    assert_int_equal(b.channel.open, 0);
    b.channel.forgets = true;
    assert_int_equal(host_undo(b.job, ROBOT, STEP("t") "}", note_of_a_dead_run, &err), 0);
    json_decref(note_of_a_dead_run);
    origin_end(spy);
}

static void wrong_parameters_are_refused_by_name(void **state)
{
    AUTO(str_done) struct str long_title = {0}, long_tags = {0};
    static const char *const cases[][2] = {{STEP("a<b") "}", "title"},
                                           {STEP("") "}", "title"},
                                           {STEP("t") ", \"category\": \"cats\"}", "category"},
                                           {STEP("t") ", \"visibility\": \"secret\"}", "visibility"},
                                           {STEP("t") ", \"description\": \"a > b\"}", "description"},
                                           {STEP("t") ", \"refresh_token\": \"\"}", "refresh_token"},
                                           {"{\"credentials\": \"c\"}", "required"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};

        bed_begin(&b);
        fails(&b, cases[i][0], "YOUTUBE_STORE_VALIDATION", cases[i][1]);
        assert_int_equal(origin_requests(b.origin), 0);
    }
    str_puts(&long_title, STEP("t") ", \"title\": \"");
    str_puts(&long_tags, STEP("t") ", \"keywords\": \"");
    for (int i = 0; i < 101; i++) {
        str_puts(&long_title, "\xc3\xa4");
        str_puts(&long_tags, "a b,");
    }
    str_puts(&long_title, "\"}");
    str_puts(&long_tags, "\"}");
    AUTO(bed_end) struct bed b = {0};
    bed_begin(&b);
    fails(&b, long_title.s, "YOUTUBE_STORE_VALIDATION", "'title' has 101 characters");
    fails(&b, long_tags.s, "YOUTUBE_STORE_VALIDATION", "'keywords' has 605 characters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_video_is_described_sent_and_has_its_address),
        cmocka_unit_test(an_answer_that_is_lost_makes_no_second_video),
        cmocka_unit_test(when_nobody_knows_what_came_of_a_video_it_is_not_sent_again),
        cmocka_unit_test(only_videos_are_taken),
        cmocka_unit_test(a_quota_that_is_used_up_is_named),
        cmocka_unit_test(a_pace_that_is_too_fast_is_slowed_down),
        cmocka_unit_test(an_answer_without_a_video_is_no_success),
        cmocka_unit_test(what_a_dead_run_left_is_ended_or_removed),
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
