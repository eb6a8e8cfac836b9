/* sftp_private.h - what the two halves of SFTP share: sftp.c (errors, paths, stores) and
 * sftp_import.c. */
#pragma once
#include "transfer/ssh.h"
#include "transfer/walk.h"

struct sftp {
    struct robot_job *job;
    const struct sftp_place *place;
    struct sftp_how how;
    struct ssh *ssh;
    LIBSSH2_SFTP *channel; /* since sftp_begin(); NULL after a failure that broke it */
    struct walk walk;
    bool failed; /* a call that may have left something open at the other side */
};

/* There is a channel. */
MUST_CHECK int sftp_begin(struct sftp *s, bool *again, struct err *err);
/* rc of a call for `what` ("store 'a/b'"): an error that says why, a broken connection dropped.
 * Returns -1. */
int sftp_fail(struct sftp *s, int rc, const char *what, bool *again, struct err *err);
/* Did the server refuse with this (LIBSSH2_FX_...)? */
bool sftp_refused(struct sftp *s, int rc, unsigned long why);
/* rc is 0 or why not. */
LIBSSH2_SFTP_HANDLE *sftp_handle(struct sftp *s, int *rc, const char *path, unsigned long flags,
                                 long mode, int type);
/* Frees it; rc of that. NULL is fine. */
int sftp_shut(struct sftp *s, LIBSSH2_SFTP_HANDLE *h);
int sftp_stat(struct sftp *s, const char *path, int how, LIBSSH2_SFTP_ATTRIBUTES *attrs);
