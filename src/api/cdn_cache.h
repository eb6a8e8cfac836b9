/* cdn_cache.h - which answers to requests by URL are there: a table in memory, bounded in bytes, whose least used go
 * first. The contents lie in blobs; whoever has an entry opens its blob. Knows no store: who evicts is told which rows
 * and blobs must go. Thread-safe; no call blocks. */
#pragma once
#include "base/id.h"
#include "base/json.h"

#include <stdint.h>

#define CDN_ENTRY_COST 4096 /* bytes that one counts for beside its contents: its memory, its row, its inode */

/* Never changes once it is made. */
struct cdn_entry {
    int refs;
    char key[65], blob_id[ID_LEN + 1], etag[72];
    int64_t size, stored_us, until_us;
    char *type;    /* Content-Type; NULL: none */
    char *headers; /* name NUL value NUL ..., and one NUL more, which headers_len does not count */
    size_t headers_len;
    char modified[30];               /* stored_us, for Last-Modified */
    bool owns_blob;                  /* else it is the Assembly's, and goes with that */
    _Atomic(char *) bytes;           /* a small file's contents, once somebody has read them: cdn_entry_bytes() */
    struct cdn_entry *newer, *older; /* the table's, under its lock; NULL when it is not in it */
    bool is_listed;
};
/* headers: an object; those that no answer may have are left out (robot/served.h). etag without quotes. */
struct cdn_entry *cdn_entry_new(const char *key, const char *blob_id, int64_t size, const json_t *headers,
                                const char *etag, int64_t stored_us, int64_t until_us);
/* As a row has it; the caller frees. And from there: NULL, it is damaged. */
char *cdn_entry_record(const struct cdn_entry *e);
struct cdn_entry *cdn_entry_read(const char *key, const char *blob_id, int64_t size, const char *record,
                                 int64_t until_us);
/* Small files that are asked for again are kept in memory, within bounds. The contents, lent with the entry; NULL: they
 * are not there. And: they were read, from the start of fd; false: there is no room, or it can't be read. */
const char *cdn_entry_bytes(struct cdn_entry *e);
bool cdn_entry_read_bytes(struct cdn_entry *e, int fd);
/* What is sent in the place of e, whose headers it has but for Cache-Control: these bytes, copied. In no table. NULL:
 * there is no room. */
struct cdn_entry *cdn_entry_instead(const struct cdn_entry *e, const char *bytes, size_t len, const char *cache_control,
                                    int64_t now_us);
struct cdn_entry *cdn_entry_ref(struct cdn_entry *e);
void cdn_entry_unref(struct cdn_entry *e);
DEFINE_AUTO(struct cdn_entry *, cdn_entry_unref)

struct cdn_cache;
struct cdn_cache *cdn_cache_new(int64_t most_bytes);
void cdn_cache_free(struct cdn_cache *c);
DEFINE_AUTO(struct cdn_cache *, cdn_cache_free)
/* The caller unrefs. NULL: it is not there, or its time is over. */
struct cdn_entry *cdn_cache_get(struct cdn_cache *c, const char *key, int64_t now_us);
/* In the place of the one with its key; a reference is kept. One that is larger than all may be is not taken. */
void cdn_cache_put(struct cdn_cache *c, struct cdn_entry *e);
/* The entry has a blob of its own now. false: it went meanwhile, and nothing names that blob. */
bool cdn_cache_settle(struct cdn_cache *c, struct cdn_entry *e, const char *blob_id);
/* It is of no use any more. */
void cdn_cache_drop(struct cdn_cache *c, struct cdn_entry *e);
/* The least used go until at most so many bytes are left; those whose time is over go. */
void cdn_cache_shrink(struct cdn_cache *c, int64_t to_bytes);
void cdn_cache_expire(struct cdn_cache *c, int64_t now_us);
int64_t cdn_cache_bytes(struct cdn_cache *c);
int cdn_cache_count(struct cdn_cache *c);
/* Blobs of their own that entries which went had: the caller sees to row and contents. Returns how many, at most most.
 */
int cdn_cache_gone(struct cdn_cache *c, char (*ids)[ID_LEN + 1], int most);
/* One more of them. */
void cdn_cache_disown(struct cdn_cache *c, const char *blob_id);
