/* tus.h - a tus request, for the files that serve it: tus_answer.c (what is said) tus_bytes.c (what is taken)
 * tus_join.c (parts) tus_create.c (POST) tus.c (the other methods). Each uses only those before it. */
#pragma once
#include "http/reply.h"
#include "upload/private.h"

#include <openssl/evp.h>

/* One request. */
struct tus {
    int refs; /* the request, and each reply that is awaited: it may come after the connection went away */
    struct http_request *req;
    struct uploads *all;
    struct upload *upload; /* a reference */
    uint64_t generation;   /* ours, while we may write */
    bool creating;         /* a POST: answers 201 */
    bool asking;           /* a HEAD: answers 200 */
    bool has_body;
    int64_t start;         /* offset before this request */
    EVP_MD_CTX *checksum;  /* NULL: none asked for */
    unsigned char want[EVP_MAX_MD_SIZE];
    ptrdiff_t want_len;
    struct err err;        /* what went wrong while bytes came in */
    struct upload **parts; /* to join, claimed for `upload`: references; NULL at the end */
};

/* ---- tus_answer.c ---- */
struct http_response *tus_answer(struct http_request *req, int status);
struct http_response *tus_refusal(struct http_request *req, int status, const char *text);
enum http_next tus_refuse_as(struct http_request *req, int status, const char *text); /* answers */
/* Refusals that the Assembly causes are JSON (api-tus.md 6). */
struct http_response *tus_refusal_json(struct http_request *req, int status, const struct err *err);
enum http_next tus_refuse_json(struct http_request *req, const struct err *err); /* answers */
void tus_add_expires(struct http_response *r, const struct upload *p);
void tus_add_number(struct http_response *r, const char *name, int64_t n);
/* To HEAD; to any other request that went well. Locked by the caller. */
struct http_response *tus_head_answer(struct http_request *req, const struct upload *p);
struct http_response *tus_progress_answer(struct tus *t);
bool tus_version_ok(struct http_request *req);

/* In begin, before anything else: http_data() is the struct uploads before, and the struct tus from then on.
 * tus_on_done() lets go of it. */
struct tus *tus_new(struct http_request *req);
void tus_unref(struct tus *t); /* NULL is fine */
/* For a reply or a thread that will use t and its request; and when it has done so. */
void tus_await(struct tus *t);
void tus_awaited(struct tus *t);

/* ---- tus_bytes.c ---- */
/* All bytes are in: the file becomes a blob and goes to the conductor. Locked by the caller, who returns what comes
 * back. */
enum http_next tus_finish(struct tus *t);
MUST_CHECK int tus_begin_checksum(struct tus *t, const char *header); /* Upload-Checksum. -1: malformed */
/* May there be so many more bytes of a partial upload? */
MUST_CHECK int tus_parts_check(struct upload *p, int64_t more, struct err *err);
/* The request holds its upload no more. Locked by the caller. */
void tus_let_go(struct tus *t);
/* The final upload is over and done with: its parts are used up, or free again. */
void tus_settle_parts(struct tus *t, enum upload_state state);
/* body, end and done of the handlers that take bytes; done also of the others that have a struct tus. */
int tus_on_body(struct http_request *req, const char *data, size_t len);
enum http_next tus_on_end(struct http_request *req);
void tus_on_done(struct http_request *req, enum http_outcome outcome);

/* ---- tus_join.c ---- */
/* Upload-Concat: final;url url - claims all of them, before a byte is copied. -1: answered, and none
 * is kept (on_done). */
MUST_CHECK int tus_claim_parts(struct tus *t, const char *list);
/* The Assembly wants it: its parts are copied. t is awaited. */
void tus_join_later(struct tus *t);
