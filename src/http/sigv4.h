/* sigv4.h - AWS Signature Version 4 for requests to S3 and what speaks like it: signed headers and
 * presigned URLs. Pure: no network and no clock, so the published examples are the tests.
 *
 * One struct describes a request in plain (decoded) form. What goes over the wire and what is
 * signed are both made from it, so they cannot differ: use sigv4_target() for the address and send
 * exactly the headers that were given plus those that sigv4_sign() adds. */
#pragma once
#include "base/str.h"

#include <stdint.h>

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY_PAYLOAD "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_EXPIRES_MAX_S 604800 /* a presigned URL lives at most a week */

struct sigv4_keys {
    const char *key, *secret;
    const char *session_token; /* NULL or "": none */
    const char *region;        /* "us-east-1" */
    const char *service;       /* "s3" */
};

struct sigv4_pair {
    const char *name, *value; /* name NULL ends a list; value NULL counts as "" */
};

struct sigv4_request {
    const char *method;
    const char *host; /* as in the Host header: with the port unless it is the default */
    const char *path; /* decoded, begins with '/'; each byte is encoded once */
    const struct sigv4_pair *query;   /* decoded, any order; may be NULL */
    const struct sigv4_pair *headers; /* all of them are signed; distinct names; may be NULL */
    const char *payload; /* lower-case hex SHA-256 of the body or SIGV4_UNSIGNED_PAYLOAD */
    int64_t at_us;       /* time of the signature */
};

/* Lower-case hex SHA-256. */
void sigv4_sha256(char out[static 65], const void *data, size_t len);
/* Appends the encoded path and, when there is one, "?" and the sorted query. */
void sigv4_target(struct str *out, const struct sigv4_request *req);
/* Appends the headers to send beside req's own as "Name: value" lines ended by '\n': x-amz-date,
 * x-amz-content-sha256, x-amz-security-token (with a session token) and Authorization. */
void sigv4_sign(struct str *out, const struct sigv4_keys *keys, const struct sigv4_request *req);
/* Appends the path and query of an address that carries its own signature and is good for expires_s
 * seconds from req->at_us (1 to SIGV4_EXPIRES_MAX_S). req->payload is not looked at. */
void sigv4_presign(struct str *out, const struct sigv4_keys *keys, const struct sigv4_request *req,
                   int64_t expires_s);
