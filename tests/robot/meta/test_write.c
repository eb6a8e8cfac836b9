/* /meta/write: what was written is read by other programs (ffprobe, and the server's own look into
 * files); what a client may not write; values that try to be something else. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "clips.h"
#include "host.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PICTURE "-f lavfi -i testsrc2=s=64x48 -frames:v 1"
#define FILM                                                                                       \
    "-f lavfi -i testsrc2=s=64x48:d=1:r=5 -f lavfi -i sine=d=1 -c:v libx264 -preset ultrafast "    \
    "-c:a aac"
#define SOUND "-f lavfi -i sine=d=1"

static const json_t *written(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/meta/write", step, path, &err) < 0)
        fail_msg("%s: %s; %s", step, err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0)->meta;
}

static void refused(struct robot_job *job, const char *step, const char *word)
{
    struct err err = {0};

    assert_int_equal(host_run(job, "/meta/write", step, &err), -1);
    assert_string_equal(err_name(&err), "META_WRITE_VALIDATION");
    if (!strstr(err.msg, word))
        fail_msg("%s: %s", step, err.msg);
}

/* What ffprobe prints of the file's tags. The caller frees. */
static char *tags_of(const char *path)
{
    AUTO(mem_free)
    char *command =
        mem_printf("ffprobe -v error -show_entries format_tags -of default=nw=1 '%s'", path);
    struct str out = {0};
    char buf[4096];
    FILE *f = popen(command, "r");
    size_t n;

    while ((n = fread(buf, 1, sizeof buf, f)))
        str_add(&out, buf, n);
    pclose(f);
    return str_take(&out);
}

static void check_tag(const char *tags, const char *line)
{
    if (!strcasestr(tags, line))
        fail_msg("'%s' is not in %s", line, tags);
}

static int files_of(struct robot_job *job)
{
    DIR *d = opendir(host_dir(job));
    int n = 0;

    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void tags_of_pictures_are_read_back_in_every_format(void **state)
{
    static const char *const names[] = {"a.jpg", "a.png", "a.webp"};
    static const char step[] = "{\"data_to_write\": {\"XMP:Title\": \"Über\\nzwei 日本\", "
                               "\"IPTC:City\": \"Łódź\", \"XMP:City\": \"Łódź\","
                               " \"EXIF:Artist\": \"me\", \"exif:iso\": 400, \"Subject\": [\"a, "
                               "b\", \"c\"], \"nosuchtag\": 1}}";
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const json_t *meta = written(job, step, clip(job, names[i], PICTURE));

        assert_string_equal(host_output(job, 0)->name, names[i]);
        assert_string_equal(jstr_or(meta, "title", ""), "Über\nzwei 日本");
        assert_string_equal(jstr_or(meta, "city", ""), "Łódź");
        if (i == 0)
            assert_int_equal(jint(meta, "iso", 0), 400);
        assert_int_equal(jint(meta, "width", 0), 64);
    }
}

static void a_tag_of_png_alone_is_read_back_as_well(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *step = "{\"data_to_write\": {\"Title\": \"Über 日本\", \"Author\": \"me\"}}";
    (void)state;

    const json_t *meta = written(job, step, clip(job, "a.png", PICTURE));
    assert_string_equal(jstr_or(meta, "title", ""), "Über 日本");
    assert_string_equal(jstr_or(meta, "author", ""), "me");
}

static void tags_of_films_and_sounds_are_read_back_in_every_container(void **state)
{
    static const struct {
        const char *name, *args;
    } rows[] = {{"a.mov", FILM}, {"a.mkv", FILM}, {"a.flac", SOUND}, {"a.wav", SOUND}};
    static const char step[] = "{\"data_to_write\": {\"Title\": \"T 日本; =x\", \"artist\": \"-i "
                               "/etc/passwd\", \"ALBUM\": \"'a\\\"b\\\\c\"}}";
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const json_t *meta = written(job, step, clip(job, rows[i].name, rows[i].args));

        assert_string_equal(jstr_or(meta, "title", ""), "T 日本; =x");
        AUTO(mem_free) char *tags = tags_of(host_output(job, 0)->path);
        check_tag(tags, "TAG:title=T 日本; =x\n");
        check_tag(tags, "TAG:artist=-i /etc/passwd\n");
        check_tag(tags, "TAG:album='a\"b\\c\n");
        assert_true(jnum(meta, "duration", 0) > 0.9);
    }
}

static void names_of_exiftool_are_translated_for_ffmpeg(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *step = "{\"data_to_write\": {\"Year\": 2001, \"ID3:Track\": \"3/12\", \"Band\": "
                       "\"b\", \"BeatsPerMinute\": 90}}";
    (void)state;

    const json_t *meta = written(job, step, clip(job, "a.mp3", SOUND));
    assert_string_equal(jstr_or(meta, "year", ""), "2001");
    assert_string_equal(jstr_or(meta, "track", ""), "3/12");
    assert_string_equal(jstr_or(meta, "band", ""), "b");
    assert_int_equal(jint(meta, "beats_per_minute", 0), 90);
}

