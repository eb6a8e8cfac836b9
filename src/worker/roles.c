/* roles.c - the kinds of worker, one row each. */
#include "worker/jail.h"

static const char *const media_paths[] = {"/usr",      "/lib",  "/lib64",      "/bin",
                                          "/etc/fonts", "/etc/ld.so.cache", "/etc/alternatives", "/etc/magic", "/var/cache/fontconfig",
                                          "/dev/null", "/dev/urandom", "/proc/self", "/proc/cpuinfo",
                                          "/proc/meminfo", "/sys/devices/system/cpu", NULL};
static const char *const transfer_paths[] = {"/usr",         "/lib",          "/lib64",
                                             "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl", "/etc/resolv.conf",
                                             "/etc/hosts",   "/etc/nsswitch.conf", "/etc/host.conf",
                                             "/etc/gai.conf", "/etc/services", "/run/systemd/resolve",
                                             "/dev/null",    "/dev/urandom",  "/proc/self", NULL};

const struct role roles[] = {
    [ROLE_MEDIA] = {"media", false, 0, 256, 1024, 10, media_paths},
    [ROLE_TRANSFER] = {"transfer", true, INT64_C(1) << 30, 256, 256, 0, transfer_paths},
};
