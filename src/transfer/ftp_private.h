/* ftp_private.h - what the two halves of FTP share: ftp.c (calls, errors, stores) and ftp_import.c.
 */
#pragma once
#include "transfer/ftp.h"
#include "transfer/guarded.h"
#include "transfer/walk.h"

struct ftp {
    struct robot_job *job;
    const struct ftp_place *place;
    const struct store_urls *urls;
    CURL *curl;
    CURLM *multi; /* has the connection, which stays between calls */
    struct guarded guarded;
    char text[CURL_ERROR_SIZE]; /* what curl says of a failure */
    char reply[200];            /* the server's last line */
    long status;                /* and its number, of the last call */
    struct remote_file *file;   /* that is being sent; NULL: none */
    int64_t sent;               /* bytes of it */
    int read_errno;
    bool no_mlsd;      /* it does not know that */
    struct walk walk;
};

/* A call for path ("" none) begins: all options are those that every call has. */
void ftp_begin(struct ftp *f, const char *path);
CURLcode ftp_perform(struct ftp *f);
/* rc of the last call, which was for `what` ("store 'a/b'"): an error that says why. Returns -1. */
int ftp_fail(struct ftp *f, CURLcode rc, const char *what, struct err *err);
/* Another attempt may end otherwise. */
bool ftp_may_pass(const struct ftp *f, CURLcode rc);