static void null_removes_a_tag_and_the_others_stay(void **state)
{
    static const char *const rows[][2] = {{"a.jpg", PICTURE}, {"a.mp3", SOUND}};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        written(job, "{\"data_to_write\": {\"Title\": \"t\", \"Copyright\": \"c\"}}",
                clip(job, rows[i][0], rows[i][1]));
        const char *again = host_path(job, "again");
        assert_int_equal(rename(host_output(job, 0)->path, again), 0);
        const json_t *meta = written(job, "{\"data_to_write\": {\"Title\": null}}", again);
        assert_string_equal(jstr_or(meta, "copyright", ""), "c");
        assert_null(json_object_get(meta, "title"));
        meta = written(job, "{\"data_to_write\": {\"Title\": \"u\", \"all\": null}}", again);
        assert_null(json_object_get(meta, "copyright"));
        assert_string_equal(jstr_or(meta, "title", ""), "u");
    }
}

static void a_file_is_what_it_holds_whatever_it_is_called(void **state)
{
    static const char *const names[] = {"a", "-a.mp4"};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    const char *path = clip(job, "b.jpg", PICTURE);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *named = host_path(job, names[i]);

        assert_int_equal(rename(path, named), 0);
        assert_string_equal(
            jstr_or(written(job, "{\"data_to_write\": {\"Title\": \"t\"}}", named), "title", ""),
            "t");
        assert_string_equal(host_output(job, 0)->mime, "image/jpeg");
        assert_true(str_starts(host_output(job, 0)->name, names[i]));
        path = named;
    }
}

static void nothing_to_write_gives_the_file_as_it_is(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    written(job, "{}", clip(job, "a.jpg", PICTURE));
    assert_true(host_output(job, 0)->same);
    written(job, "{}", clip(job, "a.mp3", SOUND));
    assert_true(host_output(job, 0)->same);
}

static void options_that_say_something_to_a_copy_are_heard_and_others_refused(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    const json_t *meta = written(job,
                                 "{\"data_to_write\": {\"title\": \"t\"}, \"ffmpeg\": "
                                 "{\"movflags\": \"+faststart\", \"an\": true, \"b:v\": \"1k\"}}",
                                 clip(job, "a.mp4", FILM));
    assert_true(jbool(meta, "seekable", false)); /* the index stands first now */
    assert_string_equal(jstr_or(meta, "title", ""), "t");
    assert_null(json_object_get(meta, "audio_codec"));
    assert_int_equal(host_run(job, "/meta/write", "{\"ffmpeg\": {\"c:v\": \"libx264\"}}", &err),
                     -1);
    assert_int_equal(host_run(job, "/meta/write", "{\"ffmpeg\": {\"i\": \"/etc/passwd\"}}", &err),
                     -1);
    assert_int_equal(
        host_run(job, "/meta/write", "{\"ffmpeg\": {\"attach\": \"/etc/passwd\"}}", &err), -1);
}

static void names_that_are_about_files_or_no_names_are_refused(void **state)
{
    static const char *const names[] = {"FileName",
                                        "filename",
                                        "System:FileName",
                                        "Directory",
                                        "HardLink",
                                        "SymLink",
                                        "TestName",
                                        "Geotag",
                                        "XMP:Geotag",
                                        "geosync",
                                        "FileModifyDate",
                                        "FilePermissions",
                                        "File:Comment",
                                        "Extra:TestName",
                                        "SourceFile",
                                        "-Title",
                                        "Title<",
                                        "Title<=/etc/passwd",
                                        "Title+",
                                        "@",
                                        "",
                                        "*",
                                        "X*",
                                        "Ti?le",
                                        "a b",
                                        "Title=x",
                                        "x:",
                                        ":x",
                                        "a:b:c:d",
                                        "Title\\n-o",
                                        "#",
                                        "ÄTitle",
                                        "Title#x",
                                        "all#",
                                        "-config",
                                        "XMP:-o"};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(mem_free)
        char *step =
            mem_printf("{\"data_to_write\": {\"%s\": \"/tmp/workcell-test-made\"}}", names[i]);

        refused(job, step, "data_to_write");
        AUTO(mem_free)
        char *deep = mem_printf("{\"data_to_write\": {\"XMP:LocationCreated\": [{\"%s\": \"x\"}]}}",
                                names[i]);
        refused(job, deep, "data_to_write");
    }
    refused(job, "{\"data_to_write\": [1]}", "data_to_write");
    refused(job, "{\"data_to_write\": {\"all\": \"x\"}}", "null");
    refused(job, "{\"data_to_write\": {\"EXIF:All\": \"x\"}}", "null");
    refused(job, "{\"data_to_write\": {\"a\": [[[[[[1]]]]]]}}", "deep");
}

