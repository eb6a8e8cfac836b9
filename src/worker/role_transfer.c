/* workcell-transfer: Robots that talk to other machines. */
#include "robot/robot.h"
#include "worker/role.h"

#include <curl/curl.h>
#include <libxml/parser.h>

static void preload(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    xmlInitParser();
}

static void warm(void) {}

const struct role_program role_program = {
    .role = ROLE_TRANSFER, .preload = preload, .warm = warm, .courier = courier_serve};
