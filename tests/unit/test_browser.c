/* The border to a browser that may be in a stranger's hands: in its place is a program that says what it likes. */
#include "base/clock.h"
#include "browser/browser.h"
#include "browser/cdp.h"
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Reads commands at 3 and answers at 4; what it does beside that is its mode. */
static const char fake[] =
    "import os, sys, json, base64, socket\n"
    "mode, where, buf = sys.argv[1], sys.argv[2], b''\n"
    "def raw(b):\n"
    "  while b: b = b[os.write(4, b):]\n"
    "def say(o): raw(json.dumps(o).encode() + b'\\0')\n"
    "def event(method, session='S', **p): say({'method': method, 'sessionId': session, 'params': p})\n"
    "def ask(n, url, frame='T', kind='Document', **more):\n"
    "  event('Fetch.requestPaused', requestId=n, frameId=frame, resourceType=kind,\n"
    "        request=dict({'url': url, 'method': 'GET', 'headers': {}}, **more))\n"
    "def life(name): event('Page.lifecycleEvent', frameId='T', loaderId='L', name=name)\n"
    "def can(what):\n"
    "  try: what(); return 'can'\n"
    "  except OSError as e: return type(e).__name__\n"
    "def tcp(): socket.create_connection(('127.0.0.1', 9), 1)\n"
    "def walls():\n"
    "  pair = socket.socketpair()\n"
    "  return [can(tcp), can(lambda: socket.socket(socket.AF_UNIX)), can(lambda: socket.socket(socket.AF_INET6)),\n"
    "    can(lambda: open('/etc/passwd')), can(lambda: open(where + '/../beside', 'w')),\n"
    "    can(lambda: open(where + '/own', 'w')), can(lambda: os.listdir('/usr'))]\n"
    "if mode == 'dies': sys.exit('it can not')\n"
    "while True:\n"
    "  piece = os.read(3, 1 << 20)\n"
    "  if not piece: break\n"
    "  buf += piece\n"
    "  *messages, buf = buf.split(b'\\0')\n"
    "  for m in map(json.loads, messages):\n"
    "    name, p, result = m['method'], m['params'], {}\n"
    "    if mode == 'silent': continue\n"
    "    if name == 'Browser.getVersion':\n"
    "      if mode == 'garbage': raw(b'{\"id\": 1,}\\0')\n"
    "      if mode == 'list': raw(b'[1]\\0')\n"
    "      if mode == 'nobody': raw(b'{\"result\": {}}\\0')\n"
    "      if mode == 'deep': raw(b'{\"id\":1,\"result\":' + b'[' * 99 + b']' * 99 + b'}\\0')\n"
    "      if mode == 'wide': raw(b'{\"id\":1,\"result\":[' + b'1,' * 200000 + b'1]}\\0')\n"
    "      if mode == 'long':\n"
    "        for i in range(100): raw(b' ' * (1 << 20))\n"
    "      if mode == 'flood':\n"
    "        while True: raw(b'{\"method\":\"x\"}\\0' * 1000)\n"
    "      if mode == 'walls': open(where + '/said', 'w').write(json.dumps(walls()))\n"
    "    if name == 'Target.createTarget': result = {'targetId': 'T'}\n"
    "    if name == 'Target.setAutoAttach' and 'sessionId' not in m:\n"
    "      event('Target.attachedToTarget', None, sessionId='X', targetInfo={'targetId': 'U', 'type': 'page'})\n"
    "      event('Target.attachedToTarget', None, sessionId='S', targetInfo={'targetId': 'T', 'type': 'page'})\n"
    "    if name == 'Target.closeTarget' and p != {'targetId': 'U'}: sys.exit(1)\n"
    "    if name == 'Page.navigate':\n"
    "      if mode == 'greedy':\n"
    "        for i in range(5000): ask(str(i), 'file:///etc/passwd', kind='Image')\n"
    "      elif mode == 'odd': event('Fetch.requestPaused', requestId=7, request={'url': 5})\n"
    "      elif mode == 'crash': event('Inspector.targetCrashed')\n"
    "      else:\n"
    "        ask('file', 'file:///etc/passwd', kind='Image')\n"
    "        ask('way', 'http://a.example/', kind='Image', method='CONNECT')\n"
    "        ask('line', 'http://a.example/', kind='Image', headers={'A': 'b\\r\\nC: d'})\n"
    "        ask('name', 'http://a.example/', kind='Image', headers={'A b': 'c'})\n"
    "        ask('home', 'http://127.0.0.1:9/', kind='Image'); ask('page', p['url'])\n"
    "    if name == 'Fetch.failRequest':\n"
    "      open(where + '/refused', 'a').write(p['requestId'] + '=' + p['errorReason'] + ' ')\n"
    "    if name == 'Fetch.fulfillRequest' and p['requestId'] == 'page':\n"
    "      open(where + '/page', 'w').write(base64.b64decode(p['body']).decode() + json.dumps(p['responseHeaders']))\n"
    "      for n in ('commit', 'DOMContentLoaded', 'load'): life(n)\n"
    "    if name == 'Page.getLayoutMetrics':\n"
    "      result = {'cssContentSize': {'width': 1e300 if mode == 'huge' else 20, 'height': 10}}\n"
    "    if name == 'Page.captureScreenshot': result = {'data': '!' if mode == 'badpicture' else 'cGljdHVyZQ=='}\n"
    "    say({'id': m['id'], 'result': result})\n"
    "    if name == 'Browser.close': sys.exit(0)\n";

