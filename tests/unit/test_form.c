#include "base/str.h"
#include "http/form.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

/* What the parser said, as text: "field NAME=VALUE\n", "file NAME FILENAME TYPE\n" DATA "\nend\n".
 */
struct record {
    struct str text;
    bool is_in_file;
    int fail_at_call; /* 0: never */
    int calls;
};

static int may_fail(struct record *r, struct err *err)
{
    return ++r->calls == r->fail_at_call ? err_set(err, ERR_NOSPACE, "no room") : 0;
}

static int on_begin(void *ctx, const char *name, const char *filename, const char *type,
                    struct err *err)
{
    struct record *r = ctx;

    assert_false(r->is_in_file);
    r->is_in_file = true;
    str_addf(&r->text, "file %s|%s|%s\n", name, filename, type);
    return may_fail(r, err);
}

static int on_data(void *ctx, const char *data, size_t len, struct err *err)
{
    struct record *r = ctx;

    assert_true(r->is_in_file);
    assert_true(len > 0);
    str_add(&r->text, data, len);
    return may_fail(r, err);
}

static int on_end(void *ctx, struct err *err)
{
    struct record *r = ctx;

    assert_true(r->is_in_file);
    r->is_in_file = false;
    str_puts(&r->text, "\nend\n");
    return may_fail(r, err);
}

static int on_field(void *ctx, const char *name, const char *value, size_t len, struct err *err)
{
    struct record *r = ctx;

    assert_false(r->is_in_file);
    assert_int_equal(value[len], 0);
    str_addf(&r->text, "field %s=", name);
    str_add(&r->text, value, len);
    str_putc(&r->text, '\n');
    return may_fail(r, err);
}

static const struct form_sink sink = {on_begin, on_data, on_end, on_field};
static const char *const texts[] = {"params", NULL};
static const struct form_limits limits = {.field_bytes = 1000, .total_bytes = 1500, .parts = 8, .fields = texts};

/* Feed body in three pieces of a and b and the rest bytes. Each piece lives in memory of its own,
 * so that a sanitizer sees a step over its end. */
static int parse(struct record *r, const char *type, const char *body, size_t len, size_t a,
                 size_t b, struct err *err)
{
    AUTO(form_free) struct form *f = form_new(type, &sink, r, &limits, err);
    const char *p = body;
    size_t sizes[] = {a, b, len - a - b};

    if (!f)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(mem_free) char *piece = mem_alloc(sizes[i] ? sizes[i] : 1);

        memcpy(piece, p, sizes[i]);
        if (form_feed(f, piece, sizes[i], err) < 0)
            return -1;
        p += sizes[i];
    }
    return form_finish(f, err);
}

#define MP "multipart/form-data; boundary=xYz"
#define CD "Content-Disposition: form-data; "

struct good {
    const char *type, *body, *want;
};

