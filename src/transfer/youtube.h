/* youtube.h - publishing a video on YouTube (videos.insert). The parameters and youtube_tags() are in the daemon,
 * too; the rest only in workcell-transfer. */
#pragma once
#include "transfer/google_session.h"

struct youtube_place {
    const char *credentials;
    const char *client_id, *client_secret, *refresh_token; /* of an OAuth client, and what its user has granted it */
};
extern const struct option youtube_place_options[];
struct youtube_video {
    const char *title, *description, *category, *visibility; /* category: its number */
    const char *keywords;                                    /* separated by commas */
};

struct youtube {
    struct api api;
    const struct youtube_place *place;
    const char *endpoint;
    char id[65]; /* of the last video */
};
MUST_CHECK int youtube_open(struct youtube *y, struct robot_job *job, const struct youtube_place *p, struct err *err);
void youtube_close(struct youtube y);
DEFINE_AUTO(struct youtube, youtube_close)

/* Publishes f as one video; its id is in y then. */
MUST_CHECK int youtube_put(struct youtube *y, struct remote_file *f, const struct youtube_video *v, struct err *err);
/* Robot.undo: ends the session that the note is about, or removes the video that came of it. */
MUST_CHECK int youtube_undo_put(struct youtube *y, const json_t *note, struct err *err);
/* The tags of "a, b,,c": a list. The caller unrefs. */
json_t *youtube_tags(const char *keywords);
