/* Places at hosts, between processes as inits are. */
#include "worker/places.h"
#include "transfer/place.h"

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST "00000000000000aa"
#define OTHER "00000000000000bb"

static socklen_t question(struct sockaddr_storage *out, const char *key)
{
    struct sockaddr_un *un = (struct sockaddr_un *)out;

    memset(out, 0, sizeof *out);
    un->sun_family = AF_UNIX;
    int n = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "%s%s", PLACE_NAME, key);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static int ask(struct places *p, const char *key)
{
    struct sockaddr_storage to;
    socklen_t len = question(&to, key);

    assert_true(places_asked(&to, len));
    return places_answer(p, &to, len);
}

/* An init of its own: does what it is told by lines, and says the result as a byte. */
struct other {
    pid_t pid;
    int in, out;
};

static struct other other_start(int fd, int most)
{
    int to[2], from[2];
    struct other o;

    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    o.pid = fork();
    if (o.pid == 0) {
        struct places p = places_of(fd, most);
        char key[17] = "";

        while (read(to[0], key, 16) == 16) {
            unsigned char rc = (unsigned char)ask(&p, *key == '-' ? "" : *key == '?' ? PLACE_WANTED : key);

            if (write(from[1], &rc, 1) != 1)
                break;
        }
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    o.in = to[1];
    o.out = from[0];
    return o;
}

static int tell(const struct other *o, const char *key)
{
    unsigned char rc = 0xff;

    assert_int_equal(write(o->in, key, 16), 16);
    assert_int_equal(read(o->out, &rc, 1), 1);
    return rc;
}

static void other_end(struct other *o)
{
    close(o->in);
    close(o->out);
    kill(o->pid, SIGKILL);
    waitpid(o->pid, NULL, 0);
}

static void a_host_has_so_many_places_and_one_that_is_killed_leaves_its_own(void **state)
{
    (void)state;
    int fd = places_file(2);
    struct other a = other_start(fd, 2), b = other_start(fd, 2), c = other_start(fd, 2);

    assert_true(fd > 2);
    assert_int_equal(tell(&a, HOST), 0);
    assert_int_equal(tell(&b, HOST), 0);
    assert_int_equal(tell(&c, HOST), EAGAIN);
    assert_int_equal(tell(&c, OTHER), 0); /* another host has its own */
    assert_int_equal(tell(&c, HOST), EAGAIN);
    other_end(&a);
    assert_int_equal(tell(&c, HOST), 0);
    assert_int_equal(tell(&b, "----------------"), 0); /* given back */
    struct other d = other_start(fd, 2);
    assert_int_equal(tell(&d, HOST), 0);
    other_end(&b);
    other_end(&c);
    other_end(&d);
    close(fd);
}

static void nobody_has_more_than_one_place_however_often_it_asks(void **state)
{
    (void)state;
    int fd = places_file(2);
    struct other greedy = other_start(fd, 2), a = other_start(fd, 2), b = other_start(fd, 2);

    for (int i = 0; i < 10; i++)
        assert_int_equal(tell(&greedy, HOST), 0);
    assert_int_equal(tell(&a, HOST), 0);
    assert_int_equal(tell(&b, HOST), EAGAIN);
    assert_int_equal(tell(&greedy, OTHER), 0); /* which gives the first one back */
    assert_int_equal(tell(&b, HOST), 0);
    other_end(&greedy);
    other_end(&a);
    other_end(&b);
    close(fd);
}

static void who_has_a_place_may_have_some_more_that_are_free_and_gives_them_back(void **state)
{
    (void)state;
    int fd = places_file(6);
    struct places p = places_of(fd, 6);
    struct other a = other_start(fd, 6), b = other_start(fd, 6), c = other_start(fd, 6);

    assert_int_equal(ask(&p, HOST), 0);
    for (int i = 0; i < PLACES_MORE; i++)
        assert_int_equal(ask(&p, PLACE_MORE), 0);
    assert_int_equal(ask(&p, PLACE_MORE), EAGAIN); /* so many and no more, though two are free */
    assert_int_equal(tell(&a, HOST), 0);
    assert_int_equal(tell(&b, HOST), 0);
    assert_int_equal(tell(&c, HOST), EAGAIN);
    assert_int_equal(ask(&p, PLACE_FEWER), 0);
    assert_int_equal(p.more_count, 0);
    assert_int_equal(tell(&c, HOST), 0);
    assert_int_equal(ask(&p, PLACE_MORE), 0);
    assert_int_equal(ask(&p, PLACE_MORE), 0);
    assert_int_equal(ask(&p, PLACE_MORE), EAGAIN); /* the host is full */
    assert_int_equal(ask(&p, OTHER), 0);           /* elsewhere: all of them are given back */
    assert_int_equal(p.more_count, 0);
    struct other d = other_start(fd, 6), e = other_start(fd, 6), f = other_start(fd, 6);
    assert_int_equal(tell(&d, HOST), 0);
    assert_int_equal(tell(&e, HOST), 0);
    assert_int_equal(tell(&f, HOST), 0);
    assert_int_equal(ask(&p, PLACE_MORE), 0);
    assert_int_equal(ask(&p, ""), 0);
    assert_int_equal(ask(&p, PLACE_MORE), EAGAIN); /* than none */
    for (struct other *all[] = {&a, &b, &c, &d, &e, &f}, **o = all; o < all + 6; o++)
        other_end(*o);
    close(fd);
}

static void what_is_no_question_is_none_and_nonsense_takes_nothing(void **state)
{
    (void)state;
    int fd = places_file(1);
    struct places p = places_of(fd, 1);
    struct sockaddr_storage to;
    socklen_t len = question(&to, HOST "0"); /* a digit too many */

    assert_false(places_asked(&to, len));
    len = question(&to, HOST);
    assert_false(places_asked(&to, len - 17)); /* cut off in the name */
    ((struct sockaddr_un *)&to)->sun_path[0] = '/';
    assert_false(places_asked(&to, len)); /* a file */
    len = question(&to, HOST);
    to.ss_family = AF_INET;
    assert_false(places_asked(&to, len));
    assert_int_equal(ask(&p, "00zz"), EINVAL);
    assert_int_equal(ask(&p, "00"), EINVAL);
    assert_int_equal(ask(&p, PLACE_MORE), EAGAIN); /* than none */
    assert_int_equal(p.held, -1);
    assert_int_equal(ask(&p, HOST), 0);
    assert_true(p.held >= 0);
    close(fd);
}

static void who_waits_is_seen_by_who_has_the_place_and_by_nobody_else(void **state)
{
    (void)state;
    int fd = places_file(1);
    struct other holder = other_start(fd, 1), waiter = other_start(fd, 1), third = other_start(fd, 1);
    const char *wanted = "????????????????", *back = "----------------";

    assert_int_equal(tell(&holder, wanted), 0); /* it has none */
    assert_int_equal(tell(&holder, HOST), 0);
    assert_int_equal(tell(&third, OTHER), 0);
    assert_int_equal(tell(&holder, wanted), 0);
    assert_int_equal(tell(&waiter, HOST), EAGAIN);
    assert_int_equal(tell(&holder, wanted), EAGAIN);
    assert_int_equal(tell(&third, wanted), 0);       /* it is another host */
    assert_int_equal(tell(&third, HOST), EAGAIN);    /* two may wait, */
    assert_int_equal(tell(&waiter, back), 0);        /* and one gives up */
    assert_int_equal(tell(&holder, wanted), EAGAIN);
    other_end(&third); /* or is killed */
    assert_int_equal(tell(&holder, wanted), 0);
    assert_int_equal(tell(&waiter, HOST), EAGAIN);
    assert_int_equal(tell(&holder, back), 0);
    assert_int_equal(tell(&waiter, HOST), 0);
    assert_int_equal(tell(&waiter, wanted), 0); /* whoever has it does not wait any more */
    other_end(&holder);
    other_end(&waiter);
    close(fd);
}

static void where_nobody_counts_every_place_is_free(void **state)
{
    (void)state;
    struct places p = places_of(places_file(0), 0);

    assert_int_equal(ask(&p, HOST), 0);
    assert_int_equal(ask(&p, PLACE_MORE), 0);
    assert_int_equal(p.held, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_has_so_many_places_and_one_that_is_killed_leaves_its_own),
        cmocka_unit_test(nobody_has_more_than_one_place_however_often_it_asks),
        cmocka_unit_test(who_has_a_place_may_have_some_more_that_are_free_and_gives_them_back),
        cmocka_unit_test(what_is_no_question_is_none_and_nonsense_takes_nothing),
        cmocka_unit_test(who_waits_is_seen_by_who_has_the_place_and_by_nobody_else),
        cmocka_unit_test(where_nobody_counts_every_place_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
