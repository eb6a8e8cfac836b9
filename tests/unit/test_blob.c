#include "base/arena.h"
#include "blob/blob.h"
#include "tempdir.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define ID_A "ab12aaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "ab13bbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "00ffcccccccccccccccccccccccccccc"

struct fixture {
    char *dir, *root;
    struct blob_store *bs;
    struct arena *a;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    f->a = arena_new();
    f->dir = tempdir_new(NULL);
    f->root = arena_printf(f->a, "%s/data/blobs", f->dir);
    *state = f;
    return blob_store_open(&f->bs, f->root, &f->err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    blob_store_close(f->bs);
    tempdir_remove(f->dir);
    arena_free(f->a);
    free(f);
    return 0;
}

#define OK(call) assert_int_equal((call), 0)
#define FAILS(call, expected)                                                                      \
    do {                                                                                           \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(f->err.code, (expected));                                                 \
    } while (0)

static char *in_dir(struct fixture *f, const char *name)
{
    return arena_printf(f->a, "%s/%s", f->dir, name);
}

static char *written(struct fixture *f, const char *path, const char *contents)
{
    FILE *file = fopen(path, "w");

    (void)f;
    assert_non_null(file);
    fputs(contents, file);
    assert_int_equal(fclose(file), 0);
    return (char *)path;
}

static char *fresh(struct fixture *f, const char *contents)
{
    return written(f, in_dir(f, "fresh"), contents);
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void assert_file(const char *path, const char *contents)
{
    char got[64] = "";
    AUTO(fd_close) int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, got, sizeof got - 1) >= 0);
    assert_string_equal(got, contents);
}

