/* What a worker says of credentials that it tried, as the daemon reads it. */
#include "fuzz.h"
#include "robot/robot.h"
#include "worker/trial_answer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json_unref) json_t *said = trial_answer_parse((const char *)data, size);
    struct trial_found f;
    struct err err = {0};

    if (!said)
        return 0;
    CHECK(json_is_object(said));
    if (trial_answer_read(&f, said, &err) < 0) {
        CHECK(err.code == ERR_WORKER && err.msg[0]);
        return 0;
    }
    if (f.works) {
        CHECK(!f.none && f.did <= TRIAL_ALL && !f.words[0] && !f.code[0]);
        return 0;
    }
    size_t n = strlen(f.words);
    CHECK(n && n <= TRIAL_WORDS_MAX && utf8_valid(f.words, n) && f.did == 0);
    for (size_t i = 0; i < n; i++)
        CHECK((unsigned char)f.words[i] >= ' ' && f.words[i] != 0x7f);
    CHECK(f.code[0] && strlen(f.code) < sizeof f.code);
    for (const char *c = f.code; *c; c++)
        CHECK((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_');
    return 0;
}
