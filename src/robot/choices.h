/* choices.h - the lists of values that several Robots share. */
#pragma once
#include "media/fit.h"
#include "robot/option.h"

extern const struct opt_choice choices_fit[]; /* resize_strategy: enum fit_strategy */
