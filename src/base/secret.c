#include "base/secret.h"
