/* Workspaces, Auth Keys, credentials and Templates in the store, what they are sealed with, and the way there from
 * the first schema. */
#include "base/json.h"
#include "base/secret.h"
#include "store/schema.h"
#include "store/sealed.h"
#include "store/store.h"
#include "tempdir.h"
#include "unit.h"

#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccc"
#define WS "00000000000000000000000000000001"
#define WS2 "00000000000000000000000000000002"

struct fixture {
    char *dir, *path, *key_path;
    struct store *s;
    struct store_reader *r;
    struct err err;
};

#define OK(call) assert_int_equal((call), 0)
#define FAILS(call, expected)                                                                      \
    do {                                                                                           \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(f->err.code, (expected));                                                 \
    } while (0)

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    f->dir = tempdir_new(NULL);
    f->path = mem_printf("%s/w.db", f->dir);
    f->key_path = mem_printf("%s/k", f->dir);
    if (store_open(&f->s, f->path, &f->err) < 0 || store_reader_open(&f->r, f->path, &f->err) < 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_reader_close(f->r);
    store_close(f->s);
    tempdir_remove(f->dir);
    free(f->path);
    free(f->key_path);
    free(f);
    return 0;
}

static int add_template(struct fixture *f, const char *id, const char *workspace, const char *name, int64_t at)
{
    struct store_template t = {.id = id, .workspace = workspace, .name = name, .content = "{}", .created_us = at, .modified_us = 100 - at};

    return store_template_add(f->s, &t, &f->err);
}

static int list_template(void *ctx, const struct store_template *t)
{
    str_addf(ctx, "%s ", t->name);
    return 0;
}

static void templates_are_found_by_id_and_name_in_their_workspace_alone(void **state)
{
    struct fixture *f = *state;
    struct store_template *t = NULL;

    OK(store_begin(f->s, &f->err));
    OK(add_template(f, ID_A, WS, "one", 1));
    OK(add_template(f, ID_B, WS2, "one", 2));
    FAILS(add_template(f, ID_C, WS, "one", 3), ERR_EXISTS);
    OK(add_template(f, ID_C, WS, ID_A, 3)); /* named like the id of another: the id wins */
    OK(store_commit(f->s, &f->err));

    OK(store_template_read(&t, f->r, WS, "one", &f->err));
    assert_string_equal(t->id, ID_A);
    assert_int_equal(t->created_us, 1);
    assert_int_equal(t->last_used_us, 0);
    free(t);
    OK(store_template_read(&t, f->r, WS2, "one", &f->err));
    assert_string_equal(t->id, ID_B);
    free(t);
    OK(store_template_get(&t, f->s, WS, ID_A, &f->err));
    assert_string_equal(t->name, "one");
    FAILS(store_template_read(&t, f->r, WS, ID_B, &f->err), ERR_NOT_FOUND);

    /* renamed onto another: refused, and the transaction is still good */
    OK(store_begin(f->s, &f->err));
    t->name = ID_A;
    FAILS(store_template_put(f->s, t, &f->err), ERR_EXISTS);
    t->name = "two";
    t->content = "{\"b\":1,\"a\":2}";
    t->require_signature = true;
    OK(store_template_put(f->s, t, &f->err));
    OK(store_template_used(f->s, ID_A, 5000000, &f->err));
    OK(store_template_used(f->s, ID_A, 5900000, &f->err)); /* a second is exact enough */
    OK(store_commit(f->s, &f->err));
    free(t);
    OK(store_template_read(&t, f->r, WS, "two", &f->err));
    assert_string_equal(t->content, "{\"b\":1,\"a\":2}");
    assert_true(t->require_signature);
    assert_int_equal(t->last_used_us, 5000000);
    free(t);

    OK(store_begin(f->s, &f->err));
    OK(store_template_del(f->s, WS2, ID_A, &f->err)); /* not theirs: nothing happens */
    OK(store_template_del(f->s, WS, ID_C, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_template_read(&t, f->r, WS, ID_A, &f->err));
    free(t);
    FAILS(store_template_read(&t, f->r, WS, ID_C, &f->err), ERR_NOT_FOUND);
}

static void templates_are_listed_by_page_order_and_date(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct store_page page;
        const char *names;
        int count;
    } table[] = {
        {{.workspace = WS, .sort = "created", .to_us = 99, .max = -1}, "bb aa cc ", 3},
        {{.workspace = WS, .sort = "created", .to_us = 99, .max = 2, .descending = true}, "cc aa ", 3},
        {{.workspace = WS, .sort = "created", .to_us = 99, .max = 2, .skip = 2, .descending = true}, "bb ", 3},
        {{.workspace = WS, .sort = "name", .to_us = 99, .max = -1}, "aa bb cc ", 3},
        {{.workspace = WS, .sort = "id", .to_us = 99, .max = -1}, "cc bb aa ", 3},
        {{.workspace = WS, .sort = "modified", .to_us = 99, .max = -1}, "cc aa bb ", 3},
        {{.workspace = WS, .sort = "name", .from_us = 2, .to_us = 2, .max = -1}, "aa ", 1},
        {{.workspace = WS2, .sort = "name", .to_us = 99, .max = -1}, "dd ", 1},
    };

    OK(store_begin(f->s, &f->err));
    OK(add_template(f, ID_C, WS, "aa", 2));
    OK(add_template(f, ID_B, WS, "bb", 1));
    OK(add_template(f, ID_A, WS, "cc", 10));
    OK(add_template(f, WS, WS2, "dd", 4));
    OK(store_commit(f->s, &f->err));
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(str_done) struct str seen = {0};
        int64_t count;

        OK(store_templates(f->r, &table[i].page, list_template, &seen, &f->err));
        OK(store_template_count(&count, f->r, &table[i].page, &f->err));
        assert_string_equal(seen.s, table[i].names);
        assert_int_equal(count, table[i].count);
    }
}

