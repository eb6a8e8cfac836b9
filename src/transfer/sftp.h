/* sftp.h - a server's files by SFTP (libcurl over libssh2), for Robots of the family sftp.
 *
 * Who logs in: the private key or the password of the stored credentials, else the server's own key
 * (setting sftp_key). Whom it talks to: with the setting sftp_known_hosts only hosts with a key in
 * that file. Without it any host that has the name; a key login gives such a host nothing that it
 * could use elsewhere, a password would, and is not sent then. */
#pragma once
#include "transfer/remote.h"

struct sftp_place {
    const char *credentials, *host, *user, *public_key, *private_key, *password;
    int64_t port;
};
extern const struct option sftp_place_options[];
MUST_CHECK int sftp_place_check(const struct sftp_place *p, bool partial, struct err *err);
#define SFTP_KEYS "sftp_key sftp_known_hosts" /* for the Robot's record */
#define SFTP_PATH_MAX 1024

struct sftp;
/* Connects when there is something to do. place is lent; mode: octal digits of the files' mode,
 * NULL: as the server has it. The caller gives *out to sftp_close(). */
MUST_CHECK int sftp_open(struct sftp **out, struct robot_job *job, const struct sftp_place *place,
                         const char *mode, const struct store_urls *urls, struct err *err);
void sftp_close(struct sftp *s);
DEFINE_AUTO(struct sftp *, sftp_close)

/* A file is written under another name beside its own, and renamed. One that is there already makes
 * room for a moment. Its ctx is a struct sftp. */
extern const struct remote_protocol sftp_protocol;
/* Robot.trial. */
MUST_CHECK int sftp_trial(struct sftp *s, struct err *err);
