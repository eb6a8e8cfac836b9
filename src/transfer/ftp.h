/* ftp.h - a server's files by FTP (libcurl), for Robots of the family ftp.
 *
 * Passive only: no server is asked to connect to us, and where it says that its data lie is not
 * believed but for the port (CURLOPT_FTP_SKIP_PASV_IP). Each socket passes the guard. With `secure`
 * login and data are encrypted (AUTH TLS; at port 990 from the first byte), or nothing is sent;
 * whose certificate it is is checked against the system's and ftp_ca. */
#pragma once
#include "transfer/remote.h"

struct ftp_place {
    const char *credentials, *host, *user, *password;
    int64_t port;
    bool secure;
};
extern const struct option ftp_place_options[];
/* The row `secure` for the struct ftp_place that is T's member m; why: it is beyond the contract,
 * NULL: it is not. */
#define FTP_SECURE_OPTION(T, m, why)                                                               \
    {                                                                                              \
        .name = "secure", .type = OPT_TYPE_BOOL, .offset = offsetof(T, m.secure), .beyond = (why), \
        .help = "Encrypt login and data (TLS), or send nothing; at port 990 from the first byte."  \
    }
MUST_CHECK int ftp_place_check(const struct ftp_place *p, bool partial, struct err *err);
#define FTP_KEYS "ftp_ca" /* for the Robot's record */
#define FTP_PATH_MAX 1024
#define FTP_IMPLICIT_PORT 990

struct ftp;
/* Connects when there is something to do. Both are lent; urls: of a store. The caller gives *out to
 * ftp_close(). */
MUST_CHECK int ftp_open(struct ftp **out, struct robot_job *job, const struct ftp_place *place,
                        const struct store_urls *urls, struct err *err);
void ftp_close(struct ftp *f);
DEFINE_AUTO(struct ftp *, ftp_close)

/* A file is written under another name beside its own, its size is asked for, and it is renamed.
 * Its ctx is a struct ftp. */
extern const struct remote_protocol ftp_protocol;
/* Directories with all that lie below them; by MLSD, or LIST in the forms of ftp_list.h. */
struct ftp_import {
    const struct ftp_place *place;
    struct ftp *ftp; /* of ftp_service */
};
extern const struct import_service ftp_service; /* ctx: struct ftp_import, of which the place is set */
/* Robot.trial. */
MUST_CHECK int ftp_trial(struct ftp *f, struct err *err);
