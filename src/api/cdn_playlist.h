/* cdn_playlist.h - addresses in the playlists that /video/ondemand gives are signed when they are sent: no worker ever
 * has a key. Thread-safe. */
#pragma once
#include "api/cdn_cache.h"
#include "api/keys.h"

/* For how many seconds a Template's playlists are signed; 0: they are not. */
int64_t cdn_playlist_signed_s(const json_t *content);

struct cdn_playlist {
    const char *workspace; /* of the Host; NULL: it stands in the path */
    const char *path;      /* as it came */
    const char *workspace_name;
    const struct auth_key *key;
    int64_t good_for_s, now_us;
};
/* An entry that only this request has, with its lines that begin with a ? signed; NULL: e is no playlist, or there is
 * no room for another one in memory. fd: of its contents, -1: they are in memory. The caller unrefs. */
struct cdn_entry *cdn_playlist_sign(struct cdn_entry *e, int fd, const struct cdn_playlist *how);
