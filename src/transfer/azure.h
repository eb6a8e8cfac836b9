/* azure.h - Azure Blob Storage: where a container is, requests signed with the account's key
 * (Shared Key) or let in by a signature of its owner's (SAS), addresses with such a one, block blobs,
 * listings. The table and its check are in the daemon, too. */
#pragma once
#include "transfer/api.h"

/* ---- parameters ---- */

struct azure_place {
    const char *credentials, *account, *container, *key;
};
extern const struct option azure_place_options[];
MUST_CHECK int azure_place_check(const struct azure_place *p, bool partial, struct err *err);
#define AZURE_NAME_MAX 1024 /* bytes of a blob's name */
#define AZURE_SAS_MAX 2048  /* bytes of a shared access signature */

/* How a blob is to be. */
struct azure_blob {
    const char *content_type, *content_encoding, *content_language, *content_disposition,
        *cache_control; /* or NULL */
    json_t *metadata;
};
MUST_CHECK int azure_blob_check(const struct azure_blob *b, struct err *err);

/* ---- in workcell-transfer ---- */

#define AZURE_VERSION "2021-08-06" /* of the interface */
#define AZURE_KEY_MAX 512          /* bytes of a key, decoded */

struct azure {
    struct api api;
    const struct azure_place *place;
    unsigned char key[AZURE_KEY_MAX];
    size_t key_len; /* 0: a shared access signature lets us in */
    const char *base; /* address of the container, without a slash at the end */
    int64_t skew_us;  /* the server's clock minus ours */
    bool skewed;      /* it was corrected once */
};
/* p is lent. Errors: what lacks in stored credentials. */
MUST_CHECK int azure_open(struct azure *z, struct robot_job *job, const struct azure_place *p,
                          struct err *err);
void azure_done(struct azure *z); /* forgets the key */
static inline void auto_azure_done(struct azure *z) { azure_done(z); }
/* The address of a blob. The caller frees. */
char *azure_url(const struct azure *z, const char *name);
/* A blob's address with a shared access signature for permissions ("rwd") until then. The caller
 * frees. */
char *azure_sas_url(const struct azure *z, const char *name, const char *permissions,
                    int64_t until_us);
/* What is signed of a request (Authorize with Shared Key, version 2015-02-21 and later). lines: its
 * headers, "Name: value\n"; of the body only the length counts. For tests. */
char *azure_string_to_sign(const char *account, const char *method, const char *url,
                           const char *lines, int64_t length);
/* Is what stands in the place of a key a shared access signature ("sv=...&sig=...", a question mark in front is fine),
 * which a base64 text can't be? */
bool azure_is_sas(const char *key);
void azure_sign(struct api *a, const struct api_call *c, struct str *lines); /* struct api.sign */

/* remote_protocol.put; blob: ctx's. */
MUST_CHECK int azure_put(struct azure *z, struct remote_file *f, const struct azure_blob *blob,
                         struct err *err);
/* Is the blob there that the token of remote_commits() is about? Who may not read it is told that it is not. */
MUST_CHECK int azure_look(bool *there, struct azure *z, const json_t *token, struct err *err);
extern const struct import_service azure_service; /* ctx: struct azure, of which the place is set */

/* ---- listings ---- */

/* Reads the XML of List Blobs: names of blobs that are no directories into names, and how to go on
 * into *next (the caller frees; NULL: that was all). 0, or -1 when it is something else. */
MUST_CHECK int azure_read_list(json_t *names, char **next, const char *xml, size_t len);
