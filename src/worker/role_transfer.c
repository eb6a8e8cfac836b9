/* workcell-transfer: Robots that talk to other machines. */
#include "http/manners.h"
#include "robot/robot.h"
#include "transfer/place.h"
#include "worker/role.h"

#include <curl/curl.h>
#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

static void transfer_preload(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    xmlInitParser();
}

static void transfer_warm(void) {}

static void transfer_begin(const json_t *settings)
{
    place_begin(settings);
    http_manners = (struct http_manners){place_take, place_speed(), place_keep, place_kept_taken};
}

static void transfer_describe(json_t *out)
{
    const char *version = curl_version();

    json_object_set_new(out, "libcurl", json_stringn(version, strcspn(version, " ")));
    json_object_set_new(out, "ca_certificates", json_boolean(access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0));
    json_object_set_new(out, "resolver", json_boolean(access("/etc/resolv.conf", R_OK) == 0));
}

const struct role_program role_program = {.role = ROLE_TRANSFER,
                                          .preload = transfer_preload,
                                          .warm = transfer_warm,
                                          .begin = transfer_begin,
                                          .rest = place_end,
                                          .idle = place_rest,
                                          .courier = courier_serve,
                                          .describe = transfer_describe};
