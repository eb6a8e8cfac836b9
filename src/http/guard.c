#include "http/guard.h"
