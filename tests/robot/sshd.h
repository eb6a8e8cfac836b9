/* sshd.h - a real sshd on this machine that a test starts and ends, and lines to it that break. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sshd {
    int port;
    pid_t pid;
};
/* dir has a key `host` (sshd_key) and a file `authorized`; name is that of its configuration. */
struct sshd sshd_start(const char *dir, const char *name, const char *subsystem);
void sshd_stop(const struct sshd *s);
/* A new pair DIR/NAME: its private half, and the public one without a line break. */
char *sshd_key(const char *dir, const char *name, char **public_half);
char *sshd_at(const char *dir, const char *name); /* DIR/NAME; the caller frees */
char *sshd_read(const char *path);                /* NULL: it is not there */
void sshd_write(const char *path, const char *data, size_t len);
int sshd_listen(int *port); /* anywhere on 127.0.0.1 */

/* A port before that of a server. The first `cuts` connections break after so many bytes: of the
 * client's, or of the server's where `back`. */
struct sshd_line {
    pthread_t thread;
    int listener, port, server_port, cuts;
    int64_t after;
    bool back;
    int connections;
    int wake[2];
};
void sshd_line_start(struct sshd_line *l, int server_port, int cuts, int64_t after);
void sshd_line_end(struct sshd_line *l);
