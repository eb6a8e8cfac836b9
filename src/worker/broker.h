/* broker.h - connections of a worker with a network are made by its init. A worker that a server's answer has taken
 * over can call connect() with any address; the kernel asks us (seccomp's user notification), and we connect the
 * worker's own socket to the address as we read it, if http/guard.h allows that one: public addresses, what the
 * operator allows, and the machine's name servers. There is no moment at which the worker could change it. */
#pragma once
#include "base/err.h"
#include "worker/places.h"

#include <poll.h>

struct broker;
#define BROKER_POLLS 33 /* most descriptors that it waits for */

/* In the worker: give the listener (closed) of calls_confine() to the init through socket, which is closed, too. */
MUST_CHECK int broker_hand_over(int socket, int listener, struct err *err);

/* A local socket that may be reached by its path, which is of the root that the init leaves behind.
 * dir: of its directory, so that a server that is started again is found under the same name; -1:
 * there is none. */
struct broker_local {
    const char *path; /* absolute; lent */
    int dir;
};
/* Before the init's root is built. path NULL: none. */
struct broker_local broker_local(const char *path);

/* In the init. places: what answers for places at hosts. socket: where the listener will come, owned; -1: there is
 * none, and the other calls do nothing. allow: a list as for guard_allows(); lent. local: a socket of this machine
 * that may be reached as well, from broker_local(). Reads the name servers of /etc/resolv.conf. */
struct broker *broker_new(int socket, const char *allow, struct broker_local local, struct places places);
/* What to poll for; returns how many. */
nfds_t broker_polls(const struct broker *b, struct pollfd *out);
/* Deal with what poll() said of those n. Does not block. */
void broker_serve(struct broker *b, const struct pollfd *polled, nfds_t n);
