/* form.c - multipart/form-data (RFC 7578) and application/x-www-form-urlencoded, as they arrive. */
#include "http/form.h"
#include "base/str.h"
#include "http/form_param.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_HEAD (16 * 1024) /* header block of one part */
#define MAX_BOUNDARY 200     /* RFC 2046 says 70 */
#define MAX_PADDING 64       /* blanks between a boundary and its line end */
#define PART_COST 256        /* bytes that a part costs beside its text, for the budget */
#define KEEP_MOST (64 * 1024) /* memory that is kept for the next field */
#define JOIN_STEP 512        /* bytes added to a remainder at a time, more than any delimiter */

enum state {
    FORM_NOTHING,  /* no content type: no byte may come */
    FORM_PAIRS,    /* urlencoded */
    FORM_PREAMBLE, /* before the first boundary */
    FORM_HEADERS,
    FORM_DATA,
    FORM_EPILOGUE, /* after the last boundary */
    FORM_FAILED,
};

struct form {
    enum state state;
    const struct form_sink *sink;
    void *ctx;
    struct form_limits limits;
    char delim[MAX_BOUNDARY + 5]; /* CR LF "--" boundary */
    size_t delim_len;
    struct str rest;  /* bytes of earlier feeds that could not be decided yet */
    struct str head;  /* header block of the part, a line each, ended with \n, folds joined */
    size_t head_read; /* bytes of the block so far, line ends included */
    struct str value; /* of the text field; of a urlencoded pair, raw */
    size_t text_bytes;
    int parts;
    struct share share;
    /* The part. */
    char *name, *filename, *content_type;
    bool is_file, is_begun;
    bool is_at_start; /* of its content */
};

/* ---- headers ---- */

/* The value of header `name` in the collected block, or NULL. Ends at the line's \n, not at a NUL.
 */
static char *find_header(const struct form *f, const char *name)
{
    size_t name_len = strlen(name);

    for (const char *line = f->head.s, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!strncasecmp(line, name, name_len) && *skip_blanks(line + name_len) == ':') {
            const char *value = skip_blanks(skip_blanks(line + name_len) + 1);

            while (end > value && is_blank(end[-1]))
                end--;
            return mem_strndup(value, (size_t)(end - value));
        }
    }
    return NULL;
}

static int check_transfer_encoding(const struct form *f, struct err *err)
{
    AUTO(mem_free) char *encoding = find_header(f, "Content-Transfer-Encoding");

    if (encoding && *encoding && strcasecmp(encoding, "binary") != 0 &&
        strcasecmp(encoding, "8bit") != 0 && strcasecmp(encoding, "7bit") != 0)
        return err_set(err, ERR_FORM,
                       "form part: Content-Transfer-Encoding '%.40s' is not supported", encoding);
    return 0;
}

static char *filename_of(const char *disposition)
{
    AUTO(mem_free) char *extended = form_param(disposition, "filename*");
    char *decoded = extended ? form_param_extended(extended) : NULL;

    return decoded ? decoded : form_param(disposition, "filename");
}

/* A part without a filename: is it a field? */
static bool is_text(const struct form *f)
{
    for (const char *const *name = f->limits.fields; name && *name; name++)
        if (!strcmp(f->name, *name))
            return true;
    return !f->content_type || !strncasecmp(f->content_type, "text/", 5) ||
           (!strncasecmp(f->content_type, "application/json", 16) && strchr("; \t", f->content_type[16]));
}

static int begin_file(struct form *f, struct err *err)
{
    f->is_begun = true;
    if (!*f->filename) { /* the field's name stands in, but it is no path either */
        free(f->filename);
        f->filename = mem_strdup(f->name);
        form_keep_basename(f->filename);
    }
    return f->sink->file_begin(f->ctx, f->name, *f->filename ? f->filename : "unnamed",
                               f->content_type ? f->content_type : "application/octet-stream", err);
}

/* The header block is complete. */
static int begin_part(struct form *f, struct err *err)
{
    AUTO(mem_free) char *disposition = find_header(f, "Content-Disposition");
    bool is_unnamed;

    if (++f->parts > f->limits.parts)
        return err_set(err, ERR_FORM, "form has more than %d parts", f->limits.parts);
    if (!disposition)
        return err_set(err, ERR_FORM, "form part %d has no Content-Disposition", f->parts);
    if (strncasecmp(disposition, "form-data", 9) != 0 ||
        (disposition[9] && disposition[9] != ';' && !is_blank(disposition[9])))
        return err_set(err, ERR_FORM, "form part %d: Content-Disposition '%.40s' is not form-data",
                       f->parts, disposition);
    if (check_transfer_encoding(f, err) < 0)
        return -1;
    f->name = form_param(disposition, "name");
    if (f->name)
        form_drop_controls(f->name);
    if (!f->name || !*f->name)
        return err_set(err, ERR_FORM, "form part %d has no name", f->parts);
    f->filename = filename_of(disposition);
    f->content_type = find_header(f, "Content-Type");
    if (f->content_type && !*f->content_type)
        free(take(f->content_type));

    if (form_hold(f, PART_COST + strlen(f->name), err) < 0)
        return -1;
    f->is_begun = false;
    f->is_file = f->filename || !is_text(f);
    if (!f->is_file)
        return 0;
    is_unnamed = f->filename && !*f->filename;
    if (!f->filename)
        f->filename = mem_strdup("");
    form_drop_controls(f->filename);
    form_keep_basename(f->filename);
    /* A file input left empty has filename="" and no bytes: wait for the first one. */
    return is_unnamed ? 0 : begin_file(f, err);
}

