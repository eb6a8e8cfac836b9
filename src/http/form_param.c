/* form_param.c - parameters of MIME headers, and what file names need before anyone uses them. */
#include "http/form_param.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

char *form_param(const char *header, const char *name)
{
    const char *s = header + strcspn(header, ";");
    size_t name_len = strlen(name);

    while (*s == ';') {
        AUTO(str_done) struct str value = {0};
        const char *key = s = skip_blanks(s + 1);
        size_t key_len = strcspn(s, "=; \t");

        s = skip_blanks(s + key_len);
        if (*s == '=') {
            s = skip_blanks(s + 1);
            if (*s == '"') {
                for (s++; *s && *s != '"'; s++) {
                    if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
                        s++;
                    str_putc(&value, *s);
                }
            } else {
                size_t len = strcspn(s, ";");

                str_add(&value, s, len);
                s += len;
                while (value.len && is_blank(value.s[value.len - 1]))
                    value.s[--value.len] = 0;
            }
            if (key_len == name_len && !strncasecmp(key, name, name_len))
                return str_take(&value);
        }
        s += strcspn(s, ";");
    }
    return NULL;
}

char *form_param_extended(const char *s)
{
    const char *lang = strchr(s, '\''), *text = lang ? strchr(lang + 1, '\'') : NULL;
    AUTO(str_done) struct str utf8 = {0};
    ptrdiff_t n;

    if (!text)
        return NULL;
    AUTO(mem_free) char *bytes = mem_strdup(text + 1);
    n = url_decode(bytes, strlen(bytes), false);
    if (n < 0 || memchr(bytes, 0, (size_t)n))
        return NULL;
    bytes[n] = 0;
    if (lang - s == 5 && !strncasecmp(s, "utf-8", 5))
        return utf8_valid(bytes, (size_t)n) ? take(bytes) : NULL;
    if (lang - s != 10 || strncasecmp(s, "iso-8859-1", 10) != 0)
        return NULL;
    for (ptrdiff_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c >= 0x80)
            str_putc(&utf8, (char)(0xC0 | c >> 6));
        str_putc(&utf8, (char)(c < 0x80 ? c : 0x80 | (c & 0x3F)));
    }
    return str_take(&utf8);
}

void form_drop_controls(char *s)
{
    char *out = s;

    for (; *s; s++)
        if ((unsigned char)*s >= 0x20 && *s != 0x7F)
            *out++ = *s;
    *out = 0;
}

void form_keep_basename(char *s)
{
    char *base = s;

    for (char *p = s; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    if (!strcmp(base, ".") || !strcmp(base, ".."))
        *base = 0;
    memmove(s, base, strlen(base) + 1);
}