static const struct good good[] = {
    {MP, "--xYz\r\n" CD "name=\"a\"\r\n\r\n1\r\n--xYz--\r\n", "field a=1\n"},
    {MP, "--xYz\r\n" CD "name=a\r\n\r\n1\r\n--xYz--", "field a=1\n"},
    {MP, "--xYz--", ""},
    {"Multipart/Form-Data;charset=x; Boundary=\"xYz\"", "--xYz\r\n" CD "name=a\r\n\r\n\r\n--xYz--",
     "field a=\n"},
    /* no content, not even its line end */
    {MP, "--xYz\r\n" CD "name=a\r\n\r\n--xYz\r\n" CD "name=b\r\n\r\n2\r\n--xYz--",
     "field a=\nfield b=2\n"},
    /* preamble, padding, epilogue, things that look like a boundary */
    {MP,
     "hi\r\n--xYzz\r\n--xYz \t\r\n" CD
     "name=a\r\n\r\n--xYzz\r\n--xYz-\r\n\r\r\n--xY\r\n--xYz--\r\n--xYz\r\nbye",
     "field a=--xYzz\r\n--xYz-\r\n\r\r\n--xY\n"},
    /* files before fields; order is kept */
    {MP,
     "--xYz\r\n" CD
     "name=\"f\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\n\r\nPNG\r\n\r\n"
     "--xYz\r\n" CD "name=\"params\"\r\n\r\n{\"a\":1}\r\n--xYz--\r\n",
     "file f|a b.png|image/png\n\r\nPNG\r\n\nend\nfield params={\"a\":1}\n"},
    /* a type alone makes no file of what is named as text, nor of JSON; a filename does */
    {MP, "--xYz\r\n" CD "name=params\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n{}\r\n--xYz--", "field params={}\n"},
    {MP, "--xYz\r\n" CD "name=x\r\nContent-Type: Application/JSON; charset=utf-8\r\n\r\n1\r\n--xYz--", "field x=1\n"},
    {MP, "--xYz\r\n" CD "name=x\r\nContent-Type: application/jsonp\r\n\r\n1\r\n--xYz--", "file x|x|application/jsonp\n1\nend\n"},
    {MP, "--xYz\r\n" CD "name=params; filename=p.json\r\nContent-Type: application/json\r\n\r\n1\r\n--xYz--", "file params|p.json|application/json\n1\nend\n"},
    /* no filename, but no text either */
    {MP, "--xYz\r\n" CD "name=f\r\nContent-Type: application/octet-stream\r\n\r\nq\r\n--xYz--",
     "file f|f|application/octet-stream\nq\nend\n"},
    {MP, "--xYz\r\n" CD "name=f\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nq\r\n--xYz--",
     "field f=q\n"},
    /* an empty file input, then a file of no bytes, then an unnamed one with bytes */
    {MP,
     "--xYz\r\n" CD
     "name=f; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--xYz--",
     ""},
    {MP, "--xYz\r\n" CD "name=f; filename=\"e\"\r\n\r\n\r\n--xYz--",
     "file f|e|application/octet-stream\n\nend\n"},
    {MP, "--xYz\r\n" CD "name=f; filename=\"\"\r\n\r\nx\r\n--xYz--",
     "file f|f|application/octet-stream\nx\nend\n"},
    /* names */
    {MP, "--xYz\r\n" CD "name=\"q\\\"\\\\\"; filename=\"C:\\dir\\b\\\"c.png\"\r\n\r\nx\r\n--xYz--",
     "file q\"\\|b\"c.png|application/octet-stream\nx\nend\n"},
    {MP, "--xYz\r\n" CD "name=f; filename=\"../../etc/pass\x01wd\"\r\n\r\nx\r\n--xYz--",
     "file f|passwd|application/octet-stream\nx\nend\n"},
    {MP, "--xYz\r\n" CD "name=f; filename=\"a/..\"\r\n\r\nx\r\n--xYz--",
     "file f|f|application/octet-stream\nx\nend\n"},
    {MP, "--xYz\r\n" CD "name=f; filename=\"\xc3\xa9;=.png\"\r\n\r\nx\r\n--xYz--",
     "file f|\xc3\xa9;=.png|application/octet-stream\nx\nend\n"},
    {MP,
     "--xYz\r\n" CD "filename*=UTF-8'en'%e2%82%ac.png; name=f; filename=\"x\"\r\n\r\nx\r\n--xYz--",
     "file f|\xe2\x82\xac.png|application/octet-stream\nx\nend\n"},
    {MP, "--xYz\r\n" CD "name=f; filename*=iso-8859-1''%e9\r\n\r\nx\r\n--xYz--",
     "file f|\xc3\xa9|application/octet-stream\nx\nend\n"},
    {MP, "--xYz\r\n" CD "name=f; filename*=UTF-8''%ff; filename=plain\r\n\r\nx\r\n--xYz--",
     "file f|plain|application/octet-stream\nx\nend\n"},
    {MP, "--xYz\r\n" CD "name=f; filename*=UTF-8''..%2f..%2fa\r\n\r\nx\r\n--xYz--",
     "file f|a|application/octet-stream\nx\nend\n"},
    /* line ends of \n in headers, a folded one, headers in any case and order */
    {MP,
     "--xYz\ncontent-type : text/plain\ncontent-disposition:form-data;\n "
     "name=\"a\"\n\n1\r\n--xYz--",
     "field a=1\n"},
    {MP, "--xYz\r\n" CD "name=a\r\nContent-Transfer-Encoding: BINARY \r\n\r\n1\r\n--xYz--",
     "field a=1\n"},
    /* pairs */
    {"application/x-www-form-urlencoded", "a=1&b=%7B+%26%7D&&c&d==e=&=f",
     "field a=1\nfield b={ &}\nfield c=\nfield d==e=\nfield =f\n"},
    {"application/x-www-form-urlencoded; charset=UTF-8", "", ""},
    {NULL, "", ""},
};

