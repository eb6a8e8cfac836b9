/* cdn.h - requests by URL (Smart CDN): GET /cdn/WORKSPACE/TEMPLATE/INPUT?PARAMS, or /TEMPLATE/INPUT at a Host of
 * cdn_domain.
 *
 * What was made before is answered on the HTTP thread, from memory and its blob. Else an Assembly is made of the
 * Template, one for all that ask the same, and they wait. Files, lowest first: cdn_address (taken apart), cdn_sign (who
 * may), cdn_cache (what is there), cdn_playlist (addresses in it), cdn_template (what it asks for), cdn_result (what is
 * made and what came of it), cdn_answer, cdn_keep (rows and blobs), cdn_flight (who waits), cdn. */
#pragma once
#include "api/app.h"

struct cdn;
/* Reads what is kept, starts the thread. Errors: those of the store. */
MUST_CHECK int cdn_start(struct cdn **out, struct app *app, struct err *err);
/* Templates or keys have changed. NULL is fine. */
void cdn_forget(struct cdn *cdn);
/* Whoever waits is refused, what is being made for them is canceled, the thread ends. Before the conductor stops; NULL
 * is fine. */
void cdn_stop(struct cdn *cdn);
/* When no request is left. */
void cdn_free(struct cdn *cdn);
