#include "media/unpack.h"
#include "base/str.h"
#include "media/archive_locale.h"
#include "media/archive_name.h"
#include "media/unpack_seven.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNPACK_BLOCK (256 * 1024) /* bytes that are read at once */
#define FILTERS_MOST 3            /* "tar.gz" has one; twenty of them in a row are there to cost time */

struct unpack {
    struct archive *a; /* NULL: it is this one */
    struct seven *seven;
    const struct seven_member *of_seven; /* the present one */
    struct archive_entry *entry; /* the present one; NULL: none, or its contents were taken */
    struct archive_locale locale;
    struct unpack_limits limits;
    char *file, *name, *password;
    char *path, *same_as;   /* of the present member */
    int64_t size;           /* of the archive */
    int64_t members, spent; /* bytes */
    enum unpack_fault fault;
};

struct unpack_limits unpack_limits(const json_t *settings)
{
    return (struct unpack_limits){
        .files = jint(settings, "max_archive_files", 10000),
        .bytes = jint(settings, "max_archive_bytes", INT64_C(10) << 30),
        .ratio = jint(settings, "max_archive_ratio", 200),
        .depth = jint(settings, "max_archive_depth", 64),
        .timeout_ms = (int)jint(settings, "timeout_s", 60) * 1000,
    };
}

enum unpack_fault unpack_fault(const struct unpack *u) { return u ? u->fault : UNPACK_FAILED; }

static int unpack_refuse(struct unpack *u, enum unpack_fault fault)
{
    u->fault = fault;
    return -1;
}

/* ---- what libarchive says ---- */

static bool mentions(const struct archive *a, const char *word)
{
    const char *text = archive_error_string((struct archive *)a);

    return text && strcasestr(text, word);
}

/* A wrong password is found out by a check of some bits, or, if that passes by chance, by the sum of the contents. */
static enum unpack_fault fault_of(const struct unpack *u)
{
    bool encrypted = u->entry && archive_entry_is_encrypted(u->entry);

    if (mentions(u->a, "passphrase required") || mentions(u->a, "encrypt"))
        return u->password ? UNPACK_BROKEN : UNPACK_NEEDS_PASSWORD;
    if (mentions(u->a, "passphrase") || (encrypted && u->password))
        return UNPACK_WRONG_PASSWORD;
    return !u->members && mentions(u->a, "unrecognized") ? UNPACK_NO_ARCHIVE : UNPACK_BROKEN;
}

/* Of RAR nothing in Debian's main can; of 7z it is unpack_seven.h, which needs 7zz. */
static enum unpack_fault say_encrypted(const struct unpack *u, struct err *err)
{
    err_set(err, ERR_INPUT, "the archive '%.200s' is encrypted, which is read of ZIP and 7z archives only", u->name);
    return UNPACK_BROKEN;
}

static int libarchive_failed(struct unpack *u, struct err *err)
{
    const char *said = archive_error_string(u->a) ? archive_error_string(u->a) : "no reason is known";
    AUTO(mem_free) char *text = utf8_from_unknown(said, strlen(said));

    switch (u->fault = fault_of(u)) {
    case UNPACK_NO_ARCHIVE:
        return err_set(err, ERR_INPUT, "the file '%.200s' is no archive", u->name);
    case UNPACK_NEEDS_PASSWORD:
        return err_set(err, ERR_INPUT, "the archive '%.200s' needs a password", u->name);
    case UNPACK_WRONG_PASSWORD:
        return err_set(err, ERR_INPUT, "the password is not that of the archive '%.200s'", u->name);
    default:
        if (mentions(u->a, "encrypt"))
            return say_encrypted(u, err), -1;
        return err_set(err, ERR_INPUT, "the archive '%.200s' is broken or of an unknown kind: %.300s", u->name, text);
    }
}

/* ---- the bounds ---- */

int unpack_spend(struct unpack *u, int64_t bytes, struct err *err)
{
    if (bytes > u->limits.bytes - u->spent) {
        err_set(err, ERR_INPUT,
                "the contents of the archive '%.200s' have more than %" PRId64 " bytes (setting max_archive_bytes)",
                u->name, u->limits.bytes);
        return unpack_refuse(u, UNPACK_LIMIT);
    }
    u->spent += bytes;
    return 0;
}

