/* openapi.h - the description of this server, made of the route table. */
#pragma once
#include "api/routes.h"

/* OpenAPI 3.1; base_url NULL: no address. The caller frees. */
char *openapi_text(const struct route *routes, size_t count, const char *base_url);
/* Answers with it. */
void openapi_answer(struct http_request *req, const struct route *routes, size_t count);
