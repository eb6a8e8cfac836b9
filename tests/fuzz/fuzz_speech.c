/* Markup of speech: what reaches espeak-ng has no element or attribute that names a file, no
 * command, and is read as the same again. */
#include "fuzz.h"
#include "media/speech_text.h"

#include <string.h>

static void is_harmless(const char *text)
{
    static const char *const known[] = {"speak",    "p",      "s",   "voice", "prosody",
                                        "emphasis", "say-as", "sub", "break"};

    CHECK(!strstr(text, "[["));
    for (const char *p = text; *p; p++) {
        CHECK((unsigned char)*p >= 0x20 || *p == '\n' || *p == '\t');
        if (*p != '<')
            continue;
        const char *name = p + 1 + (p[1] == '/');
        size_t n = strcspn(name, " />"), i = 0;

        while (i < ARRAY_LEN(known) && (strlen(known[i]) != n || memcmp(known[i], name, n) != 0))
            i++;
        CHECK(i < ARRAY_LEN(known));
        for (const char *a = name; *a && *a != '>'; a++)
            CHECK(strncmp(a, " src=", 5) != 0 && strncmp(a, " name=", 6) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO(str_done) struct str out = {0}, again = {0}, plain = {0};
    struct err err;

    if (speech_plain(&plain, (const char *)data, len, &err) == 0)
        CHECK(!strstr(plain.s, "[[") && !strchr(plain.s, 1));
    if (speech_ssml(&out, (const char *)data, len, &err) < 0)
        return 0;
    is_harmless(out.s);
    if (out.len < SPEECH_TEXT_MAX && strstr(out.s, "<speak") == out.s) {
        CHECK(speech_ssml(&again, out.s, out.len, &err) == 0);
        CHECK(!strcmp(out.s, again.s));
    }
    return 0;
}
