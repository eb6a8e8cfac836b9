/* workcell fsck: does the store say what is on the disk? Looks at a data directory that no server uses; what
 * it finds is one row of `kinds` each, with what it means and how --repair deals with it. */
#include "assembly/assembly.h"
#include "base/map.h"
#include "blob/blob.h"
#include "commands.h"
#include "config.h"
#include "store/sealed.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

extern char **environ;

enum { FSCK_CLEAN, FSCK_FOUND, FSCK_BLIND };

enum kind {
    DATABASE,
    ROW_WITHOUT_BLOB,
    BLOB_WITHOUT_ROW,
    FILE_WITHOUT_ROW,
    SIZE_MISMATCH,
    ROW_WITHOUT_UPLOAD,
    UPLOAD_WITHOUT_ROW,
    EVENTS_WITHOUT_ASSEMBLY,
    EVENTS_DISAGREE,
    SET_ASIDE,
    LEFTOVER,
    FOREIGN,
};

static const struct {
    const char *name, *meaning, *repair; /* repair NULL: nothing that a program may decide */
} kinds[] = {
    [DATABASE] = {"database", "SQLite finds its file damaged", NULL},
    [ROW_WITHOUT_BLOB] = {"row_without_blob", "a file is listed whose contents are gone: restore them from a backup",
                          NULL},
    [BLOB_WITHOUT_ROW] = {"blob_without_row", "contents that nothing refers to", "remove them"},
    [FILE_WITHOUT_ROW] = {"file_without_row", "an Assembly has a file that the table of files does not know",
                          "add the row if the contents are there"},
    [SIZE_MISMATCH] = {"size_mismatch", "contents are longer or shorter than noted", NULL},
    [ROW_WITHOUT_UPLOAD] = {"row_without_upload", "an unfinished upload has no bytes", "forget the row"},
    [UPLOAD_WITHOUT_ROW] = {"upload_without_row", "bytes of an upload that was never acknowledged", "remove them"},
    [EVENTS_WITHOUT_ASSEMBLY] = {"events_without_assembly", "events of an Assembly that has no row", NULL},
    [EVENTS_DISAGREE] = {"events_disagree", "events do not replay into what the row says", NULL},
    [SET_ASIDE] = {"set_aside", "the server died more than once while it read it: its events are as they were", NULL},
    [LEFTOVER] = {"leftover", "what a process that died was working on", "remove it"},
    [FOREIGN] = {"foreign", "nothing of the server's lies here under such a name", NULL},
};

struct finding {
    enum kind kind;
    char *id, *text, *path; /* path: what --repair removes; may be NULL */
    char *assembly_id, *name, *mime; /* of FILE_WITHOUT_ROW */
    int64_t bytes;
    bool repaired;
};

struct known { /* a row of the file table */
    char assembly_id[ID_LEN + 1];
    int64_t size;
    bool has_blob;
};

struct fsck {
    const char *data;
    struct store *store;
    struct seal_key seal;
    struct blob_store *blobs;
    struct finding *v;
    size_t count, cap;
    struct map files;   /* blob id -> struct known */
    struct map named;   /* ids that events or unfinished uploads name: their blobs are not orphans */
    struct map uploads; /* ids of the upload table */
    struct assembly *replayed; /* the one whose events are read */
    struct str complaint;
    int64_t next_seq;
    size_t assemblies, events, blob_count;
    int64_t blob_bytes;
    struct err *err;
};

static struct finding *found(struct fsck *f, enum kind kind, const char *id, char *text)
{
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->v = mem_realloc(f->v, f->cap * sizeof *f->v);
    }
    f->v[f->count] = (struct finding){.kind = kind, .id = mem_strdup(id), .text = text};
    return &f->v[f->count++];
}

static void fsck_done(struct fsck *f)
{
    for (size_t i = 0; i < f->count; i++) {
        char *texts[] = {f->v[i].id,   f->v[i].text, f->v[i].path,
                         f->v[i].name, f->v[i].mime, f->v[i].assembly_id};

        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            free(texts[k]);
    }
    free(f->v);
    for (struct map_iter i = {0}; map_next(&f->files, &i);)
        free(i.value);
    map_done(&f->files);
    map_done(&f->named);
    map_done(&f->uploads);
    str_done(f->complaint);
    blob_store_close(f->blobs);
    store_close(f->store);
}

/* ---- the store ---- */

static int on_problem(void *ctx, const char *problem)
{
    found(ctx, DATABASE, "workcell.db", mem_strdup(problem));
    return 0;
}

