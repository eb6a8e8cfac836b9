/* s3_service.h - the services that speak like Amazon S3, and the parameters of their Robots. What
 * differs between them is a row of one table; the rest is one protocol (s3.h). Pure, and in the
 * daemon as well, whose check reads them as run() does. */
#pragma once
#include "robot/robot.h"
#include "transfer/remote.h"

struct s3_service {
    const char *name;     /* that of its Robots and of its type of stored credentials: "wasabi" */
    const char *host;     /* of region */
    const char *regional; /* {region} is replaced. Neither: the parameter `host` must be given */
    const char *region;   /* signed for when nobody names one */
    const char *folder;   /* in front of the bucket where a given host has none: "/storage/v1/s3" */
    struct {
        const char *bucket, *region, *key, *secret;
    } called;        /* its parameters, where not so */
    bool path_style; /* the bucket is never part of the host name */
    bool lookup;     /* who names no region: the bucket is asked for it */
    bool plain;      /* a given host without a scheme is http, as the contract has it */
    bool two_signed; /* signed_url beside signed_ssl_url */
};
extern const struct s3_service s3_services[]; /* name NULL at the end */
/* Of a Robot's name ("/wasabi/store") or a service's own. */
const struct s3_service *s3_service_of(const char *name);
/* Its own address for that region, without a scheme; nothing when it has none. */
void s3_service_host(struct str *out, const struct s3_service *s, const char *region);

#define S3_HOST "s3.amazonaws.com"
#define S3_URL_PREFIX                                                                              \
    "http://{bucket}." S3_HOST "/" /* the contract's default: the service's own address is meant   \
                                    */

/* Where a bucket is, and who asks: parameters of every Robot. */
struct s3_place {
    const char *credentials;
    const char
        *host; /* NULL, "" or S3_HOST: the service's own; with or without scheme, port and folder */
    const char *bucket; /* or space */
    const char *region; /* NULL or "": see s3_service */
    const char *key, *secret, *session_token;
    bool no_vhost, skip_region_lookup;
};
extern const struct option s3_plain_rows[];    /* bucket, host, key, secret */
extern const struct option s3_regional_rows[]; /* and bucket_region */
extern const struct option s3_aws_rows[];      /* of S3 itself */
extern const struct option s3_aws_beyond_rows[];
extern const struct option s3_space_rows[];
extern const struct option s3_app_key_rows[];

/* ---- stores ---- */

enum s3_acl { S3_ACL_OF_BUCKET, S3_ACL_PRIVATE, S3_ACL_PUBLIC_READ };
struct s3_store_opts {
    struct s3_place place;
    struct store_opts store;
    const char *url_prefix;
    int acl;
    bool check_integrity;
    json_t *headers, *tags;
    int64_t sign_urls_for;
};
extern const struct option s3_store_rows[]; /* path, headers, sign_urls_for */
extern const struct option s3_acl_rows[];
/* The default differs: path and headers; the address; with private as the default. */
extern const struct option s3_backblaze_rows[], s3_space_url_rows[], s3_public_url_rows[],
    s3_private_acl_rows[];
extern const struct option s3_aws_store_rows[]; /* what only S3 itself has */
MUST_CHECK int s3_check_store(const struct s3_service *s, const struct s3_store_opts *o,
                              bool partial, struct err *err);

/* ---- imports ---- */

struct s3_import_opts {
    struct s3_place place;
    struct import_opts import;
    const char *start_file_name;
    json_t *range;
};
extern const struct option
    s3_import_rows[]; /* path, recursive, files_per_page, and those of every import */
extern const struct option s3_page_rows[]; /* page_number, return_file_stubs */
extern const struct option s3_start_rows[], s3_range_rows[];
MUST_CHECK int s3_check_import(const struct s3_service *s, const struct s3_import_opts *o,
                               bool partial, struct err *err);
