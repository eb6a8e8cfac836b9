#include "media/speech_text.h"
#include "robot/speech_voice.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_PAUSE 10   /* s */
#define MOST_PAUSES 600 /* s in all */
#define MOST_DEPTH 60   /* elements within elements */
#define MOST_VALUE 40   /* bytes of an attribute */

/* ---- texts ---- */

static int speech_too_long(size_t len, struct err *err)
{
    return err_set(err, ERR_INPUT, "the text has %zu bytes, the most is %d", len, SPEECH_TEXT_MAX);
}

/* No character that is a command, and none that begins one. */
static void speech_put(struct str *out, const char *text, bool markup)
{
    for (const char *p = text; *p; p++) {
        if (markup && (*p == '&' || *p == '<' || *p == '>'))
            str_puts(out, *p == '&' ? "&amp;" : *p == '<' ? "&lt;" : "&gt;");
        else if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
            str_putc(out, ' ');
        else
            str_putc(out, *p);
        if (*p == '[' && p[1] == '[')
            str_putc(out, ' ');
    }
}

/* Nothing but what becomes space. */
static bool speech_is_blank(const char *s)
{
    for (; s && *s; s++)
        if ((unsigned char)*s > 0x20 && *s != 0x7f)
            return false;
    return true;
}

int speech_plain(struct str *out, const char *text, size_t len, struct err *err)
{
    if (len > SPEECH_TEXT_MAX)
        return speech_too_long(len, err);
    AUTO(mem_free) char *utf8 = utf8_from_unknown(text, len);
    if (speech_is_blank(utf8))
        return err_set(err, ERR_INPUT, "there is no text to be spoken");
    speech_put(out, utf8, false);
    return 0;
}

/* ---- markup ---- */

struct speech {
    struct str *out;
    double pauses; /* s */
    bool said;     /* some text was */
    struct err *err;
};

enum speech_form { WORD, LANGUAGE, PAUSE, TEXT };

/* name: as it is read; to: as espeak-ng calls it, NULL: what is in it counts alone. */
static const struct speech_element {
    const char *name, *to;
    bool silent; /* nothing in it is spoken */
    struct {
        const char *name, *to;
        enum speech_form form;
    } attributes[5];
} elements[] = {
    {"speak", "speak", false, {{"lang", "xml:lang", LANGUAGE}}},
    {"p", "p", false, {{"lang", "xml:lang", LANGUAGE}}},
    {"paragraph", "p", false, {{0}}},
    {"s", "s", false, {{"lang", "xml:lang", LANGUAGE}}},
    {"sentence", "s", false, {{0}}},
    {"lang", "voice", false, {{"lang", "xml:lang", LANGUAGE}}},
    {"voice",
     "voice",
     false,
     {{"lang", "xml:lang", LANGUAGE},
      {"language", "xml:lang", LANGUAGE},
      {"gender", "gender", WORD},
      {"age", "age", WORD}}},
    {"prosody",
     "prosody",
     false,
     {{"rate", "rate", WORD},
      {"pitch", "pitch", WORD},
      {"range", "range", WORD},
      {"volume", "volume", WORD}}},
    {"emphasis", "emphasis", false, {{"level", "level", WORD}}},
    {"say-as",
     "say-as",
     false,
     {{"interpret-as", "interpret-as", WORD},
      {"format", "format", WORD},
      {"detail", "detail", WORD}}},
    {"sub", "sub", false, {{"alias", "alias", TEXT}}},
    {"break", "break", true, {{"strength", "strength", WORD}, {"time", "time", PAUSE}}},
    {"metadata", NULL, true, {{0}}},
    {"meta", NULL, true, {{0}}},
    {"lexicon", NULL, true, {{0}}},
    {"desc", NULL, true, {{0}}},
};

static const struct speech_element *speech_find(const char *name)
{
    static const struct speech_element other = {"", NULL, false, {{0}}};

    for (size_t i = 0; i < ARRAY_LEN(elements); i++)
        if (!strcmp(elements[i].name, name))
            return &elements[i];
    return &other;
}

/* "500ms", "2s", "1.5 s"; *out in s. */
static bool speech_time(double *out, const char *text)
{
    char *end;
    size_t digits = strspn(text, "0123456789.");

    if (!digits || digits > 12)
        return false;
    *out = strtod(text, &end);
    end += strspn(end, " ");
    if (!strcmp(end, "ms"))
        *out /= 1000;
    else if (strcmp(end, "s") != 0)
        return false;
    *out = fmin(*out, MOST_PAUSE);
    return true;
}

