#include "transfer/s3_service.h"

#include <string.h>

/* Hosts and regions are those of the services' own documentation. Where path style always goes it
 * is used: the other one needs a certificate for each bucket's name, or a server that was told of
 * its own domain. */
const struct s3_service s3_services[] = {
    {.name = "backblaze", /* which region an account is in, it says itself (s3_backblaze.c) */
     .regional = "s3.{region}.backblazeb2.com",
     .region = "us-west-004",
     .called = {.key = "app_key_id", .secret = "app_key"}},
    {.name = "cloudflare", .region = "auto", .path_style = true},
    {.name = "digitalocean",
     .regional = "{region}.digitaloceanspaces.com",
     .region = "us-east-1",
     .called = {.bucket = "space", .region = "region"}},
    {.name = "mega",
     .regional = "s3.{region}.s4.mega.io",
     .region = "eu-central-1",
     .path_style = true},
    {.name = "minio", .region = "us-east-1", .path_style = true, .lookup = true},
    {.name = "s3",
     .host = S3_HOST,
     .regional = "s3.{region}.amazonaws.com",
     .region = "us-east-1",
     .lookup = true,
     .plain = true,
     .two_signed = true},
    {.name = "supabase",
     .region = "us-east-1",
     .folder = "/storage/v1/s3",
     .path_style = true,
     .lookup = true},
    {.name = "swift", .region = "us-east-1", .path_style = true, .lookup = true},
    {.name = "tigris", .host = "fly.storage.tigris.dev", .region = "auto"},
    {.name = "wasabi",
     .regional = "s3.{region}.wasabisys.com",
     .region = "us-east-1",
     .lookup = true},
    {0},
};

const struct s3_service *s3_service_of(const char *name)
{
    const char *word = name + (*name == '/');
    size_t n = strcspn(word, "/");
    const struct s3_service *s = s3_services;

    while (s->name && (strlen(s->name) != n || strncmp(s->name, word, n) != 0))
        s++;
    return s->name ? s : NULL;
}

void s3_service_host(struct str *out, const struct s3_service *s, const char *region)
{
    const char *form =
        s->host && (!s->regional || !strcmp(region, s->region)) ? s->host : s->regional;
    const char *gap = form ? strstr(form, "{region}") : NULL;

    if (!form)
        return;
    if (!gap) {
        str_puts(out, form);
        return;
    }
    str_addf(out, "%.*s%s%s", (int)(gap - form), form, region, gap + strlen("{region}"));
    if (s->host && str_starts(region, "cn-")) /* Amazon's China is a network of its own */
        str_puts(out, ".cn");
}
