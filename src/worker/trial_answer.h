/* trial_answer.h - what a worker program that was asked for one thing (trial.h) has said, as the daemon reads it: it
 * comes from where the other side's bytes were parsed, so it is looked at like any stranger's. Pure. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define TRIAL_ANSWER_MAX (256 * 1024) /* bytes */
#define TRIAL_ANSWER_VALUES 20000
#define TRIAL_WORDS_MAX 2000

/* One JSON object. NULL: it is none, or more than is sane. The caller unrefs. */
json_t *trial_answer_parse(const char *text, size_t len);

/* Of a Robot's trial. */
struct trial_found {
    bool none;                       /* the Robot has no trial */
    bool works;
    unsigned did;                    /* enum robot_trial_step, when it works */
    char words[TRIAL_WORDS_MAX + 1]; /* what failed: UTF-8 without control characters; never empty then */
    char code[64];                   /* of that: capitals, digits and underscores */
};
/* Neither "it works" nor "it does not" is believed in a form that a worker does not use. Errors: ERR_WORKER. */
MUST_CHECK int trial_answer_read(struct trial_found *out, const json_t *said, struct err *err);

/* Of a renewal of tokens (Robot.renew). */
#define RENEWAL_TOKEN_MAX 8192
struct renewal_found {
    bool works;
    char access_token[RENEWAL_TOKEN_MAX + 1], refresh_token[RENEWAL_TOKEN_MAX + 1]; /* printable, no blanks */
    int64_t life_s;                  /* of the access token: 1 second to a day */
    bool refused;                    /* for good */
    char words[TRIAL_WORDS_MAX + 1]; /* what failed */
};
/* Two tokens that can be used, or what failed. Errors: ERR_WORKER. */
MUST_CHECK int renewal_answer_read(struct renewal_found *out, const json_t *said, struct err *err);
