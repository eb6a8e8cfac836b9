/* tus_text.h - what tus clients write in their headers, read: text in, values out. Knows no request and no upload. */
#pragma once
#include "base/auto.h"
#include "base/id.h"
#include "base/json.h"

#include <openssl/evp.h>
#include <stdint.h>

/* A decimal number without sign, or -1. NULL: -1. */
int64_t tus_size(const char *text);

struct tus_metadata {
    char assembly_id[ID_LEN + 1]; /* "": none was named. Not checked: id_valid() is for the caller */
    char *fieldname, *filename;   /* NULL: absent */
    json_t *user_meta;            /* what is left, an object; never NULL after tus_metadata_read() */
};

/* Upload-Metadata: "key base64,key base64". -1: malformed; what was read before it is in m all the same. m is the
 * caller's to free either way. */
MUST_CHECK int tus_metadata_read(struct tus_metadata *m, const char *text);
void tus_metadata_done(struct tus_metadata m);
DEFINE_AUTO(struct tus_metadata, tus_metadata_done)

/* Upload-Checksum: "ALGORITHM base64". The digest to use, with what is expected in want; NULL: malformed or unknown. */
const EVP_MD *tus_checksum_read(const char *text, unsigned char want[EVP_MAX_MD_SIZE]);

/* Upload-Concat: what follows "final;", urls with blanks between them. The ids they end in, NULL-terminated, each of
 * them valid; NULL: malformed or none. The caller frees it with tus_parts_free(). */
char **tus_parts_read(const char *text);
void tus_parts_free(char **parts); /* NULL is fine */
DEFINE_AUTO(char **, tus_parts_free)
