/* The half of renewed.h that looks who still has the credentials. */
#include "store/private.h"
#include "store/renewed.h"

#include <dirent.h>
#include <string.h>

/* Ids of all files, before the rows are read: a file comes after its row. The caller unrefs; NULL: there are none. */
static json_t *listed_ids(const char *dir)
{
    DIR *d = opendir(dir);
    json_t *all = NULL;

    if (!d)
        return NULL;
    for (struct dirent *e; (e = readdir(d));)
        if (strspn(e->d_name, "0123456789abcdef") == RENEWED_ID_LEN) {
            AUTO(mem_free) char *id = mem_strndup(e->d_name, RENEWED_ID_LEN);

            if (!all)
                all = json_object();
            json_object_set_new(all, id, json_true());
        }
    closedir(d);
    return all;
}

/* Those of credentials that there are leave the set. Errors: then nothing is known. */
static int leave_named(json_t *ids, struct store *s, const struct seal_key *k, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_CREDENTIALS_ALL, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0) {
        AUTO(mem_free) char *context = mem_printf("%s/%s", stmt_text(st, 1), stmt_text(st, 2));
        AUTO(mem_free) char *plain = NULL;
        char id[RENEWED_ID_LEN + 1];

        if (unseal(&plain, k, context, stmt_text(st, 4), err) < 0)
            return -1;
        AUTO(json_unref) json_t *content = json_reads(plain);
        explicit_bzero(plain, strlen(plain));
        renewed_id(id, stmt_text(st, 1), content);
        json_object_del(ids, id);
    }
    return row;
}

int renewed_sweep(const char *dir, struct store *s, const struct seal_key *k, struct err *err)
{
    static const char *const ends[] = {"", ".tmp", ".next", ".next.tmp"};
    AUTO(json_unref) json_t *ids = listed_ids(dir);
    const char *id;
    json_t *v;

    if (!ids)
        return 0;
    if (leave_named(ids, s, k, err) < 0)
        return -1;
    json_object_foreach (ids, id, v) {
        AUTO(fd_close) int lock = -1;
        struct err busy;

        if (renewed_lock(&lock, dir, id, 0, &busy) < 0)
            continue; /* a renewal that is under way; the next sweep */
        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
            AUTO(mem_free) char *path = mem_printf("%s/%s%s", dir, id, ends[i]);

            unlink(path);
        }
    }
    return 0;
}
