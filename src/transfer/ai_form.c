#include "transfer/ai_private.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOUNDARY_BYTES 16

static void form_add(struct ai_form *f, char *text)
{
    f->texts[f->count] = text;
    f->pieces[f->count++] =
        (struct http_client_piece){.text = text, .fd = -1, .length = (int64_t)strlen(text)};
}

/* A name in a head: as browsers write it, so it can't end the line or the quotes. */
static void form_add_quoted(struct str *out, const char *name)
{
    for (; *name; name++)
        if (*name == '"' || (unsigned char)*name < ' ' || *name == 0x7f)
            str_addf(out, "%%%02X", (unsigned char)*name);
        else
            str_putc(out, *name);
}

static int form_add_file(struct ai_form *f, const struct robot_input *in, struct err *err)
{
    struct http_client_piece *p = &f->pieces[f->count];
    struct stat st;

    *p = (struct http_client_piece){.fd = open(in->path, O_RDONLY | O_CLOEXEC)};
    if (p->fd < 0)
        return err_errno(err, "open the file to send");
    f->count++;
    if (fstat(p->fd, &st) < 0)
        return err_errno(err, "look at the file to send");
    p->length = st.st_size;
    return 0;
}

int ai_form_make(struct ai_form *f, const struct ai_part *parts, int n, struct err *err)
{
    unsigned char dice[BOUNDARY_BYTES];
    char hex[2 * BOUNDARY_BYTES + 1];

    *f = (struct ai_form){0};
    if (n > AI_PARTS_MAX)
        return err_set(err, ERR_INTERNAL, "a form has more than %d fields", AI_PARTS_MAX);
    if (RAND_bytes(dice, sizeof dice) != 1)
        abort();
    hex_encode(hex, dice, sizeof dice);
    f->type = mem_printf("multipart/form-data; boundary=%s", hex);
    for (int i = 0; i < n; i++) {
        AUTO(str_done) struct str head = {0};
        const struct robot_input *in = parts[i].text ? NULL : parts[i].file;

        str_addf(&head, "%s--%s\r\nContent-Disposition: form-data; name=\"", i ? "\r\n" : "", hex);
        form_add_quoted(&head, parts[i].name);
        if (in) {
            str_puts(&head, "\"; filename=\"");
            form_add_quoted(&head, in->name);
            str_addf(&head, "\"\r\nContent-Type: %s",
                     str_given(in->mime) && !strpbrk(in->mime, "\r\n")
                         ? in->mime
                         : "application/octet-stream");
        } else {
            str_putc(&head, '"');
        }
        str_addf(&head, "\r\n\r\n%s", in ? "" : parts[i].text);
        form_add(f, str_take(&head));
        if (in && form_add_file(f, in, err) < 0)
            return -1;
    }
    form_add(f, mem_printf("\r\n--%s--\r\n", hex));
    return 0;
}

void ai_form_done(struct ai_form f)
{
    for (int i = 0; i < f.count; i++) {
        free(f.texts[i]);
        if (!f.pieces[i].text)
            fd_close(f.pieces[i].fd);
    }
    free(f.type);
}
