/* config - the parameters of mtasts. */
#ifndef MTASTS_CONFIG_H
#define MTASTS_CONFIG_H

#include "mail/config/parameter.h"

struct mtasts_config {
#define PARAMETER PARAMETER_MEMBER
#include "mtasts/mtasts.def"
#undef PARAMETER
};

#endif
