/* box.h - Box's HTTP interface: who signs in, calls and what their refusals mean, folders by their names; files sent
 * there and fetched from there. The keys and their check are in the daemon as well. */
#pragma once
#include "transfer/api.h"

/* ---- keys ---- */

struct box_keys {
    const char *credentials, *access_token, *key_file_contents, *client_id, *client_secret, *enterprise_id, *user_id;
};
extern const struct option box_keys_options[];
MUST_CHECK int box_keys_check(const struct box_keys *k, bool partial, struct err *err);

/* What signs in, from a key file or from single keys; texts are lent from config and k. */
struct box_app {
    json_t *config; /* the key file as it is written; NULL: none */
    const char *client_id, *client_secret, *subject_type, *subject;
    const char *key, *key_id, *passphrase; /* NULL: it signs in by its secret alone */
};
/* -1: the key file can't be read, or lacks something. Without any keys but a token all is NULL. */
MUST_CHECK int box_app_read(struct box_app *out, const struct box_keys *k, struct err *err);
void box_app_done(struct box_app a);
DEFINE_AUTO(struct box_app, box_app_done)

#define BOX_API "https://api.box.com"
#define BOX_PATH_MAX 4096 /* bytes; what fits, Box says itself */

/* ---- calls ---- */

struct box {
    struct api api;
    struct box_app app;
    const char *base, *upload; /* addresses */
    json_t *refusal;           /* body of the last one */
    json_t *folders;           /* {path: id} of those that were found */
};
MUST_CHECK int box_open(struct box *b, struct robot_job *job, const struct box_keys *k, struct err *err);
void box_done(struct box b);
DEFINE_AUTO(struct box, box_done)

/* url: below one of the two addresses; the caller's. args: body, stolen; NULL: none. The caller unrefs the answer;
 * NULL with err, and b->refusal. fine: see api_call. */
json_t *box_call(struct box *b, const char *method, const char *url, json_t *args, const int *fine, struct err *err);
/* Was the last call refused for this reason? */
bool box_refused(const struct box *b, const char *code);
/* What is in the way of a name that is in use; NULL: that was not the reason. Lent. */
const json_t *box_conflict(const struct box *b);
/* Ids go into addresses. */
bool box_is_id(const char *id);

/* ---- folders ---- */

#define BOX_ROOT "0"
#define BOX_FIELDS "type,id,name,size,sha1,file_version"
/* Its id, for the caller to free. make: where it is missing it is made, with those above it. path: names with slashes
 * between, in front and behind, too. */
char *box_folder(struct box *b, const char *path, bool make, struct err *err);
/* A page of what a folder holds, as Box answers. marker: where to go on; NULL: the beginning. */
json_t *box_items(struct box *b, const char *folder, const char *marker, struct err *err);
/* Where the next one begins; NULL: it was the last. */
const char *box_next_marker(const json_t *items);
/* What is called so in it, "file" or "folder", for the caller to unref. NULL with err: there is none. */
json_t *box_find(struct box *b, const char *folder, const char *name, const char *type, const char *shown,
                 struct err *err);

/* ---- files ---- */

/* Send f->fd to f->path. id: the caller's to free. */
MUST_CHECK int box_upload(char **id, struct box *b, struct remote_file *f, struct err *err);
/* Its link that everybody may open; the caller's to free. */
char *box_link(struct box *b, const char *id, struct err *err);
/* Robot.renew */
MUST_CHECK int box_renew(struct robot_job *job, const json_t *content, json_t **out, struct err *err);
MUST_CHECK int box_delete(struct box *b, const char *id, struct err *err);
/* Close the upload session that a killed run left. */
MUST_CHECK int box_upload_undo(struct box *b, const json_t *token, struct err *err);

struct box_import {
    const struct box_keys *keys;
    /* of box_service */
    struct box box;
    json_t *found, *queue; /* files of the page by their paths; folders that are to be looked into */
    int pages;
};
extern const struct import_service box_service; /* ctx: struct box_import, of which the keys are set */
