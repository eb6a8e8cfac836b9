/* What a workspace occupies and has used: GET /queues/job_slots, GET /bill/{month}. Contract:
 * api-resources.md 3 and 4. */
#include "api/call.h"
#include "api/routes.h"
#include "conductor/conductor.h"
#include "config.h"
#include "store/store.h"

#include <string.h>

static void told(void *ctx, const struct err *err, struct published *p)
{
    (void)p;
    call_answer(ctx, err);
}

/* GET /queues/work: ours. What runs where, and what waits. */
int queues_work(struct call *c, struct err *err)
{
    (void)err;
    call_say(c, "The workers and queues were found.");
    conductor_work(c->app->conductor, c->auth.key->workspace, c->body, told, c);
    return 0;
}

int job_slots(struct call *c, struct err *err)
{
    json_t *slots = json_object();

    (void)err;
    json_object_set_new(c->body, "priority_job_slots", slots);
    conductor_job_slots(c->app->conductor, c->auth.key->workspace, slots, told, c);
    return 0;
}

/* ---- the bill ---- */

struct bill {
    json_t *robots;
    const char *region;
    double used;
};

static double gb(int64_t bytes) { return (double)bytes / (1 << 30); }

static void add_robot(void *ctx, const struct store_usage *u)
{
    struct bill *b = ctx;
    const struct robot *r = robot_find(u->robot);
    double factor = r && r->price_factor > 0 ? 1 / r->price_factor : 0;

    b->used += gb(u->bytes);
    json_object_set_new(b->robots, u->robot,
                        json_pack("{s:f,s:f,s:i,s:i,s:f,s:f,s:[{s:f,s:f,s:f,s:i,s:s}]}", "rawGb",
                                  gb(u->raw_bytes), "gb", gb(u->bytes), "freeGb", 0, "discountedGb",
                                  0, "gbFactorApplied", gb(u->bytes), "factor", factor,
                                  "by_region_and_factor", "factor", factor, "rawGb",
                                  gb(u->raw_bytes), "gbFactorApplied", gb(u->bytes), "freeGb", 0,
                                  "region", b->region));
}

/* Writes YYYY-MM; the official CLI asks for this month as 2031-5. */
static bool read_month(char out[8], const char *s)
{
    size_t digits = strlen(s) > 5 && s[4] == '-' && strspn(s, "0123456789") == 4
                        ? strspn(s + 5, "0123456789")
                        : 0;
    int month = digits >= 1 && digits <= 2 && !s[5 + digits] ? atoi(s + 5) : 0;

    if (month < 1 || month > 12)
        return false;
    snprintf(out, 8, "%.4s-%02d", s, month);
    return true;
}

static json_t *plan_of(const struct config *c)
{
    return json_pack(
        "{s:s,s:s,s:s,s:i,s:i,s:i,s:I,s:I,s:I,s:i,s:i,s:i,s:i,s:s,s:i}", "id", "self-hosted",
        "title", "Self-hosted", "slug", "self-hosted", "price_per_month", 0, "gb_included", 0,
        "gb_limit", 0, "file_size_limit_in_gb", (json_int_t)(c->max_upload_size >> 30),
        "max_jobs_simulteneous", (json_int_t)c->priority_jobs, "num_concurrent_priority_jobs",
        (json_int_t)c->priority_jobs, "num_concurrent_batch_job_slots", 0, "num_seats", 0,
        "has_lifetime_limit", 0, "price_per_gb", 0, "currency", "USD", "published", 0);
}

int bill_read(struct call *c, struct err *err)
{
    static const char *const texts[] = {"email",
                                        "company",
                                        "address_1",
                                        "address_2",
                                        "zip",
                                        "city",
                                        "state",
                                        "country",
                                        "country_id",
                                        "vat_id",
                                        "to_contact_email_address"};
    static const char *const zeros[] = {"sub_total",
                                        "additional_gb",
                                        "additional_gb_fee",
                                        "final_sub_total",
                                        "reward_discount_percent",
                                        "reward_discount",
                                        "coupon_discount_percent",
                                        "coupon_discount",
                                        "signup_discount_percent",
                                        "signup_discount",
                                        "credit",
                                        "bill_limit",
                                        "vat_rate",
                                        "vat",
                                        "total"};
    const char *asked = http_path_arg(c->req, 0), *workspace = c->auth.key->workspace;
    char month[8];
    struct bill b = {json_object(), c->app->config->region, 0};
    char created[32];

    json_object_set_new(c->body, "robots", b.robots);
    if (!read_month(month, asked))
        return err_set(err, ERR_NOT_FOUND, "A bill is of a month like 2031-05, not of '%.50s'",
                       asked);
    if (store_bill(c->app->list_reader, workspace, month, add_robot, &b, err) < 0)
        return -1;
    snprintf(created, sizeof created, "%.7s-01T00:00:00.000Z", month);
    AUTO(mem_free) char *invoice = mem_printf("%.8s-%s", workspace, month);
    jset(c->body, "message", "The bill was found.");
    jset(c->body, "invoice_id", invoice);
    jset(c->body, "to", workspace);
    jset(c->body, "month", month);
    jset(c->body, "created", created);
    jset(c->body, "currency", "USD");
    json_object_set_new(c->body, "plan", plan_of(c->app->config));
    json_object_set_new(c->body, "used_gb", json_real(b.used));
    json_object_set_new(c->body, "is_prorated", json_false());
    json_object_set_new(c->body, "reverse_charge_vat", json_false());
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        json_object_set_new(c->body, texts[i], json_null());
    for (size_t i = 0; i < ARRAY_LEN(zeros); i++)
        json_object_set_new(c->body, zeros[i], json_integer(0));
    return 0;
}