static int on_file(void *ctx, const char *blob_id, const char *assembly_id, int64_t size)
{
    struct fsck *f = ctx;
    struct known *k = mem_zalloc(sizeof *k);

    snprintf(k->assembly_id, sizeof k->assembly_id, "%s", assembly_id);
    k->size = size;
    map_put(&f->files, blob_id, k);
    return 0;
}

static void complain(struct fsck *f, char *text)
{
    if (!f->complaint.len) /* the first one says most */
        str_puts(&f->complaint, text);
    free(text);
}

static int on_event(void *ctx, int64_t seq, int64_t at_us, const char *json)
{
    struct fsck *f = ctx;
    AUTO(json_unref) json_t *record = json_reads(json);
    const char *name = jstr_or(record, "e", "?");
    int type = event_type_by_name(name);
    struct effects fx = {0};
    struct err err;

    f->events++;
    if (seq != ++f->next_seq) {
        complain(f, mem_printf("event %lld follows event %lld", (long long)seq, (long long)f->next_seq - 1));
        f->next_seq = seq;
    }
    if (type < 0) {
        complain(f, mem_printf("event %lld is of an unknown kind '%s'", (long long)seq, name));
        return 0;
    }
    json_t *data = json_object_get(record, "d");
    const char *member = event_sealed((enum event_type)type);
    if (sealed_data_open(&f->seal, f->replayed->id, member, data, &err) < 0) {
        complain(f, mem_printf("its %s can't be opened: %s", member, err.msg));
        return 0;
    }
    struct event ev = {(enum event_type)type, data, at_us};
    if (assembly_apply(f->replayed, &ev, &fx, &err) < 0)
        complain(f, mem_printf("event %lld (%s) is refused: %s", (long long)seq, name, err.msg));
    effects_done(&fx);
    return 0;
}

static void check_files_of(struct fsck *f, const struct assembly *a)
{
    for (int i = 0; i < a->file_count; i++) {
        const struct file *file = a->files[i];

        map_put(&f->named, file->id, f);
        if (map_get(&f->files, file->id))
            continue;
        struct finding *it = found(f, FILE_WITHOUT_ROW, file->id, mem_printf("of Assembly %s", a->id));
        it->assembly_id = mem_strdup(a->id);
        it->name = mem_strdup(file->name);
        it->mime = mem_strdup(file->mime ? file->mime : "");
        it->bytes = file->size;
    }
}

static int on_assembly(void *ctx, const struct store_assembly *row)
{
    struct fsck *f = ctx;
    AUTO(assembly_free) struct assembly *a = NULL;

    f->assemblies += row->has_row;
    if (!row->has_row) {
        found(f, EVENTS_WITHOUT_ASSEMBLY, row->id, mem_strdup("the row is missing"));
        return 0;
    }
    if (row->purged || !id_valid(row->id))
        return 0;
    if (row->ended && !strcmp(row->code, "ASSEMBLY_CRASHED")) { /* reading it would end this program as well */
        found(f, SET_ASIDE, row->id, mem_strdup("it was not read"));
        return 0;
    }
    a = f->replayed = assembly_new(row->id);
    f->next_seq = 0;
    str_reset(&f->complaint);
    if (store_events(f->store, row->id, on_event, f, f->err) < 0)
        return -1;
    if (!f->next_seq && (!row->ended || row->made))
        complain(f, mem_strdup(row->ended ? "its document is made of its events, and it has none"
                                          : "it is open and has no events"));
    /* one that is open by its row and over by its events is as it should be: the next start writes its document */
    if (f->next_seq && row->ended && !assembly_is_over(a))
        complain(f, mem_printf("it is over (%s) by its row and %s by its events", row->code, assembly_code(a)));
    else if (f->next_seq && row->ended && strcmp(row->code, assembly_code(a)))
        complain(f, mem_printf("the row says %s, the events %s", row->code, assembly_code(a)));
    if (f->complaint.len)
        found(f, EVENTS_DISAGREE, row->id, mem_strdup(f->complaint.s));
    check_files_of(f, a);
    return 0;
}

