/* Parameters that Robots share which talk to other servers, and their checks. In the daemon as
 * well: pure. */
#include "base/near.h"
#include "transfer/ftp.h"
#include "transfer/remote.h"
#include "transfer/sftp.h"
#include "transfer/values.h"

#include <string.h>

/* ---- where services are reached ---- */

const char *const remote_endpoints[] = {
    "ai",     "azure",  "backblaze", "bgremove", "box",       "copyrightdetect", "digitalocean", "dropbox",
    "google", "images", "mega",      "rackspace", "s3",       "speech",          "tigris",       "translate",
    "upscale", "videos", "vimeo",    "vision",   "wasabi",    "youtube",         NULL};

static int add_endpoint(json_t *all, char *pair, struct err *err)
{
    char *url = strchr(pair, '=');
    const char *const *known = remote_endpoints;

    if (!url)
        return err_set(err, ERR_CONFIG, "'%.100s' is not of the form NAME=URL", pair);
    *url++ = 0;
    while (*known && strcmp(*known, pair))
        known++;
    if (!*known) {
        struct near near = near_to(pair);

        for (known = remote_endpoints; *known; known++)
            near_try(&near, *known);
        err_set(err, ERR_CONFIG, "no service is called '%.60s'", pair);
        return near_say(err, &near, "");
    }
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        url[--n] = 0;
    const char *host = str_starts(url, "http://") ? url + 7 : str_starts(url, "https://") ? url + 8 : "";
    if (!*host || *host == '/' || strpbrk(host, "?#@\\ \"<>") || value_has_control(host))
        return err_set(err, ERR_CONFIG, "'%.200s' is no address that begins with http:// or https://", url);
    json_object_set_new(all, pair, jstring(url));
    return 0;
}

json_t *remote_endpoints_read(const char *text, struct err *err)
{
    AUTO(mem_free) char *copy = mem_strdup(text);
    AUTO(json_unref) json_t *all = json_object();
    char *rest = copy, *pair;

    while ((pair = strsep(&rest, ",")))
        if (*pair && add_endpoint(all, pair, err) < 0)
            return NULL;
    return json_incref(all);
}

/* ---- stores ---- */

const struct option store_options[] = {
    OPT_STR(struct store_opts, path, .def_str = "${unique_prefix}/${file.url_name}",
            .help = "Where to write. It names the file, so it must not end in a slash."),
    OPT_END,
};

/* "", "." or ".." between two slashes? "./" names nothing, and is left out by store_path(). */
static bool is_no_name(const char *s, size_t n)
{
    return n <= 2 && !strncmp(s, "..", n) && !(n == 1 && s[1] == '/');
}

int store_opts_check(const struct store_opts *o, bool tree, size_t most, struct err *err)
{
    const char *path = o->path + (*o->path == '/');

    if (!*path)
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' is empty");
    if (str_ends(path, "/"))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'path' is '%.200s', but must not end in a slash: it names the file", path);
    if (strlen(path) > most)
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' has %zu bytes, but at most %zu go",
                       strlen(path), most);
    if (value_has_control(path))
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' holds a control character");
    for (const char *p = path; tree; p++) {
        size_t n = strcspn(p, "/");

        if (is_no_name(p, n))
            return err_set(
                err, ERR_ROBOT_VALIDATION,
                "'path' is '%.200s': between slashes must be names, and '.' and '..' are none",
                path);
        p += n;
        if (!*p)
            break;
    }
    return 0;
}

/* ---- imports ---- */

#define I struct import_opts
const struct option import_path_options[] = {
    OPT_JSON(I, path, .required = true, .example = "\"a/b\"",
             .help = "What to import: a path or a list of them. One that ends in a slash is a directory."),
    OPT_END,
};
const struct option import_options[] = {
    OPT_JSON(I, force_name, .nullable = true, .example = "\"n\"",
             .help = "File name to use, or a list of them in the order of what is imported."),
    OPT_JSON(I, import_on_errors, .def_str = "[]", .example = "[\"meta\"]",
             .help = "Phases (\"meta\") after whose failure the file is still imported."),
    /* shared by all Robots, and checked there; here each file stands for itself */
    OPT_JSON(I, ignore_errors, .nullable = true, .example = "true",
             .help = "true, or a list with \"import\": a file that can't be fetched is left out, "
                     "and the others go on."),
    OPT_END,
};
const struct option import_page_options[] = {
    OPT_BOOL(I, recursive,
             .help = "Take what lies in sub-directories as well: of all that there is, one page."),
    OPT_INT(I, files_per_page, .min = 1, .max = REMOTE_IMPORT_MAX, .def = 1000,
            .help = "How many files a page has at the most."),
    OPT_END,
};
const struct option import_number_options[] = {
    OPT_INT(I, page_number, .min = 1, .max = 10000, .def = 1,
            .help = "Which page is imported, with recursive."),
    OPT_END,
};
const struct option import_token_options[] = {
    OPT_STR(I, next_page_token, .def_str = "",
            .help = "Begin where an earlier page ended: next_page_token in the meta of its files."),
    OPT_END,
};
const struct option import_stub_options[] = {
    OPT_BOOL(I, return_file_stubs,
             .help = "Do not fetch anything: empty files stand for the addresses, for Steps that can do with these."),
    OPT_END,
};
#undef I

static bool is_text_or_texts(const json_t *v)
{
    json_t *item;
    size_t i;

    if (!json_is_array(v))
        return json_is_string(v);
    json_array_foreach (v, i, item)
        if (!json_is_string(item))
            return false;
    return true;
}