static void the_result_does_not_depend_on_how_the_bytes_are_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        size_t len = strlen(good[i].body);

        for (size_t a = 0; a <= len; a++) {
            for (size_t b = 0; b <= len - a; b += b < 3 ? 1 : 7) {
                struct record r = {0};
                struct err err = {0};

                if (parse(&r, good[i].type, good[i].body, len, a, b, &err) < 0)
                    fail_msg("row %zu split %zu+%zu: %s", i, a, b, err.msg);
                if (strcmp(r.text.s ? r.text.s : "", good[i].want) != 0)
                    fail_msg("row %zu split %zu+%zu: got <%s> want <%s>", i, a, b, r.text.s,
                             good[i].want);
                str_done(r.text);
            }
        }
    }
}

static const struct {
    const char *type, *body;
    int code;
    const char *hint; /* part of the message */
} bad[] = {
    {"text/plain", "", ERR_FORM, "text/plain"},
    {"multipart/form-data", "", ERR_FORM, "no boundary"},
    {"multipart/form-data; boundary=", "", ERR_FORM, "bad boundary"},
    {"multipart/form-data; boundary=\"a\x01\"", "", ERR_FORM, "bad boundary"},
    {"multipart/mixed; boundary=a", "", ERR_FORM, "no form"},
    {NULL, "a=1", ERR_FORM, "without a Content-Type"},
    {MP, "", ERR_FORM, "closing boundary"},
    {MP, "a=1", ERR_FORM, "closing boundary"},
    {MP, "--xYz", ERR_FORM, "closing boundary"},
    {MP, "--xYz-", ERR_FORM, "closing boundary"},
    {MP, "--xYz\r\n" CD "name=a\r\n\r\n1", ERR_FORM, "closing boundary"},
    {MP, "--xYz\r\n" CD "name=a\r\n\r\n1\r\n--xYz\r\n", ERR_FORM, "closing boundary"},
    {MP, "--xYz\r\n" CD "name=a\r\n\r\n1\n--xYz--\r\n", ERR_FORM, "closing boundary"},
    {MP, "--xYz\r\n" CD "name=a\r\n", ERR_FORM, "closing boundary"},
    {MP, "--xYz\r\n\r\n1\r\n--xYz--", ERR_FORM, "no Content-Disposition"},
    {MP, "--xYz\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--xYz--", ERR_FORM,
     "not form-data"},
    {MP, "--xYz\r\n" CD "filename=a\r\n\r\n1\r\n--xYz--", ERR_FORM, "no name"},
    {MP, "--xYz\r\n" CD "name=\"\"\r\n\r\n1\r\n--xYz--", ERR_FORM, "no name"},
    {MP, "--xYz\r\nrubbish\r\n\r\n1\r\n--xYz--", ERR_FORM, "no colon"},
    {MP, "--xYz\r\n" CD "name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--xYz--",
     ERR_FORM, "base64"},
    {MP, "--xYz\r\n" CD "name=a\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n1\r\n--xYz--",
     ERR_FORM, "Quoted-Printable"},
    {"application/x-www-form-urlencoded", "a=%zz", ERR_URL_ENCODING, "percent"},
    {"application/x-www-form-urlencoded", "a=%4&b=1", ERR_URL_ENCODING, "percent"},
    {"application/x-www-form-urlencoded", "%g0=1", ERR_URL_ENCODING, "percent"},
    {"application/x-www-form-urlencoded", "a%00b=1", ERR_FORM, "NUL"},
    {"application/x-www-form-urlencoded", "a&b&c&d&e&f&g&h&i", ERR_FORM, "more than 8"},
};

