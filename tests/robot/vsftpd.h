/* vsftpd.h - a real vsftpd on this machine that a test starts and ends. It lets "anonymous" in with
 * the password "letmein", runs as whoever runs the test, and encrypts for who asks for it with a
 * certificate of a CA of its own. */
#pragma once
#include <sys/types.h>

struct vsftpd {
    char dir[64]; /* root/ is what it shows; log, ca.pem */
    int port;
    pid_t pid;
};
/* more: further lines of its configuration. */
void vsftpd_start(struct vsftpd *v, const char *more);
void vsftpd_stop(struct vsftpd *v);                          /* and removes dir */
char *vsftpd_at(const struct vsftpd *v, const char *name);   /* DIR/root/NAME; the caller frees */
char *vsftpd_ca(const struct vsftpd *v);                     /* PEM */
int vsftpd_logged(const struct vsftpd *v, const char *what); /* how many lines of the log hold it */