static int on_upload(void *ctx, const char *id, const char *assembly_id, const char *meta)
{
    struct fsck *f = ctx;
    AUTO(json_unref) json_t *m = json_reads(meta);
    const char *file_id = jstr_or(m, "file_id", "");
    AUTO(mem_free) char *path = mem_printf("%s/uploads/%s", f->data, id);
    const char *concat = jstr_or(m, "concat", "none");
    bool handed_over = jbool(m, "finished", false) && strcmp(concat, "partial") != 0;
    struct stat st;
    int64_t size;
    int fd;

    (void)assembly_id;
    map_put(&f->uploads, id, f);
    if (handed_over) /* its file is the Assembly's */
        return 0;
    map_put(&f->named, file_id, f);
    /* a plain one of known length has none before its first byte */
    if (lstat(path, &st) == 0 || (!strcmp(concat, "none") && jint(m, "length", -1) >= 0))
        return 0;
    /* renamed to its blob, and the process ended before that was committed */
    if (f->blobs && blob_open(&fd, &size, f->blobs, file_id, NULL) == 0) {
        close(fd);
        return 0;
    }
    found(f, ROW_WITHOUT_UPLOAD, id, mem_strdup("its file is gone"));
    return 0;
}

/* ---- the disk ---- */

static int on_blob(void *ctx, const char *id, int64_t size, int64_t changed_us)
{
    struct fsck *f = ctx;
    struct known *k = map_get(&f->files, id);

    (void)changed_us;
    f->blob_count++;
    f->blob_bytes += size;
    if (!id_valid(id)) {
        found(f, FOREIGN, id, mem_printf("in blobs, %lld bytes", (long long)size))->bytes = size;
    } else if (k) {
        k->has_blob = true;
        if (k->size != size)
            found(f, SIZE_MISMATCH, id,
                  mem_printf("%lld bytes, noted are %lld (Assembly %s)", (long long)size, (long long)k->size,
                             k->assembly_id));
    } else if (!map_get(&f->named, id)) {
        found(f, BLOB_WITHOUT_ROW, id, mem_printf("%lld bytes", (long long)size))->bytes = size;
    }
    return 0;
}

/* Files below dir, whatever they are. Empty directories of workers are no finding. */
static void leftovers(struct fsck *f, enum kind kind, const char *dir, bool deep)
{
    AUTO(mem_free) char *top = mem_printf("%s/%s", f->data, dir);
    DIR *d = opendir(top);

    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        AUTO(mem_free) char *below = mem_printf("%s/%s", dir, e->d_name);
        if (S_ISDIR(st.st_mode)) {
            if (deep)
                leftovers(f, kind, below, true);
            continue;
        }
        if (kind == UPLOAD_WITHOUT_ROW && map_get(&f->uploads, e->d_name))
            continue;
        struct finding *it = found(f, kind, below, mem_printf("%lld bytes", (long long)st.st_size));
        it->path = mem_printf("%s/%s", top, e->d_name);
        it->bytes = st.st_nlink == 1 ? st.st_size : 0; /* a link to a blob frees nothing */
    }
    if (d)
        closedir(d);
}

static int look(struct fsck *f, struct err *err)
{
    f->err = err;
    err->code = ERR_OK;
    if (store_integrity(f->store, on_problem, f, err) < 0 || store_all_files(f->store, on_file, f, err) < 0 ||
        store_uploads(f->store, on_upload, f, err) < 0 || store_assemblies(f->store, on_assembly, f, err) < 0 ||
        err->code)
        return -1;
    for (int shelf = 0; f->blobs && shelf < BLOB_SHELVES; shelf++)
        if (blob_each(f->blobs, shelf, on_blob, f, err) < 0)
            return -1;
    for (struct map_iter i = {0}; map_next(&f->files, &i);) {
        const struct known *k = i.value;

        if (!k->has_blob)
            found(f, ROW_WITHOUT_BLOB, i.key,
                  mem_printf("%lld bytes of Assembly %s", (long long)k->size, k->assembly_id));
    }
    leftovers(f, UPLOAD_WITHOUT_ROW, "uploads", false);
    leftovers(f, LEFTOVER, "blobs/tmp", false);
    leftovers(f, LEFTOVER, "scratch", true);
    return 0;
}

/* ---- repair ---- */

static bool blob_is_there(struct fsck *f, const char *id)
{
    int64_t size;
    int fd;

    if (!f->blobs || blob_open(&fd, &size, f->blobs, id, NULL) < 0)
        return false;
    close(fd);
    return true;
}