static void reset_value(struct form *f)
{
    str_reset(&f->value);
    if (f->value.cap > KEEP_MOST) {
        str_done(f->value);
        f->value = (struct str){0};
    }
}

static int end_part(struct form *f, struct err *err)
{
    int result = 0;

    if (!f->is_file)
        result = f->sink->field(f->ctx, f->name, f->value.s ? f->value.s : "", f->value.len, err);
    else if (f->is_begun)
        result = f->sink->file_end(f->ctx, err);
    f->text_bytes += f->value.len;
    reset_value(f);
    str_reset(&f->head);
    f->head_read = 0;
    free(take(f->name));
    free(take(f->filename));
    free(take(f->content_type));
    return result;
}

/* ---- content ---- */

static int check_text(struct form *f, const char *name, size_t len, struct err *err)
{
    if (len > f->limits.field_bytes)
        return err_set(err, ERR_FORM, "form field '%.100s' is larger than %zu bytes", name,
                       f->limits.field_bytes);
    if (f->text_bytes + len > f->limits.total_bytes)
        return err_set(err, ERR_FORM, "form fields are larger than %zu bytes together",
                       f->limits.total_bytes);
    return 0;
}

static int add_data(struct form *f, const char *p, size_t n, struct err *err)
{
    if (!n || f->state == FORM_PREAMBLE)
        return 0;
    if (f->is_file) {
        if (!f->is_begun && begin_file(f, err) < 0)
            return -1;
        return f->sink->file_data(f->ctx, p, n, err);
    }
    if (check_text(f, f->name, f->value.len + n, err) < 0 || form_hold(f, n, err) < 0)
        return -1;
    str_add(&f->value, p, n);
    return 0;
}

enum mark { MARK_NONE, MARK_SHORT, MARK_PART, MARK_LAST };

/* What does p, just after a delimiter, say it is? *used: bytes that belong to it. */
static enum mark look_behind_delim(size_t *used, const char *p, size_t n)
{
    size_t i = 0;

    if (n >= 1 && p[0] == '-') {
        *used = 2;
        return n < 2 ? MARK_SHORT : p[1] == '-' ? MARK_LAST : MARK_NONE;
    }
    while (i < n && i < MAX_PADDING && is_blank(p[i]))
        i++;
    if (i < n && p[i] == '\r')
        i++;
    if (i == n)
        return MARK_SHORT;
    *used = i + 1;
    return p[i] == '\n' ? MARK_PART : MARK_NONE;
}

/* How many of the last bytes could be the beginning of a delimiter? */
static size_t partial_delim(const struct form *f, const char *p, size_t n)
{
    const char *from = n >= f->delim_len ? p + n - f->delim_len + 1 : p, *end = p + n;

    while ((from = memchr(from, '\r', (size_t)(end - from))) != NULL) {
        if (!memcmp(from, f->delim, (size_t)(end - from)))
            return (size_t)(end - from);
        from++;
    }
    return 0;
}

/* The three steps below take what they can of p and return how much that was; -1 with err. Less
 * than n: the state has changed, or the remainder can only be judged with more bytes. */

/* A delimiter ends after `end` bytes: the part is over. */
static ptrdiff_t pass_delim(struct form *f, size_t end, enum mark mark, struct err *err)
{
    if (f->state == FORM_DATA && end_part(f, err) < 0)
        return -1;
    f->state = mark == MARK_LAST ? FORM_EPILOGUE : FORM_HEADERS;
    return (ptrdiff_t)end;
}

/* A part may have no content at all, not even the empty line's own CR LF (RFC 2046 5.1.1): then the
 * boundary follows the headers at once. Returns 0 when undecided or when it is not so. */
static ptrdiff_t step_start(struct form *f, const char *p, size_t n, struct err *err)
{
    size_t len = f->delim_len - 2, used = 0;
    enum mark mark;

    f->is_at_start = memcmp(p, f->delim + 2, n < len ? n : len) == 0;
    if (!f->is_at_start || n < len)
        return 0;
    mark = look_behind_delim(&used, p + len, n - len);
    if (mark == MARK_SHORT)
        return 0;
    f->is_at_start = false;
    return mark == MARK_NONE ? 0 : pass_delim(f, len + used, mark, err);
}

