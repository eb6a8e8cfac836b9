/* /file/decompress: archives as other tools write them, and as nobody should. Python writes what bsdtar would not. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROBOT "/file/decompress"

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("%s", command);
}

/* What the Python program writes to the file `p`. */
static const char *made(struct robot_job *job, const char *name, const char *program)
{
    const char *path = host_path(job, name);
    AUTO(mem_free) char *script = mem_printf("%s.py", path);
    AUTO(mem_free) char *command = mem_printf("cd '%s' && python3 -IS '%s'", host_dir(job), script);
    static const char *const modules[] = {"io", "os", "struct", "gzip", "lzma", "zipfile", "tarfile"};
    FILE *f = fopen(script, "w");

    fprintf(f, "p='%s'\n", path);
    for (size_t i = 0; i < ARRAY_LEN(modules); i++) /* each takes its time */
        if (strstr(program, modules[i]))
            fprintf(f, "import %s\n", modules[i]);
    fprintf(f, "%s\n", program);
    assert_int_equal(fclose(f), 0);
    shell(command);
    return path;
}

/* One Python for many files, as it takes its time to start: the i-th program writes the file row-i. */
static const char *row_path(struct robot_job *files, size_t i)
{
    AUTO(mem_free) char *name = mem_printf("row-%zu", i);

    return host_path(files, name);
}

static void add_row(struct str *all, struct robot_job *files, size_t i, const char *program)
{
    str_addf(all, "p='%s'\n%s\n", row_path(files, i), program);
}

/* The same, of a command in the job's directory with files a.txt and dir/b.txt. */
static const char *packed(struct robot_job *job, const char *name, const char *command)
{
    AUTO(mem_free)
    char *all = mem_printf("cd '%s' && mkdir -p dir/empty && printf hello >a.txt && printf world >dir/b.txt && %s",
                           host_dir(job), command);

    shell(all);
    return host_path(job, name);
}

static char *contents(const char *path)
{
    struct str s = {0};
    FILE *f = fopen(path, "r");
    char buf[1000];

    assert_non_null(f);
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
        str_add(&s, buf, n);
    fclose(f);
    return str_take(&s);
}

/* "directory|relative_path|name=contents" of each output, with blanks between. */
static char *outputs(const struct robot_job *job)
{
    struct str all = {0};

    for (int i = 0; i < host_output_count(job); i++) {
        const struct host_output *o = host_output(job, i);
        AUTO(mem_free) char *text = contents(o->path);

        str_addf(&all, "%s%s|%s|%s=%s", i ? " " : "", jstr_or(o->meta, "archive_directory", "?"),
                 jstr_or(o->meta, "relative_path", "?"), o->name, text);
    }
    return str_take(&all);
}

static void unpacks(struct robot_job *job, const char *step, const char *path, const char *want)
{
    struct err err = {0};

    if (host_run_on(job, ROBOT, step, path, &err) < 0)
        fail_msg("%s: %s: %s", path, err_name(&err), err.msg);
    AUTO(mem_free) char *got = outputs(job);
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s\nand not\n%s", path, got, want);
}

static void refused(struct robot_job *job, const char *step, const char *path, const char *code, const char *says)
{
    struct err err = {0};

    if (host_run_on(job, ROBOT, step, path, &err) == 0)
        fail_msg("%s is taken, where %s was to be said", path, says);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, says))
        fail_msg("%s: %s: %s", path, err_name(&err), err.msg);
    assert_null(strstr(err.msg, "opensesame"));
}

#define BOTH "|a.txt|a.txt=hello dir|dir/b.txt|b.txt=world"

