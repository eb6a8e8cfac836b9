/* ai_schema.h - the part of JSON Schema that answers of models are held to: type, enum, const,
 * required, properties, additionalProperties, items, minItems, maxItems, minLength, maxLength,
 * minimum, maximum, allOf, anyOf, oneOf, and $ref within the schema ("#/$defs/NAME"). Other
 * keywords say nothing here. Pure; in the daemon as well. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#define AI_SCHEMA_MAX 65536 /* bytes */

/* Of a client. NULL with err (ERR_ROBOT_VALIDATION): it is none, or of what is known of it
 * something has the wrong form. The caller unrefs. */
json_t *ai_schema_read(const char *text, struct err *err);
/* Does value fit? False: why says what does not, in at most n bytes: "items[2].price is a string,
 * not a number". Work is bounded: what takes more does not fit. */
bool ai_schema_fits(const json_t *schema, const json_t *value, char *why, size_t n);
