/* The half of dropbox.h that the daemon checks as well. */
#include "transfer/dropbox.h"
#include "transfer/values.h"

#define K struct dropbox_keys
#define BEYOND "a server of one's own has no app of its own at Dropbox"
const struct option dropbox_keys_options[] = {
    OPT_STR(K, credentials, .help = "Name of stored credentials of type dropbox."),
    OPT_STR(K, access_token, .secret = true,
            .help = "OAuth access token. Those that Dropbox gives last four hours: see refresh_token."),
    OPT_STR(K, app_key, .beyond = BEYOND, .help = "Key of the app for which refresh_token was given."),
    OPT_STR(K, app_secret, .secret = true, .beyond = BEYOND,
            .help = "Its secret. An app that got its token by PKCE has none. Belongs into stored credentials."),
    OPT_END,
};

int dropbox_keys_check(const K *k, bool partial, struct err *err)
{
    const char *const all[] = {k->access_token, k->refresh_token, k->app_key, k->app_secret};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] && value_has_control(all[i]))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "the tokens and keys of Dropbox must not hold control characters");
    /* A value that is still ${...} looks like one that was left out: wait until all are known. */
    if (partial || str_given(k->credentials))
        return 0;
    if (!str_given(k->access_token) && !str_given(k->refresh_token))
        return err_set(
            err, ERR_ROBOT_VALIDATION,
            "nobody could sign in to Dropbox: give 'credentials', or 'access_token', or 'refresh_token' and "
            "'app_key'");
    if (str_given(k->refresh_token) && !str_given(k->app_key))
        return err_set(err, ERR_ROBOT_VALIDATION, "'refresh_token' needs the 'app_key' that it was given for");
    return 0;
}
