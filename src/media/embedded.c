#include "media/embedded.h"
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <libxml/parser.h>
#include <libxml/xmlreader.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#define RAW_HEAD (256 * 1024) /* bytes of a camera's file where its directories are */

/* Set unless it is there or the text is empty. Trailing blanks go. */
static void add_text(json_t *meta, const char *key, const char *s, size_t len)
{
    while (len && (s[len - 1] == ' ' || s[len - 1] == '\0' || s[len - 1] == '\n'))
        len--;
    if (!len || json_object_get(meta, key))
        return;
    AUTO(mem_free) char *text = utf8_from_unknown(s, len);
    jset(meta, key, text);
}

static void add_num(json_t *meta, const char *key, double v, double steps)
{
    if (isfinite(v) && !json_object_get(meta, key))
        json_object_set_new(meta, key, json_real(round(v * steps) / steps));
}

static void add_int(json_t *meta, const char *key, int64_t v)
{
    if (!json_object_get(meta, key))
        json_object_set_new(meta, key, json_integer(v));
}

/* ---- EXIF: a TIFF directory tree ---- */

struct tiff {
    const unsigned char *p;
    size_t len;
    bool big;
};

static unsigned get16(const struct tiff *t, size_t at)
{
    if (at + 2 > t->len)
        return 0;
    return t->big ? (unsigned)t->p[at] << 8 | t->p[at + 1] : (unsigned)t->p[at + 1] << 8 | t->p[at];
}

static uint32_t get32(const struct tiff *t, size_t at)
{
    unsigned a = get16(t, at), b = get16(t, at + 2);

    return t->big ? (uint32_t)a << 16 | b : (uint32_t)b << 16 | a;
}

struct entry {
    unsigned tag, type;
    uint32_t count;
    size_t at; /* of the value */
};

static bool get_entry(struct entry *e, const struct tiff *t, size_t at)
{
    static const uint8_t size[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
    const unsigned utf8 = 129; /* EXIF 3.0: a text like type 2 */

    if (at + 12 > t->len)
        return false;
    *e = (struct entry){get16(t, at), get16(t, at + 2), get32(t, at + 4), at + 8};
    if (e->type == utf8)
        e->type = 2;
    if (e->type >= sizeof size || !size[e->type])
        return false;
    uint64_t bytes = (uint64_t)e->count * size[e->type];
    if (bytes > 4)
        e->at = get32(t, at + 8);
    return e->count && e->at + bytes <= t->len;
}

static double get_num(const struct tiff *t, const struct entry *e, uint32_t i)
{
    if (i >= e->count)
        return NAN;
    switch (e->type) {
    case 1:
        return t->p[e->at + i];
    case 3:
        return get16(t, e->at + 2 * (size_t)i);
    case 4:
        return get32(t, e->at + 4 * (size_t)i);
    case 9:
        return (int32_t)get32(t, e->at + 4 * (size_t)i);
    case 5:
        return (double)get32(t, e->at + 8 * (size_t)i) / get32(t, e->at + 8 * (size_t)i + 4);
    case 10:
        return (double)(int32_t)get32(t, e->at + 8 * (size_t)i) /
               (int32_t)get32(t, e->at + 8 * (size_t)i + 4);
    default:
        return NAN;
    }
}

/* A date or nothing. Cameras that know no zone: taken as GMT. False: it is none. */
static bool add_date(json_t *meta, const char *key, const char *s, size_t len, const char *zone)
{
    char in[64], out[DATE_LEN + 1];
    int64_t at;

    len = strnlen(s, len);
    if (len >= sizeof in)
        return false;
    memcpy(in, s, len);
    in[len] = 0;
    if (date_read(&at, in, zone) < 0)
        return false;
    date_format(out, at);
    add_text(meta, key, out, strlen(out));
    return true;
}

/* UTF-16 little endian, as Windows writes the XP tags. */
static void add_xp(json_t *meta, const char *key, const struct tiff *t, const struct entry *e)
{
    AUTO(str_done) struct str b = {0};

    for (size_t i = 0; i + 1 < e->count; i += 2) {
        const unsigned char *p = t->p + e->at + i;
        unsigned c = p[0] | (unsigned)p[1] << 8;

        if (!c)
            break;
        if (c >= 0xD800 && c < 0xDC00 && i + 3 < e->count && (p[3] & 0xFC) == 0xDC) {
            c = 0x10000 + ((c & 0x3FF) << 10 | (unsigned)(p[3] & 3) << 8 | p[2]);
            i += 2;
        }
        if (c >= 0xD800 && c < 0xE000)
            c = 0xFFFD; /* half a character */
        if (c < 0x80) {
            str_putc(&b, (char)c);
            continue;
        }
        if (c >= 0x10000) {
            str_putc(&b, (char)(0xF0 | c >> 18));
            str_putc(&b, (char)(0x80 | (c >> 12 & 63)));
        } else if (c >= 0x800) {
            str_putc(&b, (char)(0xE0 | c >> 12));
        }
        str_putc(&b, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xC0 | c >> 6));
        str_putc(&b, (char)(0x80 | (c & 63)));
    }
    if (b.len)
        add_text(meta, key, b.s, b.len);
}

