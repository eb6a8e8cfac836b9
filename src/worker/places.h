/* places.h - how many cells may be connected to one host at a time. A place is a lock that the cell's init holds on a
 * file that the zygote made: it is gone with the init, however that ends, and nobody has to be told. A cell has one
 * place at the most, and with it PLACES_MORE at the same host: so many a worker that was taken over can keep from
 * others, and no more. Who waits says so by a lock as well, which those see that keep a connection in case of another
 * job; a false one costs them that. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

#define PLACES_MORE 3

struct places {
    int fd;   /* the file; -1: nobody counts */
    int most; /* at one host */
    long long held, wanted;      /* -1: none */
    long long more[PLACES_MORE]; /* beside held */
    int more_count;
};

/* In the zygote. -1, as 0 to 2: nobody counts. */
int places_file(int most);
struct places places_of(int fd, int most); /* in the init */

/* Is this address a question about a place (transfer/place.h)? */
bool places_asked(const struct sockaddr_storage *to, socklen_t len);
/* Its answer: 0 or an errno. Does not block. */
int places_answer(struct places *p, const struct sockaddr_storage *to, socklen_t len);
