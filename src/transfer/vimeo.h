/* vimeo.h - Vimeo's HTTP interface: videos sent there and fetched from there. */
#pragma once
#include "transfer/api.h"

struct vimeo {
    struct api api;
    const char *base;
};
MUST_CHECK int vimeo_open(struct vimeo *v, struct robot_job *job, const char *access_token, struct err *err);
void vimeo_done(struct vimeo v);
DEFINE_AUTO(struct vimeo, vimeo_done)
/* path: behind the service's address. args: body, stolen; NULL: none. once: see api_call. The caller unrefs. */
json_t *vimeo_call(struct vimeo *v, const char *method, const char *path, json_t *args, bool once, struct err *err);
/* The same where nothing is told, or where that it is not there is as good. */
MUST_CHECK int vimeo_do(struct vimeo *v, const char *method, const char *path, bool or_gone, struct err *err);
/* "/videos/1" or "/videos/1:abc", which goes into addresses. */
bool vimeo_is_video(const char *uri);

/* What a video is to be, once it is there. */
struct vimeo_video {
    const char *title, *description, *view, *password, *folder; /* password, folder: NULL: none */
    const json_t *showcases;                                    /* ids */
    bool downloadable;
};
/* Send f->fd as a new video. link: where it is seen; the caller's to free. */
MUST_CHECK int vimeo_upload(char **link, struct vimeo *v, struct remote_file *f, const struct vimeo_video *video,
                            struct err *err);
/* Delete the video that a killed run left. */
MUST_CHECK int vimeo_upload_undo(struct vimeo *v, const json_t *token, struct err *err);

#define VIMEO_SOURCE INT64_MAX
struct vimeo_import {
    const char *access_token;
    int64_t lines; /* of the rendition that is wanted; VIMEO_SOURCE: the file as it was uploaded */
    struct vimeo vimeo; /* of vimeo_service */
};
extern const struct import_service vimeo_service; /* ctx: struct vimeo_import */
/* Of what a description of a video offers, the file that is nearest to what is wanted: that one, else the best below,
 * else the smallest above. Lent; NULL: there is none. */
const json_t *vimeo_pick(const json_t *video, int64_t lines);
