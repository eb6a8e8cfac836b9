/* A client's regular expression upon a client's text: it neither throws nor takes long, and says
 * the same however it is asked. What is written out byte by byte has to be found where memmem()
 * finds it. */
#include "base/pattern.h"
#include "fuzz.h"

#include <string.h>
#include <time.h>

#define MOST_MS 500 /* of this thread alone; RE2 is not instrumented, but the machine may be slow  \
                     */

static int64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum pattern_result search(const char *pattern, size_t pattern_len, const char *text,
                                  size_t text_len)
{
    int64_t start = cpu_ms();
    enum pattern_result r = pattern_search(pattern, pattern_len, text, text_len);

    CHECK(r == PATTERN_MATCHES || r == PATTERN_DIFFERS || r == PATTERN_REFUSED);
    CHECK(cpu_ms() - start < MOST_MS);
    return r;
}

/* The words, byte by byte, in every text that has them and in no other. */
static void check_literal(const char *words, size_t n, const char *text, size_t len)
{
    AUTO(str_done) struct str p = {0};

    for (size_t i = 0; i < n && p.len + 8 < PATTERN_MAX; i++)
        str_addf(&p, "\\x{%02x}", (unsigned char)words[i]);
    n = p.len / 6;
    CHECK(search(p.s ? p.s : "", p.len, text, len) ==
          (len <= PATTERN_TEXT_MAX && (!n || memmem(text, len, words, n)) ? PATTERN_MATCHES
                                                                          : PATTERN_DIFFERS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned times =
        1 + take_byte(&b) * 4u; /* the text, repeated: what is slow shows with its length */
    size_t split = b.left ? memchr(b.p, '\n', b.left)
                                ? (size_t)((const uint8_t *)memchr(b.p, '\n', b.left) - b.p)
                                : b.left
                          : 0;
    AUTO(mem_free) char *pattern = take_text(&b, split);
    AUTO(str_done) struct str text = {0}, group = {0};

    (void)take_byte(&b);
    size_t unit = b.left;
    AUTO(mem_free) char *once = take_rest(&b);
    str_puts(&text, "");
    for (unsigned i = 0; i < times && text.len + unit <= PATTERN_TEXT_MAX; i++)
        str_add(&text, once, unit);
    enum pattern_result r = search(pattern, split, text.s, text.len);
    CHECK((search(pattern, split, NULL, 0) == PATTERN_REFUSED) == (r == PATTERN_REFUSED));
    CHECK(split <= PATTERN_MAX || r == PATTERN_REFUSED);
    /* in a group it means the same, if it still is one */
    str_puts(&group, "(?:");
    str_add(&group, pattern, split);
    str_puts(&group, ")");
    enum pattern_result grouped = search(group.s, group.len, text.s, text.len);
    CHECK(r == PATTERN_REFUSED || grouped == PATTERN_REFUSED || grouped == r);
    /* a text that is too long is not looked at */
    AUTO(mem_free) char *long_text = mem_zalloc(PATTERN_TEXT_MAX + 1);
    CHECK(search(pattern, split, long_text, PATTERN_TEXT_MAX + 1) ==
          (r == PATTERN_REFUSED ? PATTERN_REFUSED : PATTERN_DIFFERS));
    check_literal(pattern, split < 40 ? split : 40, text.s, text.len);
    check_literal(text.s, text.len < 40 ? text.len : 40, text.s, text.len);
    return 0;
}