static void add_choice(json_t *meta, const char *key, double v, const char *const *names, size_t n)
{
    if (v >= 0 && v < (double)n && names[(size_t)v])
        add_text(meta, key, names[(size_t)v], strlen(names[(size_t)v]));
}

/* The words people know from other tools for the bits of the flash tag. */
static void add_flash(json_t *meta, unsigned v)
{
    char text[100];

    if (v & 0x20)
        snprintf(text, sizeof text, "No flash function");
    else
        snprintf(text, sizeof text, "%s%s%s%s",
                 (v & 0x18) == 0x18               ? "Auto, "
                 : (v & 0x18) == 0x8 && !(v & 1)  ? "On, "
                 : (v & 0x18) == 0x10 && !(v & 1) ? "Off, "
                                                  : "",
                 v & 1 ? "Fired" : "Did not fire", v & 0x40 ? ", Red-eye reduction" : "",
                 (v & 6) == 6   ? ", Return detected"
                 : (v & 6) == 4 ? ", Return not detected"
                                : "");
    add_text(meta, "flash", text, strlen(text));
}

struct moment {
    const char *text, *zone; /* in the block; NULL: none */
    size_t text_len, zone_len;
};
struct photo {
    double f, aperture, time, iso; /* 0: unknown */
    struct moment taken, digitised;
};
struct gps {
    double lat, lon;
    char ns, ew;
};

static void add_image_tag(json_t *meta, const struct tiff *t, const struct entry *e)
{
    static const char *const orientation[] = {NULL,
                                              "Horizontal (normal)",
                                              "Mirror horizontal",
                                              "Rotate 180",
                                              "Mirror vertical",
                                              "Mirror horizontal and rotate 270 CW",
                                              "Rotate 90 CW",
                                              "Mirror horizontal and rotate 90 CW",
                                              "Rotate 270 CW"};
    const char *s = (const char *)t->p + e->at;
    static const struct {
        unsigned tag;
        const char *key;
    } texts[] = {{0x010E, "description"},     {0x010F, "device_vendor"}, {0x0110, "device_name"},
                 {0x0131, "device_software"}, {0x013B, "author"},        {0x8298, "copyright"}},
      xp[] = {{0x9C9B, "xp_title"},
              {0x9C9C, "xp_comment"},
              {0x9C9E, "xp_keywords"},
              {0x9C9F, "xp_subject"}};

    for (size_t i = 0; i < ARRAY_LEN(texts) && e->type == 2; i++)
        if (texts[i].tag == e->tag)
            add_text(meta, texts[i].key, s, strnlen(s, e->count));
    for (size_t i = 0; i < ARRAY_LEN(xp) && (e->type == 1 || e->type == 7); i++)
        if (xp[i].tag == e->tag)
            add_xp(meta, xp[i].key, t, e);
    if (e->tag == 0x0112)
        add_choice(meta, "orientation", get_num(t, e, 0), orientation, ARRAY_LEN(orientation));
}

static void add_time(json_t *meta, const char *key, double v)
{
    char text[32];

    if (!(v > 0) || !isfinite(v))
        return;
    if (v < 0.25001)
        snprintf(text, sizeof text, "1/%.0f", 1 / v);
    else
        snprintf(text, sizeof text, "%.3g", v);
    add_text(meta, key, text, strlen(text));
}