static void every_malformed_body_says_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t len = strlen(bad[i].body);

        for (size_t a = 0; a <= len; a++) {
            struct record r = {0};
            struct err err = {0};

            if (parse(&r, bad[i].type, bad[i].body, len, a, 0, &err) == 0)
                fail_msg("row %zu split %zu was accepted: <%s>", i, a, r.text.s);
            if (err.code != bad[i].code || !strstr(err.msg, bad[i].hint))
                fail_msg("row %zu split %zu: code %d, '%s'", i, a, err.code, err.msg);
            str_done(r.text);
        }
    }
}

static void expect_refused(const char *type, const struct str *body, const char *hint)
{
    struct record r = {0};
    struct err err = {0};

    assert_int_equal(parse(&r, type, body->s, body->len, body->len / 2, 0, &err), -1);
    assert_int_equal(err.code, ERR_FORM);
    if (!strstr(err.msg, hint))
        fail_msg("'%s' lacks '%s'", err.msg, hint);
    str_done(r.text);
}

static void add_fill(struct str *b, size_t n)
{
    while (n--)
        str_putc(b, 'x');
}

static void limits_hold(void **state)
{
    static const char *pairs = "application/x-www-form-urlencoded";
    (void)state;

    AUTO(str_done)
    struct str field = {0},
               total = {0}, head = {0}, parts = {0}, pair = {0}, nul = {0};
    str_puts(&field, "--xYz\r\n" CD "name=a\r\n\r\n");
    add_fill(&field, 1001);
    str_puts(&field, "\r\n--xYz--");
    expect_refused(MP, &field, "larger than 1000");

    for (int i = 0; i < 2; i++) {
        str_puts(&total, "--xYz\r\n" CD "name=a\r\n\r\n");
        add_fill(&total, 800);
        str_puts(&total, "\r\n");
    }
    str_puts(&total, "--xYz--");
    expect_refused(MP, &total, "1500 bytes together");

    str_puts(&head, "--xYz\r\n" CD "name=a; x=");
    add_fill(&head, 16384);
    expect_refused(MP, &head, "headers of a form part");

    for (int i = 0; i < 9; i++)
        str_puts(&parts, "--xYz\r\n" CD "name=a\r\n\r\n1\r\n");
    str_puts(&parts, "--xYz--");
    expect_refused(MP, &parts, "more than 8 parts");

    str_puts(&pair, "a=");
    add_fill(&pair, 1001);
    expect_refused(pairs, &pair, "larger than 1000");
    add_fill(&pair, 30000);
    expect_refused(pairs, &pair, "larger than 1000");

    str_add(&nul, "--xYz\r\nA: \0\r\n\r\n", 16);
    expect_refused(MP, &nul, "NUL");
}

