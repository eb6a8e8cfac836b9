/* `workcell --renew`: one renewal of the tokens of stored credentials, ordered on standard input by a server or a
 * command (conductor/renewals.h), in a process of its own.
 *
 * The other side has ended the old refresh token when it answers, so from there on nothing may come between: who
 * ordered it may be killed, the terminal may close, the service manager may send its SIGTERM. This goes on, writes down
 * what it got, and ends. What the other side sent was parsed by a worker, whose words pass trial_answer.h. */
#include "base/clock.h"
#include "commands.h"
#include "store/renewed.h"
#include "worker/trial.h"
#include "worker/trial_answer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOCK_WAIT_US (200 * SECOND_US) /* another may be at it as long as ASK_S */
#define ASK_S 180                      /* several attempts of half a minute */
#define EARLY_US (1800 * SECOND_US)    /* so long before its end a token is renewed: a job goes on with it so long */

/* What is ordered, out of JSON, from our own program. */
struct order {
    const json_t *all, *content;
    const char *dir, *workspace;
    struct seal_key seal;
    char id[RENEWED_ID_LEN + 1];
};

static bool read_seal(struct seal_key *out, const char *hex)
{
    if (strlen(hex) != 2 * sizeof out->bytes)
        return false;
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

        out->bytes[i] = (unsigned char)strtoul(two, NULL, 16);
    }
    return true;
}

static bool read_order(struct order *o, const json_t *all)
{
    *o = (struct order){.all = all,
                        .content = json_object_get(all, "content"),
                        .dir = jstr_or(all, "dir", ""),
                        .workspace = jstr_or(all, "workspace", "")};
    renewed_id(o->id, o->workspace, o->content);
    return *o->dir && *o->id && read_seal(&o->seal, jstr_or(all, "seal", ""));
}

static const char *secret_of(const struct order *o) { return jstr_or(o->content, "client_secret", ""); }

/* Somebody else has done it while this one waited for the lock, or has been refused. */
static bool is_done(const struct order *o, const struct renewed *have)
{
    bool bad = have->access_token && !strcmp(have->access_token, jstr_or(o->all, "refused", ""));

    if (have->access_token && !bad && clock_now_us() < have->renew_at_us)
        return true;
    return have->refused && !strcmp(have->refused_of ? have->refused_of : "", secret_of(o));
}

static int ask_other_side(struct renewal_found *out, const struct order *o, const char *refresh_token, struct err *err)
{
    AUTO(trial_close)
    struct trial t = {.program_dir = jstr_or(o->all, "program_dir", ""), .without = jstr_or(o->all, "without", "")};
    AUTO(json_unref) json_t *content = json_copy((json_t *)o->content);

    json_object_set_new(content, "refresh_token", jstring(refresh_token));
    AUTO(json_unref)
    json_t *input = json_pack("{s:O,s:O?}", "params", content, "settings", json_object_get(o->all, "settings"));
    if (trial_open(&t, err) < 0)
        return -1;
    AUTO(json_unref)
    json_t *said = trial_ask(&t, "workcell-transfer", "--renew", jstr_or(o->all, "robot", ""), input, ASK_S, err);
    return said ? renewal_answer_read(out, said, err) : -1;
}

/* A token that ends soon is renewed after half of its time. After a refusal the one that there is serves to its end. */
static struct renewed state_after(const struct order *o, const struct renewal_found *found, const struct renewed *have,
                                  const char *used)
{
    int64_t now = clock_now_us(), life_us = found->life_s * SECOND_US;

    if (found->refused)
        return (struct renewed){.refresh_token = (char *)used,
                                .access_token = have->access_token,
                                .renew_at_us = have->until_us,
                                .until_us = have->until_us,
                                .refused = (char *)found->words,
                                .refused_of = (char *)secret_of(o)};
    return (struct renewed){.refresh_token = (char *)found->refresh_token,
                            .access_token = (char *)found->access_token,
                            .renew_at_us = now + life_us - (life_us / 2 < EARLY_US ? life_us / 2 : EARLY_US),
                            .until_us = now + life_us};
}

static int renew(const struct order *o, struct err *err)
{
    AUTO(renewed_done) struct renewed have = {0};
    AUTO(fd_close) int lock = -1;
    struct renewal_found *found;

    if (renewed_lock(&lock, o->dir, o->id, LOCK_WAIT_US, err) < 0 ||
        renewed_read(&have, o->dir, &o->seal, o->id, err) < 0)
        return -1;
    if (is_done(o, &have))
        return 0;
    const char *token = have.refresh_token ? have.refresh_token : jstr_or(o->content, "refresh_token", "");
    if (renewed_begin(o->dir, o->id, err) < 0)
        return -1;
    found = mem_zalloc(sizeof *found);
    int rc = ask_other_side(found, o, token, err);
    if (rc == 0 && !found->works && !found->refused)
        rc = err_set(err, ERR_IMPORT, "%s", found->words);
    if (rc == 0) {
        const struct renewed next = state_after(o, found, &have, token);

        rc = renewed_write(o->dir, &o->seal, o->id, &next, err);
    }
    explicit_bzero(found, sizeof *found);
    free(found);
    return rc;
}

int command_renew(int argc, char **argv)
{
    static const int deaf[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
    AUTO(json_unref) json_t *all = NULL;
    struct order o;
    struct err err = {0};

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
        signal(deaf[i], SIG_IGN);
    setsid();
    all = json_loadf(stdin, 0, NULL);
    if (!all || !read_order(&o, all)) {
        fputs("workcell: --renew is for workcell itself\n", stderr);
        return 2;
    }
    bool written = renew(&o, &err) == 0;
    AUTO(json_unref)
    json_t *said = written ? json_pack("{s:b}", "written", 1) : json_pack("{s:o}", "error", jstring(err.msg));
    AUTO(mem_free) char *text = json_text(said);
    puts(text);
    return 0;
}
