#include "media/flat_sheet.h"
#include "base/str.h"

#include <string.h>

#define LOOK_LINES 8   /* that tell what parts the fields */
#define DECIMALS_MAX 9 /* of a number that keeps its digits */
#define DIGITS_MAX 15  /* more than a double holds: a text */

static const char head[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<office:document xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" "
    "xmlns:style=\"urn:oasis:names:tc:opendocument:xmlns:style:1.0\" "
    "xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" "
    "xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" "
    "xmlns:number=\"urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0\" office:version=\"1.2\" "
    "office:mimetype=\"application/"
    "vnd.oasis.opendocument.spreadsheet\">\n<office:automatic-styles>\n";
static const char tail[] = "</table:table></office:spreadsheet></office:body></office:document>\n";

struct cursor {
    const char *at, *end;
    char separator;
};

/* One field, without its quotes; *last: the record ends behind it. */
static void sheet_field(struct str *field, bool *quoted, bool *last, struct cursor *c)
{
    str_reset(field);
    *quoted = c->at < c->end && *c->at == '"';
    c->at += *quoted;
    for (bool inside = *quoted; c->at < c->end; c->at++) {
        if (inside && *c->at == '"') {
            if (c->at + 1 < c->end && c->at[1] == '"')
                c->at++;
            else {
                inside = false;
                continue;
            }
        } else if (!inside && (*c->at == c->separator || *c->at == '\n' || *c->at == '\r'))
            break;
        str_putc(field, *c->at);
    }
    *last = c->at == c->end || *c->at != c->separator;
    if (c->at < c->end && *c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n')
        c->at++;
    c->at += c->at < c->end;
}

/* How well does it part the first lines: fields of the first one if all have as many, else a tenth
 * of that. */
static int sheet_fit(const char *csv, size_t len, char separator)
{
    struct cursor c = {csv, csv + len, separator};
    AUTO(str_done) struct str field = {0};
    int first = 0;
    bool even = true;

    for (int line = 0; line < LOOK_LINES && c.at < c.end; line++) {
        bool quoted, last = false;
        int n = 0;

        while (!last) {
            sheet_field(&field, &quoted, &last, &c);
            n++;
        }
        if (!line)
            first = n;
        even &= n == first;
    }
    return (first - 1) * (even ? 10 : 1);
}

static char sheet_separator(const char **csv, size_t *len)
{
    static const char candidates[] = ",;\t|";
    char best = ',';
    int fit = 0;

    if (*len > 5 && str_starts(*csv, "sep=") && ((*csv)[5] == '\n' || (*csv)[5] == '\r')) {
        best = (*csv)[4];
        size_t skip = *len > 6 && (*csv)[5] == '\r' && (*csv)[6] == '\n' ? 7 : 6;
        *csv += skip;
        *len -= skip;
        return best;
    }
    for (const char *s = candidates; *s; s++) {
        int f = sheet_fit(*csv, *len < 65536 ? *len : 65536, *s);

        if (f > fit) {
            fit = f;
            best = *s;
        }
    }
    return best;
}

/* The decimals of a plain number, -1: it is a text. "007" and "1,000" are texts: nobody knows what
 * they count. */
static int sheet_decimals(const struct str *field)
{
    const char *p = field->s;
    size_t whole, part = 0;

    if (!field->len)
        return -1;
    p += *p == '-';
    whole = strspn(p, "0123456789");
    if (!whole || (whole > 1 && *p == '0'))
        return -1;
    p += whole;
    if (*p == '.') {
        part = strspn(++p, "0123456789");
        p += part;
        if (!part)
            return -1;
    }
    return p == field->s + field->len && whole + part <= DIGITS_MAX && part <= DECIMALS_MAX
               ? (int)part
               : -1;
}

/* As text:p elements; a character that XML does not have is left out. */
static void sheet_text(FILE *f, const struct str *field)
{
    fputs("<text:p>", f);
    for (size_t i = 0; i < field->len; i++) {
        unsigned char b = (unsigned char)field->s[i];

        if (b == '\n')
            fputs("</text:p><text:p>", f);
        else if (b == '&' || b == '<' || b == '>')
            fputs(b == '&' ? "&amp;" : b == '<' ? "&lt;" : "&gt;", f);
        else if (b == ' ' && i && field->s[i - 1] == ' ')
            fputs("<text:s/>", f);
        else if (b == '\t')
            fputs("<text:tab/>", f);
        else if (b == 0xEF && i + 2 < field->len && (unsigned char)field->s[i + 1] == 0xBF &&
                 (unsigned char)field->s[i + 2] >= 0xBE)
            i += 2; /* U+FFFE, U+FFFF */
        else if (b >= 0x20)
            putc(b, f);
    }
    fputs("</text:p>", f);
}

static void sheet_cell(FILE *f, const struct str *field, bool quoted)
{
    int decimals = quoted ? -1 : sheet_decimals(field);

    if (!field->len) {
        fputs("<table:table-cell/>", f);
        return;
    }
    if (decimals >= 0)
        fprintf(f,
                "<table:table-cell table:style-name=\"c%d\" office:value-type=\"float\" "
                "office:value=\"%s\">",
                decimals, field->s);
    else
        fputs("<table:table-cell office:value-type=\"string\">", f);
    sheet_text(f, field);
    fputs("</table:table-cell>", f);
}

static void sheet_begin(FILE *f)
{
    fputs(head, f);
    for (int i = 0; i <= DECIMALS_MAX; i++)
        fprintf(
            f,
            "<number:number-style style:name=\"n%d\"><number:number number:decimal-places=\"%d\" "
            "number:min-decimal-places=\"%d\" "
            "number:min-integer-digits=\"1\"/></number:number-style>"
            "<style:style style:name=\"c%d\" style:family=\"table-cell\" "
            "style:data-style-name=\"n%d\"/>\n",
            i, i, i, i, i);
    fputs("</office:automatic-styles>\n<office:body><office:spreadsheet><table:table "
          "table:name=\"Sheet1\">\n",
          f);
}

int flat_sheet_write(struct flat_sheet *out, FILE *f, const char *csv, size_t len, struct err *err)
{
    struct flat_sheet sheet = {0};
    int64_t cells = 0;
    AUTO(str_done) struct str field = {0};

    if (len > FLAT_SHEET_BYTES_MAX)
        return err_set(err, ERR_INPUT, "the table has %zu bytes, at most %d are taken", len,
                       FLAT_SHEET_BYTES_MAX);
    char separator = sheet_separator(&csv, &len);
    struct cursor c = {csv, csv + len, separator};
    sheet_begin(f);
    while (c.at < c.end) {
        int64_t columns = 0;
        bool quoted, last = false;

        fputs("<table:table-row>", f);
        while (!last) {
            sheet_field(&field, &quoted, &last, &c);
            sheet_cell(f, &field, quoted);
            columns++;
            if (columns > FLAT_SHEET_COLUMNS_MAX || ++cells > FLAT_SHEET_CELLS_MAX)
                return err_set(err, ERR_INPUT, "the table has more than %d columns or %d cells",
                               FLAT_SHEET_COLUMNS_MAX, FLAT_SHEET_CELLS_MAX);
        }
        fputs("</table:table-row>\n", f);
        sheet.columns = columns > sheet.columns ? columns : sheet.columns;
        if (++sheet.rows > FLAT_SHEET_ROWS_MAX)
            return err_set(err, ERR_INPUT, "the table has more than %d rows", FLAT_SHEET_ROWS_MAX);
    }
    if (!sheet.rows)
        fputs("<table:table-row><table:table-cell/></table:table-row>\n", f);
    fputs(tail, f);
    *out = sheet;
    return 0;
}
