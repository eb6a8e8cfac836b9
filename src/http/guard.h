/* guard.h - may an outgoing request connect to this address? Loopback, private, link-local, unique
 * local, multicast, unspecified, benchmarking, documentation, CGNAT ranges, and their IPv4-mapped,
 * 6to4 and NAT64 forms are refused unless the operator's allow-list names them. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

/* allow: comma-separated hosts and networks: "127.0.0.1", "10.0.0.0/8", "fd00::/8", "127.0.0.1:9000"
 * (that port only), "*" (everything). "" allows only public addresses. */
bool guard_allows(const struct sockaddr *addr, const char *allow);
/* 0 when the list can be read, -1 otherwise (checked at start). */
int guard_check_list(const char *allow);