/* Contents that are skipped had to be decompressed as well. */
static int check_ratio(struct unpack *u, struct err *err)
{
    int64_t inflated = archive_filter_bytes(u->a, 0), most = u->spent > inflated ? u->spent : inflated;

    if (most < UNPACK_RATIO_FROM || most / u->limits.ratio <= u->size)
        return 0;
    err_set(err, ERR_INPUT,
            "the archive '%.200s' unpacks to more than %" PRId64 " times its size (setting max_archive_ratio)",
            u->name, u->limits.ratio);
    return unpack_refuse(u, UNPACK_LIMIT);
}

static int check_count(struct unpack *u, struct err *err)
{
    if (++u->members <= u->limits.files)
        return 0;
    err_set(err, ERR_INPUT, "the archive '%.200s' has more than %" PRId64 " members (setting max_archive_files)",
            u->name, u->limits.files);
    return unpack_refuse(u, UNPACK_LIMIT);
}

static int check_path(char **out, int *depth, struct unpack *u, const char *raw, struct err *err)
{
    AUTO(mem_free) char *text = archive_name_text(raw, strlen(raw));
    enum archive_path what = archive_path_clean(out, depth, text);

    if (what == ARCHIVE_PATH_ABSOLUTE || what == ARCHIVE_PATH_UP) {
        err_set(err, ERR_INPUT, "the archive '%.200s' has a member with %s: '%.200s'", u->name,
                what == ARCHIVE_PATH_UP ? "\"..\" in its path" : "an absolute path", text);
        return unpack_refuse(u, UNPACK_MALICIOUS);
    }
    if (what == ARCHIVE_PATH_GOOD && *depth <= u->limits.depth)
        return 0;
    free(*out);
    *out = NULL;
    if (what == ARCHIVE_PATH_LONG)
        err_set(err, ERR_INPUT, "the archive '%.200s' has a member whose path has more than %d bytes", u->name,
                ARCHIVE_PATH_MAX);
    else
        err_set(err, ERR_INPUT,
                "the archive '%.200s' has a member that lies more than %" PRId64 " deep (setting max_archive_depth)",
                u->name, u->limits.depth);
    return unpack_refuse(u, UNPACK_LIMIT);
}

/* ---- opening ---- */

/* Not those that start programs (lrzip, lzop, grzip), and not mtree, whose members are files of this machine. */
static int choose_readers(struct archive *a)
{
    static int (*const readers[])(struct archive *) = {
        archive_read_support_filter_gzip, archive_read_support_filter_bzip2,   archive_read_support_filter_compress,
        archive_read_support_filter_lzma, archive_read_support_filter_lzip,    archive_read_support_filter_xz,
        archive_read_support_filter_zstd, archive_read_support_filter_lz4,     archive_read_support_filter_uu,
        archive_read_support_filter_rpm,  archive_read_support_format_zip,     archive_read_support_format_7zip,
        archive_read_support_format_rar,  archive_read_support_format_rar5,    archive_read_support_format_tar,
        archive_read_support_format_cpio, archive_read_support_format_iso9660, archive_read_support_format_ar,
        archive_read_support_format_cab,  archive_read_support_format_lha,     archive_read_support_format_xar,
        archive_read_support_format_raw};

    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        if (readers[i](a) < ARCHIVE_WARN)
            return -1;
    return 0;
}

static int begin(struct unpack *u, struct err *err)
{
    if (u->a)
        archive_read_free(u->a);
    u->entry = NULL;
    u->members = 0;
    u->a = archive_read_new();
    if (choose_readers(u->a) < 0 || (u->password && archive_read_add_passphrase(u->a, u->password) != ARCHIVE_OK)) {
        err_set(err, ERR_COMMAND, "open an archive: %s", archive_error_string(u->a));
        return unpack_refuse(u, UNPACK_FAILED);
    }
    return archive_read_open_filename(u->a, u->file, UNPACK_BLOCK) < ARCHIVE_WARN ? libarchive_failed(u, err) : 0;
}

int unpack_open(struct unpack **out, const char *path, const char *name, const char *password,
                const struct unpack_limits *limits, struct err *err)
{
    struct unpack *u;
    struct stat st;

    if (stat(path, &st) < 0)
        return err_errno(err, "open '%s'", name);
    u = mem_zalloc(sizeof *u);
    u->locale = archive_locale_set();
    u->limits = *limits;
    u->file = mem_strdup(path);
    u->name = mem_strdup(name);
    u->password = str_given(password) ? mem_strdup(password) : NULL;
    u->size = st.st_size ? st.st_size : 1;
    *out = u;
    int rc = u->password ? seven_open(&u->seven, &u->fault, path, u->name, u->password, &u->limits, err) : 1;
    return rc > 0 ? begin(u, err) : rc;
}