static void every_kind_of_archive_gives_its_files(void **state)
{
    static const char *const rows[][2] = {
        {"x.tar", "bsdtar -cf x.tar a.txt dir"},
        {"x.tar.gz", "bsdtar -czf x.tar.gz a.txt dir"},
        {"x.tgz", "bsdtar -czf x.tgz a.txt dir"},
        {"x.tar.bz2", "bsdtar -cjf x.tar.bz2 a.txt dir"},
        {"x.tar.xz", "bsdtar -cJf x.tar.xz a.txt dir"},
        {"x.tar.zst", "bsdtar -c --zstd -f x.tar.zst a.txt dir"},
        {"x.tar.lz4", "bsdtar -c --lz4 -f x.tar.lz4 a.txt dir"},
        {"x.tar.lzma", "bsdtar -c --lzma -f x.tar.lzma a.txt dir"},
        {"x.tar.Z", "bsdtar -cZf x.tar.Z a.txt dir"},
        {"x.zip", "bsdtar --format zip -cf x.zip a.txt dir"},
        {"x.7z", "bsdtar --format 7zip -cf x.7z a.txt dir"},
        {"x.cpio", "bsdtar --format newc -cf x.cpio a.txt dir"},
        {"x.xar", "bsdtar --format xar -cf x.xar a.txt dir"},
        {"no-extension", "bsdtar --format zip -cf no-extension a.txt dir"},
        {"wrong.txt", "bsdtar -cJf wrong.txt a.txt dir"},
        {"x.tar.uu", "bsdtar -c --uuencode -f x.tar.uu a.txt dir"},
        {"store.zip", "bsdtar --format zip --options zip:compression=store -cf store.zip a.txt dir"},
        {"gnu.tar", "bsdtar --format gnutar -cf gnu.tar a.txt ./dir"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        unpacks(job, i % 2 ? "{}" : "{\"turbo\": false}", packed(job, rows[i][0], rows[i][1]), BOTH);
    }
    AUTO(host_free) struct robot_job *job = host_new();
    unpacks(job, "{}", packed(job, "x.a", "bsdtar --format arbsd -cf x.a a.txt"), "|a.txt|a.txt=hello");
    unpacks(job, "{}", packed(job, "x.iso", "bsdtar --format iso9660 -cf x.iso a.txt"), "|a.txt|a.txt=hello");
    /* only compressed: one file, called like the archive. Archives inside stay as they are */
    unpacks(job, "{}", packed(job, "my.a.txt.gz", "gzip -c a.txt >my.a.txt.gz"), "|my.a.txt|my.a.txt=hello");
    packed(job, "in.tar", "bsdtar -cf in.tar a.txt && bsdtar --format zip -cf out.zip in.tar");
    struct err err;
    assert_int_equal(host_run_on(job, ROBOT, "{}", host_path(job, "out.zip"), &err), 0);
    assert_int_equal(host_output_count(job), 1);
    assert_string_equal(host_output(job, 0)->name, "in.tar");
    assert_string_equal(host_output(job, 0)->mime, "application/x-tar");
}

static void what_is_no_archive_is_refused(void **state)
{
    static const char *const rows[][2] = {
        {"open(p,'w').write('just some words, and no archive at all\\n'*50)", "no archive"},
        {"open(p,'w')", "archive"},
        {"d=gzip.compress(os.urandom(100000)); open(p,'wb').write(d[:50000])", "broken"},
        {"z=zipfile.ZipFile(p,'w',zipfile.ZIP_DEFLATED); z.writestr('a',os.urandom(100000)); z.close(); "
         "d=open(p,'rb').read(); open(p,'wb').write(d[:60000])",
         "broken"},
        {"t=tarfile.open(p,'w'); i=tarfile.TarInfo('a'); i.size=90000; t.addfile(i,io.BytesIO(bytes(90000))); "
         "t.close(); os.truncate(p,40000)",
         "broken"},
        {"z=zipfile.ZipFile(p,'w'); z.writestr('a',b'x'*1000); z.close(); d=bytearray(open(p,'rb').read()); "
         "d[200]=0; open(p,'wb').write(d)",
         "broken"},
        {"open(p,'wb').write(b'7z\\xbc\\xaf\\x27\\x1c\\0\\4'+b'\\xff'*200)", "broken"},
        {"open(p,'wb').write(b'Rar!\\x1a\\7\\1\\0'+b'\\xff'*200)", "broken"},
    };
    AUTO(host_free) struct robot_job *files = host_new();
    AUTO(str_done) struct str all = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        add_row(&all, files, i, rows[i][0]);
    made(files, "all", all.s);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        refused(job, "{\"turbo\": false}", row_path(files, i), "FILE_DECOMPRESS_INVALID_INPUT", rows[i][1]);
        assert_int_equal(host_output_count(job), 0);
    }
}

