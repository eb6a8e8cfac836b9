/* sftp.h - a server's files by SFTP (ssh.h has the login), for Robots of the family sftp. */
#pragma once
#include "transfer/remote.h"

struct sftp_place {
    const char *credentials, *host, *user, *public_key, *private_key, *passphrase, *password,
        *host_key;
    int64_t port;
};
extern const struct option sftp_place_options[];
MUST_CHECK int sftp_place_check(const struct sftp_place *p, bool partial, struct err *err);
#define SFTP_KEYS "sftp_key sftp_known_hosts" /* for the Robot's record */
#define SFTP_PATH_MAX 1024

struct sftp;
struct sftp_how {
    const char *mode; /* of a file that is stored: octal digits; NULL: as the server has it */
    const struct store_urls *urls; /* of a store; lent */
};
/* Connects when there is something to do. place is lent. The caller gives *out to sftp_close(). */
MUST_CHECK int sftp_open(struct sftp **out, struct robot_job *job, const struct sftp_place *place,
                         const struct sftp_how *how, struct err *err);
void sftp_close(struct sftp *s);
DEFINE_AUTO(struct sftp *, sftp_close)

/* A file is written under another name beside its own, and renamed. One that is there already makes
 * room for a moment. Its ctx is a struct sftp. */
extern const struct remote_protocol sftp_protocol;
/* Directories are listed whole, one a page; links, devices and sockets in them are passed by. */
struct sftp_import {
    const struct sftp_place *place;
    struct sftp *sftp; /* of sftp_service */
};
extern const struct import_service sftp_service; /* ctx: struct sftp_import, of which the place is set */
/* Robot.trial. */
MUST_CHECK int sftp_trial(struct sftp *s, struct err *err);