int unpack_again(struct unpack *u, struct err *err)
{
    if (!u->seven)
        return begin(u, err);
    seven_again(u->seven);
    u->members = 0;
    return 0;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    if (u->a)
        archive_read_free(u->a);
    if (u->password)
        explicit_bzero(u->password, strlen(u->password));
    seven_free(u->seven);
    archive_locale_reset(&u->locale);
    free(u->file);
    free(u->name);
    free(u->password);
    free(u->path);
    free(u->same_as);
    free(u);
}

/* ---- members ---- */

static bool is_raw(const struct unpack *u) { return archive_format(u->a) == ARCHIVE_FORMAT_RAW; }

/* "a.txt" of "a.txt.gz". What is only compressed has one file, which is called so; that the compressor noted another
 * name is nobody's business. */
static char *name_inside(const char *name)
{
    const char *dot = strrchr(name, '.');

    if (dot && dot > name && !strcasecmp(dot, ".tgz"))
        return mem_printf("%.*s.tar", (int)(dot - name), name);
    return dot && dot > name ? mem_strndup(name, (size_t)(dot - name)) : mem_strdup(name);
}

static const char *raw_path(struct archive_entry *e)
{
    const char *path = archive_entry_pathname(e);

    if (!path)
        path = archive_entry_pathname_utf8(e);
    return path ? path : "";
}

/* 1: a file or a hard link to one; 0: nothing that has contents. */
static int look_at(struct unpack *u, int *depth, struct err *err)
{
    struct archive_entry *e = u->entry;
    const char *link = archive_entry_hardlink(e), *symlink = archive_entry_symlink(e);
    AUTO(mem_free) char *name = is_raw(u) ? name_inside(u->name) : NULL;
    int type = archive_entry_filetype(e), ignored;

    if (check_path(&u->path, depth, u, name ? name : raw_path(e), err) < 0)
        return -1;
    if (symlink && !archive_link_stays(u->path, symlink)) {
        err_set(err, ERR_INPUT, "the archive '%.200s' has a link that leads out of it: '%.200s'", u->name, u->path);
        return unpack_refuse(u, UNPACK_MALICIOUS);
    }
    if (link && check_path(&u->same_as, &ignored, u, link, err) < 0)
        return -1;
    if (link && archive_entry_size_is_set(e) && archive_entry_size(e) > 0) { /* some write the contents again */
        free(u->same_as);
        u->same_as = NULL;
    }
    return u->same_as || type == AE_IFREG || (!type && !symlink);
}

