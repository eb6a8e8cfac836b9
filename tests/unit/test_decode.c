#include "http/decode.h"
#include "base/str.h"
#include "unit.h"

#include <string.h>
#include <zlib.h>

static const char text[] = "a small text that is coded, a small text that is coded\n";

enum form { FORM_GZIP = 15 + 16, FORM_ZLIB = 15, FORM_RAW = -15 };

static struct str packed(const void *data, size_t len, enum form form)
{
    struct str out = {0};
    unsigned char buf[4096];
    z_stream z = {.next_in = (unsigned char *)data, .avail_in = (unsigned)len};
    int rc;

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, form, 9, Z_DEFAULT_STRATEGY), Z_OK);
    do {
        z.next_out = buf;
        z.avail_out = sizeof buf;
        rc = deflate(&z, Z_FINISH);
        str_add(&out, buf, sizeof buf - z.avail_out);
    } while (rc == Z_OK);
    deflateEnd(&z);
    return out;
}

static int keep(void *ctx, const char *data, size_t len, struct err *err)
{
    (void)err;
    str_add(ctx, data, len);
    return 0;
}

/* Everything through a decoder in pieces of `step` bytes; 0, or the code of the error. */
static int decode(struct str *out, const char *codings, const struct str *in, size_t step, bool archive)
{
    struct decoder *d = NULL;
    struct err err = {0};
    int rc = decoder_new(&d, codings, &err);

    str_reset(out);
    if (rc == 0 && d && archive)
        decoder_keep_archive(d);
    for (size_t at = 0; rc == 0 && d && at < in->len; at += step)
        rc = decoder_feed(d, in->s + at, in->len - at < step ? in->len - at : step, keep, out, &err);
    if (rc == 0 && d)
        rc = decoder_end(d, keep, out, &err);
    if (rc == 0 && !d)
        str_add(out, in->s, in->len);
    decoder_free(d);
    return rc == 0 ? 0 : err.code;
}

static void expect(const char *codings, struct str in, const char *want, bool archive)
{
    AUTO(str_done) struct str out = {0};

    for (size_t step = 1; step <= in.len + 1; step++) {
        int code = decode(&out, codings, &in, step, archive);

        if (code || out.len != strlen(want) || (out.len && memcmp(out.s, want, out.len) != 0))
            fail_msg("%s in pieces of %zu: code %d, %zu bytes", codings, step, code, out.len);
    }
    str_done(in);
}

static struct str copy(const char *data, size_t len)
{
    struct str s = {0};

    str_add(&s, data, len);
    return s;
}

static void every_coding_is_undone_in_pieces_of_any_size(void **state)
{
    static const char brotli[] =
        "\x1b\x36\x00\xc0\x8c\xd4\x56\xf9\xc3\x48\xaa\xc3\xc8\xd2\xe6\x24\x88\x02\x0b\x4c\xe4\x80\xbd\x2d\x09\xf0\xce\xcf\x0d\xea\x65\x32\xb2\x05\x5d\x83\xcf\x21\x05";
    (void)state;

    expect("gzip", packed(text, strlen(text), FORM_GZIP), text, false);
    expect("X-GZIP", packed(text, strlen(text), FORM_GZIP), text, false);
    expect("deflate", packed(text, strlen(text), FORM_ZLIB), text, false);
    expect("deflate", packed(text, strlen(text), FORM_RAW), text, false);
    expect("br", copy(brotli, sizeof brotli - 1), text, false);
    expect("identity", copy(text, strlen(text)), text, false);
    expect(" identity , gzip", packed(text, strlen(text), FORM_GZIP), text, false);
    struct str once = packed(text, strlen(text), FORM_ZLIB);
    expect("deflate, gzip", packed(once.s, once.len, FORM_GZIP), text, false);
    str_done(once);
    expect("gzip", copy("", 0), "", false);
}

static void a_gzip_of_several_members_is_read_to_its_end_and_padding_is_left(void **state)
{
    struct str two = packed("first, ", 7, FORM_GZIP), second = packed("second", 6, FORM_GZIP);
    (void)state;

    str_add(&two, second.s, second.len);
    str_add(&two, "\0\0\x1f\0", 4); /* no member begins in it, wherever it is cut */
    str_done(second);
    expect("gzip", two, "first, second", false);
}