static void what_is_held_is_taken_from_the_budget_until_the_sender_is_known(void **state)
{
    struct budget b = {.limit = 400000};
    struct form_limits most = {.field_bytes = 1 << 20, .total_bytes = 1 << 20, .parts = 10000, .budget = &b};
    AUTO(str_done) struct str body = {0};
    struct record r = {0};
    struct err err;
    (void)state;

    str_puts(&body, "a=");
    add_fill(&body, 100000);
    struct form *f = form_new("application/x-www-form-urlencoded", &sink, &r, &most, &err);
    assert_int_equal(form_feed(f, body.s, body.len, &err), 0);
    assert_int_equal(b.used, body.len);
    /* small fields cost more than their text */
    str_reset(&body);
    for (int i = 0; i < 350; i++)
        str_puts(&body, "&b");
    assert_int_equal(form_feed(f, body.s, body.len, &err), 0);
    assert_true(b.used > 100000 + 349 * 200);
    assert_int_equal(form_feed(f, body.s, body.len, &err), -1);
    assert_int_equal(err.code, ERR_FORM);
    form_free(f);
    assert_int_equal(b.used, 0);

    f = form_new("application/x-www-form-urlencoded", &sink, &r, &most, &err);
    assert_int_equal(form_feed(f, body.s, body.len, &err), 0);
    form_known(f);
    assert_int_equal(b.used, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(form_feed(f, body.s, body.len, &err), 0);
    assert_int_equal(b.used, 0);
    form_free(f);
    str_done(r.text);
}

static void what_the_sink_reports_comes_out(void **state)
{
    static const char body[] =
        "--xYz\r\n" CD "name=f; filename=g\r\n\r\nq\r\n--xYz\r\n" CD "name=a\r\n\r\n1\r\n--xYz--";
    (void)state;

    for (int call = 1; call <= 4; call++) {
        struct record r = {.fail_at_call = call};
        struct err err = {0};

        assert_int_equal(parse(&r, MP, body, sizeof body - 1, 0, 0, &err), -1);
        assert_int_equal(err.code, ERR_NOSPACE);
        assert_int_equal(r.calls, call);
        str_done(r.text);
    }
}

static void a_big_file_passes_without_being_copied(void **state)
{
    enum { SIZE = 4 << 20 };
    static const char head[] = "--xYz\r\n" CD "name=f; filename=g\r\n\r\n", tail[] = "\r\n--xYz--";
    struct record r = {0};
    struct err err = {0};
    AUTO(mem_free) char *data = mem_alloc(SIZE);
    (void)state;

    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    AUTO(form_free) struct form *f = form_new(MP, &sink, &r, &limits, &err);
    assert_int_equal(form_feed(f, head, sizeof head - 1, &err), 0);
    r.calls = 0;
    assert_int_equal(form_feed(f, data, SIZE, &err), 0);
    assert_true(r.calls <= 2); /* pieces */
    assert_int_equal(form_feed(f, tail, sizeof tail - 1, &err), 0);
    assert_int_equal(form_finish(f, &err), 0);
    assert_non_null(memmem(r.text.s, r.text.len, data, SIZE));
    str_done(r.text);
}

/* Random edits of good bodies: never a crash, and never a failure without a code. */
static void damaged_bodies_do_no_harm(void **state)
{
    unsigned seed = 20310506;
    (void)state;

    for (int round = 0; round < 60000; round++) {
        const struct good *g = &good[(unsigned)rand_r(&seed) % (ARRAY_LEN(good) - 1)];
        size_t len = strlen(g->body), a, b;
        AUTO(mem_free) char *body = mem_strndup(g->body, len);
        struct record r = {0};
        struct err err = {0};

        for (int edits = rand_r(&seed) % 6; len && edits > 0; edits--) {
            size_t at = (unsigned)rand_r(&seed) % len;

            if (rand_r(&seed) % 3)
                body[at] = "\r\n-xYz;=\"\\ :%a\0"[rand_r(&seed) % 15];
            else
                memmove(body + at, body + at + 1, len-- - at);
        }
        a = len ? (unsigned)rand_r(&seed) % len : 0;
        b = len - a ? (unsigned)rand_r(&seed) % (len - a) : 0;
        if (parse(&r, g->type, body, len, a, b, &err) < 0)
            assert_int_not_equal(err.code, ERR_OK);
        else
            assert_false(r.is_in_file);
        str_done(r.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_result_does_not_depend_on_how_the_bytes_are_split),
        cmocka_unit_test(every_malformed_body_says_what_is_wrong),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(what_is_held_is_taken_from_the_budget_until_the_sender_is_known),
        cmocka_unit_test(what_the_sink_reports_comes_out),
        cmocka_unit_test(a_big_file_passes_without_being_copied),
        cmocka_unit_test(damaged_bodies_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
