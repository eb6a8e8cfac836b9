#include "api/cdn_cache.h"
#include "base/clock.h"
#include "base/map.h"
#include "robot/served.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CDN_SMALL_FILE (64 << 10)
#define CDN_MEMORY_MOST (64 << 20)

struct cdn_cache {
    pthread_mutex_t lock;
    struct map by_key;
    struct cdn_entry *newest, *oldest;
    int64_t bytes, most;
    char (*gone)[ID_LEN + 1];
    int gone_count, gone_room;
};

/* ---- entries ---- */

struct cdn_entry *cdn_entry_new(const char *key, const char *blob_id, int64_t size, const json_t *headers,
                                const char *etag, int64_t stored_us, int64_t until_us)
{
    struct cdn_entry *e = mem_zalloc(sizeof *e);
    struct str packed = {0};
    const char *name;
    json_t *v;

    e->refs = 1;
    snprintf(e->key, sizeof e->key, "%s", key);
    snprintf(e->blob_id, sizeof e->blob_id, "%s", blob_id);
    snprintf(e->etag, sizeof e->etag, "\"%.64s\"", etag);
    e->size = size;
    e->stored_us = stored_us;
    e->until_us = until_us;
    json_object_foreach ((json_t *)headers, name, v) {
        const char *value = json_string_value(v);

        if (!value || served_header_check(name, value, NULL) < 0 ||
            packed.len + strlen(name) + strlen(value) > 2 * SERVED_BYTES_MOST)
            continue;
        if (!strcasecmp(name, "Content-Type")) {
            free(e->type);
            e->type = mem_strdup(value);
            continue;
        }
        str_add(&packed, name, strlen(name) + 1);
        str_add(&packed, value, strlen(value) + 1);
    }
    e->headers_len = packed.len;
    str_add(&packed, "", 1);
    e->headers = str_take(&packed);
    date_format_http(e->modified, stored_us);
    return e;
}

char *cdn_entry_record(const struct cdn_entry *e)
{
    AUTO(json_unref) json_t *headers = json_object();

    for (const char *name = e->headers; *name;) {
        const char *value = name + strlen(name) + 1;

        json_object_set_new(headers, name, jstring(value));
        name = value + strlen(value) + 1;
    }
    if (e->type)
        json_object_set_new(headers, "Content-Type", jstring(e->type));
    AUTO(json_unref)
    json_t *record = json_pack("{s:O,s:s%,s:I}", "headers", headers, "etag", e->etag + 1, strlen(e->etag) - 2,
                               "stored_us", (json_int_t)e->stored_us);
    return json_text(record);
}

struct cdn_entry *cdn_entry_read(const char *key, const char *blob_id, int64_t size, const char *record,
                                 int64_t until_us)
{
    AUTO(json_unref) json_t *r = json_reads(record);

    if (!json_is_object(r) || !jstr(r, "etag") || !id_valid(blob_id))
        return NULL;
    struct cdn_entry *e = cdn_entry_new(key, blob_id, size, json_object_get(r, "headers"), jstr(r, "etag"),
                                        jint(r, "stored_us", 0), until_us);
    e->owns_blob = true;
    return e;
}

/* ---- contents in memory ---- */

static _Atomic(int64_t) bytes_held; /* of all entries of the process */

const char *cdn_entry_bytes(struct cdn_entry *e) { return atomic_load_explicit(&e->bytes, memory_order_acquire); }

bool cdn_entry_read_bytes(struct cdn_entry *e, int fd)
{
    char *none = NULL;

    if (!e->size || e->size > CDN_SMALL_FILE || atomic_fetch_add(&bytes_held, e->size) + e->size > CDN_MEMORY_MOST) {
        if (e->size && e->size <= CDN_SMALL_FILE)
            atomic_fetch_sub(&bytes_held, e->size);
        return false;
    }
    char *bytes = mem_alloc((size_t)e->size);
    if (pread(fd, bytes, (size_t)e->size, 0) == e->size && atomic_compare_exchange_strong(&e->bytes, &none, bytes))
        return true;
    free(bytes);
    atomic_fetch_sub(&bytes_held, e->size);
    return cdn_entry_bytes(e) != NULL; /* another thread was faster */
}

