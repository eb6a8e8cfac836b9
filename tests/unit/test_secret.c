#include "base/secret.h"
#include "base/str.h"
#include "tempdir.h"
#include "unit.h"

#include <string.h>

#define SECRET "demo-secret-0001"
#define PARAMS                                                                                     \
    "{\"auth\":{\"key\":\"demo-key-0001\",\"expires\":\"2031-05-06T07:08:09.000Z\"},"              \
    "\"steps\":{\"small\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":64}}}"
#define SHA1 "b9e38ea652e31dfaecaf56e3ec526d3802037217"
#define SHA256 "b3c276ab80f5165a61aff8fc7406befe9efce348bcc1dbfdbf4a7dbd91d99e97"
#define SHA384                                                                                     \
    "2d1331faaa4fc2f23ee08c0c7cf57c1005dedd517ff733bbaef4a0eaa6b3a85dff6c4a18efdc4cba2a050f07b987" \
    "2883"

static void a_signature_is_right_in_every_form_and_wrong_after_any_change(void **state)
{
    static const struct {
        const char *signature;
        bool ok;
    } rows[] = {
        {SHA1, true},
        {"sha1:" SHA1, true},
        {"sha256:" SHA256, true},
        {"sha384:" SHA384, true},
        {"SHA384:" SHA384, true},
        {"sha1:B9E38EA652E31DFAECAF56E3EC526D3802037217", true},
        {SHA256, false}, /* bare digits are SHA-1 */
        {"sha256:" SHA1, false},
        {"sha384:" SHA384 "0", false},
        {"sha1:a9e38ea652e31dfaecaf56e3ec526d3802037217", false},
        {"sha1:b9e38ea652e31dfaecaf56e3ec526d3802037216", false},
        {"md5:" SHA1, false},
        {"sha1", false},
        {"sha1:", false},
        {":", false},
        {"", false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (signature_ok(rows[i].signature, SECRET, PARAMS, strlen(PARAMS)) != rows[i].ok)
            fail_msg("'%s'", rows[i].signature);
    assert_false(signature_ok(SHA1, "demo-secret-0002", PARAMS, strlen(PARAMS)));
    assert_false(signature_ok(SHA1, SECRET, PARAMS, strlen(PARAMS) - 1));
}

static void sha512_is_accepted_and_an_empty_secret_signs_nothing(void **state)
{
    char hex[129];
    AUTO(str_done) struct str s = {0};
    (void)state;

    assert_int_equal(hmac_hex(hex, HMAC_ALG_SHA512, SECRET, "x", 1), 128);
    str_addf(&s, "sha512:%s", hex);
    assert_true(signature_ok(s.s, SECRET, "x", 1));
    hmac_hex(hex, HMAC_ALG_SHA1, "", "x", 1);
    assert_false(signature_ok(hex, "", "x", 1));
}

static void what_was_sealed_opens_with_its_key_and_context_alone(void **state)
{
    struct seal_key k = {{1, 2, 3}}, other = {{1, 2, 4}};
    AUTO(mem_free) char *sealed = seal(&k, "ws/my_s3", "{\"secret\":\"x\"}");
    AUTO(mem_free) char *again = seal(&k, "ws/my_s3", "{\"secret\":\"x\"}");
    AUTO(mem_free) char *empty = seal(&k, "", "");
    AUTO(mem_free) char *plain = NULL;
    AUTO(mem_free) char *nothing = NULL;
    char *none = NULL;
    struct err err;
    (void)state;

    assert_string_not_equal(sealed, again);
    assert_int_equal(unseal(&plain, &k, "ws/my_s3", sealed, &err), 0);
    assert_string_equal(plain, "{\"secret\":\"x\"}");
    assert_int_equal(unseal(&nothing, &k, "", empty, &err), 0);
    assert_string_equal(nothing, "");

    assert_int_equal(unseal(&none, &k, "ws/my_s4", sealed, &err), -1);
    assert_int_equal(err.code, ERR_CREDENTIALS);
    assert_int_equal(unseal(&none, &other, "ws/my_s3", sealed, &err), -1);
    assert_int_equal(unseal(&none, &k, "ws/my_s3", "", &err), -1);
    assert_int_equal(unseal(&none, &k, "ws/my_s3", "no base64!", &err), -1);
    /* The last digit has bits that say nothing. */
    for (size_t i = 0; i + 4 < strlen(sealed); i++) {
        char was = sealed[i];

        sealed[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(unseal(&none, &k, "ws/my_s3", sealed, &err), -1);
        sealed[i] = was;
    }
    assert_null(none);
}

static void the_key_file_is_made_once_for_the_owner_alone(void **state)
{
    AUTO(tempdir_remove) char *dir = tempdir_new(NULL);
    AUTO(mem_free) char *path = mem_printf("%s/key", dir);
    AUTO(mem_free) char *far = mem_printf("%s/no/key", dir);
    struct seal_key a, b;
    struct stat st;
    struct err err;
    (void)state;

    assert_int_equal(seal_key_load(&a, path, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_size, 65);
    assert_int_equal(seal_key_load(&b, path, &err), 0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(seal_key_load(&b, far, &err), -1);
    assert_int_equal(err.code, ERR_IO);
}

static void a_key_file_of_another_length_is_refused_and_left_alone(void **state)
{
    static const char *const texts[] = {
        "", "abcd\n", SHA1, SHA256 "00",
        "zz00000000000000000000000000000000000000000000000000000000000000"};
    AUTO(tempdir_remove) char *dir = tempdir_new(NULL);
    AUTO(mem_free) char *path = mem_printf("%s/key", dir);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        FILE *f = fopen(path, "w");
        struct seal_key k;
        struct stat st;
        struct err err;

        fputs(texts[i], f);
        fclose(f);
        assert_int_equal(seal_key_load(&k, path, &err), -1);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, strlen(texts[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_right_in_every_form_and_wrong_after_any_change),
        cmocka_unit_test(sha512_is_accepted_and_an_empty_secret_signs_nothing),
        cmocka_unit_test(what_was_sealed_opens_with_its_key_and_context_alone),
        cmocka_unit_test(the_key_file_is_made_once_for_the_owner_alone),
        cmocka_unit_test(a_key_file_of_another_length_is_refused_and_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