static void add_photo_tag(json_t *meta, struct photo *ph, const struct tiff *t,
                          const struct entry *e)
{
    static const char *const modes[] = {"Auto", "Manual", "Auto bracket"};
    static const char *const balance[] = {"Auto", "Manual"};
    static const char *const metering[] = {"Unknown", "Average",    "Center-weighted average",
                                           "Spot",    "Multi-spot", "Multi-segment",
                                           "Partial"};
    const char *s = (const char *)t->p + e->at;
    double v = get_num(t, e, 0);
    char text[32];

    switch (e->tag) {
    case 0x9003:
    case 0x9004:
        if (e->type == 2) {
            struct moment *m = e->tag == 0x9003 ? &ph->taken : &ph->digitised;

            m->text = s;
            m->text_len = e->count;
        }
        break;
    case 0x9011:
    case 0x9012:
        if (e->type == 2) {
            struct moment *m = e->tag == 0x9011 ? &ph->taken : &ph->digitised;

            m->zone = s;
            m->zone_len = e->count;
        }
        break;
    case 0x829A: ph->time = v; break;
    case 0x829D: ph->f = v; break;
    case 0x9202: ph->aperture = pow(2, v / 2); break;
    case 0x8827: ph->iso = v; break;
    case 0x9204: add_num(meta, "exposure_compensation", v, 100); break;
    case 0xA402: add_choice(meta, "exposure_mode", v, modes, ARRAY_LEN(modes)); break;
    case 0x9207: add_choice(meta, "metering_mode", v, metering, ARRAY_LEN(metering)); break;
    case 0xA403: add_choice(meta, "white_balance", v, balance, ARRAY_LEN(balance)); break;
    case 0x9209:
        if (v >= 0 && v < 256)
            add_flash(meta, (unsigned)v);
        break;
    case 0x920A:
        if (isfinite(v)) {
            snprintf(text, sizeof text, "%.1f mm", v);
            add_text(meta, "focal_length", text, strlen(text));
        }
        break;
    }
}

static void add_gps_tag(struct gps *g, const struct tiff *t, const struct entry *e)
{
    double deg = get_num(t, e, 0) + get_num(t, e, 1) / 60 + get_num(t, e, 2) / 3600;

    switch (e->tag) {
    case 1:
        g->ns = (char)t->p[e->at];
        break;
    case 2:
        g->lat = deg;
        break;
    case 3:
        g->ew = (char)t->p[e->at];
        break;
    case 4:
        g->lon = deg;
        break;
    }
}

static bool add_moment(json_t *meta, const char *key, const struct moment *m)
{
    char zone[16] = "";

    if (m->zone)
        snprintf(zone, sizeof zone, "%.*s", (int)MIN(m->zone_len, sizeof zone - 1), m->zone);
    for (size_t n = strlen(zone); n && zone[n - 1] == ' '; n--)
        zone[n - 1] = 0;
    return m->text && add_date(meta, key, m->text, m->text_len, zone);
}

void meta_add_exif(json_t *meta, const void *data, size_t len)
{
    struct tiff t = {data, len, false};
    struct photo ph = {0};
    struct gps g = {NAN, NAN, 0, 0};
    size_t dirs[3] = {0}; /* main, photo, gps */

    if (len > 6 && !memcmp(t.p, "Exif\0\0", 6)) {
        t.p += 6;
        t.len -= 6;
    }
    if (t.len < 8 || (memcmp(t.p, "II*\0", 4) && memcmp(t.p, "MM\0*", 4)))
        return;
    t.big = *t.p == 'M';
    dirs[0] = get32(&t, 4);
    for (int d = 0; d < 3; d++) {
        unsigned n = dirs[d] ? get16(&t, dirs[d]) : 0;

        for (unsigned i = 0; i < n; i++) {
            struct entry e;

            if (dirs[d] + 2 + 12 * (size_t)i + 12 > t.len)
                break;
            if (!get_entry(&e, &t, dirs[d] + 2 + 12 * (size_t)i))
                continue;
            if (d == 0 && (e.tag == 0x8769 || e.tag == 0x8825))
                dirs[e.tag == 0x8769 ? 1 : 2] = e.type == 4 ? get32(&t, e.at) : 0;
            else if (d == 0)
                add_image_tag(meta, &t, &e);
            else if (d == 1)
                add_photo_tag(meta, &ph, &t, &e);
            else
                add_gps_tag(&g, &t, &e);
        }
    }
    if (!add_moment(meta, "date_recorded", &ph.taken))
        add_moment(meta, "date_recorded", &ph.digitised);
    double f = ph.f > 0 ? ph.f : ph.aperture;
    if (ph.f > 0)
        add_num(meta, "f_number", ph.f, 10);
    if (f > 0)
        add_num(meta, "aperture", f, 10);
    if (ph.iso > 0)
        add_int(meta, "iso", (int64_t)ph.iso);
    add_time(meta, "exposure_time", ph.time);
    add_time(meta, "shutter_speed", ph.time);
    if (f > 0 && ph.time > 0 && ph.iso > 0)
        add_num(meta, "light_value", log2(f * f / ph.time) - log2(ph.iso / 100), 10);
    if (isfinite(g.lat) && isfinite(g.lon) && fabs(g.lat) <= 90 && fabs(g.lon) <= 180) {
        add_num(meta, "latitude", g.ns == 'S' ? -g.lat : g.lat, 1e8);
        add_num(meta, "longitude", g.ew == 'W' ? -g.lon : g.lon, 1e8);
    }
}