static void assert_blob(struct fixture *f, const char *id, const char *contents)
{
    char got[64] = "";
    int64_t size = -1;
    AUTO(fd_close) int fd = -1;

    OK(blob_open(&fd, &size, f->bs, id, &f->err));
    assert_int_equal(size, strlen(contents));
    assert_int_equal(read(fd, got, sizeof got - 1), size);
    assert_string_equal(got, contents);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void assert_no_blob(struct fixture *f, const char *id)
{
    int64_t size;
    int fd;

    FAILS(blob_open(&fd, &size, f->bs, id, &f->err), ERR_NOT_FOUND);
}

static void an_adopted_file_is_a_read_only_blob_and_its_path_is_gone(void **state)
{
    struct fixture *f = *state;
    char *path = fresh(f, "hello");
    struct stat st;

    OK(blob_adopt(f->bs, ID_A, path, false, &f->err));
    assert_false(exists(path));
    assert_blob(f, ID_A, "hello");
    OK(stat(in_dir(f, "data/blobs/ab/" ID_A), &st));
    assert_int_equal(st.st_mode & 07777, 0444);
}

static void an_empty_file_is_a_blob_too(void **state)
{
    struct fixture *f = *state;

    OK(blob_adopt(f->bs, ID_A, fresh(f, ""), true, &f->err));
    assert_blob(f, ID_A, "");
}

static void adopting_twice_is_adopting_once(void **state)
{
    struct fixture *f = *state;
    char *path = fresh(f, "hello");

    OK(blob_adopt(f->bs, ID_A, path, false, &f->err));
    OK(blob_adopt(f->bs, ID_A, path, false, &f->err));
    assert_blob(f, ID_A, "hello");
    FAILS(blob_adopt(f->bs, ID_B, path, false, &f->err), ERR_IO);
    assert_no_blob(f, ID_B);
}

static void only_a_plain_file_with_one_name_is_adopted(void **state)
{
    struct fixture *f = *state;
    char *file = fresh(f, "secret"), *symbolic = in_dir(f, "symbolic"), *fifo = in_dir(f, "fifo"),
         *second = in_dir(f, "second");

    OK(symlink(file, symbolic));
    FAILS(blob_adopt(f->bs, ID_A, symbolic, false, &f->err), ERR_IO);
    assert_non_null(strstr(f->err.msg, "symbolic link"));
    OK(mkfifo(fifo, 0600));
    FAILS(blob_adopt(f->bs, ID_A, fifo, false, &f->err), ERR_IO);
    assert_non_null(strstr(f->err.msg, "not a regular file"));
    FAILS(blob_adopt(f->bs, ID_A, f->dir, false, &f->err), ERR_IO);
    OK(link(file, second));
    FAILS(blob_adopt(f->bs, ID_A, second, false, &f->err), ERR_IO);
    assert_non_null(strstr(f->err.msg, "second name"));
    assert_no_blob(f, ID_A);
    assert_file(file, "secret");
}

static void a_linked_blob_can_not_be_adopted_as_a_result(void **state)
{
    struct fixture *f = *state;
    char *input = in_dir(f, "input");

    OK(blob_adopt(f->bs, ID_A, fresh(f, "in"), false, &f->err));
    OK(blob_link(f->bs, ID_A, input, &f->err));
    assert_file(input, "in");
    FAILS(blob_adopt(f->bs, ID_B, input, false, &f->err), ERR_IO);
    assert_blob(f, ID_A, "in");
}

static void a_link_needs_a_blob_and_a_free_path(void **state)
{
    struct fixture *f = *state;
    char *path = in_dir(f, "input");

    FAILS(blob_link(f->bs, ID_A, path, &f->err), ERR_NOT_FOUND);
    assert_false(exists(path));
    OK(blob_adopt(f->bs, ID_A, fresh(f, "in"), false, &f->err));
    written(f, path, "mine");
    FAILS(blob_link(f->bs, ID_A, path, &f->err), ERR_IO);
    assert_file(path, "mine");
}

static void a_clone_outlives_its_original(void **state)
{
    struct fixture *f = *state;

    FAILS(blob_clone(f->bs, ID_A, ID_C, &f->err), ERR_NOT_FOUND);
    OK(blob_adopt(f->bs, ID_A, fresh(f, "hello"), false, &f->err));
    OK(blob_clone(f->bs, ID_A, ID_C, &f->err));
    OK(blob_clone(f->bs, ID_A, ID_C, &f->err));
    OK(blob_adopt(f->bs, ID_B, fresh(f, "other"), false, &f->err));
    FAILS(blob_clone(f->bs, ID_B, ID_C, &f->err), ERR_EXISTS);
    assert_int_equal(blob_delete(f->bs, ID_A, &f->err), 0);
    assert_no_blob(f, ID_A);
    assert_blob(f, ID_C, "hello");
    assert_int_equal(blob_delete(f->bs, ID_C, &f->err), 5);
}

static void deleting_says_how_much_it_freed(void **state)
{
    struct fixture *f = *state;

    OK(blob_adopt(f->bs, ID_A, fresh(f, "hello"), false, &f->err));
    assert_int_equal(blob_delete(f->bs, ID_A, &f->err), 5);
    assert_int_equal(blob_delete(f->bs, ID_A, &f->err), 0);
    assert_no_blob(f, ID_A);
}

static void an_id_that_is_none_leads_nowhere(void **state)
{
    static const char *const ids[] = {"",     "..",     "../../../../etc/passwd",
                                      "ABCD", ID_A "a", "ab12/../../../../../../etc/passw"};
    struct fixture *f = *state;
    char *path = fresh(f, "x");

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_no_blob(f, ids[i]);
        FAILS(blob_adopt(f->bs, ids[i], path, false, &f->err), ERR_NOT_FOUND);
        FAILS(blob_delete(f->bs, ids[i], &f->err), ERR_NOT_FOUND);
        FAILS(blob_clone(f->bs, ID_A, ids[i], &f->err), ERR_NOT_FOUND);
    }
    assert_file(path, "x");
}

/* ---- across file systems ---- */

static char *other_file_system(struct fixture *f)
{
    struct stat here, there;
    char *dir = tempdir_new("/dev/shm");

    if (dir && stat(f->dir, &here) == 0 && stat(dir, &there) == 0 && here.st_dev != there.st_dev)
        return dir;
    tempdir_remove(dir);
    return NULL;
}

static void across_file_systems_contents_are_copied(void **state)
{
    struct fixture *f = *state;
    AUTO(tempdir_remove) char *far = other_file_system(f);

    if (!far)
        skip();
    char *path = written(f, arena_printf(f->a, "%s/x", far), "far away");
    OK(blob_adopt(f->bs, ID_A, path, true, &f->err));
    assert_false(exists(path));
    assert_blob(f, ID_A, "far away");
    OK(blob_link(f->bs, ID_A, path, &f->err));
    assert_file(path, "far away");
    FAILS(blob_link(f->bs, ID_A, path, &f->err), ERR_IO);
    OK(rmdir(in_dir(f, "data/blobs/tmp"))); /* no copy was left there */
}

