/* workcell-browser: pages are fetched here, and drawn by a browser that has no network. */
#include "browser/browser.h"
#include "robot/robot.h"
#include "worker/role.h"

#include <curl/curl.h>
#include <unistd.h>

static void browser_preload(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static void browser_warm(void) {}

static void browser_describe(json_t *out)
{
    jset(out, "browser", browser_program());
    json_object_set_new(out, "ca_certificates", json_boolean(access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0));
}

const struct role_program role_program = {.role = ROLE_BROWSER,
                                          .preload = browser_preload,
                                          .warm = browser_warm,
                                          .describe = browser_describe};
