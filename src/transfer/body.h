/* body.h - the bytes of a remote file on their way into ours, once for all protocols: where they go, how many were
 * announced, how many are allowed, what they add up to, and whether another attempt got any further. A protocol says
 * what the other side announced; here it is held to that. In workcell-transfer only. */
#pragma once
#include "transfer/remote.h"

struct body {
    struct remote_import_file *file;
    const char *shown;  /* what is fetched, in messages */
    double from, share; /* of it in the file's progress */
    const char *digest; /* of all bytes in their order: "MD5", "sha1"; NULL: none is wanted */
    /* Every byte in its order; data NULL: from the beginning (again). May be NULL. */
    void (*on_bytes)(void *ctx, const void *data, size_t len);
    void *ctx;

    /* For reading. Places are those in our file. A file comes in one piece, unless it is put together from ranges. */
    int64_t begin, size; /* of this piece: its first byte, and one past its last; size -1: nobody said */
    int64_t at;          /* where the next byte goes */
    int64_t stop;        /* where the answer under way ends; -1: it does not say */
    int64_t end;         /* one past the last byte there is */
    /* of body.c */
    int64_t kept, far; /* end before this piece; bytes of it when attempts were last counted anew */
    int moves;
    struct evp_md_ctx_st *md;
};
void body_done(struct body b);
DEFINE_AUTO(struct body, body_done)

/* All of the file comes, from its first byte: what came before is forgotten, and our file, when it is open, emptied.
 * size -1: not announced. Errors: remote_too_large(), our own disk. */
MUST_CHECK int body_starts_over(struct body *b, int64_t size, struct err *err);
/* Another piece comes. Digests are those of whole files only. */
void body_piece(struct body *b);
/* An answer says where it lies; size -1: not its end. */
void body_lies(struct body *b, int64_t begin, int64_t size);
/* The answer under way ends at stop. Errors: remote_too_large(). */
MUST_CHECK int body_expect(struct body *b, int64_t stop, struct err *err);
/* Does an answer with this Content-Range (NULL: it has none) go on with the file where it stopped? What it says of size
 * and stop is kept then. */
bool body_goes_on(struct body *b, const char *content_range);
/* What came of this piece does not count: it begins anew. */
void body_back(struct body *b);
/* The next bytes. Errors: remote_fail() (more than were announced), remote_too_large(), our own disk. */
MUST_CHECK int body_take(struct body *b, const char *data, size_t len, struct err *err);
/* Is the piece there, as far as anybody said how long it is? */
bool body_is_whole(const struct body *b);
/* To be asked after each attempt: did it bring the piece so much further than any before that attempts are counted
 * anew? Not for ever. */
bool body_moved(struct body *b);
/* Nothing of a longer, broken attempt stays behind the last byte. */
MUST_CHECK int body_cut(struct body *b, struct err *err);
/* Is the digest of the whole file this one, in hexadecimal digits? Once. */
bool body_is(struct body *b, const char *hex);
