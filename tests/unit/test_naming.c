#include "base/auto.h"
#include "http/naming.h"
#include "unit.h"

#include <string.h>

struct row {
    const char *in, *want;
};

static void check_rows(char *(*fn)(const char *), const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(mem_free) char *got = fn(rows[i].in);

        if (!got != !rows[i].want || (got && strcmp(got, rows[i].want) != 0))
            fail_msg("'%s' gave '%s', not '%s'", rows[i].in, got ? got : "(null)",
                     rows[i].want ? rows[i].want : "(null)");
    }
}
#define CHECK_ROWS(fn, rows) check_rows((fn), (rows), ARRAY_LEN(rows))

static void only_web_addresses_are_taken_and_made_sendable(void **state)
{
    static const struct row rows[] = {
        {"http://host.test/a.png", "http://host.test/a.png"},
        {" https://host.test/a b\xC3\xA9?q={x} ", "https://host.test/a%20b%C3%A9?q=%7Bx%7D"},
        {"HTTP://host.test", "HTTP://host.test"},
        {"ftp://host.test/a", NULL},
        {"file:///etc/passwd", NULL},
        {"gopher://host.test/", NULL},
        {"//host.test/a", NULL},
        {"http://", NULL},
        {"http:///path", NULL},
        {"http://user@/path", NULL},
        {"http://host.test\\@other.test/", NULL},
        {"http://ho st/", NULL},
        {"http://host\r\nX: y/", NULL},
        {"", NULL},
    };
    (void)state;

    CHECK_ROWS(naming_clean_url, rows);
}

static void share_links_become_downloads(void **state)
{
    static const struct row rows[] = {
        /* nobody else's host, whatever it looks like */
        {"https://evil-dropbox.com/s/a/b?dl=0", "https://evil-dropbox.com/s/a/b?dl=0"},
        {"https://dropbox.com.evil.test/s/a/b?dl=0", "https://dropbox.com.evil.test/s/a/b?dl=0"},
        {"https://www.dropbox.com@evil.test/s/a/b", "https://www.dropbox.com@evil.test/s/a/b"},
        {"https://evil.test/drive.google.com/file/d/1aB/view", "https://evil.test/drive.google.com/file/d/1aB/view"},
        {"https://drive.google.com.evil.test/file/d/1aB/view", "https://drive.google.com.evil.test/file/d/1aB/view"},
        {"https://xdocs.google.com/document/d/1/edit", "https://xdocs.google.com/document/d/1/edit"},
        {"https://a1drv.ms/x", "https://a1drv.ms/x"},
        {"https://sharepoint.com/:w:/x", "https://sharepoint.com/:w:/x"},
        {"https://evilsharepoint.com/:w:/x", "https://evilsharepoint.com/:w:/x"},
        {"https://x.sharepoint.com.evil.test/:w:/x", "https://x.sharepoint.com.evil.test/:w:/x"},
        {"https://www.dropbox.com/s/abc/photo.jpg?dl=0",
         "https://www.dropbox.com/s/abc/photo.jpg?dl=1"},
        {"https://www.dropbox.com/scl/fi/abc/x.pdf?rlkey=1&dl=0#p",
         "https://www.dropbox.com/scl/fi/abc/x.pdf?rlkey=1&dl=1"},
        {"https://dropbox.com/s/abc/photo.jpg", "https://dropbox.com/s/abc/photo.jpg?dl=1"},
        {"https://drive.google.com/file/d/1aB-c_D/view?usp=sharing",
         "https://drive.usercontent.google.com/download?id=1aB-c_D&export=download&confirm=t"},
        {"https://drive.google.com/open?id=1aB",
         "https://drive.usercontent.google.com/download?id=1aB&export=download&confirm=t"},
        {"https://drive.google.com/drive/my-drive", "https://drive.google.com/drive/my-drive"},
        {"https://docs.google.com/document/d/1aB/edit#heading",
         "https://docs.google.com/document/d/1aB/export?format=docx"},
        {"https://docs.google.com/spreadsheets/d/1aB/edit",
         "https://docs.google.com/spreadsheets/d/1aB/export?format=xlsx"},
        {"https://docs.google.com/presentation/d/1aB/edit",
         "https://docs.google.com/presentation/d/1aB/export/pptx"},
        {"https://docs.google.com/document/d/1aB/export?format=pdf",
         "https://docs.google.com/document/d/1aB/export?format=pdf"},
        {"https://1drv.ms/i/s!ab",
         "https://api.onedrive.com/v1.0/shares/u!aHR0cHM6Ly8xZHJ2Lm1zL2kvcyFhYg/root/content"},
        {"https://team-my.sharepoint.com/:x:/p/me/abc?e=1",
         "https://team-my.sharepoint.com/:x:/p/me/abc?e=1&download=1"},
        {"https://www.dropbox.com.evil.test/s/a?dl=0",
         "https://www.dropbox.com.evil.test/s/a?dl=0"},
        {"https://host.test/file/d/1/view", "https://host.test/file/d/1/view"},
    };
    (void)state;

    CHECK_ROWS(naming_direct_url, rows);
}

