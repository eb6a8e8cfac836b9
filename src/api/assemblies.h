/* assemblies.h - how requests are answered with the status of an Assembly. */
#pragma once
#include "conductor/publish.h"
#include "http/server.h"

struct app;

/* The final document of an Assembly that is over, as the store has it. Errors: ERR_ASSEMBLY_NOT_FOUND, and what keeps
 * the store from being read, which must not be told as "not found". */
MUST_CHECK int assembly_stored(struct str *out, struct app *app, const char *id, struct err *err);
/* The status of a live Assembly, as a response that is not sent yet. */
struct http_response *assembly_response(struct published *p, int http_code);
/* The status of a live Assembly, without p the stored one. */
void assembly_answer(struct http_request *req, const char *id, struct published *p, int http_code);
/* The status of a live Assembly with another `ok`. */
void assembly_answer_as(struct http_request *req, struct published *p, const char *ok);