static void speech_attribute(struct speech *s, const char *name, enum speech_form form,
                             const char *value)
{
    char text[48];
    double pause;

    if (form == TEXT) {
        str_addf(s->out, " %s=\"", name);
        for (; *value; value++)
            if ((unsigned char)*value >= 0x20 && !strchr("\"<>&[]", *value))
                str_putc(s->out, *value);
        str_putc(s->out, '"');
        return;
    }
    if (form == LANGUAGE && !(value = speech_voice(value)))
        return;
    if (form == PAUSE) {
        if (!speech_time(&pause, value))
            return;
        s->pauses += pause;
        snprintf(text, sizeof text, "%dms", (int)(pause * 1000));
        value = text;
    }
    if (strlen(value) <= MOST_VALUE &&
        !value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789.+%:-")])
        str_addf(s->out, " %s=\"%s\"", name, value);
}

static void speech_open(struct speech *s, const struct speech_element *e, xmlNode *n)
{
    str_addf(s->out, "<%s", e->to);
    for (size_t i = 0; i < ARRAY_LEN(e->attributes) && e->attributes[i].name; i++) {
        xmlChar *value = xmlGetProp(n, (const xmlChar *)e->attributes[i].name);

        if (value)
            speech_attribute(s, e->attributes[i].to, e->attributes[i].form, (const char *)value);
        xmlFree(value);
    }
    if (!strcmp(e->to, "break"))
        s->pauses += 1; /* it has one by itself */
    str_puts(s->out, e->silent ? "/>" : ">");
}

static int speech_children(struct speech *s, xmlNode *n, int depth);

static int speech_element(struct speech *s, xmlNode *n, int depth)
{
    const struct speech_element *e = speech_find((const char *)n->name);

    if (depth > MOST_DEPTH)
        return err_set(s->err, ERR_INPUT, "the markup has more than %d elements within each other",
                       MOST_DEPTH);
    if (e->to)
        speech_open(s, e, n);
    if (s->pauses > MOST_PAUSES)
        return err_set(s->err, ERR_INPUT, "the pauses of the markup are more than %d s in all",
                       MOST_PAUSES);
    if (!e->silent && speech_children(s, n->children, depth + 1) < 0)
        return -1;
    if (e->to && !e->silent)
        str_addf(s->out, "</%s>", e->to);
    return 0;
}

static int speech_children(struct speech *s, xmlNode *n, int depth)
{
    for (; n; n = n->next) {
        if (n->type == XML_ELEMENT_NODE && speech_element(s, n, depth) < 0)
            return -1;
        if (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE) {
            s->said |= !speech_is_blank((const char *)n->content);
            speech_put(s->out, (const char *)n->content, true);
        }
    }
    return 0;
}

static void speech_quiet(void *ctx, const char *fmt, ...) {}

int speech_ssml(struct str *out, const char *text, size_t len, struct err *err)
{
    struct speech s = {.out = out, .err = err};
    AUTO(str_done) struct str wrapped = {0};

    if (len > SPEECH_TEXT_MAX)
        return speech_too_long(len, err);
    AUTO(mem_free) char *utf8 = utf8_from_unknown(text, len);
    if (!strstr(utf8, "<speak")) { /* a piece of it will do */
        str_addf(&wrapped, "<speak>%s</speak>", utf8);
    } else {
        str_puts(&wrapped, utf8);
    }
    if (strstr(wrapped.s, "<!DOCTYPE")) /* it could define what was never written */
        return err_set(err, ERR_INPUT, "SSML has no document type");
    xmlSetGenericErrorFunc(NULL, speech_quiet);
    xmlDoc *doc = xmlReadMemory(wrapped.s, (int)wrapped.len, NULL, "UTF-8",
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc)
        return err_set(err, ERR_INPUT, "the text is no well-formed SSML");
    int rc = speech_children(&s, xmlDocGetRootElement(doc), 0);
    if (rc == 0 && !s.said)
        rc = err_set(err, ERR_INPUT, "there is no text to be spoken");
    xmlFreeDoc(doc);
    return rc;
}
