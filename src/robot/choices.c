#include "robot/choices.h"
#include "robot/order.h"

const struct opt_choice choices_fit[] = {{"fit", FIT_FIT},
                                         {"min_fit", FIT_MIN_FIT},
                                         {"fillcrop", FIT_FILLCROP},
                                         {"pad", FIT_PAD},
                                         {"stretch", FIT_STRETCH},
                                         {"crop", FIT_CROP},
                                         {0}};

const struct opt_choice choices_order[] = {
    {"auto", ORDER_AUTO}, {"basename", ORDER_BASENAME}, {"import_order", ORDER_IMPORT}, {0}};