void meta_add_raw(json_t *meta, const char *path)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(mem_free) char *head = mem_alloc(RAW_HEAD);
    ssize_t n = fd < 0 ? -1 : pread(fd, head, RAW_HEAD, 0);

    if (n > 0)
        meta_add_exif(meta, head, (size_t)n);
}

/* ---- IPTC ---- */

static void add_iim(json_t *meta, const unsigned char *p, size_t len)
{
    static const struct {
        unsigned char set;
        const char *key;
    } rows[] = {
        {5, "title"},          {80, "author"},
        {80, "creator"},       {90, "city"},
        {92, "location"},      {95, "state"},
        {100, "country_code"}, {101, "country"},
        {120, "description"},  {116, "copyright_notice"},
    };
    json_t *keywords = NULL;

    for (size_t at = 0; at + 5 <= len && p[at] == 0x1C;) {
        size_t n = (size_t)p[at + 3] << 8 | p[at + 4];
        const char *s = (const char *)p + at + 5;

        if (n > len - at - 5) /* also the extended form (high bit), which no text uses */
            break;
        if (p[at + 1] == 2) {
            for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (rows[i].set == p[at + 2])
                    add_text(meta, rows[i].key, s, n);
            if (p[at + 2] == 25 && n) {
                AUTO(mem_free) char *word = utf8_from_unknown(s, n);

                keywords = keywords ? keywords : json_array();
                json_array_append_new(keywords, jstring(word));
            }
        }
        at += 5 + n;
    }
    if (keywords && json_object_get(meta, "keywords"))
        json_decref(keywords);
    else if (keywords)
        json_object_set_new(meta, "keywords", keywords);
}

void meta_add_iptc(json_t *meta, const void *data, size_t len)
{
    const unsigned char *p = data;
    size_t at = 0;

    if (len > 14 && !memcmp(p, "Photoshop 3.0", 14))
        at = 14;
    if (len < at + 4 || memcmp(p + at, "8BIM", 4)) {
        add_iim(meta, p, len);
        return;
    }
    while (at + 12 <= len && !memcmp(p + at, "8BIM", 4)) {
        unsigned id = (unsigned)p[at + 4] << 8 | p[at + 5];
        size_t name = ((size_t)p[at + 6] + 2) & ~(size_t)1; /* Pascal string, even */
        size_t q = at + 6 + name;

        if (q + 4 > len)
            break;
        size_t n = (size_t)p[q] << 24 | (size_t)p[q + 1] << 16 | (size_t)p[q + 2] << 8 | p[q + 3];
        q += 4;
        if (n > len - q)
            break;
        if (id == 0x0404)
            add_iim(meta, p + q, n);
        if (id == 0x0BB7) /* name of the clipping path */
            json_object_set_new(meta, "has_clipping_path", json_true());
        at = q + ((n + 1) & ~(size_t)1);
    }
}

/* ---- XMP ---- */

static const struct {
    const char *prefix, *name, *key;
} xmp_rows[] = {
    {"dc", "title", "title"},
    {"dc", "description", "description"},
    {"dc", "creator", "creator"},
    {"dc", "rights", "rights"},
    {"photoshop", "City", "city"},
    {"photoshop", "State", "state"},
    {"photoshop", "Country", "country"},
    {"Iptc4xmpCore", "Location", "location"},
    {"Iptc4xmpCore", "CountryCode", "country_code"},
    {"tiff", "Make", "device_vendor"},
    {"tiff", "Model", "device_name"},
    {"xmp", "CreatorTool", "device_software"},
};