/* Rows first: a crash in between leaves contents without a row, which the next look finds. */
static int repair(struct fsck *f, struct err *err)
{
    if (store_begin(f->store, err) < 0)
        return -1;
    for (size_t i = 0; i < f->count; i++) {
        struct finding *it = &f->v[i];
        int rc = 0;

        if (it->kind == ROW_WITHOUT_UPLOAD)
            rc = store_upload_del(f->store, it->id, err);
        else if (it->kind == FILE_WITHOUT_ROW && blob_is_there(f, it->id))
            rc = store_file_add(f->store, it->id, it->assembly_id, it->name, it->mime, it->bytes, err);
        else
            continue;
        if (rc < 0) {
            store_rollback(f->store);
            return -1;
        }
        it->repaired = true;
    }
    if (store_commit(f->store, err) < 0)
        return -1;
    for (size_t i = 0; i < f->count; i++) {
        struct finding *it = &f->v[i];

        if (it->kind == BLOB_WITHOUT_ROW)
            it->repaired = blob_delete(f->blobs, it->id, err) >= 0;
        else if (it->path)
            it->repaired = unlink(it->path) == 0 || errno == ENOENT;
    }
    return 0;
}

/* ---- saying it ---- */

static void print_text(const struct fsck *f)
{
    size_t repaired = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct finding *it = &f->v[i];

        repaired += it->repaired;
        printf("%-23s %s: %s (%s)%s\n", kinds[it->kind].name, it->id, it->text, kinds[it->kind].meaning,
               it->repaired              ? " - repaired"
               : kinds[it->kind].repair ? ""
                                         : " - not for --repair to decide");
    }
    printf("fsck: %zu Assemblies, %zu events, %zu blobs of %lld bytes: ", f->assemblies, f->events, f->blob_count,
           (long long)f->blob_bytes);
    if (f->count)
        printf("%zu findings, %zu repaired\n", f->count, repaired);
    else
        puts("clean");
}

static void print_json(const struct fsck *f)
{
    AUTO(json_unref) json_t *all = json_pack(
        "{s:b,s:I,s:I,s:I,s:I,s:[]}", "clean", f->count == 0, "assemblies", (json_int_t)f->assemblies, "events",
        (json_int_t)f->events, "blobs", (json_int_t)f->blob_count, "blob_bytes", (json_int_t)f->blob_bytes, "findings");

    for (size_t i = 0; i < f->count; i++) {
        const struct finding *it = &f->v[i];

        json_array_append_new(json_object_get(all, "findings"),
                              json_pack("{s:s,s:o,s:o,s:s,s:s?,s:b,s:I}", "kind", kinds[it->kind].name, "id",
                                        jstring(it->id), "text", jstring(it->text), "meaning", kinds[it->kind].meaning,
                                        "repair", kinds[it->kind].repair, "repaired", it->repaired, "bytes",
                                        (json_int_t)it->bytes));
    }
    AUTO(mem_free) char *text = json_text(all);
    puts(text);
}

/* ---- the command ---- */

static int blind(const struct err *err)
{
    fprintf(stderr, "workcell fsck: could not look: %s\n", err->msg);
    return FSCK_BLIND;
}

static int open_all(struct fsck *f, int *lock, struct err *err)
{
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", f->data);
    AUTO(mem_free) char *blobs = mem_printf("%s/blobs", f->data);
    AUTO(mem_free) char *lock_path = mem_printf("%s/lock", f->data);

    if (access(db, R_OK | W_OK) < 0)
        return err_errno(err, "'%s'", db);
    *lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*lock < 0)
        return err_errno(err, "open '%s'", lock_path);
    if (flock(*lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_CONFIG, "a server uses '%s'; stop it first", f->data);
    AUTO(mem_free) char *key_file = mem_printf("%s/credentials.key", f->data);
    /* without the key nobody can say which files the Assemblies need */
    if (store_open(&f->store, db, err) < 0 || sealed_open(&f->seal, f->store, key_file, err) < 0)
        return -1;
    return access(blobs, F_OK) == 0 ? blob_store_open_as_is(&f->blobs, blobs, err) : 0;
}

int command_fsck(int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(fd_close) int lock = -1;
    bool wants_repair = false, json = false;
    struct fsck f = {0};
    struct config c;
    struct err err;
    char **flags = mem_zalloc((size_t)(argc + 1) * sizeof *flags);
    int n = 0, rc;

    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--repair"))
            wants_repair = true;
        else if (!strcmp(argv[i], "--json"))
            json = true;
        else
            flags[n++] = argv[i];
    }
    rc = config_load(&c, a, n, flags, environ, &err);
    free(flags);
    if (rc < 0)
        return blind(&err);
    f.data = c.data;
    if (open_all(&f, &lock, &err) < 0 || look(&f, &err) < 0 ||
        (wants_repair && f.count && repair(&f, &err) < 0)) {
        fsck_done(&f);
        return blind(&err);
    }
    (json ? print_json : print_text)(&f);
    rc = f.count ? FSCK_FOUND : FSCK_CLEAN;
    fsck_done(&f);
    return rc;
}