static int check_claims(struct unpack *u, struct err *err)
{
    int64_t size = archive_entry_size_is_set(u->entry) ? archive_entry_size(u->entry) : 0;

    if (archive_entry_is_encrypted(u->entry) &&
        (archive_format(u->a) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_ZIP && u->password) {
        return unpack_refuse(u, say_encrypted(u, err));
    }
    if (archive_entry_is_encrypted(u->entry) && !u->password) {
        err_set(err, ERR_INPUT, "the archive '%.200s' needs a password", u->name);
        return unpack_refuse(u, UNPACK_NEEDS_PASSWORD);
    }
    if (size < 0) {
        err_set(err, ERR_INPUT, "the archive '%.200s' is broken: a member has a size below nothing", u->name);
        return unpack_refuse(u, UNPACK_BROKEN);
    }
    /* nothing is written of what would be too much in the end */
    int64_t spent = u->spent;
    int rc = unpack_spend(u, size, err);
    u->spent = spent;
    return rc;
}

static int check_kind(struct unpack *u, struct err *err)
{
    int filters = archive_filter_count(u->a) - 1; /* the last one is "none" */

    if (is_raw(u) && filters < 1) {
        err_set(err, ERR_INPUT, "the file '%.200s' is no archive", u->name);
        return unpack_refuse(u, UNPACK_NO_ARCHIVE);
    }
    if (filters <= FILTERS_MOST)
        return 0;
    err_set(err, ERR_INPUT, "the archive '%.200s' is compressed %d times over; %d are allowed", u->name, filters,
            FILTERS_MOST);
    return unpack_refuse(u, UNPACK_LIMIT);
}

static void forget_member(struct unpack *u)
{
    free(u->path);
    free(u->same_as);
    u->path = u->same_as = NULL;
    u->entry = NULL;
}

/* The readers of RAR pass over what they do not know, which may be all of it. */
static int check_end(struct unpack *u, struct err *err)
{
    int format = archive_format(u->a) & ARCHIVE_FORMAT_BASE_MASK;

    if (u->members || (format != ARCHIVE_FORMAT_RAR && format != ARCHIVE_FORMAT_RAR_V5))
        return 0;
    err_set(err, ERR_INPUT, "the archive '%.200s' is broken: it has no members", u->name);
    return unpack_refuse(u, UNPACK_BROKEN);
}

/* Of a 7z archive that 7zz has read. */
static int next_of_seven(struct unpack_member *m, struct unpack *u, struct err *err)
{
    int depth;

    for (;;) {
        forget_member(u);
        if (!(u->of_seven = seven_next(u->seven)))
            return 0;
        if (check_count(u, err) < 0 || check_path(&u->path, &depth, u, u->of_seven->path, err) < 0)
            return -1;
        if (u->of_seven->is_file)
            break;
    }
    const char *slash = strrchr(u->path, '/');
    *m = (struct unpack_member){.path = u->path, .name = slash ? slash + 1 : u->path, .depth = depth};
    return 1;
}

int unpack_next(struct unpack_member *m, struct unpack *u, struct err *err)
{
    int depth, rc;

    if (u->seven)
        return next_of_seven(m, u, err);
    for (;;) {
        forget_member(u);
        rc = archive_read_next_header(u->a, &u->entry);
        if (rc == ARCHIVE_EOF)
            return check_end(u, err);
        if (rc < ARCHIVE_WARN)
            return libarchive_failed(u, err);
        if (check_kind(u, err) < 0 || check_count(u, err) < 0 || check_ratio(u, err) < 0 ||
            (rc = look_at(u, &depth, err)) < 0)
            return -1;
        if (rc)
            break;
    }
    if (!u->same_as && check_claims(u, err) < 0)
        return -1;
    const char *slash = strrchr(u->path, '/');
    *m = (struct unpack_member){
        .path = u->path, .name = slash ? slash + 1 : u->path, .depth = depth, .same_as = u->same_as};
    return 1;
}

/* ---- contents ---- */

static int write_at(int fd, const char *data, size_t len, int64_t at, struct err *err)
{
    while (len) {
        ssize_t n = pwrite(fd, data, len, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EFBIG)
            return err_set(err, ERR_INPUT,
                           "a member of the archive is larger than a file may be (setting job_file_size)");
        if (n < 0)
            return err_errno(err, "write a member of an archive");
        data += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Holes of sparse files are no bytes of the disk, but of whoever reads the file. */
static int grow(struct unpack *u, int64_t *end, int64_t to, struct err *err)
{
    if (to <= *end)
        return 0;
    if (unpack_spend(u, to - *end, err) < 0)
        return -1;
    *end = to;
    return 0;
}

static int end_contents(struct unpack *u, int fd, int64_t end, struct err *err)
{
    int64_t size = archive_entry_size_is_set(u->entry) && !is_raw(u) ? archive_entry_size(u->entry) : end;

    if (size > end) { /* it ends with a hole */
        if (grow(u, &end, size, err) < 0)
            return -1;
        if (ftruncate(fd, size) < 0) {
            err_errno(err, "write a member of an archive");
            return unpack_refuse(u, UNPACK_FAILED);
        }
    }
    u->entry = NULL;
    return 0;
}

int unpack_contents(struct unpack *u, int fd, void (*progress)(void *ctx, double fraction), void *ctx,
                    struct err *err)
{
    int64_t end = 0, offset;
    const void *block;
    size_t len;
    int rc;

    if (u->seven) {
        if (unpack_spend(u, u->of_seven->size, err) < 0)
            return -1;
        return seven_contents(u->seven, &u->fault, u->of_seven, fd, err);
    }
    while ((rc = archive_read_data_block(u->a, &block, &len, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || offset > INT64_MAX - (int64_t)len) {
            err_set(err, ERR_INPUT, "the archive '%.200s' is broken: a member has a place behind all places",
                    u->name);
            return unpack_refuse(u, UNPACK_BROKEN);
        }
        if (grow(u, &end, offset + (int64_t)len, err) < 0 || check_ratio(u, err) < 0)
            return -1;
        if (write_at(fd, block, len, offset, err) < 0)
            return unpack_refuse(u, UNPACK_FAILED);
        double read = (double)archive_filter_bytes(u->a, -1) / (double)u->size;
        if (progress)
            progress(ctx, read < 0 ? 0 : read > 1 ? 1 : read);
    }
    return rc == ARCHIVE_EOF ? end_contents(u, fd, end, err) : libarchive_failed(u, err);
}
