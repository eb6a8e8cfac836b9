#include "base/clock.h"
#include "base/pattern.h"
#include "base/str.h"
#include "unit.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define TEN(s) s s s s s s s s s s
#define LONG_PATH TEN(TEN("a path of some twenty bytes/")) /* 2,800 bytes */

static enum pattern_result search(const char *pattern, const char *text)
{
    return pattern_search(pattern, strlen(pattern), text, text ? strlen(text) : 0);
}

static void what_pages_write_means_what_it_means_in_javascript(void **state)
{
    static const struct {
        const char *pattern, *text;
        enum pattern_result want;
    } rows[] = {
        {"example\\.com", "https://example.com/a", PATTERN_MATCHES},
        {"example\\.com", "https://example-com/a", PATTERN_DIFFERS},
        {"^https?:\\/\\/([a-z]+\\.)?example\\.com(:\\d+)?\\/", "http://www.example.com:8080/x", PATTERN_MATCHES},
        {"^https?:\\/\\/([a-z]+\\.)?example\\.com(:\\d+)?\\/", "http://evil.org/example.com/", PATTERN_DIFFERS},
        {"(?:a|b)\\w+\\b", "b_9", PATTERN_MATCHES},
        {"^$", "", PATTERN_MATCHES},
        {"", "anything", PATTERN_MATCHES},
        {"\xc3\xa9", "caf\xc3\xa9", PATTERN_MATCHES},
        {"a+?b{2,3}[^c]", "aabbd", PATTERN_MATCHES},
        {"^https://[a-z0-9-]{1,63}\\.example\\.com/", "https://a.example.com/" LONG_PATH, PATTERN_MATCHES},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(search(rows[i].pattern, rows[i].text), rows[i].want);
}

static void what_is_no_pattern_is_refused(void **state)
{
    static const char *const bad[] = {"(", "[a", "a**b(", "\\", "(?<=a)b", "(?!a)", "(a)\\1", "a{2000}", "*"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(search(bad[i], "a"), PATTERN_REFUSED);
        assert_int_equal(search(bad[i], NULL), PATTERN_REFUSED);
    }
    assert_int_equal(search("ok", NULL), PATTERN_MATCHES);
}

static void filters_match_characters_whatever_their_case(void **state)
{
    static const struct {
        const char *pattern, *text;
        enum pattern_result want;
    } rows[] = {
        {"^IMAGE/", "image/png", PATTERN_MATCHES},
        {"gr\xc3\xb6\xc3\x9f" "e", "GR\xc3\x96\xc3\x9f" "E", PATTERN_MATCHES},
        {"^.$", "\xe6\xbc\xa2", PATTERN_MATCHES},       {"^..$", "\xe6\xbc\xa2", PATTERN_DIFFERS},
        {"^.$", "\xff", PATTERN_DIFFERS},               {"(a)\\1", "aa", PATTERN_REFUSED},
        {"evil", LONG_PATH LONG_PATH "evil", PATTERN_MATCHES}, /* longer than what a request may be searched for */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(pattern_find(rows[i].pattern, strlen(rows[i].pattern), rows[i].text, strlen(rows[i].text)),
                         rows[i].want);
    char *text = mem_zalloc(PATTERN_LONG_MAX + 1);
    memset(text, 'a', PATTERN_LONG_MAX + 1);
    assert_int_equal(pattern_find("(a|aa)+$", 8, text, PATTERN_LONG_MAX), PATTERN_MATCHES); /* at once, or this hangs */
    assert_int_equal(pattern_find("b", 1, text, PATTERN_LONG_MAX + 1), PATTERN_REFUSED); /* not: DIFFERS */
    free(text);
}

/* Of this thread: others may have the processor meanwhile. */
static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * SECOND_US + t.tv_nsec / 1000;
}

static long peak_kb(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss;
}

static void no_pattern_costs_more_than_its_bound(void **state)
{
    static const char *const greedy[] = {
        "^(a*)*b$", "((a{1,80}){1,80}){1,80}", "(((((((x{1,10}){1,10}){1,10}){1,10}){1,10}){1,10}){1,10})",
        "(((a{1,255}){1,255}){1,255})", "(a?){500}a{500}", "^((a|b|ab)*)*c$", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x$",
        "(\\pL{1,100}){1,100}", "[^a]{900}|(a|aa)+$", "(?i)(abcdefghijklmnopqrstuvwxyz){30}",
        "(.?){900}x", "((a?){30}){30}x", "(.*a){300}x", "(a?){300}b",
    };
    char text[PATTERN_TEXT_MAX + 1];
    long before = peak_kb();

    (void)state;
    memset(text, 'a', PATTERN_TEXT_MAX);
    text[PATTERN_TEXT_MAX] = 0;
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
        /* the longest text that it may have, too: then it is really searched */
        for (size_t len = PATTERN_TEXT_MAX; len; len /= 2) {
            int64_t start = cpu_us();

            (void)pattern_search(greedy[i], strlen(greedy[i]), text, len);
            assert_true(cpu_us() - start < 60000); /* 115 ms, and 10 s, before; 14 on a quiet machine */
        }
    }
#if defined(__SANITIZE_ADDRESS__)
    const long most = 128 << 10; /* with what it puts around each piece, and keeps of those that were freed */
#else
    const long most = 32 << 10;
#endif
    assert_true(peak_kb() - before < most); /* 1.9 GB before */
}

static void what_is_too_long_is_not_looked_at(void **state)
{
    static char long_text[PATTERN_TEXT_MAX + 2];
    char long_pattern[PATTERN_MAX + 2];

    (void)state;
    memset(long_text, 'a', sizeof long_text - 1);
    memset(long_pattern, 'a', sizeof long_pattern - 1);
    long_pattern[sizeof long_pattern - 1] = 0;
    assert_int_equal(search("a", long_text), PATTERN_DIFFERS);
    assert_int_equal(search("a", long_text + 1), PATTERN_MATCHES);
    assert_int_equal(search(long_pattern, "a"), PATTERN_REFUSED);
    assert_int_equal(search(long_pattern + 1, NULL), PATTERN_MATCHES);
}

static void a_nul_ends_neither_pattern_nor_text(void **state)
{
    (void)state;
    assert_int_equal(pattern_search("a\0b", 3, "a", 1), PATTERN_DIFFERS);
    assert_int_equal(pattern_search("a\0b", 3, "xa\0b", 4), PATTERN_MATCHES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_pages_write_means_what_it_means_in_javascript),
        cmocka_unit_test(filters_match_characters_whatever_their_case),
        cmocka_unit_test(what_is_no_pattern_is_refused),
        cmocka_unit_test(no_pattern_costs_more_than_its_bound),
        cmocka_unit_test(what_is_too_long_is_not_looked_at),
        cmocka_unit_test(a_nul_ends_neither_pattern_nor_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