static void a_copy_that_fails_leaves_the_source_and_no_blob(void **state)
{
    struct fixture *f = *state;
    AUTO(tempdir_remove) char *far = other_file_system(f);

    if (!far)
        skip();
    char *path = written(f, arena_printf(f->a, "%s/x", far), "far away");
    OK(rmdir(in_dir(f, "data/blobs/tmp")));
    FAILS(blob_adopt(f->bs, ID_A, path, false, &f->err), ERR_IO);
    assert_no_blob(f, ID_A);
    assert_file(path, "far away");
}

static void opening_removes_copies_that_were_cut_short(void **state)
{
    struct fixture *f = *state;
    char *left = written(f, in_dir(f, "data/blobs/tmp/half"), "ha");

    OK(blob_adopt(f->bs, ID_A, fresh(f, "whole"), false, &f->err));
    blob_store_close(take(f->bs));
    OK(blob_store_open(&f->bs, f->root, &f->err));
    assert_false(exists(left));
    assert_blob(f, ID_A, "whole");
}

static void a_store_that_can_not_be_made_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct blob_store *bs = NULL;
    char *file = fresh(f, "x");

    FAILS(blob_store_open(&bs, arena_printf(f->a, "%s/blobs", file), &f->err), ERR_IO);
    FAILS(blob_store_open(&bs, "", &f->err), ERR_CONFIG);
    assert_null(bs);
}

static void a_broken_store_fails_each_call_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char *path = fresh(f, "x"), *to = in_dir(f, "to");
    int64_t size;
    int fd;

    blob_store_break(f->bs, 1);
    OK(blob_adopt(f->bs, ID_A, path, false, &f->err));
    path = fresh(f, "y");
    for (int i = 0; i < 2; i++) {
        FAILS(blob_adopt(f->bs, ID_B, path, false, &f->err), ERR_IO);
        FAILS(blob_open(&fd, &size, f->bs, ID_A, &f->err), ERR_IO);
        FAILS(blob_link(f->bs, ID_A, to, &f->err), ERR_IO);
        FAILS(blob_clone(f->bs, ID_A, ID_B, &f->err), ERR_IO);
        FAILS(blob_delete(f->bs, ID_A, &f->err), ERR_IO);
    }
    blob_store_break(f->bs, -1);
    assert_file(path, "y");
    assert_false(exists(to));
    assert_no_blob(f, ID_B);
    assert_blob(f, ID_A, "x");
}

/* ---- files of who is not trusted ---- */

#define MD5_HELLO "5d41402abc4b2a76b9719d911017c592"

/* A file of somebody else's, as far as we may give one away: else it is ours, and counts as one that its maker still owns. */
static char *of_another(struct fixture *f, const char *contents)
{
    char *path = fresh(f, contents);

    OK(chmod(path, 0666));
    if (geteuid() == 0)
        OK(chown(path, 65534, 65534));
    return path;
}

static int take_it(struct fixture *f, struct blob_taken *taken, const char *name)
{
    AUTO(fd_close) int dir = open(f->dir, O_RDONLY | O_DIRECTORY);
    const atomic_bool stop = false;

    return blob_take(taken, f->bs, ID_A, dir, name, "out/fresh", 100, NULL, &stop, &f->err);
}

/* A cancel waits for the thread that takes an output: a film of gigabytes would be read to its end. */
static void what_nobody_wants_any_more_is_not_read_to_its_end(void **state)
{
    struct fixture *f = *state;
    AUTO(fd_close) int dir = open(f->dir, O_RDONLY | O_DIRECTORY);
    char *path = of_another(f, "hello");
    const atomic_bool stop = true;
    struct blob_taken taken = {0};

    assert_int_equal(blob_take(&taken, f->bs, ID_A, dir, "fresh", "out/fresh", 100, NULL, &stop, &f->err), -1);
    assert_int_equal(f->err.code, ERR_BUSY);
    assert_int_equal(taken.size, 0);
    assert_true(exists(path)); /* it goes with its directory */
    assert_false(exists(in_dir(f, "data/blobs/ab/" ID_A)));
    assert_false(blob_is_held(f->bs, ID_A));
}