static void drop_header(json_t *headers, const char *name)
{
    const char *have;
    json_t *v;
    void *next;

    json_object_foreach_safe(headers, next, have, v) if (!strcasecmp(have, name)) json_object_del(headers, have);
}

struct cdn_entry *cdn_entry_instead(const struct cdn_entry *e, const char *bytes, size_t len, const char *cache_control,
                                    int64_t now_us)
{
    AUTO(mem_free) char *text = cdn_entry_record(e);
    AUTO(json_unref) json_t *record = json_reads(text), *headers = json_incref(json_object_get(record, "headers"));
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char etag[2 * SHA256_DIGEST_LENGTH + 1];

    if (atomic_fetch_add(&bytes_held, (int64_t)len) + (int64_t)len > CDN_MEMORY_MOST) {
        atomic_fetch_sub(&bytes_held, (int64_t)len);
        return NULL;
    }
    drop_header(headers, "Cache-Control");
    json_object_set_new(headers, "Cache-Control", jstring(cache_control));
    SHA256((const unsigned char *)bytes, len, digest);
    hex_encode(etag, digest, sizeof digest);
    struct cdn_entry *other = cdn_entry_new(e->key, e->blob_id, (int64_t)len, headers, etag, now_us, now_us);
    atomic_store_explicit(&other->bytes, mem_strndup(bytes, len), memory_order_release);
    return other;
}

struct cdn_entry *cdn_entry_ref(struct cdn_entry *e)
{
    __atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
    return e;
}

void cdn_entry_unref(struct cdn_entry *e)
{
    if (!e || __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL))
        return;
    if (e->bytes)
        atomic_fetch_sub(&bytes_held, e->size);
    free(e->bytes);
    free(e->type);
    free(e->headers);
    free(e);
}

/* ---- the table; what follows is under its lock ---- */

static int64_t cost_of(const struct cdn_entry *e) { return e->size + CDN_ENTRY_COST; }

static void push_newest(struct cdn_cache *c, struct cdn_entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
    e->is_listed = true;
}

static void take_out(struct cdn_cache *c, struct cdn_entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
    e->is_listed = false;
}

static void disown(struct cdn_cache *c, const char *blob_id)
{
    if (c->gone_count == c->gone_room) {
        c->gone_room = c->gone_room ? c->gone_room * 2 : 64;
        c->gone = mem_realloc(c->gone, (size_t)c->gone_room * sizeof *c->gone);
    }
    snprintf(c->gone[c->gone_count++], ID_LEN + 1, "%s", blob_id);
}

/* Out of the table, with the table's reference. */
static void evict(struct cdn_cache *c, struct cdn_entry *e)
{
    if (!e->is_listed)
        return;
    take_out(c, e);
    map_del(&c->by_key, e->key);
    c->bytes -= cost_of(e);
    if (e->owns_blob)
        disown(c, e->blob_id);
    cdn_entry_unref(e);
}

static void shrink(struct cdn_cache *c, int64_t to)
{
    while (c->oldest && c->bytes > to)
        evict(c, c->oldest);
}

static void insert(struct cdn_cache *c, struct cdn_entry *e)
{
    map_put(&c->by_key, e->key, e);
    push_newest(c, e);
    c->bytes += cost_of(e);
}

/* ---- for all threads ---- */

struct cdn_cache *cdn_cache_new(int64_t most_bytes)
{
    struct cdn_cache *c = mem_zalloc(sizeof *c);

    pthread_mutex_init(&c->lock, NULL);
    c->most = most_bytes;
    return c;
}

