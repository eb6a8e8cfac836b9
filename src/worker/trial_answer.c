#include "worker/trial_answer.h"
#include "base/str.h"
#include "robot/robot.h"

#include <string.h>

#define DEPTH_MAX 24

json_t *trial_answer_parse(const char *text, size_t len)
{
    const struct json_bounds most = {.depth = DEPTH_MAX, .values = TRIAL_ANSWER_VALUES};
    struct err ignored;
    json_t *said = len <= TRIAL_ANSWER_MAX ? json_parse_within(text, len, &most, &ignored) : NULL;

    if (json_is_object(said))
        return said;
    json_decref(said);
    return NULL;
}

static void answer_words(char *out, size_t most, const char *text)
{
    size_t n = strlen(text);

    if (n > most) /* not in the middle of a character */
        for (n = most; n && ((unsigned char)text[n] & 0xC0) == 0x80;)
            n--;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    out[n] = 0;
}

static bool is_code(const char *s)
{
    size_t n = strlen(s);

    return n < sizeof((struct trial_found *)0)->code &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

int trial_answer_read(struct trial_found *out, const json_t *said, struct err *err)
{
    const json_t *error = json_object_get(said, "error"), *did = json_object_get(said, "did");
    const char *words = json_string_value(error), *code = jstr_or(said, "code", "");
    json_int_t steps = json_is_integer(did) ? json_integer_value(did) : -1;

    *out = (struct trial_found){.none = jbool(said, "none", false)};
    if (!error && !out->none && steps >= 0 && steps <= TRIAL_ALL) {
        out->works = true;
        out->did = (unsigned)steps;
        return 0;
    }
    if (!words || !*words || did || !is_code(code))
        return err_set(err, ERR_WORKER, "a worker that tried credentials said nothing that can be understood");
    answer_words(out->words, TRIAL_WORDS_MAX, words);
    strcpy(out->code, *code ? code : "WORKER_JOB_ERROR");
    return 0;
}

/* ---- renewals ---- */

#define LIFE_S 3600 /* of a token whose server does not say */
#define LIFE_MAX_S 86400

/* Goes into a header or a form as it is. */
static bool take_token(char out[static RENEWAL_TOKEN_MAX + 1], const json_t *token)
{
    const char *s = json_string_value(token);
    size_t n = s ? json_string_length(token) : 0;

    if (!n || n > RENEWAL_TOKEN_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    memcpy(out, s, n + 1);
    return true;
}

int renewal_answer_read(struct renewal_found *out, const json_t *said, struct err *err)
{
    const json_t *refused = json_object_get(said, "refused"), *error = json_object_get(said, "error");
    const char *words = json_string_value(refused ? refused : error);
    int64_t life_s = jint(said, "expires_in", LIFE_S);

    *out = (struct renewal_found){.refused = refused != NULL};
    if (!refused && !error && take_token(out->access_token, json_object_get(said, "access_token")) &&
        take_token(out->refresh_token, json_object_get(said, "refresh_token"))) {
        out->works = true;
        out->life_s = life_s < 1 ? 1 : life_s > LIFE_MAX_S ? LIFE_MAX_S : life_s;
        return 0;
    }
    if (!words || !*words || (refused && error) || json_object_get(said, "access_token"))
        return err_set(err, ERR_WORKER, "a worker that renewed tokens said nothing that can be understood");
    answer_words(out->words, TRIAL_WORDS_MAX, words);
    return 0;
}
