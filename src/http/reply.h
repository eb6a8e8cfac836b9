/* reply.h - the answers that every endpoint gives the same way: JSON with CORS headers, and error bodies
 * (api.md sections 1 and 4). */
#pragma once
#include "base/json.h"
#include "http/server.h"

/* CORS and cache headers of the JSON API. */
void reply_headers(struct http_response *r);
/* json: complete text, taken over. */
struct http_response *reply_json_response(int status, char *json);
/* The same with 200 and a text that stays as long as the process. */
struct http_response *reply_shared_response(const char *json, size_t len);
/* {"error":…,"http_code":…,"message":…,"reason":…} plus the members of extra (lent, may be NULL). */
struct http_response *reply_error_response(const struct err *err, const json_t *extra);
/* Status 200, empty: every OPTIONS of the JSON API. */
struct http_response *reply_preflight_response(void);

/* Made and sent in one. Here, and not in reply.c: what sends answers (request.c) makes some of these itself. */
static inline void reply_json(struct http_request *req, int status, char *json)
{
    http_answer(req, reply_json_response(status, json));
}

static inline void reply_json_shared(struct http_request *req, const char *json, size_t len)
{
    http_answer(req, reply_shared_response(json, len));
}

static inline void reply_error(struct http_request *req, const struct err *err, const json_t *extra)
{
    http_answer(req, reply_error_response(err, extra));
}

static inline void reply_preflight(struct http_request *req) { http_answer(req, reply_preflight_response()); }