static void what_breaks_off_what_is_no_such_coding_and_what_nobody_knows_are_told_apart(void **state)
{
    AUTO(str_done) struct str in = packed(text, strlen(text), FORM_GZIP), out = {0}, plain = copy("<!doctype html>", 15);
    (void)state;

    for (size_t len = in.len; --len;) {
        struct str cut = {in.s, len, 0};

        assert_int_equal(decode(&out, "gzip", &cut, 7, false), ERR_IO);
    }
    assert_int_equal(decode(&out, "gzip", &plain, 7, false), ERR_INPUT);
    assert_int_equal(decode(&out, "deflate", &plain, 7, false), ERR_INPUT);
    assert_int_equal(decode(&out, "br", &plain, 1, false), ERR_INPUT);
    in.s[in.len - 6] ^= 1; /* of the checksum */
    assert_int_equal(decode(&out, "gzip", &in, 7, false), ERR_INPUT);
    assert_int_equal(decode(&out, "zstd", &in, 7, false), ERR_INPUT);
    assert_int_equal(decode(&out, "gzip, gzip, gzip, gzip", &in, 7, false), ERR_INPUT);
}

static void an_archive_stays_an_archive_unless_it_was_packed_once_more(void **state)
{
    static const char *const archives[] = {"http://a/b.tar.gz", "http://a/B.TGZ?x=1", "x.gz#top"};
    static const char *const others[] = {"http://a/b.svgz", "http://a/b?f=a.gz", ".gz", "http://a/gz", NULL};
    AUTO(str_done) struct str archive = packed(text, strlen(text), FORM_GZIP);
    AUTO(str_done) struct str as_it_came = copy(archive.s, archive.len);
    AUTO(str_done) struct str out = {0}, again = packed(archive.s, archive.len, FORM_GZIP);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(archives); i++)
        if (!decoder_is_archive(NULL, &archives[i], 1))
            fail_msg("%s is one", archives[i]);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (decoder_is_archive("image/png", &others[i], 1))
            fail_msg("%s is none", others[i] ? others[i] : "no name");
    assert_true(decoder_is_archive("Application/X-Gzip; a=b", others, 1));
    for (size_t step = 1; step <= again.len; step++) {
        assert_int_equal(decode(&out, "gzip", &archive, step, true), 0);
        assert_int_equal(out.len, archive.len);
        assert_memory_equal(out.s, as_it_came.s, out.len);
        assert_int_equal(decode(&out, "gzip", &again, step, true), 0);
        assert_int_equal(out.len, archive.len);
        assert_memory_equal(out.s, as_it_came.s, out.len);
    }
}

static int count(void *ctx, const char *data, size_t len, struct err *err)
{
    (void)data;
    (void)err;
    assert_true(len <= 64 * 1024);
    *(int64_t *)ctx += (int64_t)len;
    return 0;
}

static void a_bomb_is_stopped_soon_after_it_begins(void **state)
{
    size_t size = (size_t)256 << 20;
    AUTO(mem_free) char *zeros = mem_zalloc(size);
    AUTO(str_done) struct str in = packed(zeros, size, FORM_GZIP);
    struct decoder *d = NULL;
    struct err err = {0};
    int64_t out = 0;
    (void)state;

    assert_int_equal(decoder_new(&d, "gzip", &err), 0);
    assert_int_equal(decoder_feed(d, in.s, in.len, count, &out, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    assert_true(out <= DECODE_RATIO_FREE + 64 * 1024);
    decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coding_is_undone_in_pieces_of_any_size),
        cmocka_unit_test(a_gzip_of_several_members_is_read_to_its_end_and_padding_is_left),
        cmocka_unit_test(what_breaks_off_what_is_no_such_coding_and_what_nobody_knows_are_told_apart),
        cmocka_unit_test(an_archive_stays_an_archive_unless_it_was_packed_once_more),
        cmocka_unit_test(a_bomb_is_stopped_soon_after_it_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
