/* address.h - what an address is made of, as libcurl reads it, which is what requests are made with. Pure; results are
 * the caller's to free. */
#pragma once

/* Where scheme, host and port lead ("https://host:443"): credentials meant for one must not reach another. "": it can't
 * be read. */
char *address_origin(const char *url);
/* A Location (RFC 3986 section 5) as seen from base, without user, password and fragment, which are nobody's business
 * but the asker's. NULL: it is no http or https address. */
char *address_resolve(const char *base, const char *reference);
/* "user:password" of it, decoded; NULL: it has none. */
char *address_login(const char *url);
/* Host and port as they are written, and the path without its slash in front, for templates. Each may be "". */
char *address_host(const char *url);
char *address_path(const char *url);