static char dir[64];
static struct err why;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/workcell-browser-XXXXXX");
    assert_non_null(mkdtemp(dir));
    AUTO(mem_free) char *own = mem_printf("%s/own", dir);
    return mkdir(own, 0700);
}

static int take_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What the browser has written there, or has become of the page; "" when it is not there. */
static char *text_of(const char *name)
{
    AUTO(mem_free) char *path = mem_printf("%s/%s", dir, name);
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = mem_zalloc(4096);

    if (fd >= 0)
        (void)!read(fd, text, 4095);
    return text;
}

static int start(struct browser **b, const char *mode, int ms)
{
    AUTO(mem_free) char *own = mem_printf("%s/own", dir);
    const char *const argv[] = {"/usr/bin/python3", "-S", "-c", fake, mode, own, NULL};

    why = (struct err){0};
    return browser_start_as(b, argv, own, clock_mono_us() + ms * INT64_C(1000), &why);
}

static int draw(const char *mode, int ms)
{
    AUTO(browser_end) struct browser *b = NULL;
    AUTO(mem_free) char *path = mem_printf("%s/page.png", dir);
    const struct page_wish wish = {.html = "<p>page",
                                   .html_len = 7,
                                   .width = 20,
                                   .height = 10,
                                   .whole = true,
                                   .until = PAGE_LOADED,
                                   .guard = "",
                                   .deadline_us = clock_mono_us() + ms * INT64_C(1000)};

    (void)unlink(path); /* of the one before */
    if (start(&b, mode, 10000) < 0)
        fail_msg("%s: %s %s", mode, why.msg, why.detail);
    return browser_draw(b, &wish, path, &why);
}

static void a_page_is_handed_over_and_drawn_and_what_is_no_request_of_ours_is_refused(void **state)
{
    (void)state;
    if (draw("honest", 10000) < 0)
        fail_msg("%s", why.msg);
    AUTO(mem_free) char *picture = text_of("page.png"), *page = text_of("own/page"), *refused = text_of("own/refused");
    assert_string_equal(picture, "picture");
    assert_true(str_starts(page, "<p>page[{"));
    assert_non_null(strstr(page, "text/html; charset=utf-8"));
    static const char *const want[] = {"file=BlockedByClient", "way=BlockedByClient", "line=BlockedByClient",
                                       "name=BlockedByClient"};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (!strstr(refused, want[i]))
            fail_msg("'%s' is not in '%s'", want[i], refused);
}

static void what_a_browser_may_not_say_ends_it_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *msg;
    } rows[] = {{"garbage", "can't be read"}, {"list", "neither an answer nor an event"},
                {"nobody", "neither an answer nor an event"}, {"deep", "can't be read"}, {"wide", "can't be read"},
                {"long", "too long"}, {"flood", "more messages"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct browser *b = NULL;

        assert_int_equal(start(&b, rows[i].mode, 20000), -1);
        assert_int_equal(why.code, ERR_COMMAND);
        if (!strstr(why.msg, rows[i].msg))
            fail_msg("%s: %s", rows[i].mode, why.msg);
    }
    static const struct {
        const char *mode, *msg;
        int code;
    } pages[] = {{"greedy", "asks for more than", ERR_COMMAND}, {"odd", "without saying what", ERR_COMMAND},
                 {"crash", "broke down", ERR_COMMAND},          {"huge", "pixels", ERR_INPUT},
                 {"badpicture", "can't be read", ERR_COMMAND}};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        assert_int_equal(draw(pages[i].mode, 10000), -1);
        assert_int_equal(why.code, pages[i].code);
        if (!strstr(why.msg, pages[i].msg))
            fail_msg("%s: %s", pages[i].mode, why.msg);
        assert_string_equal(why.url, "http://input.invalid/");
        assert_string_equal(why.url_host, "input.invalid");
    }
}

static void one_that_says_nothing_or_is_gone_is_not_waited_for(void **state)
{
    (void)state;
    struct browser *b = NULL;
    int64_t before = clock_mono_us();

    assert_int_equal(start(&b, "silent", 300), -1);
    assert_int_equal(why.code, ERR_TIMEOUT);
    assert_true(clock_mono_us() - before < 5 * SECOND_US);
    assert_int_equal(start(&b, "dies", 10000), -1);
    assert_int_equal(why.code, ERR_COMMAND);
    assert_non_null(strstr(why.detail, "it can not"));
}

static void a_browser_has_no_socket_and_no_file_but_its_own(void **state)
{
    (void)state;
    struct browser *b = NULL;

    if (start(&b, "walls", 10000) < 0)
        fail_msg("%s: %s", why.msg, why.detail);
    browser_end(b);
    AUTO(mem_free) char *said = text_of("own/said");
    AUTO(json_unref) json_t *list = json_reads(said);
    static const char *const want[] = {"PermissionError", "PermissionError", "PermissionError", "PermissionError",
                                       "PermissionError", "can", "can"};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), want[i]) != 0)
            fail_msg("%zu: %s", i, said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_is_handed_over_and_drawn_and_what_is_no_request_of_ours_is_refused,
                                        set_up, take_down),
        cmocka_unit_test_setup_teardown(what_a_browser_may_not_say_ends_it_by_name, set_up, take_down),
        cmocka_unit_test_setup_teardown(one_that_says_nothing_or_is_gone_is_not_waited_for, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_browser_has_no_socket_and_no_file_but_its_own, set_up, take_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
