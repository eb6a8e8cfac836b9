#include "robot/choices.h"

const struct opt_choice choices_fit[] = {{"fit", FIT_FIT},
                                         {"min_fit", FIT_MIN_FIT},
                                         {"fillcrop", FIT_FILLCROP},
                                         {"pad", FIT_PAD},
                                         {"stretch", FIT_STRETCH},
                                         {"crop", FIT_CROP},
                                         {0}};
