#include "robot/page_options.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define T struct page_opts
#define MARGINS "6.25mm,6.25mm,14.11mm,6.25mm"
#define TEMPLATE_MAX 65536 /* bytes */
#define WHY "a page that becomes a PDF has a paper, and /document/convert has these for the same"

enum { A0, A1, A2, A3, A4, A5, A6, LEDGER, LEGAL, LETTER, TABLOID };
static const struct opt_choice papers[] = {
    {"A0", A0}, {"A1", A1}, {"A2", A2}, {"A3", A3}, {"A4", A4}, {"A5", A5}, {"A6", A6}, {"Ledger", LEDGER},
    {"Legal", LEGAL}, {"Letter", LETTER}, {"Tabloid", TABLOID}, {0}};
static const struct {
    double width, height; /* inches */
} sizes[] = {[A0] = {33.1, 46.8}, [A1] = {23.4, 33.1}, [A2] = {16.54, 23.4},  [A3] = {11.7, 16.54},
             [A4] = {8.27, 11.7}, [A5] = {5.83, 8.27}, [A6] = {4.13, 5.83},   [LEDGER] = {17, 11},
             [LEGAL] = {8.5, 14}, [LETTER] = {8.5, 11}, [TABLOID] = {11, 17}};

#define ROWS(...)                                                                                                     \
    OPT_STR(T, pdf_margin, .def_str = MARGINS, .example = "\"1cm,1cm,2cm,1cm\"",                                      \
            .help = "Of a PDF: margins at the top, right, bottom and left, in mm, cm, in, pt or px.", __VA_ARGS__),   \
        OPT_BOOL(T, pdf_print_background, .def = true, .help = "Of a PDF: with colours and pictures behind the text.",\
                 __VA_ARGS__),                                                                                        \
        OPT_ENUM(T, pdf_format, papers, .def = LETTER, .help = "Of a PDF: size of the paper.", __VA_ARGS__),          \
        OPT_BOOL(T, pdf_display_header_footer, .help = "Of a PDF: with a header and a footer on each page.",          \
                 __VA_ARGS__),                                                                                        \
        OPT_STR(T, pdf_header_template, .example = "\"<span class='title'></span>\"",                                 \
                .help = "Of a PDF: HTML of the header. Elements of the classes date, title, url, pageNumber and "     \
                        "totalPages are filled in.",                                                                  \
                __VA_ARGS__),                                                                                         \
        OPT_STR(T, pdf_footer_template, .example = "\"<span class='pageNumber'></span>\"",                            \
                .help = "Of a PDF: HTML of the footer, in the same way.", __VA_ARGS__),                               \
        OPT_END

const struct option page_options[] = {ROWS(.beyond = NULL)};
const struct option page_options_beyond[] = {ROWS(.beyond = WHY)};

/* A length at *s, which moves behind it and the comma. -1: it is none. */
static double read_length(const char **s)
{
    static const struct {
        const char *unit;
        double inches;
    } units[] = {{"mm", 1 / 25.4}, {"cm", 1 / 2.54}, {"in", 1}, {"pt", 1 / 72.0}, {"px", 1 / 96.0}};
    const char *p = *s + strspn(*s, " ");
    char *end;

    if (!*p || !strchr("0123456789.", *p) || strspn(p, "0123456789.") > 12)
        return -1;
    double v = strtod(p, &end);
    for (size_t i = 0; end != p && i < ARRAY_LEN(units); i++)
        if (str_starts(end, units[i].unit)) {
            end += 2;
            end += strspn(end, " ");
            *s = end + (*end == ',');
            return *end == ',' || !*end ? v * units[i].inches : -1;
        }
    if (v == 0 && (*end == ',' || !*end)) { /* nothing needs no unit */
        *s = end + (*end == ',');
        return 0;
    }
    return -1;
}

static bool read_margins(double out[4], const char *s)
{
    for (int i = 0; i < 4; i++)
        if (!*s || (out[i] = read_length(&s)) < 0)
            return false;
    return !*s;
}

static int check_template(const char *name, const char *text, struct err *err)
{
    return text && strlen(text) > TEMPLATE_MAX
               ? err_set(err, ERR_ROBOT_VALIDATION, "'%s' has more than %d bytes", name, TEMPLATE_MAX)
               : 0;
}

int page_opts_check(const struct page_opts *o, bool partial, struct err *err)
{
    struct page_paper p = {0};

    if (o->pdf_margin && !read_margins(p.margin, o->pdf_margin))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'pdf_margin' is '%.60s', not four lengths like '" MARGINS "' (mm, cm, in, pt, px)",
                       o->pdf_margin);
    if (!partial) {
        p = page_paper(o);
        if (p.margin[1] + p.margin[3] >= p.width || p.margin[0] + p.margin[2] >= p.height)
            return err_set(err, ERR_ROBOT_VALIDATION, "'pdf_margin' leaves nothing of the paper");
    }
    return check_template("pdf_header_template", o->pdf_header_template, err) < 0 ||
                   check_template("pdf_footer_template", o->pdf_footer_template, err) < 0
               ? -1
               : 0;
}

struct page_paper page_paper(const struct page_opts *o)
{
    struct page_paper p = {.width = sizes[o ? o->pdf_format : LETTER].width,
                           .height = sizes[o ? o->pdf_format : LETTER].height,
                           .background = !o || o->pdf_print_background,
                           .has_header_footer = o && o->pdf_display_header_footer,
                           .header = o ? o->pdf_header_template : NULL,
                           .footer = o ? o->pdf_footer_template : NULL};

    if (!read_margins(p.margin, o && o->pdf_margin ? o->pdf_margin : MARGINS))
        memset(p.margin, 0, sizeof p.margin);
    return p;
}
