/* Addresses that people give, names that servers give: the first byte says which. */
#include "fuzz.h"
#include "http/address.h"
#include "http/naming.h"

#include <string.h>
#include <strings.h>

/* Only links of these are somebody else's address in the end. */
static bool is_sharing(const char *url)
{
    static const char *const hosts[] = {"www.dropbox.com", "dropbox.com", "drive.google.com",
                                        "docs.google.com", "1drv.ms",     "onedrive.live.com"};
    static const char suffix[] = ".sharepoint.com";
    AUTO(mem_free) char *host = address_host(url);
    size_t n = strcspn(host, ":");

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (strlen(hosts[i]) == n && !strncasecmp(hosts[i], host, n))
            return true;
    return n > strlen(suffix) && !strncasecmp(host + n - strlen(suffix), suffix, strlen(suffix));
}

static void check_url(const char *text)
{
    AUTO(mem_free) char *clean = naming_clean_url(text);

    if (!clean)
        return;
    CHECK(!strncasecmp(clean, "http://", 7) || !strncasecmp(clean, "https://", 8));
    for (const char *p = clean; *p; p++)
        CHECK((unsigned char)*p > ' ' && *p != 0x7F);
    AUTO(mem_free) char *again = naming_clean_url(clean);
    CHECK(again && !strcmp(again, clean));
    AUTO(mem_free) char *direct = naming_direct_url(clean);
    CHECK(direct && *direct && (!strcmp(direct, clean) || is_sharing(clean)));
    AUTO(mem_free) char *shown = naming_public_url(clean);
    CHECK(shown && !strchr(shown, '#'));
    AUTO(mem_free) char *name = naming_from_url(clean);
    CHECK(!name || *name);
}

static void check_name(const char *text)
{
    AUTO(mem_free) char *safe = naming_safe(text);
    size_t n = strlen(safe);

    CHECK(n && n <= 255 && utf8_valid(safe, n) && strcmp(safe, ".") && strcmp(safe, ".."));
    for (const char *p = safe; *p; p++)
        CHECK(*p != '/' && (unsigned char)*p >= 0x20 && *p != 0x7F);
    AUTO(mem_free) char *again = naming_safe(safe);
    CHECK(!strcmp(again, safe));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned kind = take_byte(&b);
    AUTO(mem_free) char *text = take_rest(&b);

    switch (kind) {
    case 'u': check_url(text); break;
    case 'd': {
        AUTO(mem_free) char *name = naming_from_disposition(text);
        if (name)
            check_name(name);
        break;
    }
    default: check_name(text);
    }
    free(naming_public_url(text)); /* of what is no address, too */
    return 0;
}