static void passwords_open_what_they_belong_to(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *aes =
        packed(job, "x.zip",
               "bsdtar --format zip --options zip:encryption=aes256 --passphrase opensesame -cf x.zip a.txt dir");
    const char *old =
        packed(job, "y.zip",
               "bsdtar --format zip --options zip:encryption=zipcrypt --passphrase opensesame -cf y.zip a.txt dir");
    (void)state;

    for (int i = 0; i < 2; i++) {
        const char *path = i ? old : aes;

        unpacks(job, "{\"password\": \"opensesame\"}", path, BOTH);
        refused(job, "{}", path, "FILE_DECOMPRESS_PASSWORD_REQUIRED", "password");
        refused(job, "{\"password\": \"\"}", path, "FILE_DECOMPRESS_PASSWORD_REQUIRED", "password");
        for (int k = 0; k < (i ? 200 : 2); k++) { /* one of 256 passes the old kind's first check */
            AUTO(mem_free) char *step = mem_printf("{\"password\": \"wrong%d\"}", k);

            refused(job, step, path, "FILE_DECOMPRESS_PASSWORD_INCORRECT", "password");
        }
    }
    /* one that nobody needs does no harm */
    unpacks(job, "{\"password\": \"opensesame\"}", packed(job, "z.zip", "bsdtar --format zip -cf z.zip a.txt dir"),
            BOTH);
}

/* 7z: the contents alone, or the names too. Solid and not; links and directories are passed over. */
static void encrypted_7z_archives_open_too(void **state)
{
    static const char *const rows[] = {
        "7zz a -popensesame x.7z a.txt dir >log", "7zz a -popensesame -mhe=on x.7z a.txt dir >log",
        "7zz a -popensesame -ms=off -mm=PPMd x.7z a.txt dir >log", "7zz a -popensesame -mx=0 x.7z a.txt dir >log",
        "ln -s a.txt dir/link && 7zz a -snl -popensesame x.7z a.txt dir >log",
    };
    static const char right[] = "{\"password\": \"opensesame\"}";
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *path = packed(job, "x.7z", rows[i]);
        AUTO(mem_free) char *left = mem_printf("! ls '%s'/out* 2>&1 | grep -q '[.]tmp$'", host_dir(job));

        unpacks(job, right, path, BOTH);
        unpacks(job, "{\"password\": \"opensesame\", \"turbo\": false}", path, BOTH);
        refused(job, "{}", path, "FILE_DECOMPRESS_PASSWORD_REQUIRED", "password");
        refused(job, "{\"password\": \"wrong\"}", path, "FILE_DECOMPRESS_PASSWORD_INCORRECT", "password");
        refused(job, "{\"password\": \"-pwrong\\nopensesame\"}", path, "FILE_DECOMPRESS_PASSWORD_INCORRECT",
                "password");
        shell(left);
    }
    AUTO(host_free) struct robot_job *job = host_new();
    unpacks(job, right, packed(job, "z.7z", "bsdtar --format 7zip -cf z.7z a.txt dir"), BOTH); /* needs none */
    unpacks(job, "{\"password\": \"gr\u00f6\u00dfe $x\"}",
            packed(job, "u.7z", "7zz a '-pgr\xc3\xb6\xc3\x9f" "e $x' u.7z a.txt dir >log"), BOTH);
}

