/* /file/compress against readers that know nothing of it: Python's, and bsdtar for what that can't open. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/file/compress"

static const char *written(struct robot_job *job, const char *name, const char *text)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static struct robot_input *add(struct robot_job *job, const char *name, const char *text)
{
    host_add_input(job, written(job, name, text));
    return host_input(job);
}

/* It did not come in, but was made by step of another file. */
static void made_by(struct robot_input *in, const char *step, const char *original_id, const char *original)
{
    in->id = "ffffffffffffffffffffffffffffffff";
    in->step = step;
    in->original_id = original_id;
    in->original_basename = original;
}

static const struct host_output *run(struct robot_job *job, const char *step)
{
    struct err err = {0};

    if (host_run(job, ROBOT, step, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static char *output_of(const char *command)
{
    struct str out = {0};
    FILE *f = popen(command, "r");
    char buf[4096];

    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
        str_add(&out, buf, n);
    assert_int_equal(pclose(f), 0);
    return str_take(&out);
}

/* "name=contents" of each member in its order, with blanks between; Python checks sums and headers. */
static char *members(const struct host_output *out)
{
    static const char script[] =
        "import sys,zipfile,tarfile\n"
        "p=sys.argv[1]\n"
        "if zipfile.is_zipfile(p):\n"
        " z=zipfile.ZipFile(p); assert z.testzip() is None; r=[(i.filename,z.read(i)) for i in z.infolist()]\n"
        "else:\n"
        " t=tarfile.open(p); r=[(m.name,t.extractfile(m).read()) for m in t]\n"
        " assert all(m.isreg() and m.mode==0o644 and m.uid==0 and not m.uname and m.mtime==946684800 for m in t)\n"
        "sys.stdout.write(' '.join(n+'='+b.decode() for n,b in r))";
    AUTO(mem_free) char *command = mem_printf("python3 -c \"%s\" '%s'", script, out->path);

    return output_of(command);
}

static void check(const char *step, const struct host_output *out, const char *want)
{
    AUTO(mem_free) char *got = members(out);

    if (strcmp(got, want) != 0)
        fail_msg("%s: %s\nand not\n%s", step, got, want);
}

static void each_format_is_what_its_readers_expect(void **state)
{
    static const struct {
        const char *step, *name, *mime, *magic;
    } rows[] = {
        {"{}", "a.tar", "application/x-tar", "a.txt"},
        {"{\"gzip\": true}", "a.tar.gz", "application/gzip", "\x1f\x8b"},
        {"{\"format\": \"zip\"}", "a.zip", "application/zip", "PK\3\4"},
        {"{\"format\": \"zip\", \"gzip\": true, \"compression_level\": 0}", "a.zip", "application/zip", "PK\3\4"},
        {"{\"format\": \"zip\", \"compression_level\": \"-9\", \"archive_name\": \"my.files\"}", "my.files.zip",
         "application/zip", "PK\3\4"},
        {"{\"format\": \"zip\", \"archive_name\": \"x.ZIP\"}", "x.ZIP", "application/zip", "PK\3\4"},
        {"{\"gzip\": true, \"archive_name\": \"x.tar.gz\"}", "x.tar.gz", "application/gzip", "\x1f\x8b"},
        {"{\"archive_name\": \".tar\"}", ".tar.tar", "application/x-tar", "a.txt"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        add(job, "a.txt", "hello");
        const struct host_output *out = run(job, rows[i].step);
        assert_string_equal(out->name, rows[i].name);
        assert_string_equal(out->mime, rows[i].mime);
        assert_int_equal(json_object_size(out->meta), 0);
        AUTO(mem_free) char *head = mem_zalloc(10);
        FILE *f = fopen(out->path, "r");
        assert_int_equal(fread(head, 1, 8, f), 8);
        fclose(f);
        assert_memory_equal(head, rows[i].magic, strlen(rows[i].magic));
        check(rows[i].step, out, "a.txt=hello");
    }
}

static void the_level_is_heard(void **state)
{
    static const char *const steps[] = {
        "{\"format\": \"zip\", \"compression_level\": -9}", "{\"format\": \"zip\"}",
        "{\"format\": \"zip\", \"compression_level\": -1}", "{\"format\": \"zip\", \"compression_level\": 0}",
        "{\"gzip\": true, \"compression_level\": -9}",      "{\"gzip\": true, \"compression_level\": -1}",
        "{\"gzip\": true, \"compression_level\": 0}"};
    AUTO(str_done) struct str text = {0};
    int64_t sizes[ARRAY_LEN(steps)];
    (void)state;

    for (int i = 0; i < 20000; i++)
        str_addf(&text, "%d,", i * 7919 % 10007);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        add(job, "a.txt", text.s);
        sizes[i] = run(job, steps[i])->size;
    }
    assert_true(sizes[0] < sizes[2] && sizes[1] < sizes[2] && sizes[2] < sizes[3] && sizes[3] > (int64_t)text.len);
    assert_true(sizes[4] < sizes[5] && sizes[5] < sizes[6] && sizes[6] > (int64_t)text.len);
}

static void a_password_encrypts_the_contents(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    add(job, "a.txt", "a secret that must not be found");
    const struct host_output *out =
        run(job, "{\"format\": \"zip\", \"password\": \"opensesame\", \"compression_level\": 0}");
    AUTO(mem_free) char *command = mem_printf("bsdtar -xOf '%s' --passphrase opensesame", out->path);
    AUTO(mem_free) char *plain = output_of(command);
    assert_string_equal(plain, "a secret that must not be found");
    /* 0x9901: AES, strength 3: 256 bits */
    AUTO(mem_free)
    char *hidden = mem_printf("! grep -aq 'must not' '%s' && ! bsdtar -xOf '%s' --passphrase wrong >/dev/null 2>&1 "
                              "&& od -An -tx1 -v '%s' | tr -d ' \\n' | grep -q 019907000[12]00414503",
                              out->path, out->path, out->path);
    assert_int_equal(system(hidden), 0);

    for (int i = 0; i < 2; i++) { /* a tar can't: told, not left open */
        assert_int_equal(
            host_run(job, ROBOT,
                     i ? "{\"password\": \"opensesame\", \"gzip\": true}" : "{\"password\": \"opensesame\"}", &err),
            -1);
        assert_string_equal(err_name(&err), "FILE_COMPRESS_VALIDATION");
        assert_null(strstr(err.msg, "opensesame"));
    }
    check("no password", run(job, "{\"format\": \"zip\", \"password\": null}"),
          "a.txt=a secret that must not be found");
}

static void layouts_put_files_where_they_say(void **state)
{
    static const struct {
        const char *step, *want;
    } rows[] = {
        {"{}", "a.txt=1 a_1.txt=2 b/small/a.txt=3 b/thumbs/a.txt=4"},
        {"{\"file_layout\": \"simple\"}", "a.txt=1 a_1.txt=2 a_2.txt=3 a_3.txt=4"},
        {"{\"file_layout\": \"relative-path\"}", "a.txt=1 photos/2020/a.txt=2 a_1.txt=3 deep/er/x.txt=4"},
        {"{\"path\": \"all/x\", \"format\": \"zip\"}", "all/x=1 all/x_1=2 all/x_2=3 all/x_3=4"},
        {"{\"path\": \"/x/y\"}",
         "x/y=1 x/y_1=2 x/y_2=3 x/y_3=4"}, /* of "${file.meta.archive_directory}/..." at the top */
        {"{\"path\": \"dir/\", \"file_layout\": \"simple\"}",
         "dir/a.txt=1 dir/a_1.txt=2 dir/a_2.txt=3 dir/a_3.txt=4"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        add(job, "a.txt", "1");
        add(job, "a.txt", "1"); /* the path is the same: written again below */
        struct robot_input *in = host_input(job);
        in->path = written(job, "second", "2");
        in->id = in->original_id = "11111111111111111111111111111111";
        in->original_path = "/photos/2020/";
        in = add(job, "a.txt", "1");
        in->path = written(job, "third", "3");
        made_by(in, "small", "22222222222222222222222222222222", "b");
        in = add(job, "a.txt", "1");
        in->path = written(job, "fourth", "4");
        made_by(in, "thumbs", "22222222222222222222222222222222", "b");
        host_input_meta(job, json_pack("{s:s}", "relative_path", "deep/er/x.txt"));
        const struct host_output *out = run(job, rows[i].step);
        check(rows[i].step, out, rows[i].want);
        assert_true(str_starts(out->name, "0123456789abcdef0123456789abcdef.")); /* of several: the Assembly's id */
    }

    AUTO(host_free) struct robot_job *job = host_new(); /* of one original: no folder for it */
    add(job, "a.txt", "1");
    made_by(add(job, "thumb", "2"), "small", "0123456789abcdef0123456789abcdef", "a");
    made_by(add(job, "small", "3"), "other", "0123456789abcdef0123456789abcdef", "a");
    check("{}", run(job, "{}"), "a.txt=1 small/thumb=2 other/small=3");
}

static void each_file_has_its_own_path(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(json_unref) json_t *first = json_pack("{s:s}", "path", "one/x"), *second = json_object();
    (void)state;

    add(job, "a.txt", "1")->params = first;
    add(job, "b.txt", "2")->params = second; /* undefined for this one: as if it was not given */
    check("path", run(job, "{\"path\": \"one/x\", \"file_layout\": \"simple\"}"), "one/x=1 b.txt=2");
}

static void no_member_leads_out_of_the_archive(void **state)
{
    static const char *const bad[] = {"/../x", "../x", "a/../../x", "a\\\\..\\\\..\\\\x", "C:\\\\x", "a/.."};
    AUTO(str_done) struct str longer = {0};
    struct err err = {0};
    (void)state;

    for (size_t i = 0; i <= ARRAY_LEN(bad); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        if (i == ARRAY_LEN(bad))
            for (int k = 0; k < 3000; k++)
                str_puts(&longer, "a/");
        AUTO(mem_free) char *step = mem_printf("{\"path\": \"%s\"}", i < ARRAY_LEN(bad) ? bad[i] : longer.s);
        add(job, "a.txt", "1");
        assert_int_equal(host_run(job, ROBOT, step, &err), -1);
        assert_string_equal(err_name(&err), "FILE_COMPRESS_VALIDATION");
        assert_non_null(strstr(err.msg, "'path'"));
    }
    /* what nobody asked for is made harmless instead: names come from anywhere */
    static const char *const tamed[][2] = {{"../../etc/passwd", "etc/passwd=1"},
                                           {"/etc/passwd", "etc/passwd=1"},
                                           {"..\\..\\x", "x=1"},
                                           {"C:\\x\\y", "y=1"},
                                           {"..", "unnamed=1"},
                                           {"a/./b/", "a/b=1"}};
    for (size_t i = 0; i < ARRAY_LEN(tamed); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        add(job, "a.txt", "1");
        host_input_meta(job, json_pack("{s:s}", "relative_path", tamed[i][0]));
        check(tamed[i][0], run(job, "{\"file_layout\": \"relative-path\"}"), tamed[i][1]);
    }
}

static void names_of_all_the_world_are_kept(void **state)
{
    static const char *const steps[] = {"{}", "{\"format\": \"zip\"}"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(str_done) struct str name = {0};

        add(job,
            "Stra\xc3\x9f"
            "e \xe6\xbc\xa2\xf0\x9f\x98\x80.txt",
            "1");
        for (int k = 0; k < 60; k++)
            str_puts(&name, "\xe6\xbc\xa2"); /* longer than a tar of old has room for */
        add(job, name.s, "2");
        AUTO(mem_free)
        char *want = mem_printf("Stra\xc3\x9f"
                                "e \xe6\xbc\xa2\xf0\x9f\x98\x80.txt=1 %s=2",
                                name.s);
        check(steps[i], run(job, steps[i]), want);
    }
}

static void the_same_files_make_the_same_bytes(void **state)
{
    static const char *const steps[] = {"{}", "{\"gzip\": true}", "{\"format\": \"zip\"}"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO(host_free) struct robot_job *first = host_new(), *second = host_new();

        add(first, "a.txt", "hello");
        const char *path = arena_strdup(robot_arena(first), run(first, steps[i])->path);
        add(second, "a.txt", "hello");
        AUTO(mem_free)
        char *touch = mem_printf("touch -d 2001-01-01 '%s' && chmod 600 '%s'", host_path(second, "a.txt"),
                                 host_path(second, "a.txt"));
        assert_int_equal(system(touch), 0);
        AUTO(mem_free) char *command = mem_printf("cmp '%s' '%s'", path, run(second, steps[i])->path);
        assert_int_equal(system(command), 0);
    }
}

static void a_file_that_shrinks_and_an_empty_one(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    add(job, "a.txt", "");
    check("empty", run(job, "{\"format\": \"zip\"}"), "a.txt=");
    add(job, "b.txt", "long enough");
    written(job, "b.txt", "cut");
    assert_int_equal(host_run(job, ROBOT, "{}", &err), -1);
    assert_string_equal(err_name(&err), "FILE_COMPRESS_INVALID_INPUT");
}

static void progress_is_told_along_large_files(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *text = mem_zalloc((4 << 20) + 1);
    (void)state;

    memset(text, 'x', 4 << 20);
    add(job, "a.txt", text);
    run(job, "{\"gzip\": true}");
    assert_in_range(host_progress_steps(job), 10, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_is_what_its_readers_expect),
        cmocka_unit_test(the_level_is_heard),
        cmocka_unit_test(a_password_encrypts_the_contents),
        cmocka_unit_test(layouts_put_files_where_they_say),
        cmocka_unit_test(each_file_has_its_own_path),
        cmocka_unit_test(no_member_leads_out_of_the_archive),
        cmocka_unit_test(names_of_all_the_world_are_kept),
        cmocka_unit_test(the_same_files_make_the_same_bytes),
        cmocka_unit_test(a_file_that_shrinks_and_an_empty_one),
        cmocka_unit_test(progress_is_told_along_large_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
