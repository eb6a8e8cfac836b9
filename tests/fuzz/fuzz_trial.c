/* What a worker says of credentials that it tried, as the daemon reads it. */
#include "fuzz.h"
#include "robot/robot.h"
#include "worker/trial_answer.h"

#include <string.h>

static void check_words(const char *words)
{
    size_t n = strlen(words);

    CHECK(n && n <= TRIAL_WORDS_MAX && utf8_valid(words, n));
    for (size_t i = 0; i < n; i++)
        CHECK((unsigned char)words[i] >= ' ' && words[i] != 0x7f);
}

static void check_token(const char *s)
{
    CHECK(*s && strlen(s) <= RENEWAL_TOKEN_MAX);
    for (; *s; s++)
        CHECK(*s > ' ' && *s <= '~');
}

/* The same bytes as the answer of a renewal. */
static void fuzz_renewal(const json_t *said)
{
    static struct renewal_found f;
    struct err err = {0};

    if (renewal_answer_read(&f, said, &err) < 0) {
        CHECK(err.code == ERR_WORKER && err.msg[0]);
        return;
    }
    CHECK(!(f.works && f.refused));
    if (!f.works) {
        check_words(f.words);
        return;
    }
    check_token(f.access_token);
    check_token(f.refresh_token);
    CHECK(f.life_s >= 1 && f.life_s <= 86400 && !f.words[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json_unref) json_t *said = trial_answer_parse((const char *)data, size);
    struct trial_found f;
    struct err err = {0};

    if (!said)
        return 0;
    CHECK(json_is_object(said));
    fuzz_renewal(said);
    if (trial_answer_read(&f, said, &err) < 0) {
        CHECK(err.code == ERR_WORKER && err.msg[0]);
        return 0;
    }
    if (f.works) {
        CHECK(!f.none && f.did <= TRIAL_ALL && !f.words[0] && !f.code[0]);
        return 0;
    }
    check_words(f.words);
    CHECK(f.did == 0);
    CHECK(f.code[0] && strlen(f.code) < sizeof f.code);
    for (const char *c = f.code; *c; c++)
        CHECK((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_');
    return 0;
}
