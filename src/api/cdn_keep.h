/* cdn_keep.h - answers that outlive their Assembly: the contents get a name of their own (a link, nothing is copied)
 * and a row in the store, so they are there after a restart. Blocks on the disk: for the thread of requests by URL. */
#pragma once
#include "api/app.h"
#include "api/cdn_cache.h"

/* What the store has, into the cache. Errors: those of the store. */
MUST_CHECK int cdn_keep_load(struct cdn_cache *cache, struct app *app, struct err *err);
/* Entries of the cache that have no blob of their own get one; what went from the cache goes from the store and the
 * disk. At most CDN_KEEP_MOST entries, which are lent. */
#define CDN_KEEP_MOST 32
void cdn_keep(struct cdn_cache *cache, struct app *app, struct cdn_entry *const *entries, int count);