/* Nothing in Debian's main writes them: the first header of one, by hand. */
static void an_encrypted_rar_archive_is_refused_by_name(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = made(job, "x.rar",
                            "import zlib; h=struct.pack('<BHH6x',0x73,0x80,13); "
                            "open(p,'wb').write(b'Rar!\\x1a\\7\\0'+struct.pack('<H',zlib.crc32(h)&0xffff)+h+"
                            "bytes(100))");
    (void)state;

    refused(job, "{}", path, "FILE_DECOMPRESS_PASSWORD_REQUIRED", "password");
    refused(job, "{\"password\": \"opensesame\"}", path, "FILE_DECOMPRESS_INVALID_INPUT",
            "encrypted, which is read of ZIP and 7z archives only");
}

static void an_encrypted_7z_archive_has_the_same_limits(void **state)
{
    static const char right[] = "{\"password\": \"opensesame\"}";
    static const struct {
        const char *setting;
        int64_t value;
    } rows[] = {{"max_archive_files", 1}, {"max_archive_bytes", 9}, {"max_archive_depth", 1}};
    AUTO(host_free) struct robot_job *files = host_new();
    const char *path = packed(files, "x.7z", "7zz a -popensesame x.7z a.txt dir/b.txt >log");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        json_object_set_new(host_settings(job), rows[i].setting, json_integer(rows[i].value));
        refused(job, "{\"password\": \"opensesame\", \"turbo\": false}", path, "FILE_DECOMPRESS_INVALID_INPUT",
                rows[i].setting);
        assert_int_equal(host_output_count(job), 0);
    }
    AUTO(host_free) struct robot_job *job = host_new();
    refused(job, right,
            packed(job, "bomb.7z", "head -c 80000000 /dev/zero >zero && 7zz a -mx=1 -popensesame bomb.7z zero >log"),
            "FILE_DECOMPRESS_INVALID_INPUT", "max_archive_ratio");
    refused(job, right,
            packed(job, "up.7z",
                   "7zz a -popensesame up.7z a.txt >log && 7zz rn -popensesame up.7z a.txt ../a.txt >log"),
            "POSSIBLY_MALICIOUS_FILE_FOUND", "..");
}

/* Cut off anywhere, or with a byte that is another one: an error of the Robot's own, or the same files. */
static void a_broken_encrypted_7z_archive_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *files = host_new();
    const char *path = packed(files, "x.7z", "7zz a -popensesame -mhe=on x.7z a.txt dir >log");
    AUTO(mem_free) char *data = mem_alloc(1 << 12);
    FILE *f = fopen(path, "r");
    size_t n = fread(data, 1, 1 << 12, f);
    (void)state;

    fclose(f);
    for (size_t i = 0; i < 12; i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *broken = host_path(job, "y.7z");
        size_t at = i / 2 * (n / 6);
        struct err err = {0};

        f = fopen(broken, "w");
        data[at] ^= i % 2 ? 1 : 0;
        fwrite(data, 1, i % 2 ? n : at, f);
        data[at] ^= i % 2 ? 1 : 0;
        fclose(f);
        if (host_run_on(job, ROBOT, "{\"password\": \"opensesame\", \"turbo\": false}", broken, &err) == 0) {
            AUTO(mem_free) char *got = outputs(job);

            assert_string_equal(got, BOTH);
        } else if (!str_starts(err_name(&err), "FILE_DECOMPRESS_")) {
            fail_msg("%zu: %s: %s (%s)", i, err_name(&err), err.msg, err.detail);
        }
    }
}

#define TAR(member) "t=tarfile.open(p,'w'); " member "; t.close()"
#define ENTRY(name, more) "i=tarfile.TarInfo('" name "'); " more "; t.addfile(i)"
#define FILE_OF(name, text)                                                                                          \
    "i=tarfile.TarInfo('" name "'); i.size=len('" text "'); t.addfile(i,io.BytesIO(b'" text "'))"