static void a_file_that_was_taken_is_ours_alone(void **state)
{
    struct fixture *f = *state;
    char *path = of_another(f, "hello");
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct blob_taken taken;
    struct stat st;
    char value[8];

    OK(utimensat(AT_FDCWD, path, old, 0));
    (void)!setxattr(path, "user.mine", "x", 1, 0);
    AUTO(fd_close) int reader = open(path, O_RDONLY); /* one that reads on does no harm */
    assert_true(reader >= 0);
    OK(take_it(f, &taken, "fresh"));
    assert_int_equal(taken.size, 5);
    assert_string_equal(taken.md5, MD5_HELLO);
    assert_int_equal(taken.copied, geteuid() != 0);
    assert_false(exists(path));
    assert_blob(f, ID_A, "hello");
    assert_true(blob_is_held(f->bs, ID_A));
    OK(stat(in_dir(f, "data/blobs/ab/" ID_A), &st));
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_mode & 07777, 0444);
    assert_int_equal(st.st_nlink, 1);
    assert_true(st.st_mtime > 1000000);
    assert_int_equal(getxattr(in_dir(f, "data/blobs/ab/" ID_A), "user.mine", value, sizeof value), -1);
}

#define PIECE (256 * 1024) /* that are summed at once */

/* Is it taken as what it is now? */
static void is_taken_as_it_is(struct fixture *f, const char *path, struct blob_follow *beside)
{
    const atomic_bool never = false;
    AUTO(mem_free) char *line = mem_printf("md5sum <%s", path);
    AUTO(fd_close) int dir = open(f->dir, O_RDONLY | O_DIRECTORY);
    struct blob_taken taken;
    char sum[33] = "";
    struct stat st;
    FILE *p = popen(line, "r");

    assert_non_null(p);
    assert_int_equal(fread(sum, 1, 32, p), 32);
    pclose(p);
    OK(stat(path, &st));
    OK(blob_take(&taken, f->bs, ID_A, dir, "fresh", "out/fresh", 100 * PIECE, beside, &never, &f->err));
    assert_int_equal(taken.size, st.st_size);
    assert_string_equal(taken.md5, sum);
    blob_follow_unref(beside);
    assert_true(blob_delete(f->bs, ID_A, &f->err) >= 0);
    blob_release(f->bs, ID_A);
}

static void write_at(const char *path, int64_t at, char c, size_t len)
{
    AUTO(mem_free) char *data = mem_alloc(len);
    AUTO(fd_close) int fd = open(path, O_WRONLY);

    memset(data, c, len);
    assert_int_equal(pwrite(fd, data, len, at), len);
}

static void what_was_summed_while_it_grew_counts_only_if_it_is_still_that(void **state)
{
    struct fixture *f = *state;

    for (int what = 0; what < 7; what++) {
        char *path = of_another(f, "");
        AUTO(fd_close) int dir = open(f->dir, O_RDONLY | O_DIRECTORY);

        write_at(path, 0, 'a', 2 * PIECE);
        struct blob_follow *beside = blob_follow_new(dir, "fresh");
        assert_non_null(beside);
        assert_int_equal(blob_follow_step(beside, 100 * PIECE), 2 * PIECE);
        write_at(path, 2 * PIECE, 'b', PIECE + 5); /* the last bytes are not summed yet */
        assert_int_equal(blob_follow_step(beside, 100 * PIECE), PIECE);
        assert_int_equal(blob_follow_step(beside, 100 * PIECE), 0);
        if (what == 1)
            write_at(path, 0, 'x', 1);
        if (what == 2)
            write_at(path, 3 * PIECE - 1, 'x', 1);
        if (what == 3)
            OK(truncate(path, PIECE));
        if (what == 4)
            write_at(path, 3 * PIECE + 5, 'c', 3 * PIECE);
        if (what == 5) { /* pieces in another order are the same bytes elsewhere */
            write_at(path, PIECE, 'b', PIECE);
            write_at(path, 2 * PIECE, 'a', PIECE);
        }
        if (what == 6) { /* another one by that name */
            OK(unlink(path));
            path = of_another(f, "other");
        }
        is_taken_as_it_is(f, path, beside);
    }
}

