#include "media/office.h"
#include "base/str.h"

#include <LibreOfficeKit/LibreOfficeKitInit.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of LibreOfficeKitEnums.h, which is C++ in Debian 12. */
enum { FEATURE_PASSWORD = 1, FEATURE_PASSWORD_TO_MODIFY = 2 };
enum { CALLBACK_PASSWORD = 20, CALLBACK_PASSWORD_TO_MODIFY = 21 };

#define DIRS_MOST 8 /* that it makes for itself at its start */

/* Of its settings only what came with it: of the user's a thread writes back, long after a document
 * is done. */
#define LAYERS "xcsxcu:file:///etc/libreoffice/registry res:file:///etc/libreoffice/registry"

const char *office_programs = "/usr/lib/libreoffice/program";

static struct {
    LibreOfficeKit *kit; /* NULL: not loaded; never closed */
    char *dirs[DIRS_MOST];
    int dir_count;
    char *url; /* of the document that is being loaded */
    bool locked;
} office;

bool office_is_there(void)
{
    static const char *const parts[] = {"libmergedlo.so", "libswlo.so", "libsclo.so", "libsdlo.so"};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", office_programs, parts[i]);

        if (access(path, R_OK) < 0)
            return false;
    }
    return true;
}

/* ---- where it may write ---- */

static char *office_url(const char *path)
{
    struct str url = {0};

    str_puts(&url, "file://");
    str_add_urlencoded(&url, path, "/");
    return str_take(&url);
}

static int office_mkdirs(const char *path, struct err *err)
{
    AUTO(mem_free) char *all = mem_strdup(path);

    for (char *p = all + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        (void)!mkdir(all, 0700); /* most are there, and not ours */
    }
    return mkdir(all, 0700) == 0 || errno == EEXIST ? 0 : err_errno(err, "make '%s'", path);
}

/* Whoever empties the directory between two jobs takes away what it has made for itself at its
 * start. */