static ptrdiff_t step_data(struct form *f, const char *p, size_t n, struct err *err)
{
    size_t from = 0;

    if (f->is_at_start) {
        ptrdiff_t start = step_start(f, p, n, err);

        if (start != 0 || f->is_at_start)
            return start;
    }
    for (;;) {
        const char *hit = memmem(p + from, n - from, f->delim, f->delim_len);
        size_t at = hit ? (size_t)(hit - p) : n - partial_delim(f, p + from, n - from), used = 0;
        enum mark mark = MARK_NONE;

        if (hit)
            mark = look_behind_delim(&used, hit + f->delim_len, n - at - f->delim_len);
        if (hit && mark == MARK_NONE) { /* longer than our boundary: just data */
            from = at + 1;
            continue;
        }
        if (add_data(f, p, at, err) < 0)
            return -1;
        if (!hit || mark == MARK_SHORT)
            return (ptrdiff_t)at;
        return pass_delim(f, at + f->delim_len + used, mark, err);
    }
}

static ptrdiff_t step_headers(struct form *f, const char *p, size_t n, struct err *err)
{
    const char *end = memchr(p, '\n', n);
    size_t line = end ? (size_t)(end - p) + 1 : n, len = line - 1;

    if (f->head_read + line > MAX_HEAD)
        return err_set(err, ERR_FORM, "headers of a form part are larger than %d bytes", MAX_HEAD);
    if (!end)
        return 0;
    f->head_read += line;
    if (len && p[len - 1] == '\r')
        len--;
    if (memchr(p, 0, len))
        return err_set(err, ERR_FORM, "headers of a form part contain a NUL");
    if (!len) {
        /* A part without content: its delimiter's CR LF is the line end just taken. Give it back.
         */
        f->state = FORM_DATA;
        f->is_at_start = true;
        return begin_part(f, err) < 0 ? -1 : (ptrdiff_t)line;
    }
    if (is_blank(*p) && f->head.len) /* a folded line continues the one before */
        f->head.s[f->head.len - 1] = ' ';
    else if (!memchr(p, ':', len))
        return err_set(err, ERR_FORM, "a form part's header line has no colon");
    str_add(&f->head, p, len);
    str_putc(&f->head, '\n');
    return (ptrdiff_t)line;
}

static int end_pair(struct form *f, struct err *err)
{
    char *name = f->value.s, *eq = name ? memchr(name, '=', f->value.len) : NULL;
    ptrdiff_t name_len, len = 0;

    if (!f->value.len) /* "a=1&&b=2" */
        return 0;
    if (++f->parts > f->limits.parts)
        return err_set(err, ERR_FORM, "form has more than %d fields", f->limits.parts);
    if (!eq)
        eq = name + f->value.len; /* the NUL: an empty value */
    else
        len = url_decode(eq + 1, f->value.len - (size_t)(eq + 1 - name), true);
    name_len = url_decode(name, (size_t)(eq - name), true);
    if (name_len < 0 || len < 0)
        return err_set(err, ERR_URL_ENCODING, "form field %d: malformed percent escape", f->parts);
    if (memchr(name, 0, (size_t)name_len))
        return err_set(err, ERR_FORM, "the name of form field %d contains a NUL", f->parts);
    name[name_len] = 0;
    if (eq != f->value.s + f->value.len)
        eq[1 + len] = 0;
    if (check_text(f, name, (size_t)len, err) < 0)
        return -1;
    f->text_bytes += (size_t)len;
    if (form_hold(f, PART_COST, err) < 0 || f->sink->field(f->ctx, name, len ? eq + 1 : "", (size_t)len, err) < 0)
        return -1;
    reset_value(f);
    return 0;
}

static int feed_pairs(struct form *f, const char *p, size_t n, struct err *err)
{
    while (n) {
        const char *end = memchr(p, '&', n);
        size_t len = end ? (size_t)(end - p) : n;

        /* Every byte may be written as three; names get the room of a header block. */
        if (f->value.len + len > MAX_HEAD + 3 * f->limits.field_bytes)
            return err_set(err, ERR_FORM, "a form field is larger than %zu bytes",
                           f->limits.field_bytes);
        if (form_hold(f, len, err) < 0)
            return -1;
        str_add(&f->value, p, len);
        if (!end)
            break;
        if (end_pair(f, err) < 0)
            return -1;
        p += len + 1;
        n -= len + 1;
    }
    return 0;
}

