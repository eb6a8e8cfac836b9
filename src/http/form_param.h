/* form_param.h - parameters of MIME headers, for form.c alone. Knows no forms. */
#pragma once
#include <stdbool.h>

static inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

static inline const char *skip_blanks(const char *s)
{
    while (is_blank(*s))
        s++;
    return s;
}

/* The value of parameter `name` in "type; a=b; c=\"d\"". Quotes are removed, and the backslash of
 * \" and
 * \\; other backslashes stay, they are parts of Windows paths. NULL when absent; the caller frees.
 */
char *form_param(const char *header, const char *name);
/* RFC 5987: charset'language'percent-encoded, to UTF-8. NULL when it is none of that; the caller
 * frees. */
char *form_param_extended(const char *s);
/* Both change s in place. */
void form_drop_controls(char *s);
/* Only the last component: old browsers send the whole path, attackers "../". */
void form_keep_basename(char *s);
