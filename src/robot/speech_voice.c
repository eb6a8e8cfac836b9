#include "robot/speech_voice.h"

#include <ctype.h>
#include <string.h>

const char *const speech_voices[] = {"af",
                                     "am",
                                     "an",
                                     "ar",
                                     "as",
                                     "az",
                                     "ba",
                                     "be",
                                     "bg",
                                     "bn",
                                     "bpy",
                                     "bs",
                                     "ca",
                                     "cmn",
                                     "cs",
                                     "cv",
                                     "cy",
                                     "da",
                                     "de",
                                     "el",
                                     "en-029",
                                     "en-gb",
                                     "en-gb-scotland",
                                     "en-us",
                                     "eo",
                                     "es",
                                     "es-419",
                                     "et",
                                     "eu",
                                     "fa",
                                     "fi",
                                     "fr-be",
                                     "fr-ch",
                                     "fr-fr",
                                     "ga",
                                     "gd",
                                     "gn",
                                     "grc",
                                     "gu",
                                     "hak",
                                     "haw",
                                     "he",
                                     "hi",
                                     "hr",
                                     "ht",
                                     "hu",
                                     "hy",
                                     "hyw",
                                     "ia",
                                     "id",
                                     "io",
                                     "is",
                                     "it",
                                     "ja",
                                     "jbo",
                                     "ka",
                                     "kk",
                                     "kl",
                                     "kn",
                                     "ko",
                                     "kok",
                                     "ku",
                                     "ky",
                                     "la",
                                     "lb",
                                     "lfn",
                                     "lt",
                                     "ltg",
                                     "lv",
                                     "mi",
                                     "mk",
                                     "ml",
                                     "mr",
                                     "ms",
                                     "mt",
                                     "my",
                                     "nb",
                                     "nci",
                                     "ne",
                                     "nl",
                                     "nog",
                                     "om",
                                     "or",
                                     "pa",
                                     "pap",
                                     "pl",
                                     "pt",
                                     "pt-br",
                                     "qu",
                                     "quc",
                                     "ro",
                                     "ru",
                                     "ru-lv",
                                     "sd",
                                     "shn",
                                     "si",
                                     "sk",
                                     "sl",
                                     "smj",
                                     "sq",
                                     "sr",
                                     "sv",
                                     "sw",
                                     "ta",
                                     "te",
                                     "th",
                                     "tk",
                                     "tn",
                                     "tr",
                                     "tt",
                                     "ug",
                                     "uk",
                                     "ur",
                                     "uz",
                                     "vi",
                                     "vi-vn-x-central",
                                     "vi-vn-x-south",
                                     "yue",
                                     NULL};

/* Languages and regions by names that espeak-ng does not have; what stands alone counts for all
 * regions that are not here. */
static const char *const others[][2] = {
    {"en", "en-us"},     {"en-au", "en-gb"},
    {"en-nz", "en-gb"},  {"en-ie", "en-gb"},
    {"en-in", "en-gb"},  {"en-za", "en-gb"},
    {"en-sg", "en-gb"},  {"en-hk", "en-gb"},
    {"en-jm", "en-029"}, {"en-gb-sct", "en-gb-scotland"},
    {"es-es", "es"},     {"es-ar", "es-419"},
    {"es-cl", "es-419"}, {"es-co", "es-419"},
    {"es-mx", "es-419"}, {"es-pe", "es-419"},
    {"es-us", "es-419"}, {"es-ve", "es-419"},
    {"fr", "fr-fr"},     {"zh", "cmn"},
    {"zh-hk", "yue"},    {"zh-mo", "yue"},
    {"arb", "ar"},       {"no", "nb"},
    {"nn", "nb"},        {"iw", "he"},
    {"in", "id"},        {"mo", "ro"},
    {"sh", "hr"},        {"zh-yue", "yue"},
};

static const char *speech_exact(const char *tag)
{
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (!strcmp(others[i][0], tag))
            return others[i][1];
    for (const char *const *v = speech_voices; *v; v++)
        if (!strcmp(*v, tag))
            return *v;
    return NULL;
}

const char *speech_voice(const char *language)
{
    char tag[36];
    size_t n = strlen(language);
    const char *voice;

    if (n >= sizeof tag)
        return NULL;
    for (size_t i = 0; i <= n; i++)
        tag[i] = language[i] == '_' ? '-' : (char)tolower((unsigned char)language[i]);
    while (!(voice = speech_exact(tag)) && strrchr(tag, '-'))
        *strrchr(tag, '-') = 0;
    return voice;
}

const struct opt_choice speech_persons[] = {{"female-1", FEMALE_1},
                                            {"female-2", FEMALE_2},
                                            {"female-3", FEMALE_3},
                                            {"female-child-1", FEMALE_CHILD_1},
                                            {"male-1", MALE_1},
                                            {"male-child-1", MALE_CHILD_1},
                                            {0}};

/* espeak-ng has no children: they are women of a high pitch. */
const struct speech_person_row *speech_person(int person)
{
    static const struct speech_person_row rows[] = {
        [FEMALE_1] = {"f3", "50"},       [FEMALE_2] = {"f2", "45"}, [FEMALE_3] = {"f4", "50"},
        [FEMALE_CHILD_1] = {"f5", "92"}, [MALE_1] = {"m3", "50"},   [MALE_CHILD_1] = {"f4", "85"},
    };

    return &rows[person];
}
