/* listing.h - an Assembly as the list shows it (api-assemblies.md 6). */
#pragma once
#include "assembly/assembly.h"

/* What a list can be filtered by; the numbers are in the store. */
enum listing_type {
    LISTING_ALL,
    LISTING_UPLOADING,
    LISTING_EXECUTING,
    LISTING_CANCELED,
    LISTING_COMPLETED,
    LISTING_FAILED,
    LISTING_ABORTED,
};
enum listing_type listing_type(const struct assembly *a);
enum listing_type listing_type_by_name(const char *name); /* -1: there is none */
static inline bool listing_is_over(enum listing_type t) { return t > LISTING_EXECUTING; }

/* The figures that grow while it lives. */
struct listing_figures {
    int64_t created_us, uploaded_us, execution_us, ended_us; /* 0: not yet */
    int64_t bytes_usage, bytes_received, bytes_expected;
    int warnings, input_files;
};
struct listing_figures listing_figures(const struct assembly *a);
/* Their members of the item, also into one that was made earlier. */
void listing_set_figures(json_t *item, const struct listing_figures *f, int64_t now_us);

/* The caller unrefs. */
json_t *listing_item(const struct assembly *a, const char *instance, const char *region, int64_t now_us);
/* What keywords are looked for in: lower case, a line each. */
char *listing_search(const struct assembly *a);
/* A keyword in the form that listing_search() has. The caller frees. */
char *listing_fold(const char *text);
