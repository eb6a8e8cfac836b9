/* roles.c - the kinds of worker as the jail sees them: robot/roles.def, and what each may read. */
#include "worker/jail.h"

static const char *const media_paths[] = {"/usr",
                                          "/lib",
                                          "/lib64",
                                          "/bin",
                                          "/etc/fonts",
                                          "/etc/ld.so.cache",
                                          "/etc/alternatives",
                                          "/etc/magic",
                                          "/var/cache/fontconfig",
                                          "/dev/null",
                                          "/dev/urandom",
                                          "/proc/self",
                                          "/proc/cpuinfo",
                                          "/proc/meminfo",
                                          "/sys/devices/system/cpu",
                                          NULL};
static const char *const transfer_paths[] = {"/usr",         "/lib",          "/lib64",
                                             "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl", "/etc/resolv.conf",
                                             "/etc/hosts",   "/etc/nsswitch.conf", "/etc/host.conf",
                                             "/etc/gai.conf", "/etc/services", "/run/systemd/resolve",
                                             "/dev/null",    "/dev/urandom",  "/proc/self", NULL};

static const char *const office_paths[] = {"/usr",
                                           "/lib",
                                           "/lib64",
                                           "/bin",
                                           "/etc/fonts",
                                           "/etc/ld.so.cache",
                                           "/etc/alternatives",
                                           "/var/cache/fontconfig",
                                           "/etc/libreoffice",
                                           "/var/lib/libreoffice",
                                           "/var/spool/libreoffice",
                                           "/dev/null",
                                           "/dev/urandom",
                                           "/proc/self",
                                           "/proc/cpuinfo",
                                           "/proc/meminfo",
                                           "/sys/devices/system/cpu",
                                           NULL};
static const char *const browser_paths[] = {"/usr",         "/lib",          "/lib64", "/bin",
                                            "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl", "/etc/resolv.conf",
                                            "/etc/hosts",   "/etc/nsswitch.conf", "/etc/host.conf",
                                            "/etc/gai.conf", "/etc/services", "/run/systemd/resolve",
                                            "/etc/fonts", "/var/cache/fontconfig", "/sys/devices/system/cpu",
                                            "/dev/null",    "/dev/urandom",  "/proc", NULL};
static const char *const script_paths[] = {"/usr/lib", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ld.so.cache",
                                           "/dev/null", "/dev/urandom", "/proc/self", NULL};

const struct role roles[ROLE_COUNT] = {
#define X(id, name, network, address, data, files, processes, nice, ...)                                               \
    [ROLE_##id] = {#name, network, address, data, files, processes, nice, name##_paths},
#include "robot/roles.def"
#undef X
};
