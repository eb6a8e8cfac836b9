/* cdn_answer.h - the answer to a request by URL, when it is clear what that is. */
#pragma once
#include "api/cdn_cache.h"
#include "http/server.h"

/* fd: of the entry's contents, taken over; -1: they are in memory. own_origin: the console lies in the same one, so
 * nothing in the file may run. */
void cdn_answer(struct http_request *req, struct cdn_entry *e, int fd, int64_t now_us, bool own_origin);
void cdn_preflight(struct http_request *req);
