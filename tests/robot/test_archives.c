/* What Robots over archives share: names and paths. */
#include "../unit/unit.h"
#include "base/str.h"
#include "media/archive_name.h"

#include <string.h>

static void names_of_any_character_set_become_text(void **state)
{
    static const struct {
        const char *raw, *text;
    } rows[] = {
        {"plain.txt", "plain.txt"},
        {"\xe6\xbc\xa2.txt", "\xe6\xbc\xa2.txt"},
        {"\x93\xfa\x96\x7b\x8c\xea.txt", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.txt"}, /* Japanese, in Shift_JIS */
        {"\x83\x65\x83\x58\x83\x67.zip", "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88.zip"}, /* katakana */
        {"Gr\x94\xe1"
         "e.txt",
         "Gr\xc3\xb6\xc3\x9f"
         "e.txt"}, /* CP437, and the pair is a kanji */
        {"f\x81r.txt", "f\xc3\xbcr.txt"},
        {"caf\x82.txt", "caf\xc3\xa9.txt"},
        {"\xff\xfe\x80", "\xc2\xa0\xe2\x96\xa0\xc3\x87"}, /* every byte is some character */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *text = archive_name_text(rows[i].raw, strlen(rows[i].raw));

        assert_string_equal(text, rows[i].text);
    }
    for (int c = 1; c < 256; c++) {
        char raw[3] = {(char)c, (char)(c * 7), 0};
        AUTO(mem_free) char *text = archive_name_text(raw, strlen(raw));

        assert_true(utf8_valid(text, strlen(text)));
    }
}

static void a_path_leads_down_or_is_refused(void **state)
{
    static const struct {
        const char *path, *clean;
        int depth;
        enum archive_path what;
    } rows[] = {
        {"a.txt", "a.txt", 1, ARCHIVE_PATH_GOOD},
        {"./a//b/./c", "a/b/c", 3, ARCHIVE_PATH_GOOD},
        {"dir\\a.txt", "dir/a.txt", 2, ARCHIVE_PATH_GOOD},
        {"", "unnamed", 0, ARCHIVE_PATH_GOOD},
        {"./", "unnamed", 0, ARCHIVE_PATH_GOOD},
        {"a\tb\x1b[2J", "ab[2J", 1, ARCHIVE_PATH_GOOD},
        {"...", "...", 1, ARCHIVE_PATH_GOOD},
        {"a:b", "a:b", 1, ARCHIVE_PATH_GOOD},
        {"/etc/passwd", NULL, 0, ARCHIVE_PATH_ABSOLUTE},
        {"\\\\host\\share", NULL, 0, ARCHIVE_PATH_ABSOLUTE},
        {"C:\\boot.ini", NULL, 0, ARCHIVE_PATH_ABSOLUTE},
        {"c:/x", NULL, 0, ARCHIVE_PATH_ABSOLUTE},
        {"../x", NULL, 0, ARCHIVE_PATH_UP},
        {"a/../../x", NULL, 1, ARCHIVE_PATH_UP},
        {"a\\..\\b", NULL, 1, ARCHIVE_PATH_UP},
        {"a/..", NULL, 1, ARCHIVE_PATH_UP},
        {"\x01../x", "../x", 2, ARCHIVE_PATH_UP},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *clean = NULL;
        int depth;
        enum archive_path what = archive_path_clean(&clean, &depth, rows[i].path);

        if (*rows[i].path == 1) { /* what would become ".." once the control character is gone */
            assert_int_equal(what, ARCHIVE_PATH_GOOD);
            assert_string_equal(clean, "unnamed/x");
            continue;
        }
        if (what != rows[i].what ||
            (what == ARCHIVE_PATH_GOOD && (strcmp(clean, rows[i].clean) != 0 || depth != rows[i].depth)))
            fail_msg("'%s' becomes %d '%s' %d", rows[i].path, what, clean ? clean : "(none)", depth);
        assert_true((clean != NULL) == (what == ARCHIVE_PATH_GOOD));
    }
    AUTO(mem_free) char *deep = mem_zalloc(10001), *clean = NULL;
    int depth;
    for (int i = 0; i < 10000; i++)
        deep[i] = i % 2 ? '/' : 'a';
    assert_int_equal(archive_path_clean(&clean, &depth, deep), ARCHIVE_PATH_LONG);
}

static void a_link_stays_below_the_top(void **state)
{
    (void)state;
    assert_true(archive_link_stays("a/b", "c"));
    assert_true(archive_link_stays("a/b", "../c"));
    assert_true(archive_link_stays("a/b", "./../c/../d"));
    assert_false(archive_link_stays("a/b", "../../c"));
    assert_false(archive_link_stays("a", ".."));
    assert_false(archive_link_stays("a/b", "../x/../../c"));
    assert_false(archive_link_stays("a/b", "/etc/passwd"));
    assert_false(archive_link_stays("a/b", "C:\\x"));
    assert_false(archive_link_stays("a", "..\\x"));
}

static void no_two_names_are_the_same(void **state)
{
    static const char *const paths[] = {"a.jpg", "a.jpg",    "a_1.jpg",  "a.jpg", "d/a.jpg", "d/a.jpg",
                                        "d",     "x.tar.gz", "x.tar.gz", ".rc",   ".rc",     "d/a.jpg/z"};
    static const char *const picked[] = {"a.jpg", "a_1.jpg",  "a_1_1.jpg",  "a_2.jpg", "d/a_1.jpg", "d/a_2.jpg",
                                         "d_1",   "x.tar.gz", "x.tar_1.gz", ".rc",     ".rc_1",     "d/a.jpg/z"};
    AUTO(archive_names_free) struct archive_names *n = archive_names_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        archive_names_expect(n, paths[i]);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO(mem_free) char *name = archive_names_pick(n, paths[i]);

        assert_string_equal(name, picked[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_any_character_set_become_text),
        cmocka_unit_test(a_path_leads_down_or_is_refused),
        cmocka_unit_test(a_link_stays_below_the_top),
        cmocka_unit_test(no_two_names_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
