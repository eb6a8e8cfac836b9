/* /html/convert with the real Chromium. How it stands in the jail: tests/e2e/html.test.mjs. */
#include "base/str.h"
#include "browser/browser.h"
#include "../host.h"
#include "../origin.h"
#include "../../unit/unit.h"

#include <fcntl.h>
#include <string.h>

#define ROBOT "/html/convert"

static void write_page(struct robot_job *job, const char *name, const char *text)
{
    const char *path = host_path(job, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    host_add_input(job, path);
}

static void run(struct robot_job *job, const char *step)
{
    struct err err = {0};

    if (host_run(job, ROBOT, step, &err) < 0)
        fail_msg("%s: %s %s", step, err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
}

/* The first bytes of what was made. */
static size_t read_head(unsigned char head[static 32], const struct robot_job *job)
{
    AUTO(fd_close) int fd = open(host_output(job, 0)->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, head, 32);

    return n > 0 ? (size_t)n : 0;
}

static void assert_png(const struct robot_job *job, int width, int height)
{
    unsigned char head[32];

    assert_int_equal(read_head(head, job), 32);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal(head[18] << 8 | head[19], width);
    assert_int_equal(head[22] << 8 | head[23], height);
}

static void need_browser(void)
{
    if (!browser_program()) {
        print_message("not run: no browser is installed\n");
        skip();
    }
}

static void wrong_parameters_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *step, *msg;
    } rows[] = {
        {"{}", "neither 'url' nor"},
        {"{\"url\":\"ftp://a.example/\"}", "'url'"},
        {"{\"url\":\"file:///etc/passwd\"}", "'url'"},
        {"{\"url\":\"http://a.example/\",\"headers\":{\"Host\":\"b\"}}", "Host"},
        {"{\"url\":\"http://a.example/\",\"headers\":{\"A\":\"b\\r\\nc\"}}", "control"},
        {"{\"url\":\"http://a.example/\",\"headers\":[\"A: b\"]}", "map"},
        {"{\"url\":\"http://a.example/\",\"width\":16384,\"height\":16384}", "pixels"},
        {"{\"url\":\"http://a.example/\",\"format\":\"gif\"}", "format"},
        {"{\"url\":\"http://a.example/\",\"pdf_margin\":\"1cm\"}", "pdf_margin"},
        {"{\"url\":\"http://a.example/\",\"pdf_margin\":\"1cm,1cm,1cm,1ell\"}", "pdf_margin"},
        {"{\"url\":\"http://a.example/\",\"pdf_margin\":\"-1cm,0,0,0\"}", "pdf_margin"},
        {"{\"url\":\"http://a.example/\",\"pdf_margin\":\"1cm,1cm,1cm,1cm,1cm\"}", "pdf_margin"},
        {"{\"url\":\"http://a.example/\",\"pdf_margin\":\"0,5in,0,5in\"}", "leaves nothing"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        struct err err = {0};

        assert_int_equal(host_run(job, ROBOT, rows[i].step, &err), -1);
        assert_int_equal(err.code, ERR_ROBOT_VALIDATION);
        if (!strstr(err.msg, rows[i].msg))
            fail_msg("%s: %s", rows[i].step, err.msg);
    }
}

static void lengths_have_units(void **state)
{
    (void)state;
    const struct page_opts o = {.pdf_margin = "1in, 2.54cm,36pt,96px", .pdf_print_background = true};
    const struct page_paper p = page_paper(&o), usual = page_paper(NULL);
    static const double want[] = {1, 1, 0.5, 1};

    for (int i = 0; i < 4; i++)
        assert_true(p.margin[i] > want[i] - 0.001 && p.margin[i] < want[i] + 0.001);
    assert_true(usual.width == 8.5 && usual.height == 11 && usual.background && !usual.has_header_footer);
    assert_true(usual.margin[2] > 0.555 && usual.margin[2] < 0.556);
}

static void a_file_becomes_a_picture_or_a_pdf_under_its_name(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    unsigned char head[32];

    need_browser();
    write_page(job, "my page.html", "<body style='margin:0'><div style='height:900px'>gr\xc3\xbc\xc3\x9f");
    run(job, "{\"wait_until\":\"load\",\"width\":300}");
    assert_png(job, 300, 900);
    assert_string_equal(host_output(job, 0)->name, "my page.png");
    run(job, "{\"wait_until\":\"load\",\"format\":\"pdf\"}");
    assert_true(read_head(head, job) == 32 && !memcmp(head, "%PDF-", 5));
    assert_string_equal(host_output(job, 0)->name, "my page.pdf");
}

static void answer_page(void *ctx, const struct origin_request *q, struct str *out)
{
    AUTO(mem_free) char *key = origin_header(q, "X-Key");

    (void)ctx;
    if (!strcmp(q->target, "/away"))
        origin_say(out, 302, "Location: http://10.1.2.3/\r\n", "");
    else
        origin_say(out, 200, "Content-Type: text/html\r\n",
                   strcmp(key, "k") != 0 ? "<p>who?" : "<body style='margin:0'><div style='height:800px'>");
}

static void an_address_is_drawn_if_it_may_be_reached_and_says_why_if_not(void **state)
{
    (void)state;
    AUTO(origin_end) struct origin *there = origin_start(answer_page, NULL);
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *step = mem_printf("{\"url\":\"http://%s/\",\"width\":200,\"wait_until\":\"load\","
                                           "\"headers\":{\"X-Key\":\"k\"}}",
                                           origin_host(there));
    AUTO(mem_free) char *away = mem_printf("{\"url\":\"http://%s/away\"}", origin_host(there));
    struct err err = {0};

    need_browser();
    assert_int_equal(host_run(job, ROBOT, step, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    assert_true(err.is_private_address);
    assert_string_equal(err.url_host, origin_host(there));
    assert_true(str_starts(err.browser_code, "net::ERR_"));
    assert_int_equal(origin_requests(there), 0);

    json_object_set_new(host_settings(job), "import_allow", json_string(origin_host(there)));
    run(job, step);
    assert_png(job, 200, 800);
    assert_string_equal(host_output(job, 0)->name, "127.0.0.1.png");
    assert_int_equal(host_run(job, ROBOT, away, &err), -1);
    assert_true(err.is_private_address);
    assert_string_equal(err.url, "http://10.1.2.3/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
        cmocka_unit_test(lengths_have_units),
        cmocka_unit_test(a_file_becomes_a_picture_or_a_pdf_under_its_name),
        cmocka_unit_test(an_address_is_drawn_if_it_may_be_reached_and_says_why_if_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