/* Take what can be decided of p. Returns the bytes taken, or -1. */
static ptrdiff_t take_multipart(struct form *f, const char *p, size_t n, struct err *err)
{
    size_t done = 0;

    while (done < n) {
        enum state before = f->state;
        ptrdiff_t used;

        if (f->state == FORM_EPILOGUE)
            return (ptrdiff_t)n;
        used = f->state == FORM_HEADERS ? step_headers(f, p + done, n - done, err)
                                        : step_data(f, p + done, n - done, err);
        if (used < 0)
            return -1;
        done += (size_t)used;
        if (f->state == before && (used == 0 || before != FORM_HEADERS))
            break;
    }
    return (ptrdiff_t)done;
}

static int feed_multipart(struct form *f, const char *p, size_t n, struct err *err)
{
    ptrdiff_t used;

    /* A remainder is joined with a little of the new bytes, until all of it is decided. From there
     * on the caller's memory is read in place. */
    while (f->rest.len && n) {
        size_t old = f->rest.len, more = n < JOIN_STEP ? n : JOIN_STEP;

        str_add(&f->rest, p, more);
        used = take_multipart(f, f->rest.s, f->rest.len, err);
        if (used < 0)
            return -1;
        if ((size_t)used >= old) {
            p += (size_t)used - old;
            n -= (size_t)used - old;
            str_reset(&f->rest);
        } else {
            memmove(f->rest.s, f->rest.s + used, f->rest.len - (size_t)used);
            f->rest.len -= (size_t)used;
            p += more;
            n -= more;
        }
    }
    if (!n)
        return 0;
    used = take_multipart(f, p, n, err);
    if (used < 0)
        return -1;
    str_add(&f->rest, p + used, n - (size_t)used);
    return 0;
}

/* ---- the form ---- */

static int read_boundary(struct form *f, const char *content_type, struct err *err)
{
    AUTO(mem_free) char *boundary = form_param(content_type, "boundary");
    size_t len = boundary ? strlen(boundary) : 0;

    if (!len || len > MAX_BOUNDARY || boundary[len - 1] == ' ')
        return err_set(err, ERR_FORM, "multipart/form-data with %s boundary",
                       boundary ? "a bad" : "no");
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)boundary[i] < 0x20 || boundary[i] == 0x7F)
            return err_set(err, ERR_FORM, "multipart/form-data with a bad boundary");
    f->delim_len = (size_t)snprintf(f->delim, sizeof f->delim, "\r\n--%s", boundary);
    f->state = FORM_PREAMBLE;
    str_puts(&f->rest, "\r\n"); /* the first boundary has no line before it */
    return 0;
}

struct form *form_new(const char *content_type, const struct form_sink *sink, void *ctx,
                      const struct form_limits *limits, struct err *err)
{
    AUTO(form_free) struct form *f = mem_zalloc(sizeof *f);
    size_t type_len = content_type ? strcspn(content_type, "; \t") : 0;

    f->sink = sink;
    f->ctx = ctx;
    f->limits = *limits;
    f->share.budget = limits->budget;
    if (!content_type) {
        f->state = FORM_NOTHING;
    } else if (type_len == 33 &&
               !strncasecmp(content_type, "application/x-www-form-urlencoded", type_len)) {
        f->state = FORM_PAIRS;
    } else if (type_len != 19 || strncasecmp(content_type, "multipart/form-data", type_len) != 0) {
        err_set(err, ERR_FORM, "Content-Type '%.100s' is no form", content_type);
        return NULL;
    } else if (read_boundary(f, content_type, err) < 0) {
        return NULL;
    }
    return take(f);
}

int form_feed(struct form *f, const char *data, size_t len, struct err *err)
{
    int result = 0;

    if (!len)
        return 0;
    switch (f->state) {
    case FORM_NOTHING:
        result = err_set(err, ERR_FORM, "request body without a Content-Type");
        break;
    case FORM_FAILED:
        return err_set(err, ERR_FORM, "form was refused before");
    case FORM_PAIRS:
        result = feed_pairs(f, data, len, err);
        break;
    default:
        result = feed_multipart(f, data, len, err);
    }
    if (result < 0)
        f->state = FORM_FAILED;
    return result;
}

int form_hold(struct form *f, size_t bytes, struct err *err) { return share_take(&f->share, (int64_t)bytes, err); }
void form_known(struct form *f) { share_end(&f->share); }

int form_finish(struct form *f, struct err *err)
{
    switch (f->state) {
    case FORM_NOTHING:
    case FORM_EPILOGUE:
        return 0;
    case FORM_PAIRS:
        return end_pair(f, err);
    case FORM_FAILED:
        return err_set(err, ERR_FORM, "form was refused before");
    default:
        return err_set(err, ERR_FORM, "form ends without its closing boundary");
    }
}

void form_free(struct form *f)
{
    if (!f)
        return;
    share_end(&f->share);
    str_done(f->rest);
    str_done(f->head);
    str_done(f->value);
    free(f->name);
    free(f->filename);
    free(f->content_type);
    free(f);
}
