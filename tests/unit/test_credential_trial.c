#include "api/credential_trial.h"
#include "unit.h"

#include <pthread.h>

/* There is no worker program at this address: each trial ends at once, with an error. */
static struct bench {
    struct credential_trials *all;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int left, refused, answers;
} b = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static void answered(void *ctx, json_t *result, const struct err *err);

static void post(void)
{
    AUTO(json_unref) json_t *content = json_pack("{s:s,s:s}", "host", "127.0.0.1", "user", "u");
    struct err err;
    bool refused =
        credential_trials_post(b.all, "workspace", "name", "sftp", content, answered, &b, &err) < 0;

    pthread_mutex_lock(&b.lock);
    b.refused += refused;
    if (refused)
        b.left = 0;
    pthread_cond_broadcast(&b.ended);
    pthread_mutex_unlock(&b.lock);
}

/* As a client does that asks again as soon as it has its answer. */
static void answered(void *ctx, json_t *result, const struct err *err)
{
    (void)ctx;
    assert_null(result);
    assert_non_null(err);
    pthread_mutex_lock(&b.lock);
    b.answers++;
    bool again = --b.left > 0;
    pthread_cond_broadcast(&b.ended);
    pthread_mutex_unlock(&b.lock);
    if (again)
        post();
}

static void who_has_an_answer_may_ask_again_at_once(void **state)
{
    (void)state;
    const struct credential_bench bench = {.program_dir = "/nonexistent", .without = ""};

    b.all = credential_trials_new(&bench);
    b.left = 20;
    post();
    pthread_mutex_lock(&b.lock);
    while (b.left > 0)
        pthread_cond_wait(&b.ended, &b.lock);
    pthread_mutex_unlock(&b.lock);
    credential_trials_stop(b.all); /* who has answered is waited for as well */
    assert_int_equal(b.refused, 0);
    assert_int_equal(b.answers, 20);
    credential_trials_free(b.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_has_an_answer_may_ask_again_at_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
