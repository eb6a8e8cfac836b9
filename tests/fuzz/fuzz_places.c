/* What a worker asks its init about places at hosts: a byte of length, then so much of an address, one after the other,
 * of three inits. */
#include "fuzz.h"
#include "transfer/place.h"
#include "worker/places.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST 2

static void ask(struct places *p, const uint8_t *address, size_t len)
{
    struct sockaddr_storage to = {0};
    const struct places before = *p;

    memcpy(&to, address, len);
    if (!places_asked(&to, (socklen_t)len))
        return;
    CHECK(to.ss_family == AF_UNIX && len > strlen(PLACE_NAME));
    int rc = places_answer(p, &to, (socklen_t)len);
    CHECK(rc == 0 || rc == EAGAIN || rc == EINVAL);
    CHECK(p->fd == before.fd && p->most == before.most);
    CHECK(p->held >= -1 && p->wanted >= -1);
    /* who waits holds nothing; and the locks of places and of wishes never meet */
    CHECK(p->held < 0 || p->wanted < 0 || p->held == before.held);
    CHECK(p->held < 0 || p->held % 1024 < MOST);
    CHECK(p->held < 0 || p->wanted < 0 || p->held < p->wanted);
    if (rc == EINVAL)
        CHECK(p->held < 0 && p->wanted < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    int fd = places_file(MOST), none = places_file(0);
    struct places all[] = {places_of(fd, MOST), places_of(fd, MOST), places_of(none, 0)};

    CHECK(fd > 2 && none < 0);
    while (b.left > 2) {
        struct places *p = &all[take_below(&b, ARRAY_LEN(all))];
        size_t len = take_below(&b, sizeof(struct sockaddr_un) + 1);

        if (len > b.left)
            len = b.left;
        uint8_t address[sizeof(struct sockaddr_un)] = {0};
        memcpy(address, b.p, len);
        b.p += len;
        b.left -= len;
        ask(p, address, len);
    }
    close(fd);
    return 0;
}
