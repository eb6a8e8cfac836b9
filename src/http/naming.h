/* naming.h - text jobs around a download: what its file is called, what address people really
 * meant, and what of the address may be shown. Pure. All results are freed by the caller. */
#pragma once
#include "base/str.h"

/* An address that a request can be made of: http or https with a host, bytes that may not stand in
 * an address percent-encoded. NULL when it is something else. */
char *naming_clean_url(const char *url);
/* Share links of Dropbox, Google Drive and Docs, OneDrive and SharePoint as direct downloads; any
 * other address as it is. */
char *naming_direct_url(const char *url);
/* Without user name, password, fragment, and query arguments that are credentials (X-Amz-*, token,
 * signature ...). */
char *naming_public_url(const char *url);
/* A name that is safe to use as a file name: no directories, no control characters, valid UTF-8, at
 * most 255 bytes (the extension is kept), never empty, "." or "..". */
char *naming_safe(const char *name);
/* filename* or filename of a Content-Disposition header, decoded but not made safe; NULL: none. */
char *naming_from_disposition(const char *header);
/* The last segment of the address's path, decoded; NULL when it is empty. */
char *naming_from_url(const char *url);