static void much_is_refused(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(str_done) struct str many = {0}, large = {0};
    (void)state;

    str_puts(&many, "{\"data_to_write\": {\"t\": 1");
    for (int i = 0; i < 200; i++)
        str_addf(&many, ", \"t%d\": 1", i);
    str_puts(&many, "}}");
    refused(job, many.s, "201");
    str_puts(&large, "{\"data_to_write\": {\"t\": \"");
    for (int i = 0; i < 64 * 1024; i++)
        str_putc(&large, 'x');
    str_puts(&large, "\"}}");
    refused(job, large.s, "bytes");
}

static void names_and_values_that_look_like_options_are_neither(void **state)
{
    static const char step[] =
        "{\"data_to_write\": {\"config\": \"/etc/passwd\", \"json\": \"/etc/passwd\", \"csv\": "
        "\"/etc/passwd\", \"o\": \"x\", \"if\": \"die\","
        " \"execute\": \"1\", \"Title\": \"-Comment<=/etc/passwd\", \"Comment\": \"@/etc/passwd\", "
        "\"EXIF:Artist\": \"x\\n-HardLink=/tmp/x\\n\","
        " \"Copyright\": \"`id`$(id);|\", \"XMP:Source\": \"</x:xmpmeta><evil/>\"}}";
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.jpg", PICTURE);
    (void)state;

    const json_t *meta = written(job, step, path);
    assert_string_equal(jstr_or(meta, "title", ""), "-Comment<=/etc/passwd");
    assert_string_equal(jstr_or(meta, "copyright", ""), "`id`$(id);|");
    assert_int_equal(files_of(job), 2); /* the picture and the new one */
    AUTO(mem_free) char *hay = mem_alloc(1 << 20);
    FILE *f = fopen(host_output(job, 0)->path, "r");
    size_t n = fread(hay, 1, 1 << 20, f);
    fclose(f);
    assert_null(memmem(hay, n, "root:", 5));
    assert_non_null(memmem(hay, n, "@/etc/passwd", 12));
    assert_non_null(memmem(hay, n, "x\n-HardLink=/tmp/x", 18));
}

static void old_iptc_in_latin_1_survives_a_text_that_needs_more(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    written(job, "{\"data_to_write\": {\"IPTC:City\": \"Zurich\"}}", clip(job, "a.jpg", PICTURE));
    const char *again = host_path(job, "again.jpg");
    AUTO(mem_free)
    char *command = mem_printf("LC_ALL=C sed 's/Zurich/Z\\xfcrich/' <'%s' >'%s'",
                               host_output(job, 0)->path, again);
    assert_int_equal(system(command), 0);
    const json_t *meta = written(job, "{\"data_to_write\": {\"Keywords\": [\"日本\"]}}", again);
    assert_string_equal(jstr_or(meta, "city", ""), "Zürich");
    assert_string_equal(json_string_value(json_array_get(json_object_get(meta, "keywords"), 0)),
                        "日本");
}

static void a_picture_that_is_none_is_an_error_and_leaves_nothing(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = host_path(job, "a.jpg");
    struct err err;
    (void)state;

    FILE *f = fopen(path, "w");
    fputs("\xff\xd8\xff\xe0 and nothing else", f);
    fclose(f);
    assert_int_equal(
        host_run_on(job, "/meta/write", "{\"data_to_write\": {\"Title\": \"t\"}}", path, &err), -1);
    assert_string_equal(err_name(&err), "INTERNAL_COMMAND_ERROR");
    assert_int_equal(files_of(job), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_of_pictures_are_read_back_in_every_format),
        cmocka_unit_test(a_tag_of_png_alone_is_read_back_as_well),
        cmocka_unit_test(tags_of_films_and_sounds_are_read_back_in_every_container),
        cmocka_unit_test(names_of_exiftool_are_translated_for_ffmpeg),
        cmocka_unit_test(null_removes_a_tag_and_the_others_stay),
        cmocka_unit_test(a_file_is_what_it_holds_whatever_it_is_called),
        cmocka_unit_test(nothing_to_write_gives_the_file_as_it_is),
        cmocka_unit_test(options_that_say_something_to_a_copy_are_heard_and_others_refused),
        cmocka_unit_test(names_that_are_about_files_or_no_names_are_refused),
        cmocka_unit_test(much_is_refused),
        cmocka_unit_test(names_and_values_that_look_like_options_are_neither),
        cmocka_unit_test(old_iptc_in_latin_1_survives_a_text_that_needs_more),
        cmocka_unit_test(a_picture_that_is_none_is_an_error_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
