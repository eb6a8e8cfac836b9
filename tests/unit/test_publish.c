#include "base/auto.h"
#include "conductor/publish.h"
#include "unit.h"

#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"

/* Kinds differ in how they are spoken to. */
struct ear {
    struct listener l;
    char last[64];
    int heard, ended;
    bool leaves; /* at the next event */
};

static int encoded;

static struct shared_text *as(char kind, const struct told *e)
{
    AUTO(mem_free) char *text = mem_printf("%c:%d:%s", kind, e->id, e->name);

    encoded++;
    return shared_text_new(text, strlen(text));
}

static struct shared_text *as_a(const struct told *e) { return as('a', e); }
static struct shared_text *as_b(const struct told *e) { return as('b', e); }
static struct shared_text *as_c(const struct told *e) { return as('c', e); }
static struct shared_text *as_d(const struct told *e) { return as('d', e); }

static int hear(struct listener *l, struct shared_text *text)
{
    struct ear *ear = (struct ear *)l;

    ear->heard++;
    snprintf(ear->last, sizeof ear->last, "%s", text->s);
    return ear->leaves ? -1 : 0;
}

static void end(struct listener *l) { ((struct ear *)l)->ended++; }

static const struct listener_kind kinds[] = {{as_a, hear, NULL, end},
                                             {as_b, hear, NULL, end},
                                             {as_c, hear, NULL, end},
                                             {as_d, hear, NULL, end}};
#define KINDS 4

static void each_kind_of_listener_is_told_in_its_own_form(void **state)
{
    AUTO(published_unref) struct published *p = published_new(ID);
    struct ear ears[KINDS * 2] = {0};

    for (int i = 0; i < KINDS * 2; i++) {
        ears[i].l.kind = &kinds[i % KINDS];
        published_listen(p, &ears[i].l, -1);
    }
    published_tell(p, "assembly_upload_finished", "{}");
    for (int i = 0; i < KINDS * 2; i++) {
        char want[64];

        snprintf(want, sizeof want, "%c:1:assembly_upload_finished", 'a' + i % KINDS);
        assert_int_equal(ears[i].heard, 1);
        assert_string_equal(ears[i].last, want);
    }
}

static void two_kinds_cost_two_forms_however_many_listen(void **state)
{
    AUTO(published_unref) struct published *p = published_new(ID);
    struct ear ears[100] = {0};

    for (int i = 0; i < 100; i++) {
        ears[i].l.kind = &kinds[i % 2];
        published_listen(p, &ears[i].l, -1);
    }
    encoded = 0;
    published_tell(p, "assembly_upload_finished", "{}");
    assert_int_equal(encoded, 2);
}

static void one_that_has_left_is_told_nothing_more(void **state)
{
    AUTO(published_unref) struct published *p = published_new(ID);
    struct ear stays = {.l.kind = &kinds[0]}, leaves = {.l.kind = &kinds[0], .leaves = true};

    published_listen(p, &stays.l, -1);
    published_listen(p, &leaves.l, -1);
    for (int i = 0; i < 3; i++)
        published_tell(p, "assembly_upload_finished", "{}");
    assert_int_equal(stays.heard, 3);
    assert_int_equal(leaves.heard, 1);
    assert_int_equal(leaves.ended, 1);
    assert_true(published_unlisten(p, &stays.l));
    assert_false(published_unlisten(p, &leaves.l));
    assert_int_equal(stays.ended, 0);
}

static void the_last_event_ends_all_listeners(void **state)
{
    AUTO(published_unref) struct published *p = published_new(ID);
    struct ear ear = {.l.kind = &kinds[0]}, late = {.l.kind = &kinds[1]};

    published_listen(p, &ear.l, -1);
    published_tell(p, "assembly_finished", NULL);
    assert_int_equal(ear.ended, 1);
    published_listen(p, &late.l, -1);
    assert_string_equal(late.last, "b:1:assembly_finished");
    assert_int_equal(late.ended, 1);
}

static void one_that_comes_back_hears_what_it_has_not_heard(void **state)
{
    AUTO(published_unref) struct published *p = published_new(ID);
    struct ear ear = {.l.kind = &kinds[0]};

    for (int i = 0; i < 5; i++)
        published_tell(p, "assembly_upload_finished", "{}");
    published_listen(p, &ear.l, 3);
    assert_int_equal(ear.heard, 2);
    assert_true(published_unlisten(p, &ear.l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_listener_is_told_in_its_own_form),
        cmocka_unit_test(two_kinds_cost_two_forms_however_many_listen),
        cmocka_unit_test(one_that_has_left_is_told_nothing_more),
        cmocka_unit_test(the_last_event_ends_all_listeners),
        cmocka_unit_test(one_that_comes_back_hears_what_it_has_not_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
