#include "talk.h"
#include "../unit/unit.h"

#include <stdio.h>
#include <string.h>

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct talk *t = ctx;
    const struct talk_turn *turn = &t->turns[t->at];
    AUTO(mem_free) char *asked = mem_printf("%s %s", q->method, q->target);
    AUTO(mem_free) char *headers = mem_strdup(turn->headers ? turn->headers : "");
    char *hole = strstr(headers, "%s");

    if (!turn->asks || !str_starts(asked, turn->asks) ||
        (turn->with && !strstr(q->headers, turn->with) && !strstr(q->body.s ? q->body.s : "", turn->with))) {
        if (!*t->wrong)
            snprintf(t->wrong, sizeof t->wrong, "turn %d: expected %s with '%s', but was asked %.200s\n%.200s", t->at,
                     turn->asks ? turn->asks : "nothing", turn->with ? turn->with : "", asked, q->headers);
        origin_say(out, 418, "", "");
        return;
    }
    t->at++;
    if (!turn->status) /* the connection breaks */
        return;
    if (hole)
        *hole = 0;
    AUTO(mem_free) char *all = mem_printf("%s%s%s", headers, hole ? t->host : "", hole ? hole + 2 : "");
    origin_say(out, turn->status, all, turn->answer ? turn->answer : "");
}

void talk_begin(struct talk *t, const struct talk_turn *turns, const char *robot, const char *service,
                const char *input)
{
    *t = (struct talk){.turns = turns, .job = host_new()};
    t->origin = origin_start(answer, t);
    t->host = origin_host(t->origin);
    AUTO(mem_free) char *url = mem_printf("http://%s", t->host);
    host_be(t->job, robot);
    jset(host_settings(t->job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(t->job), "retry_ms", json_integer(1));
    json_object_set_new(host_settings(t->job), "endpoints", json_pack("{s:s}", service, url));
    if (!input)
        return;
    const char *path = host_path(t->job, "a b.txt");
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(input, f);
    fclose(f);
    host_add_input(t->job, path);
}

static void is_over(const struct talk *t)
{
    if (*t->wrong)
        fail_msg("%s", t->wrong);
    if (t->turns[t->at].asks)
        fail_msg("nobody asked for turn %d: %s", t->at, t->turns[t->at].asks);
}

void talk_run(struct talk *t, const char *step, const char *code, const char *says)
{
    struct err err = {0};
    int rc = host_run(t->job, robot_of_job(t->job)->name, step, &err);

    if (*t->wrong)
        fail_msg("%s", t->wrong);
    if ((rc == 0) != !code || (code && strcmp(err_name(&err), code) != 0) || (says && !strstr(err.msg, says)))
        fail_msg("it ended with %d: %s: %s", rc, err_name(&err), err.msg);
    is_over(t);
}

void talk_undo(struct talk *t, const char *step, const char *token)
{
    AUTO(json_unref) json_t *j = json_loads(token, 0, NULL);
    struct err err = {0};

    if (host_undo(t->job, robot_of_job(t->job)->name, step, j, &err) < 0)
        fail_msg("%s: %s; %s", err_name(&err), err.msg, t->wrong);
    is_over(t);
}

void talk_end(struct talk *t)
{
    origin_end(t->origin);
    host_free(t->job);
}

void talk_checks(const char *robot, const char *step, const char *says)
{
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(json_unref) json_t *j = json_loads(step, 0, NULL);
    struct err err = {0};
    void *opts;
    int rc = robot_options(&opts, a, robot_find(robot), j, false, &err);

    if (!j || (rc < 0) != (says != NULL) || (says && !strstr(err.msg, says)))
        fail_msg("%s: %d: %s", step, rc, err.msg);
}
