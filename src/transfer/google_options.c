/* Parameters of the Robots that talk to Google, and their checks. In the daemon as well: pure. */
#include "transfer/google.h"
#include "transfer/values.h"
#include "transfer/youtube.h"

#include <string.h>

#define P struct google_place
#define BUCKET_FORM "^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$"
#define FROM_CREDENTIALS "what stored credentials of type google hold"
const struct option google_place_options[] = {
    OPT_STR(P, credentials, .required = true, .help = "Name of stored credentials of type google."),
    OPT_STR(P, project_id, .beyond = FROM_CREDENTIALS, .help = "Project of the service account."),
    OPT_STR(P, client_email, .beyond = FROM_CREDENTIALS, .help = "Name of the service account."),
    OPT_STR(P, private_key, .secret = true, .beyond = FROM_CREDENTIALS,
            .help = "Private key of the service account, PEM. Belongs into stored credentials."),
    OPT_STR(P, bucket, .beyond = FROM_CREDENTIALS, .pattern = BUCKET_FORM, .example = "\"my-bucket\"",
            .help = "Name of the bucket."),
    OPT_END,
};

int google_place_check(const P *p, bool partial, struct err *err)
{
    if (!partial && !str_given(p->credentials))
        return err_set(err, ERR_ROBOT_VALIDATION, "'credentials' is empty");
    if (p->client_email && value_has_control(p->client_email))
        return err_set(err, ERR_ROBOT_VALIDATION, "'client_email' holds a control character");
    return 0;
}

/* ---- YouTube ---- */

#define Y struct youtube_place
#define FROM_YOUTUBE "what stored credentials of type youtube hold"
const struct option youtube_place_options[] = {
    OPT_STR(Y, credentials, .required = true, .help = "Name of stored credentials of type youtube."),
    OPT_STR(Y, client_id, .beyond = FROM_YOUTUBE, .help = "Id of the OAuth client."),
    OPT_STR(Y, client_secret, .secret = true, .beyond = FROM_YOUTUBE,
            .help = "Secret of the OAuth client. Belongs into stored credentials."),
    OPT_STR(Y, refresh_token, .secret = true, .beyond = FROM_YOUTUBE,
            .help = "What the owner of the channel has granted it. Belongs into stored credentials."),
    OPT_END,
};

json_t *youtube_tags(const char *keywords)
{
    json_t *tags = json_array();

    for (const char *p = keywords ? keywords : ""; *p; p += *p == ',') {
        size_t n = strcspn(p += strspn(p, " \t"), ",");
        AUTO(mem_free) char *tag = mem_strndup(p, n);

        p += n;
        while (n && (tag[n - 1] == ' ' || tag[n - 1] == '\t'))
            tag[--n] = 0;
        if (n)
            json_array_append_new(tags, jstring(tag));
    }
    return tags;
}
