/* cdn_address.h - the address of a request by URL, taken apart (api-resources.md 6):
 *
 *     /cdn/WORKSPACE/TEMPLATE/INPUT?PARAMS      or, where the Host names the workspace,      /TEMPLATE/INPUT?PARAMS
 *
 * INPUT is the rest of the path and may hold slashes, literal or encoded. All of it is hostile. Pure. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#define CDN_ADDRESS_MOST 8000 /* bytes of path and query */
#define CDN_PARAMS_MOST 100

struct cdn_param {
    char *name, *value; /* decoded */
};

struct cdn_address {
    char *workspace, *template, *input; /* decoded once */
    struct cdn_param
        params[CDN_PARAMS_MOST]; /* sorted by name, those of one name as they came; without the next three */
    int count;
    char *auth_key, *exp, *sig; /* NULL: absent */
    char *raw_query;            /* as it came, without sig */
};

/* workspace: what the Host says; NULL: it stands in the path, behind /cdn/. path and query are as they came, the query
 * without its ?, NULL: there is none. The caller frees *out. Errors: ERR_NOT_FOUND (not of this form), ERR_URL_ENCODING
 * (escapes, NUL, no UTF-8), ERR_FORM (too long, too many params, steps out of the input's directory),
 * ERR_INVALID_SIGNATURE (one of the three comes twice). */
MUST_CHECK int cdn_address_read(struct cdn_address **out, const char *workspace, const char *path, const char *query,
                                struct err *err);
void cdn_address_free(struct cdn_address *a);
DEFINE_AUTO(struct cdn_address *, cdn_address_free)

/* What is signed, for a workspace of that name: with the query as it came, or built anew from what it says. The caller
 * frees. */
char *cdn_address_signed(const struct cdn_address *a, const char *workspace, bool as_it_came);
/* Tells answers apart: of the input and the params, in one order; 64 hex digits. */
void cdn_address_key(char out[static 65], const struct cdn_address *a, const char *workspace_id,
                     const char *template_id, int64_t version);
/* The fields that an Assembly gets: input, and a member for each name; a list where one came more than once. */
json_t *cdn_address_fields(const struct cdn_address *a);

/* The workspace that a Host below domain names, NULL: it is none. The caller frees. domain "": none is served. */
char *cdn_host_workspace(const char *host, const char *domain);