static int list_credential(void *ctx, const struct store_credential *c)
{
    str_addf(ctx, "%s:%s:%s ", c->name, c->type, c->sealed);
    return 0;
}

static void credentials_are_added_changed_and_removed(void **state)
{
    struct fixture *f = *state;
    struct store_credential c = {ID_A, WS, "my_s3", "s3", "AAAA", 1, 1}, *got = NULL;
    struct store_page all = {.workspace = WS, .sort = "name", .max = -1};
    AUTO(str_done) struct str seen = {0};

    OK(store_begin(f->s, &f->err));
    OK(store_credential_add(f->s, &c, &f->err));
    c.id = ID_B;
    FAILS(store_credential_add(f->s, &c, &f->err), ERR_EXISTS);
    c.name = "other";
    OK(store_credential_add(f->s, &c, &f->err));
    c.name = "my_s3";
    FAILS(store_credential_put(f->s, &c, &f->err), ERR_EXISTS);
    c.name = "third";
    c.sealed = "BBBB";
    OK(store_credential_put(f->s, &c, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_credentials(f->r, &all, list_credential, &seen, &f->err));
    assert_string_equal(seen.s, "my_s3:s3:AAAA third:s3:BBBB ");
    OK(store_credential_read(&got, f->r, WS, ID_B, &f->err));
    assert_string_equal(got->name, "third");
    free(got);
    FAILS(store_credential_get(&got, f->s, WS2, "third", &f->err), ERR_NOT_FOUND);
    OK(store_begin(f->s, &f->err));
    OK(store_credential_del(f->s, WS, ID_B, &f->err));
    OK(store_commit(f->s, &f->err));
    FAILS(store_credential_read(&got, f->r, WS, "third", &f->err), ERR_NOT_FOUND);
}

static int list_key(void *ctx, const struct store_key *k)
{
    str_addf(ctx, "%s:%s:%s:%s:%d:%d ", k->key, k->workspace, k->scopes, k->description, k->require_signature, k->in_clear);
    return 0;
}

static int list_workspace(void *ctx, const char *id, const char *name, int64_t at)
{
    str_addf(ctx, "%s:%s:%d ", id, name, (int)at);
    return 0;
}

static void keys_and_workspaces_are_kept(void **state)
{
    struct fixture *f = *state;
    struct store_key k = {.id = ID_A, .key = "k1", .secret = "S", .workspace = WS, .scopes = "*", .created_us = 1};
    AUTO(str_done) struct str seen = {0};
    int64_t count;

    OK(store_begin(f->s, &f->err));
    OK(store_workspace_add(f->s, WS, "main", 1, &f->err));
    FAILS(store_workspace_add(f->s, WS2, "main", 2, &f->err), ERR_EXISTS);
    OK(store_workspace_add(f->s, WS2, "other", 2, &f->err));
    OK(store_key_put(f->s, &k, &f->err));
    k.id = ID_B;
    k.key = "k2";
    k.description = "two";
    k.require_signature = true;
    k.created_us = 2;
    OK(store_key_put(f->s, &k, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_keys(f->s, list_key, &seen, &f->err));
    OK(store_workspaces(f->s, list_workspace, &seen, &f->err));
    assert_string_equal(seen.s, "k1:" WS ":*::0:0 k2:" WS ":*:two:1:0 " WS ":main:1 " WS2 ":other:2 ");
    OK(store_key_count(&count, f->s, WS, &f->err));
    assert_int_equal(count, 2);
    OK(store_begin(f->s, &f->err));
    OK(store_key_del(f->s, WS2, ID_A, &f->err)); /* not theirs */
    OK(store_key_del(f->s, WS, ID_B, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_key_count(&count, f->s, WS, &f->err));
    assert_int_equal(count, 1);
}

/* ---- sealing ---- */

static bool file_holds(const char *path, const char *text)
{
    FILE *file = fopen(path, "r");
    size_t n = strlen(text);
    bool found = false;

    if (!file)
        return false;
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    AUTO(mem_free) char *all = mem_alloc(size + 1);
    assert_int_equal(fread(all, 1, size, file), size);
    fclose(file);
    for (size_t i = 0; !found && i + n <= size; i++)
        found = !memcmp(all + i, text, n);
    return found;
}

static int copy_secret(void *ctx, const struct store_key *k)
{
    str_puts(ctx, k->secret);
    return 0;
}

/* Everything that is sealed, opened with k; fails the test when something does not open. */
static void assert_opens(struct fixture *f, const struct seal_key *k)
{
    AUTO(str_done) struct str sealed = {0};
    AUTO(mem_free) char *secret = NULL;
    AUTO(mem_free) char *content = NULL;
    AUTO(mem_free) char *credential = NULL;
    struct store_template *t = NULL;
    struct store_credential *c = NULL;

    OK(store_keys(f->s, copy_secret, &sealed, &f->err));
    OK(unseal(&secret, k, "auth_key/" ID_A, sealed.s, &f->err));
    assert_string_equal(secret, "very-secret-1");
    OK(store_template_get(&t, f->s, WS, "tpl", &f->err));
    OK(unseal(&content, k, "template/" ID_B, t->content, &f->err));
    assert_string_equal(content, "{\"steps\":{}}");
    OK(store_credential_get(&c, f->s, WS, "cred", &f->err));
    OK(unseal(&credential, k, WS "/cred", c->sealed, &f->err));
    assert_string_equal(credential, "{\"key\":1}");
    free(t);
    free(c);
}

static int event_opens(void *ctx, int64_t seq, int64_t at_us, const char *json)
{
    AUTO(json_unref) json_t *body = json_loads(json, 0, NULL);
    AUTO(mem_free) char *plain = NULL;
    struct err err;

    if (seq == 1) {
        assert_int_equal(unseal(&plain, ctx, "assembly/" ID_C, jstr(json_object_get(body, "d"), "sealed"), &err), 0);
        assert_string_equal(plain, "{\"steps\":1}");
        assert_string_equal(jstr(body, "e"), "created");
    }
    if (seq == 3) {
        assert_int_equal(unseal(&plain, ctx, "assembly/" ID_C, jstr(json_object_get(body, "d"), "sealed"), &err), 0);
        assert_string_equal(plain, "[\"value\"]");
        assert_int_equal(jint(json_object_get(body, "d"), "job", 0), 1);
    }
    return 0;
}

static void fill(struct fixture *f, const struct seal_key *k)
{
    AUTO(mem_free) char *secret = seal(k, "auth_key/" ID_A, "very-secret-1");
    AUTO(mem_free) char *content = seal(k, "template/" ID_B, "{\"steps\":{}}");
    AUTO(mem_free) char *credential = seal(k, WS "/cred", "{\"key\":1}");
    AUTO(mem_free) char *steps = seal(k, "assembly/" ID_C, "{\"steps\":1}");
    AUTO(mem_free) char *event = mem_printf("{\"e\":\"created\",\"d\":{\"workspace\":\"w\",\"sealed\":\"%s\"}}", steps);
    struct store_key row = {.id = ID_A, .key = "k", .secret = secret, .workspace = WS, .scopes = "*"};
    struct store_template t = {.id = ID_B, .workspace = WS, .name = "tpl", .content = content};
    struct store_credential c = {ID_C, WS, "cred", "s3", credential, 1, 1};

    OK(store_begin(f->s, &f->err));
    OK(store_key_put(f->s, &row, &f->err));
    OK(store_template_add(f->s, &t, &f->err));
    OK(store_credential_add(f->s, &c, &f->err));
    OK(store_assembly_add(f->s, ID_C, WS, 1, &f->err));
    OK(store_event_add(f->s, ID_C, 1, 1, event, &f->err));
    OK(store_event_add(f->s, ID_C, 2, 2, "{\"e\":\"body_done\"}", &f->err));
    AUTO(mem_free) char *values = seal(k, "assembly/" ID_C, "[\"value\"]");
    AUTO(mem_free) char *valued = mem_printf("{\"e\":\"job_values\",\"d\":{\"job\":1,\"sealed\":\"%s\"}}", values);
    OK(store_event_add(f->s, ID_C, 3, 3, valued, &f->err));
    OK(store_commit(f->s, &f->err));
}

static void another_key_file_is_noticed_at_once(void **state)
{
    struct fixture *f = *state;
    struct seal_key k, again;
    AUTO(mem_free) char *aside = mem_printf("%s.aside", f->key_path);

    OK(sealed_open(&k, f->s, f->key_path, &f->err));
    OK(sealed_open(&again, f->s, f->key_path, &f->err));
    assert_memory_equal(&k, &again, sizeof k);
    OK(rename(f->key_path, aside));
    FAILS(sealed_open(&again, f->s, f->key_path, &f->err), ERR_CONFIG);
    assert_non_null(strstr(f->err.msg, "missing"));
    assert_int_equal(access(f->key_path, F_OK), -1); /* and no new one was made in its place */
    OK(seal_key_make(&again, f->key_path, &f->err));
    FAILS(sealed_open(&again, f->s, f->key_path, &f->err), ERR_CONFIG);
    OK(rename(aside, f->key_path));
    OK(sealed_open(&again, f->s, f->key_path, &f->err));
}

static void a_rotation_seals_everything_anew(void **state)
{
    struct fixture *f = *state;
    struct seal_key old, k, again;

    OK(sealed_open(&old, f->s, f->key_path, &f->err));
    fill(f, &old);
    k = old;
    OK(sealed_rotate(&k, f->s, f->key_path, &f->err));
    assert_memory_not_equal(&k, &old, sizeof k);
    assert_opens(f, &k);
    OK(store_events(f->s, ID_C, event_opens, &k, &f->err));
    OK(sealed_open(&again, f->s, f->key_path, &f->err));
    assert_memory_equal(&k, &again, sizeof k);
}

static void a_rotation_killed_at_any_point_leaves_a_database_that_opens(void **state)
{
    struct fixture *f = *state;
    const char *const points[] = {"key", "rows", "commit"};
    AUTO(mem_free) char *next = mem_printf("%s.new", f->key_path);
    struct seal_key before, after;

    OK(sealed_open(&before, f->s, f->key_path, &f->err));
    fill(f, &before);
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        int status;

        store_reader_close(f->r);
        store_close(f->s);
        f->r = NULL;
        f->s = NULL;
        pid_t pid = fork();
        if (!pid) {
            struct store *s;
            struct seal_key k;
            struct err err;

            setenv("WORKCELL_TEST_ROTATE_KILL", points[i], 1);
            if (store_open(&s, f->path, &err) == 0 && sealed_open(&k, s, f->key_path, &err) == 0)
                (void)!sealed_rotate(&k, s, f->key_path, &err);
            _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(access(next, F_OK), 0);
        OK(store_open(&f->s, f->path, &f->err));
        OK(store_reader_open(&f->r, f->path, &f->err));
        OK(sealed_open(&after, f->s, f->key_path, &f->err));
        assert_int_equal(access(next, F_OK), -1);
        /* the commit decides */
        assert_int_equal(!memcmp(&before, &after, sizeof after), i < 2);
        assert_opens(f, &after);
        OK(store_events(f->s, ID_C, event_opens, &after, &f->err));
    }
}

static void a_row_that_does_not_open_stops_a_rotation_before_it_changed_anything(void **state)
{
    struct fixture *f = *state;
    struct seal_key k, again;
    struct store_credential bad = {ID_A, WS, "bad", "s3", "AAAA", 1, 1};

    OK(sealed_open(&k, f->s, f->key_path, &f->err));
    fill(f, &k);
    OK(store_begin(f->s, &f->err));
    OK(store_credential_add(f->s, &bad, &f->err));
    OK(store_commit(f->s, &f->err));
    again = k;
    FAILS(sealed_rotate(&again, f->s, f->key_path, &f->err), ERR_CREDENTIALS);
    OK(sealed_open(&again, f->s, f->key_path, &f->err));
    assert_memory_equal(&k, &again, sizeof k);
    assert_opens(f, &k);
}

static void steps_are_sealed_in_the_event_and_come_back(void **state)
{
    static const char *const table[] = {"{\"id\":1,\"steps\":{\"a\":{\"secret\":\"word\"}}}", "{\"steps\":[1]}", "{\"steps\":null}",
                                        "{\"steps\":\"text\"}", "{\"none\":null,\"steps\":null,\"true\":true}",
                                        "{\"id\":1}"};
    struct fixture *f = *state;
    struct seal_key k;

    OK(sealed_open(&k, f->s, f->key_path, &f->err));
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(json_unref) json_t *data = json_loads(table[i], 0, NULL);
        AUTO(str_done) struct str text = {0};

        sealed_data_text(&text, &k, ID_A, "steps", data);
        AUTO(json_unref) json_t *kept = json_reads(text.s);
        assert_null(strstr(text.s, "steps"));
        assert_null(strstr(text.s, "word"));
        if (i < 5)
            FAILS(sealed_data_open(&k, ID_B, "steps", kept, &f->err), ERR_CREDENTIALS); /* another's */
        OK(sealed_data_open(&k, ID_A, "steps", kept, &f->err));
        assert_true(json_equal(data, kept));
    }
}

/* ---- keys of hosts ---- */

static void count_host(void *ctx, const char *host, int port, const char *key, int64_t seen_us)
{
    ++*(int *)ctx;
}

static void the_first_key_of_a_host_stays_each_workspace_its_own_and_not_for_ever_many(void **state)
{
    struct fixture *f = *state;
    char *key = NULL;
    int n = 0;

    OK(store_begin(f->s, &f->err));
    OK(store_host_add(f->s, WS, "h", 22, "ssh-ed25519 A", 1, &f->err));
    OK(store_host_add(f->s, WS, "h", 22, "ssh-ed25519 B", 2, &f->err));
    OK(store_host_add(f->s, "other", "h", 22, "ssh-ed25519 C", 3, &f->err));
    for (int port = 100; port < 100 + STORE_HOSTS_MOST; port++)
        OK(store_host_add(f->s, WS, "h", port, "ssh-ed25519 D", 4, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_host_get(&key, f->s, WS, "h", 22, &f->err));
    assert_string_equal(key, "ssh-ed25519 A");
    free(key);
    OK(store_host_get(&key, f->s, "other", "h", 22, &f->err));
    assert_string_equal(key, "ssh-ed25519 C");
    free(key);
    OK(store_host_get(&key, f->s, WS, "h", 99 + STORE_HOSTS_MOST, &f->err));
    assert_null(key);
    OK(store_hosts(f->s, WS, count_host, &n, &f->err));
    assert_int_equal(n, STORE_HOSTS_MOST);
    OK(store_begin(f->s, &f->err));
    OK(store_host_del(f->s, WS, "h", 22, &f->err));
    OK(store_host_add(f->s, WS, "h", 22, "ssh-ed25519 B", 5, &f->err));
    OK(store_host_get(&key, f->s, WS, "h", 22, &f->err));
    assert_string_equal(key, "ssh-ed25519 B");
    free(key);
    OK(store_commit(f->s, &f->err));
    OK(store_begin(f->s, &f->err));
    FAILS(store_host_del(f->s, WS, "nobody", 22, &f->err), ERR_NOT_FOUND);
    store_rollback(f->s);
}

/* ---- from schema 1 ---- */

static void a_database_of_schema_1_is_taken_over_and_its_secrets_are_sealed(void **state)
{
    struct fixture *f = *state;
    AUTO(mem_free) char *path = mem_printf("%s/old.db", f->dir);
    AUTO(mem_free) char *log = mem_printf("%s-wal", path);
    AUTO(str_done) struct str sealed = {0};
    AUTO(str_done) struct str seen = {0};
    AUTO(mem_free) char *secret = NULL;
    struct store_page all = {.workspace = WS, .sort = "name", .max = -1};
    struct store_reader *r;
    struct seal_key k;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "create table setting(name text primary key not null, value text not null) without rowid", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, store_migrations[0], NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "insert into setting values('schema', '1'), ('workspace', '" WS "');"
                                  "insert into auth_key values('" ID_A "', 'k', 'very-secret-1', '" WS "', '*');"
                                  "insert into credential values('" WS "', 'cred', 's3', 'AAAA')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_true(file_holds(path, "very-secret-1"));

    store_close(f->s);
    OK(store_open(&f->s, path, &f->err));
    OK(sealed_open(&k, f->s, f->key_path, &f->err));
    OK(store_keys(f->s, copy_secret, &sealed, &f->err));
    OK(unseal(&secret, &k, "auth_key/" ID_A, sealed.s, &f->err));
    assert_string_equal(secret, "very-secret-1");
    OK(store_keys(f->s, list_key, &seen, &f->err));
    OK(store_reader_open(&r, path, &f->err));
    OK(store_credentials(r, &all, list_credential, &seen, &f->err));
    store_reader_close(r);
    assert_string_equal(seen.s, "k:" WS ":*::0:0 cred:s3:AAAA ");
    assert_false(file_holds(path, "very-secret-1"));
    assert_false(file_holds(log, "very-secret-1"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_first_key_of_a_host_stays_each_workspace_its_own_and_not_for_ever_many),
        T(templates_are_found_by_id_and_name_in_their_workspace_alone),
        T(templates_are_listed_by_page_order_and_date),
        T(credentials_are_added_changed_and_removed),
        T(keys_and_workspaces_are_kept),
        T(another_key_file_is_noticed_at_once),
        T(a_rotation_seals_everything_anew),
        T(a_rotation_killed_at_any_point_leaves_a_database_that_opens),
        T(a_row_that_does_not_open_stops_a_rotation_before_it_changed_anything),
        T(steps_are_sealed_in_the_event_and_come_back),
        T(a_database_of_schema_1_is_taken_over_and_its_secrets_are_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
