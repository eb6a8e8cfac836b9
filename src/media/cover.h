/* cover.h - the cover pictures of sounds and films: taken out as they are, and put in. */
#pragma once
#include "media/av/av.h"
#include "robot/artwork.h"
#include "robot/robot.h"

#define COVER_EXT 8

/* 1: the file `path`, from robot_out_path() of the job, is the first cover that is a picture, byte
 * for byte; ext is that of its type. 0: the file has no cover at all. Errors: ERR_COMMAND: what it
 * has is no picture, or is over a limit. */
MUST_CHECK int cover_extract(const char **path, char ext[static COVER_EXT], struct robot_job *job,
                             struct av *av, const struct media_limits *limits, struct err *err);

/* All of a job of /audio/artwork (sound) or /video/artwork: every file that it is about gives one
 * of its own, or with `extract` none where there is no cover. may_change: a sound whose container
 * carries no cover becomes another one. Pictures that a cover can't be become JPEG, or PNG where
 * they are transparent; covers that a file has are replaced. Errors: ERR_COMMAND, ERR_USER_COMMAND.
 */
MUST_CHECK int cover_job(struct robot_job *job, const struct artwork_opts *o, bool sound,
                         bool may_change, struct err *err);
