/* speech_voice.h - which voice of espeak-ng speaks a language. In the daemon as well, which has no
 * espeak-ng: the table says what Debian's has. */
#pragma once
#include "robot/option.h"

/* The name of its voice for a language as BCP 47 writes it ("en-GB", "pt_BR", "zh-Hant-TW"); that
 * of the language where it has none for the region. NULL: it does not speak that. */
const char *speech_voice(const char *language);

/* The voices that a client may ask for: choices of a row, and of each what espeak-ng makes it with.
 */
enum speech_person { FEMALE_1, FEMALE_2, FEMALE_3, FEMALE_CHILD_1, MALE_1, MALE_CHILD_1 };
extern const struct opt_choice speech_persons[];
struct speech_person_row {
    const char *variant, *pitch; /* of its options -v (behind a +) and -p */
};
const struct speech_person_row *speech_person(int person);
/* Every voice that speech_voice() may answer, NULL at the end. For tests. */
extern const char *const speech_voices[];