#define ZIP(member) "z=zipfile.ZipFile(p,'w'); " member "; z.close()"
#define LINK(name, to) "i=tarfile.TarInfo('" name "'); i.type=tarfile.SYMTYPE; i.linkname='" to "'; t.addfile(i)"
#define HARD(name, to) "i=tarfile.TarInfo('" name "'); i.type=tarfile.LNKTYPE; i.linkname='" to "'; t.addfile(i)"

static void what_leads_out_is_refused_whole(void **state)
{
    static const char *const rows[] = {
        TAR(FILE_OF("../../etc/cron.d/x", "x")),
        TAR(FILE_OF("/etc/passwd", "x")),
        TAR(FILE_OF("a/../../x", "x")),
        ZIP("z.writestr('../x','x')"),
        ZIP("z.writestr('..\\\\..\\\\x','x')"),
        ZIP("z.writestr('C:\\\\x','x')"),
        ZIP("z.writestr('/x','x')"),
        TAR(LINK("l", "/etc/passwd")),
        TAR(LINK("a/l", "../../etc")),
        TAR(LINK("l", "..")),
        TAR(HARD("h", "/etc/passwd")),
        TAR(HARD("h", "../x")),
        ZIP("i=zipfile.ZipInfo('l'); i.create_system=3; i.external_attr=0o120777<<16; z.writestr(i,'/etc/passwd')"),
        TAR("i=tarfile.TarInfo('../d'); i.type=tarfile.DIRTYPE; t.addfile(i)"),
        TAR("i=tarfile.TarInfo('/dev/x'); i.type=tarfile.CHRTYPE; t.addfile(i)"),
    };
    AUTO(host_free) struct robot_job *files = host_new();
    AUTO(str_done) struct str all = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        add_row(&all, files, i, rows[i]);
    made(files, "all", all.s);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        refused(job, "{}", row_path(files, i), "POSSIBLY_MALICIOUS_FILE_FOUND", "archive 'row-");
        assert_int_equal(host_output_count(job), 0);
    }
}

static void links_and_devices_are_never_made(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *look = mem_printf("test -z \"$(find '%s' ! -type f ! -type d)\"", host_dir(job));
    (void)state;

    unpacks(job, "{}",
            made(job, "x.tar",
                 TAR(FILE_OF("d/a", "hello") "; " LINK("d/l", "a") "; " LINK(
                     "l", "d/../d/a") "; i=tarfile.TarInfo('dev'); i.type=tarfile.BLKTYPE; i.devmajor=8; t.addfile(i)"
                                      "; i=tarfile.TarInfo('pipe'); i.type=tarfile.FIFOTYPE; t.addfile(i); " FILE_OF(
                                          "d/l/b", "world"))),
            "d|d/a|a=hello d/l|d/l/b|b=world");
    shell(look);
}

static void a_hard_link_is_a_file_with_the_same_contents(void **state)
{
    static const char three[] = TAR(FILE_OF("d/a", "hello") "; " HARD("b", "d/a") "; " HARD("c", "./d/a") "; " HARD(
        "e", "b") "; " FILE_OF("f", "world"));
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    unpacks(job, "{}", made(job, "x.tar", three), "d|d/a|a=hello |f|f=world |b|b=hello |c|c=hello |e|e=hello");
    unpacks(job, "{\"turbo\": false}", host_path(job, "x.tar"),
            "d|d/a|a=hello |b|b=hello |c|c=hello |e|e=hello |f|f=world");
    refused(job, "{}", made(job, "y.tar", TAR(HARD("b", "d/a"))), "FILE_DECOMPRESS_INVALID_INPUT", "'d/a'");
    refused(job, "{}", made(job, "z.tar", TAR(HARD("b", "c") "; " HARD("c", "b"))), "FILE_DECOMPRESS_INVALID_INPUT",
            "hard link");
    json_object_set_new(host_settings(job), "max_archive_bytes", json_integer(18)); /* copies count */
    refused(job, "{}", host_path(job, "x.tar"), "FILE_DECOMPRESS_INVALID_INPUT", "max_archive_bytes");
    /* ten thousand of them take no time: one more time over the archive, whatever they are */
    json_object_set_new(host_settings(job), "max_archive_bytes", json_integer(1 << 20));
    refused(job, "{}",
            made(job, "many.tar",
                 "t=tarfile.open(p,'w')\nfor k in range(9000):\n i=tarfile.TarInfo('l%d'%k); i.type=tarfile.LNKTYPE; "
                 "i.linkname='t%d'%k; t.addfile(i)\nt.close()"),
            "FILE_DECOMPRESS_INVALID_INPUT", "hard link");
}