static void what_is_no_file_is_not_followed(void **state)
{
    struct fixture *f = *state;
    AUTO(fd_close) int dir = open(f->dir, O_RDONLY | O_DIRECTORY);

    assert_null(blob_follow_new(dir, "fresh"));
    OK(symlinkat("/etc/passwd", dir, "fresh"));
    assert_null(blob_follow_new(dir, "fresh"));
    OK(unlinkat(dir, "fresh", 0));
    OK(mkfifoat(dir, "fresh", 0666));
    assert_null(blob_follow_new(dir, "fresh"));
}

static void what_somebody_can_still_write_to_is_copied(void **state)
{
    struct fixture *f = *state;
    struct blob_taken taken;
    AUTO(fd_close) int fd = open(of_another(f, "hello"), O_RDWR);

    OK(take_it(f, &taken, "fresh"));
    assert_true(taken.copied);
    assert_int_equal(pwrite(fd, "EVIL!", 5, 0), 5);
    assert_blob(f, ID_A, "hello");
    assert_string_equal(taken.md5, MD5_HELLO);
    blob_delete(f->bs, ID_A, NULL);

    /* a mapping is a writer, too, after its descriptor was closed */
    int other = open(of_another(f, "hello"), O_RDWR);
    char *map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    close(other);
    OK(take_it(f, &taken, "fresh"));
    assert_true(taken.copied);
    memcpy(map, "EVIL!", 5);
    assert_blob(f, ID_A, "hello");
    munmap(map, 5);
}

static void nothing_but_a_plain_file_is_taken_and_nobody_waits_for_it(void **state)
{
    struct fixture *f = *state;
    struct blob_taken taken;
    char *file = of_another(f, "secret"), *large = in_dir(f, "large");

    OK(symlink(file, in_dir(f, "symbolic")));
    OK(mkfifo(in_dir(f, "fifo"), 0600));
    FAILS(take_it(f, &taken, "symbolic"), ERR_WORKER);
    FAILS(take_it(f, &taken, "fifo"), ERR_WORKER);
    FAILS(take_it(f, &taken, "data"), ERR_WORKER);
    FAILS(take_it(f, &taken, "nothing"), ERR_WORKER);
    written(f, large, "");
    OK(truncate(large, 101));
    FAILS(take_it(f, &taken, "large"), ERR_WORKER);
    assert_non_null(strstr(f->err.msg, "out/fresh"));
    assert_null(strstr(f->err.msg, f->dir));
    OK(link(file, in_dir(f, "second")));
    FAILS(take_it(f, &taken, "fresh"), ERR_WORKER);
    OK(unlink(in_dir(f, "second")));
    /* a lease would keep whoever opens the file waiting for its holder */
    signal(SIGIO, SIG_IGN);
    AUTO(fd_close) int holder = open(file, O_RDWR);
    OK(fcntl(holder, F_SETLEASE, F_WRLCK));
    FAILS(take_it(f, &taken, "fresh"), ERR_WORKER);
    assert_no_blob(f, ID_A);
    assert_false(blob_is_held(f->bs, ID_A));
}

static int begun(struct fixture *f, const char *id, const char *contents)
{
    int fd = -1;

    OK(blob_begin(&fd, f->bs, id, &f->err));
    assert_true(fd >= 0); /* the tests' directory is on a file system that has such files */
    assert_int_equal(write(fd, contents, strlen(contents)), strlen(contents));
    return fd;
}

static void what_begins_without_a_name_is_nothing_until_it_is_finished(void **state)
{
    struct fixture *f = *state;
    bool lost;
    AUTO(fd_close) int fd = begun(f, ID_A, "hello");
    struct stat st;

    assert_no_blob(f, ID_A);
    OK(blob_finish(f->bs, ID_A, fd, true, &lost, &f->err));
    assert_blob(f, ID_A, "hello");
    assert_true(blob_is_held(f->bs, ID_A));
    OK(fstat(fd, &st));
    assert_int_equal(st.st_mode & 0777, 0444);
    assert_int_equal(st.st_nlink, 1);
    blob_release(f->bs, ID_A);
    /* another one of the same id is refused, and may go on */
    AUTO(fd_close) int other = begun(f, ID_A, "other");
    FAILS(blob_finish(f->bs, ID_A, other, true, &lost, &f->err), ERR_IO);
    assert_false(lost);
    assert_false(blob_is_held(f->bs, ID_A));
    assert_blob(f, ID_A, "hello");
    OK(blob_name(other, in_dir(f, "kept"), &f->err));
    assert_file(in_dir(f, "kept"), "other");
}