static void add_xmp_property(json_t *meta, const xmlNs *ns, const xmlChar *name,
                             const xmlNode *value)
{
    const char *prefix = ns && ns->prefix ? (const char *)ns->prefix : "";

    for (size_t i = 0; i < ARRAY_LEN(xmp_rows); i++) {
        if (strcmp(xmp_rows[i].prefix, prefix) != 0 ||
            strcmp(xmp_rows[i].name, (const char *)name) != 0)
            continue;
        xmlChar *text = xmlNodeGetContent(value);
        const char *s = text ? (const char *)text : "";

        s += strspn(s, " \t\r\n");
        add_text(meta, xmp_rows[i].key, s, strlen(s));
        xmlFree(text);
    }
    if ((!strcmp(prefix, "xmp") && !strcmp((const char *)name, "CreateDate")) ||
        (!strcmp(prefix, "exif") && !strcmp((const char *)name, "DateTimeOriginal"))) {
        xmlChar *text = xmlNodeGetContent(value);

        if (text)
            add_date(meta, "date_recorded", (const char *)text, strlen((const char *)text), NULL);
        xmlFree(text);
    }
}

/* First list item inside n (rdf:Alt, rdf:Seq, rdf:Bag), else n itself. */
static const xmlNode *first_item(const xmlNode *n)
{
    for (const xmlNode *list = n->children; list; list = list->next)
        for (const xmlNode *li = list->type == XML_ELEMENT_NODE ? list->children : NULL; li;
             li = li->next)
            if (li->type == XML_ELEMENT_NODE)
                return li;
    return n;
}

static void add_subjects(json_t *meta, const xmlNode *n)
{
    json_t *words = json_array();

    if (json_object_get(meta, "keywords")) {
        json_decref(words);
        return;
    }
    for (const xmlNode *list = n->children; list; list = list->next)
        for (const xmlNode *li = list->type == XML_ELEMENT_NODE ? list->children : NULL; li;
             li = li->next)
            if (li->type == XML_ELEMENT_NODE) {
                xmlChar *text = xmlNodeGetContent(li);

                json_array_append_new(words, jstring(text ? (const char *)text : ""));
                xmlFree(text);
            }
    json_object_set_new(meta, "keywords", words);
}

static xmlDoc *parse_xml(const void *data, size_t len)
{
    if (len > 16 * 1024 * 1024)
        return NULL;
    /* No entity is replaced, no DTD loaded, nothing fetched. */
    return xmlReadMemory(data, (int)len, NULL, NULL,
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                             XML_PARSE_RECOVER);
}

void meta_add_xmp(json_t *meta, const void *data, size_t len)
{
    xmlDoc *doc = parse_xml(data, len);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL, *rdf = root;

    if (root && !strcmp((const char *)root->name, "xmpmeta"))
        for (rdf = root->children; rdf && strcmp((const char *)rdf->name, "RDF"); rdf = rdf->next)
            ;
    for (xmlNode *d = rdf ? rdf->children : NULL; d; d = d->next) {
        if (d->type != XML_ELEMENT_NODE)
            continue;
        for (xmlAttr *a = d->properties; a; a = a->next)
            if (a->children)
                add_xmp_property(meta, a->ns, a->name, a->children);
        for (xmlNode *p = d->children; p; p = p->next) {
            if (p->type != XML_ELEMENT_NODE)
                continue;
            if (p->ns && p->ns->prefix && !strcmp((const char *)p->ns->prefix, "dc") &&
                !strcmp((const char *)p->name, "subject"))
                add_subjects(meta, p);
            else
                add_xmp_property(meta, p->ns, p->name, first_item(p));
        }
    }
    xmlFreeDoc(doc);
}

void meta_add_svg(json_t *meta, const char *path)
{
    xmlTextReader *r =
        xmlReaderForFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    double x, y, w, h;

    if (!r)
        return;
    while (xmlTextReaderRead(r) == 1) {
        if (xmlTextReaderNodeType(r) != XML_READER_TYPE_ELEMENT)
            continue;
        xmlChar *box = xmlTextReaderGetAttribute(r, (const xmlChar *)"viewBox"); /* of the root */

        if (box && sscanf((const char *)box, "%lf%*[ ,\t\n]%lf%*[ ,\t\n]%lf%*[ ,\t\n]%lf", &x, &y,
                          &w, &h) == 4) {
            add_num(meta, "svgViewBoxWidth", w, 1e6);
            add_num(meta, "svgViewBoxHeight", h, 1e6);
        }
        xmlFree(box);
        break;
    }
    xmlFreeTextReader(r);
}
