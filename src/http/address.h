/* address.h - what an address is made of, as libcurl reads it, which is what requests are made with. Pure; results are
 * the caller's to free. */
#pragma once
#include "base/auto.h"

/* Where scheme, host and port lead ("https://host:443"): credentials meant for one must not reach another. "": it can't
 * be read. */
char *address_origin(const char *url);
/* A Location (RFC 3986 section 5) as seen from base, without user, password and fragment, which are nobody's business
 * but the asker's. NULL: it is no http or https address. */
char *address_resolve(const char *base, const char *reference);
/* The same for who is sent on to it: with what it says of user and password, and of any scheme. NULL: it is none. */
char *address_follow(const char *base, const char *location);
/* Who it says is asking, decoded. For hops of one origin: curl forgets it when a redirect names a whole address. */
struct address_login {
    char *user, *password; /* NULL: none */
};
struct address_login address_login(const char *url);
void address_login_done(struct address_login l);
DEFINE_AUTO(struct address_login, address_login_done)
/* Host and port as they are written, and the path without its slash in front, for templates. Each may be "". */
char *address_host(const char *url);
char *address_path(const char *url);