void cdn_cache_free(struct cdn_cache *c)
{
    if (!c)
        return;
    shrink(c, -1);
    map_done(&c->by_key);
    free(c->gone);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

struct cdn_entry *cdn_cache_get(struct cdn_cache *c, const char *key, int64_t now_us)
{
    pthread_mutex_lock(&c->lock);
    struct cdn_entry *e = map_get(&c->by_key, key);
    if (e && e->until_us <= now_us) {
        evict(c, e);
        e = NULL;
    }
    if (e) {
        take_out(c, e);
        push_newest(c, e);
        cdn_entry_ref(e);
    }
    pthread_mutex_unlock(&c->lock);
    return e;
}

void cdn_cache_put(struct cdn_cache *c, struct cdn_entry *e)
{
    pthread_mutex_lock(&c->lock);
    struct cdn_entry *before = map_get(&c->by_key, e->key);
    if (before)
        evict(c, before);
    if (cost_of(e) <= c->most) {
        insert(c, cdn_entry_ref(e));
        shrink(c, c->most);
    } else if (e->owns_blob) {
        disown(c, e->blob_id);
    }
    pthread_mutex_unlock(&c->lock);
}

bool cdn_cache_settle(struct cdn_cache *c, struct cdn_entry *e, const char *blob_id)
{
    AUTO(mem_free) char *record = cdn_entry_record(e);
    struct cdn_entry *own = cdn_entry_read(e->key, blob_id, e->size, record, e->until_us);

    pthread_mutex_lock(&c->lock);
    bool is_there = own && e->is_listed;
    if (is_there) {
        own->newer = e->newer; /* in its place: it was not used by this */
        own->older = e->older;
        *(own->newer ? &own->newer->older : &c->newest) = own;
        *(own->older ? &own->older->newer : &c->oldest) = own;
        own->is_listed = true;
        e->newer = e->older = NULL;
        e->is_listed = false;
        map_put(&c->by_key, own->key, own);
    }
    pthread_mutex_unlock(&c->lock);
    cdn_entry_unref(is_there ? e : own);
    return is_there;
}

void cdn_cache_drop(struct cdn_cache *c, struct cdn_entry *e)
{
    pthread_mutex_lock(&c->lock);
    evict(c, e);
    pthread_mutex_unlock(&c->lock);
}

void cdn_cache_shrink(struct cdn_cache *c, int64_t to_bytes)
{
    pthread_mutex_lock(&c->lock);
    shrink(c, to_bytes);
    pthread_mutex_unlock(&c->lock);
}

void cdn_cache_expire(struct cdn_cache *c, int64_t now_us)
{
    struct cdn_entry *newer;

    pthread_mutex_lock(&c->lock);
    for (struct cdn_entry *e = c->oldest; e; e = newer) {
        newer = e->newer;
        if (e->until_us <= now_us)
            evict(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

int64_t cdn_cache_bytes(struct cdn_cache *c)
{
    pthread_mutex_lock(&c->lock);
    int64_t n = c->bytes;
    pthread_mutex_unlock(&c->lock);
    return n;
}

int cdn_cache_count(struct cdn_cache *c)
{
    pthread_mutex_lock(&c->lock);
    int n = (int)c->by_key.count;
    pthread_mutex_unlock(&c->lock);
    return n;
}

int cdn_cache_gone(struct cdn_cache *c, char (*ids)[ID_LEN + 1], int most)
{
    int n = 0;

    pthread_mutex_lock(&c->lock);
    for (; n < most && c->gone_count; n++)
        memcpy(ids[n], c->gone[--c->gone_count], ID_LEN + 1);
    pthread_mutex_unlock(&c->lock);
    return n;
}

void cdn_cache_disown(struct cdn_cache *c, const char *blob_id)
{
    pthread_mutex_lock(&c->lock);
    disown(c, blob_id);
    pthread_mutex_unlock(&c->lock);
}