static void each_limit_says_its_name(void **state)
{
    static const struct {
        const char *setting;
        int64_t value;
        const char *program;
    } rows[] = {
        {"max_archive_files", 100, ZIP("[z.writestr('f%d'%k,'') for k in range(101)]")},
        {"max_archive_files", 100,
         ZIP("[z.writestr('d%d/'%k,'') for k in range(101)]")}, /* directories are members, too */
        {"max_archive_files", 10000, ZIP("[z.writestr('d%d/'%k,'') for k in range(10001)]")},
        {"max_archive_bytes", 1000, ZIP("z.writestr('a','x'*501); z.writestr('b','x'*500)")},
        {"max_archive_bytes", 1000, TAR("i=tarfile.TarInfo('a'); i.size=1001; t.addfile(i,io.BytesIO(bytes(1001)))")},
        {"max_archive_bytes", 100000, "open(p,'wb').write(gzip.compress(b'x'*100001))"}, /* says no size beforehand */
        {"max_archive_depth", 5, ZIP("z.writestr('a/b/c/d/e/f','')")},
        {"max_archive_ratio", 200, "d=lzma.compress(b'x'*(70<<20),preset=0); open(p,'wb').write(d)"},
        {"max_archive_ratio", 200,
         "z=zipfile.ZipFile(p,'w',zipfile.ZIP_DEFLATED,compresslevel=1); z.writestr('a',bytes(70<<20)); z.close()"},
        /* a size of 2^62, and what it has of it are ten bytes */
        {"max_archive_bytes", INT64_C(10) << 30,
         "h=bytearray(512); h[0:1]=b'a'; h[124:136]=b'\\x80\\0\\0\\0\\x40\\0\\0\\0\\0\\0\\0\\0'; h[156:157]=b'0'; "
         "h[257:265]=b'ustar\\00000'; h[148:156]=b' '*8;"
         "h[148:156]=b'%06o\\0 '%sum(h); open(p,'wb').write(bytes(h)+b'0123456789'+bytes(2000))"},
        /* sparse: a gigabyte of hole behind one byte is a gigabyte for whoever reads it */
        {"max_archive_bytes", 1 << 20,
         "t=tarfile.open(p,'w',format=tarfile.PAX_FORMAT); i=tarfile.TarInfo('s'); i.size=1; "
         "i.pax_headers={'GNU.sparse.major':'0','GNU.sparse.minor':'1','GNU.sparse.name':'s',"
         "'GNU.sparse.size':'1073741824','GNU.sparse.numblocks':'1','GNU.sparse.map':'0,1'}; "
         "t.addfile(i,io.BytesIO(b'x')); t.close()"},
    };
    AUTO(host_free) struct robot_job *files = host_new();
    AUTO(str_done) struct str all = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        add_row(&all, files, i, rows[i].program);
    made(files, "all", all.s);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(mem_free) char *disk = mem_printf("test $(du -sm '%s' | cut -f1) -lt 100", host_dir(job));

        json_object_set_new(host_settings(job), rows[i].setting, json_integer(rows[i].value));
        refused(job, "{\"turbo\": false}", row_path(files, i), "FILE_DECOMPRESS_INVALID_INPUT", rows[i].setting);
        assert_int_equal(host_output_count(job), 0);
        shell(disk);
    }
    AUTO(host_free) struct robot_job *job = host_new();
    refused(job, "{}", made(job, "x", "d=b'hello'\nfor k in range(20): d=gzip.compress(d)\nopen(p,'wb').write(d)"),
            "FILE_DECOMPRESS_INVALID_INPUT", "times over");
}

