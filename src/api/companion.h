/* companion.h - the Companion that runs beside this server (api-companion.md). */
#pragma once
#include "http/proxy.h"

struct config;

/* *out stays as it is when no Companion is configured. Errors: ERR_CONFIG, ERR_IO. */
MUST_CHECK int companion_open(struct proxy **out, const struct config *config, struct err *err);
