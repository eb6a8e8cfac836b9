/* wave_file.h - the waveform of all of a file's sound, as a picture. */
#pragma once
#include "media/wave.h"
#include "robot/robot.h"

/* All channels count. look: how it is drawn; its times are set here. The first nine tenths of the
 * job's progress are told. Errors: those of media/av/sound.h. */
MUST_CHECK int wave_of_file(struct image **out, struct robot_job *job, const char *path,
                            const struct wave *look, const struct media_limits *limits,
                            struct err *err);