static void of_a_crash_only_what_was_flushed_before_it_was_named_is_kept(void **state)
{
    struct fixture *f = *state;
    bool lost;
    AUTO(fd_close) int fd = begun(f, ID_A, "early");

    assert_false(blob_was_left(f->bs, ID_A));
    OK(blob_finish(f->bs, ID_A, fd, true, &lost, &f->err));
    assert_false(blob_was_left(f->bs, ID_A));
    assert_no_blob(f, ID_A);
    OK(blob_adopt(f->bs, ID_A, fresh(f, "late"), false, &f->err));
    assert_true(blob_was_left(f->bs, ID_A));
    assert_blob(f, ID_A, "late");
}

static void what_was_begun_and_let_go_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    int fd = begun(f, ID_B, "hello");
    bool lost;

    close(fd);
    assert_no_blob(f, ID_B);
    AUTO(fd_close) int again = begun(f, ID_B, "again");
    blob_store_break(f->bs, 0);
    FAILS(blob_finish(f->bs, ID_B, again, true, &lost, &f->err), ERR_IO);
    assert_false(lost);
    blob_store_break(f->bs, -1);
    OK(blob_finish(f->bs, ID_B, again, false, &lost, &f->err));
    assert_blob(f, ID_B, "again");
    FAILS(blob_begin(&fd, f->bs, "nonsense", &f->err), ERR_NOT_FOUND);
}

static void what_grows_is_written_back_in_large_pieces(void **state)
{
    const int64_t mb = INT64_C(1) << 20;
    FILE *f = tmpfile();
    int64_t begun = 0;
    (void)state;

    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), 5 * mb), 0);
    blob_write_back(fileno(f), &begun, 2 * mb - 1);
    assert_int_equal(begun, 0); /* not worth a call */
    blob_write_back(fileno(f), &begun, 3 * mb);
    assert_int_equal(begun, 3 * mb);
    blob_write_back(fileno(f), &begun, 5 * mb - 1);
    assert_int_equal(begun, 3 * mb);
    blob_write_back(fileno(f), &begun, 5 * mb);
    assert_int_equal(begun, 5 * mb);
    begun = 0;
    blob_write_back(-1, &begun, 4 * mb); /* a hint: nobody hears that it failed */
    assert_int_equal(begun, 4 * mb);
    fclose(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_grows_is_written_back_in_large_pieces),
        T(an_adopted_file_is_a_read_only_blob_and_its_path_is_gone),
        T(an_empty_file_is_a_blob_too),
        T(adopting_twice_is_adopting_once),
        T(only_a_plain_file_with_one_name_is_adopted),
        T(a_linked_blob_can_not_be_adopted_as_a_result),
        T(what_nobody_wants_any_more_is_not_read_to_its_end),
        T(a_file_that_was_taken_is_ours_alone),
        T(what_was_summed_while_it_grew_counts_only_if_it_is_still_that),
        T(what_is_no_file_is_not_followed),
        T(what_somebody_can_still_write_to_is_copied),
        T(nothing_but_a_plain_file_is_taken_and_nobody_waits_for_it),
        T(a_link_needs_a_blob_and_a_free_path),
        T(a_clone_outlives_its_original),
        T(deleting_says_how_much_it_freed),
        T(an_id_that_is_none_leads_nowhere),
        T(across_file_systems_contents_are_copied),
        T(a_copy_that_fails_leaves_the_source_and_no_blob),
        T(opening_removes_copies_that_were_cut_short),
        T(a_store_that_can_not_be_made_is_an_error),
        T(what_begins_without_a_name_is_nothing_until_it_is_finished),
        T(of_a_crash_only_what_was_flushed_before_it_was_named_is_kept),
        T(what_was_begun_and_let_go_leaves_nothing),
        T(a_broken_store_fails_each_call_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
