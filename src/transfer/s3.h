/* s3.h - talking to a bucket of Amazon S3 or of a server that speaks like it. For Robots in
 * workcell-transfer only. */
#pragma once
#include "http/client.h"
#include "http/sigv4.h"
#include "transfer/remote.h"
#include "transfer/s3_service.h"

#include <libxml/tree.h>
#include <stdatomic.h>

#define S3_CALL_HEADERS_MAX 40

struct s3_bucket {
    struct robot_job *job;
    struct http_client *client;
    const struct s3_service *service;
    struct s3_place place;
    const char *name;
    struct sigv4_keys keys;
    const char *scheme;
    const char *host;   /* without scheme and folder; NULL: the service's own, by region */
    const char *folder; /* in front of the bucket: "" or "/storage/v1/s3" */
    bool has_port;
    bool path_style;
    bool settled;    /* its region is known for sure: no answer changes it */
    int64_t skew_us; /* the server's clock minus ours */
};
/* The texts of p are lent for as long as b is used. */
void s3_bucket_init(struct s3_bucket *b, struct robot_job *job, const struct s3_service *service,
                    const struct s3_place *p);
void s3_bucket_done(struct s3_bucket b);
DEFINE_AUTO(struct s3_bucket, s3_bucket_done)
/* Asks the bucket for its region, unless that is known or not wanted. A wrong guess is corrected by
 * the first answer. */
void s3_find_region(struct s3_bucket *b);
/* All that: of the job's Robot, with the place of its parameters. bucket: another one; NULL:
 * theirs. b is zeroed. */
MUST_CHECK int s3_open(struct s3_bucket *b, struct robot_job *job, const struct s3_place *given,
                       const char *bucket, struct err *err);
/* Who answers for the bucket's region, and the path of the key there (NULL: of the bucket itself).
 * The caller frees. */
char *s3_host(const struct s3_bucket *b);
char *s3_path(const struct s3_bucket *b, const char *key);

struct s3_call {
    const char *method;
    const char *key; /* object; NULL: the bucket itself */
    const struct sigv4_pair *query, *headers;
    const char *body; /* text, or */
    int fd;           /* file, when length >= 0 */
    int64_t offset, length;
    const char *sha256; /* of the file's piece; NULL: not known */
    bool error_in_200;  /* CompleteMultipartUpload answers 200 before it knows */
    /* What is sent may change between attempts: called before each. True: the last one got
     * somewhere, so that the attempts are counted anew. */
    bool (*before)(void *ctx);
    /* Of a 2xx answer; on_body gets its body piece by piece, else it is kept, at most 1 MiB. May be
     * NULL. */
    int (*on_head)(void *ctx, int status, const struct http_client_response *r, int64_t length,
                   struct err *err);
    int (*on_body)(void *ctx, const char *data, size_t len, struct err *err);
    void (*on_progress)(void *ctx, double fraction); /* of the file that is sent; may be NULL */
    int (*on_end)(void *ctx, struct err *err); /* as http_client_request has it; may be NULL */
    const atomic_bool *given_up; /* true: no other attempt. May be NULL */
    void *ctx;
};
/* Send until there is a lasting answer; every attempt is signed anew. 0: a 2xx answer is in out.
 * -1: err is set; *code has S3's error code, "" when nothing was heard; *unsure (may
 * be NULL) becomes true when an earlier attempt may have been carried out without our knowing. */
MUST_CHECK int s3_call(struct http_client_response *out, struct s3_bucket *b,
                       const struct s3_call *c, char code[static 64], bool *unsure,
                       struct err *err);

#define S3_PAUSE_MS 400 /* before another attempt: remote_pause() */

/* Follow the clock of the server that gave this answer. False: it does not say the time. */
bool s3_learn_time(struct s3_bucket *b, const struct http_client_response *r);

/* Answers. NULL: no XML, or XML with a DTD. */
xmlDoc *s3_xml(const struct str *text);
void s3_xml_free(xmlDoc *d);
DEFINE_AUTO(xmlDoc *, s3_xml_free)
bool s3_xml_is(const xmlNode *n, const char *name);
char *s3_xml_text(const xmlNode *parent,
                  const char *name); /* of a child; "" when there is none; the caller frees */