static void office_remember(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;

    office.dirs[office.dir_count++] = mem_strdup(path);
    while (d && office.dir_count < DIRS_MOST && (e = readdir(d)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            office.dirs[office.dir_count++] = mem_printf("%s/%s", path, e->d_name);
    if (d)
        closedir(d);
}

/* ---- start ---- */

static void office_hear(int type, const char *payload, void *ctx)
{
    (void)payload;
    (void)ctx;
    if (type != CALLBACK_PASSWORD && type != CALLBACK_PASSWORD_TO_MODIFY)
        return;
    office.locked = true;
    office.kit->pClass->setDocumentPassword(office.kit, office.url,
                                            NULL); /* there is none: give up */
}

int office_open(const char *dir, struct err *err)
{
    char here[PATH_MAX] = "";

    if (office.kit)
        return 0;
    if (!office_is_there())
        return err_set(err, ERR_COMMAND, "LibreOffice is not installed on this server");
    if (*dir != '/' && !getcwd(here, sizeof here))
        return err_errno(err, "where am I");
    AUTO(mem_free) char *home = mem_printf("%s%s%s/office", here, *here ? "/" : "", dir);
    AUTO(mem_free)
    char *tmp = mem_printf("%s/tmp", home),
         *profile = mem_printf("%s/profile", home);
    AUTO(mem_free) char *profile_url = office_url(profile);
    if (office_mkdirs(tmp, err) < 0)
        return -1;
    /* it asks for its temporary directory by name only, and for a screen if nobody says that there
     * is none */
    setenv("TMPDIR", tmp, 1);
    setenv("HOME", home, 1);
    setenv("CONFIGURATION_LAYERS", LAYERS, 1);
    setenv("GSETTINGS_BACKEND", "memory", 1);
    setenv("SAL_USE_VCLPLUGIN", "svp", 1);
    if (!(office.kit = lok_init_2(office_programs, profile_url)))
        return err_set(err, ERR_COMMAND, "LibreOffice does not start");
    office.kit->pClass->setOptionalFeatures(office.kit,
                                            FEATURE_PASSWORD | FEATURE_PASSWORD_TO_MODIFY);
    office.kit->pClass->registerCallback(office.kit, office_hear, NULL);
    office_remember(tmp);
    return 0;
}

/* ---- a document ---- */

/* What it says of a failure, without paths. */
static void office_why(char out[static 200])
{
    char *said = office.kit->pClass->getError(office.kit);

    snprintf(out, 200, "%s",
             said && *said && !strstr(said, "file:") ? said : "it does not say why");
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    if (said)
        office.kit->pClass->freeError(said);
}

/* Inputs have no extension, and may not be written beside. */
static int office_copy(const char *to, const char *from, struct err *err)
{
    AUTO(fd_close) int in = open(from, O_RDONLY | O_CLOEXEC);
    AUTO(fd_close) int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char buf[64 * 1024];
    ssize_t n;

    if (out < 0)
        return err_errno(err, "copy '%s'", from);
    while ((n = read(in, buf, sizeof buf)) > 0)
        for (ssize_t done = 0, k; done < n; done += k)
            if ((k = write(out, buf + done, (size_t)(n - done))) < 0)
                return err_errno(err, "write '%s'", to);
    return n < 0 ? err_errno(err, "read '%s'", from) : 0;
}

static int office_load(LibreOfficeKitDocument **out, const char *path, const struct office_work *w,
                       const char *name, struct err *err)
{
    AUTO(mem_free) char *url = office_url(path);
    char why[200];

    office.locked = false;
    office.url = url;
    LibreOfficeKitDocument *doc =
        office.kit->pClass->documentLoadWithOptions(office.kit, url, "Batch=true");
    office.url = NULL;
    if (!doc) {
        office_why(why);
        return office.locked ? err_set(err, ERR_INPUT, "'%.100s' is locked by a password", name)
                             : err_set(err, ERR_INPUT, "'%.100s' can't be opened: %s", name, why);
    }
    if (doc->pClass->getDocumentType(doc) != (int)w->kind) { /* broken, it is shown as a text */
        doc->pClass->destroy(doc);
        return err_set(err, ERR_INPUT, "'%.100s' is no %.10s file, or a broken one", name, w->ext);
    }
    *out = doc;
    return 0;
}

static int office_save(LibreOfficeKitDocument *doc, const struct office_work *w, struct err *err)
{
    AUTO(mem_free) char *path = *w->to == '/' ? mem_strdup(w->to) : NULL, *url = NULL;
    char here[PATH_MAX], why[200];
    struct stat st;

    if (!path && !getcwd(here, sizeof here))
        return err_errno(err, "where am I");
    if (!path)
        path = mem_printf("%s/%s", here, w->to);
    url = office_url(path);
    if (!doc->pClass->saveAs(doc, url, w->filter, w->options)) {
        office_why(why);
        return err_set(err, ERR_COMMAND, "LibreOffice can't write it as %s: %s", w->filter, why);
    }
    if (stat(w->to, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_COMMAND, "LibreOffice has written no %s", w->filter);
    return 0;
}

/* dir: of this job's files. Out: the document under a name by which LibreOffice knows it. */
static char *office_place(const struct office_work *w, struct err *err)
{
    char here[PATH_MAX] = "";
    const char *from = w->from;

    if (!w->is_ours)
        from = mem_printf("%s/document.%s", office.dirs[0], w->ext);
    else if (*from != '/' && !getcwd(here, sizeof here))
        return err_errno(err, "where am I"), NULL;
    char *path = mem_printf("%s%s%s", here, *here ? "/" : "", from);
    if (!w->is_ours) {
        free((char *)from);
        if (office_copy(path, w->from, err) < 0) {
            free(path);
            return NULL;
        }
    }
    return path;
}

int office_convert(struct robot_job *job, const struct office_work *w, struct err *err)
{
    const char *name = robot_input(job, 0)->name, *slash = strrchr(w->to, '/');
    AUTO(mem_free)
    char *dir = slash ? mem_strndup(w->to, (size_t)(slash - w->to)) : mem_strdup(".");
    LibreOfficeKitDocument *doc = NULL;

    if (office_open(dir, err) < 0)
        return -1;
    for (int i = 0; i < office.dir_count; i++)
        if (office_mkdirs(office.dirs[i], err) < 0)
            return -1;
    robot_progress(job, 0.2);
    AUTO(mem_free) char *path = office_place(w, err);
    if (!path || office_load(&doc, path, w, name, err) < 0)
        return -1;
    robot_progress(job, 0.5);
    int rc = office_save(doc, w, err);
    doc->pClass->destroy(doc);
    unlink(path);
    return rc;
}
