#include "base/auto.h"
#include "conductor/publish.h"
#include "unit.h"

#include <pthread.h>
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

static int kept_alive;
static int keep(struct listener *l)
{
    kept_alive++;
    return 0;
}

static void who_listens_is_kept_alive_and_nobody_else_is_looked_at(void **state)
{
    static const struct listener_kind kind = {as_a, hear, keep, end};
    struct audience a;
    struct ear ear = {.l.kind = &kind}, other = {.l.kind = &kind};

    audience_init(&a);
    struct published *heard = published_new(ID), *unheard = published_new(ID);
    published_in(heard, &a);
    published_in(unheard, &a);
    assert_null(a.first);
    published_listen(heard, &ear.l, -1);
    published_listen(heard, &other.l, -1);
    published_keep_all_alive(&a, INT64_MAX, 1);
    assert_int_equal(kept_alive, 2);
    assert_true(published_unlisten(heard, &ear.l));
    published_keep_all_alive(&a, INT64_MAX, 1);
    assert_int_equal(kept_alive, 3);
    published_tell(heard, "assembly_finished", NULL);
    assert_null(a.first);
    published_listen(unheard, &ear.l, -1);
    published_unref(unheard); /* with its listeners */
    assert_null(a.first);
    published_unref(heard);
    audience_done(&a);
}

/* ---- the document ---- */

static void put(struct published *p, const struct assembly *a, int index, const char *text)
{
    const struct effect e = {.type = FX_FRAGMENT, .list = LIST_UPLOADS, .index = index, .text = (char *)text};

    published_fragment(p, &e, a);
}

static void be_over(struct published *p, struct assembly *a)
{
    a->state = ASSEMBLY_COMPLETED;
    a->created_us = 1, a->uploaded_us = a->execution_us = 2, a->ended_us = 3;
    published_set_head(p, a, mem_strdup("\"ok\":\"x\""));
}

static void a_document_at_rest_says_what_it_said(void **state)
{
    AUTO(published_unref) struct published *p = published_new(ID);
    AUTO(assembly_free) struct assembly *a = assembly_new(ID);

    published_set_fixed(p, mem_strdup("\"assembly_id\":1"));
    put(p, a, 0, "{\"a\":1}");
    be_over(p, a);
    struct shared_text *live = published_text(p, 200), *refused = published_text(p, 404);
    assert_non_null(strstr(refused->s, ",\"http_code\":404,"));
    assert_in_range(published_rest(p), live->len, live->len + 1000);
    struct shared_text *resting = published_text(p, 200), *other = published_text(p, 404);
    assert_string_equal(resting->s, live->s);
    assert_string_equal(other->s, refused->s);
    put(p, a, 0, "{\"a\":2}"); /* it is read again: until it is whole, it says what it said */
    struct shared_text *between = published_text(p, 200);
    assert_string_equal(between->s, live->s);
    published_set_fixed(p, mem_strdup("\"assembly_id\":1"));
    be_over(p, a);
    struct shared_text *again = published_text(p, 200);
    assert_non_null(strstr(again->s, "{\"a\":2}"));
    assert_int_equal(again->len, live->len);
    struct shared_text *all[] = {live, refused, resting, other, between, again};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        shared_text_unref(all[i]);
}

#define MANY 3000

static void *read_often(void *ctx)
{
    for (int i = 0; i < 60; i++) {
        struct shared_text *t = published_text(ctx, 200);
        size_t n = 0;

        for (const char *s = t->s; (s = strstr(s, "{\"n\":")); s++) {
            assert_int_equal(s[5], s[5 + 70]); /* a piece is whole, be it the old one or the new */
            n++;
        }
        assert_int_equal(n, MANY);
        assert_int_equal(strlen(t->s), t->len);
        shared_text_unref(t);
    }
    return NULL;
}

static void a_large_document_is_whole_while_its_pieces_change(void **state)
{
    AUTO(published_unref) struct published *p = published_new(ID);
    AUTO(assembly_free) struct assembly *a = assembly_new(ID);
    pthread_t readers[2];
    char piece[100];

    for (int round = 0; round < 10; round++) {
        memset(piece, 'a' + round, sizeof piece);
        memcpy(piece, "{\"n\":", 5);
        memcpy(piece + 77, "}", 2);
        for (int i = 0; i < MANY; i++)
            put(p, a, i, piece);
        if (round == 0) {
            published_set_head(p, a, mem_strdup("\"ok\":1"));
            for (int i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&readers[i], NULL, read_often, p), 0);
        }
    }
    be_over(p, a);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    struct shared_text *t = published_text(p, 200);
    assert_null(strstr(t->s, "{\"n\":i")); /* nothing of the rounds before the last */
    assert_non_null(strstr(t->s, "{\"n\":j"));
    shared_text_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_listener_is_told_in_its_own_form),
        cmocka_unit_test(two_kinds_cost_two_forms_however_many_listen),
        cmocka_unit_test(one_that_has_left_is_told_nothing_more),
        cmocka_unit_test(the_last_event_ends_all_listeners),
        cmocka_unit_test(who_listens_is_kept_alive_and_nobody_else_is_looked_at),
        cmocka_unit_test(a_document_at_rest_says_what_it_said),
        cmocka_unit_test(a_large_document_is_whole_while_its_pieces_change),
        cmocka_unit_test(one_that_comes_back_hears_what_it_has_not_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