static void credentials_are_not_shown(void **state)
{
    static const struct row rows[] = {
        {"http://host.test/a.png", "http://host.test/a.png"},
        {"http://me:pass@host.test:81/a?b=1", "http://host.test:81/a?b=1"},
        {"http://me:p@ss@host.test/a", "http://host.test/a"},
        {"https://b.s3.amazonaws.com/k?X-Amz-Signature=1&v=2&x-amz-credential=3&X-Amz-Date=4",
         "https://b.s3.amazonaws.com/k?v=2"},
        {"https://host.test/a?token=1", "https://host.test/a"},
        {"https://host.test/a?x=1&Signature=abc&Token=2&y=3", "https://host.test/a?x=1&y=3"},
        {"https://host.test/a?x=1#access_token=2", "https://host.test/a?x=1"},
        {"https://host.test?sig=1", "https://host.test"},
    };
    (void)state;

    CHECK_ROWS(naming_public_url, rows);
}

static void names_are_safe_to_use(void **state)
{
    static const struct row rows[] = {
        {"photo.jpg", "photo.jpg"},
        {"../../etc/passwd", "passwd"},
        {"C:\\Users\\me\\a.doc", "a.doc"},
        {"a\x01\x1F\x7F\r\n.txt", "a.txt"},
        {"a\xC2\x85.txt", "a.txt"},
        {"caf\xC3\xA9.txt", "caf\xC3\xA9.txt"},
        {"bad\xFF.txt", "bad\xEF\xBF\xBD.txt"},
        {"..", "file"},
        {".", "file"},
        {"a/", "file"},
        {"", "file"},
        {"  x y ", "x y"},
    };
    char lengthy[400];
    (void)state;

    CHECK_ROWS(naming_safe, rows);
    memset(lengthy, 'a', sizeof lengthy);
    memcpy(lengthy + 240, "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 14);
    strcpy(lengthy + 380, ".jpeg");
    AUTO(mem_free) char *got = naming_safe(lengthy);
    assert_in_range(strlen(got), 252, 255);
    assert_true(str_ends(got, ".jpeg"));
    assert_true(utf8_valid(got, strlen(got)));
}

static void content_disposition_is_read(void **state)
{
    static const struct row rows[] = {
        {"attachment; filename=\"a b.png\"", "a b.png"},
        {"attachment; filename=plain.png", "plain.png"},
        {"inline;FileName = x.txt ; foo=bar", "x.txt"},
        {"attachment; filename=\"a.png\"; filename*=UTF-8''caf%C3%A9.png", "caf\xC3\xA9.png"},
        {"attachment; filename*=iso-8859-1'en'caf%E9.png", "caf\xC3\xA9.png"},
        {"attachment; filename*=UTF-8''bad%zz; filename=ok.png", "ok.png"},
        {"attachment; filename=\"say \\\"hi\\\".txt\"", "say \"hi\".txt"},
        {"attachment; filename=\"a;b.txt\"", "a;b.txt"},
        {"attachment; filename=\"caf\xE9.txt\"", "caf\xC3\xA9.txt"},
        {"attachment; filename=\"\"", NULL},
        {"attachment", NULL},
        {"", NULL},
        {"attachment; filename", NULL},
        {"attachment; filename=\"open", "open"},
    };
    (void)state;

    CHECK_ROWS(naming_from_disposition, rows);
}

static void the_last_path_segment_is_a_name(void **state)
{
    static const struct row rows[] = {
        {"http://host.test/a/b%20c.png?x=/y.jpg#/z", "b c.png"},
        {"http://host.test/", NULL},
        {"http://host.test", NULL},
        {"http://host.test?x=a.png", NULL},
        {"http://host.test/a%2", "a%2"},
        {"http://host.test/a%00b", "a%00b"},
        {"http://host.test/..%2F..%2Fx", "../../x"}, /* naming_safe() deals with it */
    };
    (void)state;

    CHECK_ROWS(naming_from_url, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_web_addresses_are_taken_and_made_sendable),
        cmocka_unit_test(share_links_become_downloads),
        cmocka_unit_test(credentials_are_not_shown),
        cmocka_unit_test(names_are_safe_to_use),
        cmocka_unit_test(content_disposition_is_read),
        cmocka_unit_test(the_last_path_segment_is_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