static void a_sparse_member_has_its_holes_filled(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    const char *path = made(job, "x.tar",
                            "t=tarfile.open(p,'w',format=tarfile.PAX_FORMAT); i=tarfile.TarInfo('s'); i.size=2; "
                            "i.pax_headers={'GNU.sparse.major':'0','GNU.sparse.minor':'1','GNU.sparse.name':'s',"
                            "'GNU.sparse.size':'3000','GNU.sparse.numblocks':'2','GNU.sparse.map':'0,1,2000,1'}; "
                            "t.addfile(i,io.BytesIO(b'xy')); t.close()");
    assert_int_equal(host_run_on(job, ROBOT, "{}", path, &err), 0);
    assert_int_equal(host_output(job, 0)->size, 3000);
    AUTO(mem_free)
    char *check = mem_printf("python3 -c \"d=open('%s','rb').read(); assert d==b'x'+bytes(1999)+b'y'+bytes(999)\"",
                             host_output(job, 0)->path);
    shell(check);
}

static void names_become_text(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    /* Python says UTF-8 of what is not ASCII: the flag is taken away again, and the bytes are those of DOS */
    static const char zip[] = "z=zipfile.ZipFile(p,'w'); z.writestr('%s','x'); z.close(); d=open(p,'rb').read(); "
                              "open(p,'wb').write(d.replace(b'%s',b'%s'))";
    static const char *const rows[][3] = {
        {"XXXX.txt", "\\x93\\xfa\\x96\\x7b", "\xe6\x97\xa5\xe6\x9c\xac.txt"},
        {"XXXX.txt", "Gr\\x94\\xe1", "Gr\xc3\xb6\xc3\x9f.txt"},
        {"XXXX.txt", "\\xff\\xfe\\xfd\\xfc", "\xc2\xa0\xe2\x96\xa0\xc2\xb2\xe2\x81\xbf.txt"},
        {"XXXX.txt", "a\\n\\x1bb", "ab.txt"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *program = mem_printf(zip, rows[i][0], "XXXX", rows[i][1]);
        AUTO(mem_free) char *want = mem_printf("|%s|%s=x", rows[i][2], rows[i][2]);

        unpacks(job, "{}", made(job, "x.zip", program), want);
    }
    unpacks(job, "{}", made(job, "u.zip", ZIP("z.writestr('d\xc3\xb6/\xe6\xbc\xa2\xf0\x9f\x98\x80.txt','x')")),
            "d\xc3\xb6|d\xc3\xb6/\xe6\xbc\xa2\xf0\x9f\x98\x80.txt|\xe6\xbc\xa2\xf0\x9f\x98\x80.txt=x");
    unpacks(job, "{}",
            made(job, "u.tar",
                 "t=tarfile.open(p,'w',format=tarfile.GNU_FORMAT,encoding='latin-1'); " FILE_OF("caf\\u00e9",
                                                                                                "x") "; t.close()"),
            "|caf\xce\x98|caf\xce\x98=x");
    unpacks(job, "{}", made(job, "w.zip", ZIP("z.writestr('dir\\\\a.txt','x')")), "dir|dir/a.txt|a.txt=x");
}

/* Whoever checks the first directory and whoever unpacks by the last must not see different files here: it is the
 * last, as with every unpacker, and only that. */
static void of_two_directories_the_last_one_counts(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    unpacks(
        job, "{}",
        made(job, "x.zip",
             "b=io.BytesIO(); z=zipfile.ZipFile(b,'w'); z.writestr('harmless','a'); z.close(); first=b.getvalue()\n"
             "b=io.BytesIO(first); z=zipfile.ZipFile(b,'a'); z.writestr('other','b'); z.close(); d=b.getvalue()\n"
             "open(p,'wb').write(first+d[len(first):] if False else d)"),
        "|harmless|harmless=a |other|other=b");
    unpacks(
        job, "{}",
        made(job, "y.zip",
             "b=io.BytesIO(); z=zipfile.ZipFile(b,'w'); z.writestr('one','a'); z.close(); first=b.getvalue()\n"
             "b=io.BytesIO(); z=zipfile.ZipFile(b,'w'); z.writestr('two','b'); z.close(); d=b.getvalue(); "
             "c=d.index(b'PK\\1\\2'); e=d.index(b'PK\\5\\6')\n"
             "n=len(first); cd=bytearray(d[c:e]); cd[42:46]=struct.pack('<L',n); "
             "open(p,'wb').write(first+d[:c]+bytes(cd)+struct.pack('<4s4H2LH',b'PK\\5\\6',0,0,1,1,len(cd),n+c,0))"),
        "|two|two=b");
}

static void an_empty_archive_and_an_empty_member(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    unpacks(job, "{}", made(job, "x.zip", ZIP("0")), "");
    unpacks(job, "{}", made(job, "y.zip", ZIP("z.writestr('a','')")), "|a|a=");
    unpacks(job, "{}", made(job, "z.zip", ZIP("z.writestr('a','1'); z.writestr('b/a','2'); z.writestr('a','3')")),
            "|a|a=1 b|b/a|a=2 |a|a=3");
}

static void a_broken_archive_gives_what_came_before_unless_told_not_to(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    const char *path =
        made(job, "x.tar",
             TAR(FILE_OF("a", "hello") "; i=tarfile.TarInfo('b'); i.size=90000; "
                                       "t.addfile(i,io.BytesIO(bytes(90000)))") "; os.truncate(p,40000)");
    assert_int_equal(host_run_on(job, ROBOT, "{}", path, &err), -1);
    assert_int_equal(host_output_count(job), 1);
    assert_int_equal(host_run_on(job, ROBOT, "{\"turbo\": false}", path, &err), -1);
    assert_int_equal(host_output_count(job), 0);
}

static void progress_is_told_along_a_large_archive(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    assert_int_equal(
        host_run_on(job, ROBOT, "{}",
                    made(job, "x.tar",
                         TAR("i=tarfile.TarInfo('a'); i.size=8<<20; t.addfile(i,io.BytesIO(os.urandom(8<<20)))")),
                    &err),
        0);
    assert_in_range(host_progress_steps(job), 8, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_archive_gives_its_files),
        cmocka_unit_test(what_is_no_archive_is_refused),
        cmocka_unit_test(passwords_open_what_they_belong_to),
        cmocka_unit_test(encrypted_7z_archives_open_too),
        cmocka_unit_test(an_encrypted_rar_archive_is_refused_by_name),
        cmocka_unit_test(an_encrypted_7z_archive_has_the_same_limits),
        cmocka_unit_test(a_broken_encrypted_7z_archive_is_an_error),
        cmocka_unit_test(what_leads_out_is_refused_whole),
        cmocka_unit_test(links_and_devices_are_never_made),
        cmocka_unit_test(a_hard_link_is_a_file_with_the_same_contents),
        cmocka_unit_test(each_limit_says_its_name),
        cmocka_unit_test(a_sparse_member_has_its_holes_filled),
        cmocka_unit_test(names_become_text),
        cmocka_unit_test(of_two_directories_the_last_one_counts),
        cmocka_unit_test(an_empty_archive_and_an_empty_member),
        cmocka_unit_test(a_broken_archive_gives_what_came_before_unless_told_not_to),
        cmocka_unit_test(progress_is_told_along_a_large_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
