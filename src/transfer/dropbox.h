/* dropbox.h - Dropbox's HTTP interface: who signs in, calls and what their refusals mean, content hashes; files sent
 * there and fetched from there. The keys and their check are in the daemon as well. */
#pragma once
#include "transfer/api.h"

#include <openssl/evp.h>

/* ---- keys ---- */

struct dropbox_keys {
    const char *credentials, *access_token, *refresh_token, *app_key, *app_secret;
};
extern const struct option dropbox_keys_options[]; /* all but refresh_token, which one Robot's contract has */
#define DROPBOX_REFRESH_OPTION(T, m, ...)                                                                            \
    {                                                                                                                \
        .name = "refresh_token", .type = OPT_TYPE_STR, .offset = offsetof(T, m.refresh_token), .secret = true,       \
        .help = "OAuth token that gets new access tokens; with app_key. Belongs into stored credentials.",           \
        __VA_ARGS__                                                                                                  \
    }
MUST_CHECK int dropbox_keys_check(const struct dropbox_keys *k, bool partial, struct err *err);

#define DROPBOX_PATH_MAX 4096 /* bytes; what fits, Dropbox says itself */
/* As Dropbox writes it: with a slash in front and none at the end; "" is the root. The caller frees. */
char *dropbox_path(const char *path);

/* ---- calls ---- */

#define DROPBOX_WHY_MAX 200
struct dropbox {
    struct api api;
    const struct dropbox_keys *keys;
    const char *rpc, *content, *token; /* addresses */
    char why[DROPBOX_WHY_MAX];         /* tags of the last refusal: "path/not_found"; "": none */
    json_t *refusal;                   /* and its body */
};
MUST_CHECK int dropbox_open(struct dropbox *d, struct robot_job *job, const struct dropbox_keys *k, struct err *err);
void dropbox_done(struct dropbox d);
DEFINE_AUTO(struct dropbox, dropbox_done)

/* POST path with args, which is stolen. The caller unrefs; NULL with err, and d->why. */
json_t *dropbox_call(struct dropbox *d, const char *path, json_t *args, struct err *err);
/* The header that has the arguments of a call whose body is a file: JSON in ASCII. args is stolen; the caller frees.
 */
char *dropbox_arg(json_t *args);
/* The same of an answer, which it has in a header; NULL: there is none, or it is no object. The caller unrefs. */
json_t *dropbox_result(const struct http_client_response *r);
/* The tags of an error, outermost first: {"error": {".tag": "path", "path": {".tag": "not_found"}}} is
 * "path/not_found". */
void dropbox_tags(char out[static DROPBOX_WHY_MAX], const json_t *body);

/* ---- content hashes: SHA-256 of the SHA-256 of each block of 4 MiB ---- */

#define DROPBOX_HASH_MAX 65
struct dropbox_hash {
    EVP_MD_CTX *all, *block;
    int64_t in_block;
};
void dropbox_hash_begin(struct dropbox_hash *h); /* anew, too */
void dropbox_hash_add(struct dropbox_hash *h, const void *data, size_t len);
void dropbox_hash_end(char out[static DROPBOX_HASH_MAX], struct dropbox_hash *h);
void dropbox_hash_done(struct dropbox_hash h);
DEFINE_AUTO(struct dropbox_hash, dropbox_hash_done)

/* ---- files ---- */

/* Send f->fd to f->path, for remote_protocol.put. url: of the link that everybody may open, when share; the caller's
 * to free. */
MUST_CHECK int dropbox_upload(char **url, struct dropbox *d, struct remote_file *f, bool share, struct err *err);

extern const struct import_service dropbox_service; /* ctx: struct dropbox, of which the keys are set */