int import_opts_check(const struct import_opts *o, struct err *err)
{
    if (o->force_name && !is_text_or_texts(o->force_name))
        return err_set(err, ERR_ROBOT_VALIDATION, "'force_name' must be a text or a list of texts");
    if (o->import_on_errors &&
        (!json_is_array(o->import_on_errors) || !is_text_or_texts(o->import_on_errors)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'import_on_errors' must be a list of texts");
    return 0;
}

int import_check(const struct import_opts *o, bool partial, struct err *err)
{
    json_t *item;
    size_t i;

    if (!o->path && partial)
        return import_opts_check(o, err);
    if (!is_text_or_texts(o->path) || (json_is_array(o->path) && !json_array_size(o->path)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' must be a text or a list of texts");
    if (json_array_size(o->path) > REMOTE_IMPORT_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' holds more than %d paths",
                       REMOTE_IMPORT_MAX);
    AUTO(json_unref) json_t *all = import_paths(o);
    json_array_foreach (all, i, item)
        if (!json_string_length(item) || value_has_control(json_string_value(item)))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'path' holds a path that is empty or has a control character");
    return import_opts_check(o, err);
}

json_t *import_paths(const struct import_opts *o)
{
    return json_is_array(o->path) ? json_incref(o->path) : json_pack("[O]", o->path);
}

/* ---- SFTP ---- */

#define P struct sftp_place
#define HOST_KEY_FORM \
    "^(SHA256:[A-Za-z0-9+/]{43}=?|(ssh|ecdsa)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?)$"
#define PUBLIC_KEY_FORM "^(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$"
const struct option sftp_place_options[] = {
    OPT_STR(P, credentials, .help = "Name of stored credentials of type sftp."),
    OPT_STR(P, host, .pattern = "^([A-Za-z0-9._-]+|\\[?[0-9A-Fa-f:.]+\\]?)$",
            .example = "\"h.example\"",
            .help = "Name or address of the server, when no stored credentials are used."),
    OPT_INT(P, port, .min = 1, .max = 65535, .def = 22,
            .other_default = "the contract's 21 is that of FTP", .help = "Port of the server."),
    OPT_STR(P, user, .help = "Who logs in."),
    OPT_STR(P, public_key, .pattern = PUBLIC_KEY_FORM, .example = "\"ssh-ed25519 AAAA\"",
            .help = "Public half of the key that logs in; it need not be given."),
    OPT_STR(P, private_key, .secret = true,
            .beyond = "a server of one's own has no account whose key there could be",
            .pattern = "^-----BEGIN [A-Z ]*PRIVATE KEY-----",
            .example = "\"-----BEGIN PRIVATE KEY-----\"",
            .help = "Key that logs in. Belongs into stored credentials. Left out: the server's own "
                    "(`workcell ssh-key` prints its public half)."),
    OPT_STR(P, passphrase, .secret = true, .beyond = "a private key may have one",
            .help = "What opens the private key. Belongs into stored credentials."),
    OPT_STR(P, password, .secret = true, .beyond = "many servers know nothing else",
            .help = "Password in the place of a key. Belongs into stored credentials."),
    OPT_STR(P, host_key, .beyond = "who knows the server's key need not trust the first one seen",
            .pattern = HOST_KEY_FORM, .example = "\"ssh-ed25519 AAAA\"",
            .help = "The server's key, as ssh-keyscan prints it behind the name, or its fingerprint "
                    "(SHA256:...). Left out: the key that it had at first counts."),
    OPT_END,
};

int sftp_place_check(const P *p, bool partial, struct err *err)
{
    /* A value that is still ${...} looks like one that was left out: wait until all are known. */
    if (!partial && !str_given(p->credentials)) {
        const char *missing = !str_given(p->host) ? "host" : !str_given(p->user) ? "user" : NULL;

        if (missing)
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'%s' is missing: give 'credentials', or 'host' and 'user'", missing);
    }
    if ((p->user && value_has_control(p->user)) ||
        (p->password && value_has_control(p->password)) ||
        (p->passphrase && value_has_control(p->passphrase)) ||
        (p->host_key && value_has_control(p->host_key)) ||
        (p->public_key && value_has_control(p->public_key)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'user', 'password', 'passphrase', 'host_key' and 'public_key' must not hold "
                       "control characters");
    if (str_given(p->private_key) && str_given(p->password))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'private_key' and 'password' exclude each other");
    return 0;
}

/* ---- FTP ---- */

#undef P
#define P struct ftp_place
const struct option ftp_place_options[] = {
    OPT_STR(P, credentials, .help = "Name of stored credentials of type ftp."),
    OPT_STR(P, host, .pattern = "^([A-Za-z0-9._-]+|\\[?[0-9A-Fa-f:.]+\\]?)$",
            .example = "\"h.example\"",
            .help = "Name or address of the server, when no stored credentials are used."),
    OPT_INT(P, port, .min = 1, .max = 65535, .def = 21, .help = "Port of the server."),
    OPT_STR(P, user, .help = "Who logs in."),
    OPT_STR(P, password, .secret = true, .help = "With what. Belongs into stored credentials."),
    OPT_END,
};

int ftp_place_check(const P *p, bool partial, struct err *err)
{
    /* as of SFTP */
    if (!partial && !str_given(p->credentials)) {
        const char *missing = !str_given(p->host) ? "host" : !str_given(p->user) ? "user" : NULL;

        if (missing)
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'%s' is missing: give 'credentials', or 'host', 'user' and 'password'", missing);
    }
    if ((p->user && value_has_control(p->user)) || (p->password && value_has_control(p->password)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'user' and 'password' must not hold control characters");
    return 0;
}
