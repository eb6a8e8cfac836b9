/* A hostile worker's messages against the real pool. */
#include "pool_bed.h"
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct bed bed;

static int setup(void **state)
{
    (void)state;
    bed_open(&bed, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_close(&bed);
    return 0;
}

static struct bed_worker *at_work(enum robot_role role, const char *robot, const char *input, bool undo)
{
    bed_start(&bed, role, robot, input, undo);
    struct bed_worker *w = bed_working(&bed);
    assert_non_null(w);
    bed_say(w, "taken {}");
    bed_turn(&bed);
    return w;
}

static struct bed_worker *resizing(void) { return at_work(ROLE_MEDIA, "/image/resize", "input", false); }

/* And so many jobs fail of it. */
static void assert_refused_of(int jobs, const char *why)
{
    bed_turn(&bed);
    assert_int_equal(bed.failures, jobs);
    assert_int_equal(bed.failure.code, ERR_WORKER);
    if (!strstr(bed.failure.msg, why))
        fail_msg("'%s' does not say '%s'", bed.failure.msg, why);
    assert_int_equal(bed.gone, 1);
    bed.failures = bed.gone = 0;
}

static void assert_refused(const char *why)
{
    assert_refused_of(1, why);
    assert_int_equal(bed.dones, 0);
}

static void refused(struct bed_worker *w, const char *text, const char *why)
{
    bed_say(w, text);
    assert_refused(why);
}

static void an_honest_job_is_done_and_what_it_made_is_measured_here(void **state)
{
    struct bed_worker *w = resizing();

    (void)state;
    bed_write(w, "0.png", "hello");
    bed_say(w, "progress {\"fraction\":0.5}");
    bed_say(w, "output {\"index\":0,\"file\":{\"path\":\"out/0.png\",\"name\":\"a.png\",\"size\":-8,\"md5\":\"lie\",\"mime\":\"image/"
               "png\",\"meta\":{},\"input\":0}}");
    bed_say(w, "output {\"index\":1,\"clone\":{\"input\":0,\"meta\":{\"a\":1}}}");
    bed_say(w, "done {\"exec_us\":1}");
    bed_turn(&bed);
    bed_turn(&bed);
    assert_int_equal(bed.failures, 0);
    assert_int_equal(bed.outputs, 2); /* the bed has compared size and MD5 with the blob */
    assert_int_equal(bed.dones, 1);
    assert_true(bed.progress == 0.5);
    const json_t *file = json_object_get(bed.output, "file");
    assert_string_equal(jstr_or(file, "name", ""), "in.png");
    assert_int_equal(jint(json_object_get(file, "meta"), "a", 0), 1);
    /* and the same worker does the next */
    assert_ptr_equal(resizing(), w);
}

static void whoever_breaks_a_rule_is_ended_and_its_job_fails_by_that_name(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"up {}", "up"},
        {"nonsense", "no known name"},
        {"posted {}", "not for it to say"},
        {"gone {\"worker\":1,\"status\":0,\"killed\":0}", "not for it to say"},
        {"taken {}", "taken comes twice"},
        {"progress {\"fraction\":2}", "progress.fraction is out of range"},
        {"progress {\"fraction\":0.5,\"a\":1}", "holds a field that is none of it"},
        {"output {\"index\":7,\"clone\":{\"input\":0}}", "next index"},
        {"output {\"index\":0,\"clone\":true}", "output.clone is no object"},
        {"output {\"index\":0,\"same\":{\"input\":0}}", "what only a probe finds"},
        {"output {\"index\":0,\"file\":{\"path\":\"out/../in/0\",\"name\":\"x\",\"input\":0}}", "no file in out/"},
        {"output {\"index\":0,\"file\":{\"path\":\"out/nothing\",\"name\":\"x\",\"input\":0}}", "there is no file 'out/nothing'"},
        {"done {\"exec_us\":99999999999}", "took longer"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refused(resizing(), cases[i].text, cases[i].why);
}

static void a_second_undo_before_the_first_is_confirmed_is_refused(void **state)
{
    struct bed_worker *w = at_work(ROLE_TRANSFER, "/s3/store", "input", false);

    (void)state;
    bed.hold_undo = true;
    for (int i = 0; i < 6; i++)
        bed_say(w, "undo {\"token\":{\"a\":1}}");
    bed_say(w, "done {\"exec_us\":1}");
    assert_refused("undo comes before the one before it was confirmed");
    assert_int_equal(bed.undos, 1);
}

static void a_worker_asks_for_the_key_of_the_host_that_its_job_names_and_of_no_other(void **state)
{
    struct bed_worker *w = at_work(ROLE_TRANSFER, "/sftp/store", "input", false);

    (void)state;
    bed_say(w, "host {\"host\":\"files.example\",\"port\":22,\"key\":\"ssh-ed25519 A\"}");
    for (int i = 0; i < 5; i++)
        uv_run(&bed.loop, UV_RUN_NOWAIT);
    assert_int_equal(bed.hosts, 1);
    static const char *const others[] = {"bank.example", "FILES.example", "[files.example]", "files.exampl",
                                         "files.example.x"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        AUTO(mem_free) char *text = mem_printf("host {\"host\":\"%s\",\"port\":22}", others[i]);

        refused(at_work(ROLE_TRANSFER, "/sftp/store", "input", false), text, "a host that the job does not name");
    }
    refused(at_work(ROLE_TRANSFER, "/s3/store", "input", false), "host {\"host\":\"h\",\"port\":22}",
            "is nothing that this job may ask");
}

static void an_import_has_no_input_to_tell_of(void **state)
{
    (void)state;
    refused(at_work(ROLE_TRANSFER, "/http/import", NULL, false), "output {\"index\":0,\"same\":{\"input\":0}}", "only a probe finds");
    refused(at_work(ROLE_TRANSFER, "/http/import", NULL, false), "output {\"index\":0,\"clone\":{\"input\":0}}", "does not have");
    refused(at_work(ROLE_MEDIA, "/upload/handle", NULL, false), "output {\"index\":0,\"same\":{\"input\":0}}", "does not have");
}

static const json_t *settings_of_a_job(const char *keys)
{
    bed.keys = keys;
    (void)at_work(ROLE_TRANSFER, "/http/import", NULL, false);
    return json_object_get(bed.run->message, "settings");
}

static void a_secret_setting_reaches_only_the_job_that_names_it(void **state)
{
    AUTO(json_unref) json_t *all = json_pack("{s:i}", "max_frames", 3);
    AUTO(json_unref) json_t *keys = json_pack("{s:s,s:s}", "one_key", "hush", "another_key", "hush");

    (void)state;
    bed.p.conf.settings = all;
    bed.p.conf.keys = keys;
    const json_t *s = settings_of_a_job("no_such one_key");
    assert_string_equal(jstr_or(s, "one_key", ""), "hush");
    assert_null(json_object_get(s, "another_key"));
    assert_int_equal(jint(s, "max_frames", 0), 3);
    bed_say(bed_working(&bed), "done {\"exec_us\":1}");
    bed_turn(&bed);
    s = settings_of_a_job(NULL);
    assert_int_equal(json_object_size(s), 1);
    assert_int_equal(json_object_size(all), 1);
    bed.p.conf.settings = bed.p.conf.keys = NULL;
}

static void threads_are_twice_the_cores_by_the_jobs_that_can_be_at_work(void **state)
{
    (void)state;
    static const int rows[][5] = {
        /* cores, workers, running, waiting: threads */
        {8, 8, 0, 0, 8},  {8, 8, 1, 0, 8},   {8, 8, 0, 1, 8},  {8, 8, 1, 1, 4}, {8, 8, 7, 0, 2},
        {8, 8, 3, 90, 2}, {8, 2, 0, 90, 8},  {8, 2, 1, 90, 8}, {8, 1, 0, 5, 8}, {1, 4, 3, 3, 1},
        {2, 2, 1, 0, 2},  {3, 16, 0, 9, 2},  {2, 0, 0, 0, 2},  {64, 64, 1, INT_MAX, 2},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(pool_share(rows[i][0], rows[i][1], rows[i][2], rows[i][3]), rows[i][4]);
}

/* What an encode that begins now is told. */
static const json_t *told(int waiting)
{
    bed.encodes = true;
    bed.waiting = waiting;
    bed_start(&bed, ROLE_MEDIA, "/video/encode", NULL, false);
    return json_object_get(bed.run->message, "settings");
}

static void many_cores(void)
{
    bed.p.conf.cores = 12;
    bed.p.conf.workers[ROLE_MEDIA] = 3;
    bed.p.conf.encode_timeout_s = 7200;
}

static void three_encodes_at_once_get_two_thirds_of_the_cores_each(void **state)
{
    (void)state;
    many_cores();
    assert_int_equal(jint(told(2), "threads", 0), 8); /* the others wait */
    assert_int_equal(jint(told(1), "threads", 0), 8); /* ... and start beside it */
    assert_int_equal(jint(told(0), "timeout_s", 0), 7200);
}

static void an_encode_that_is_alone_may_use_all_cores(void **state)
{
    (void)state;
    many_cores();
    assert_int_equal(jint(told(0), "threads", 0), 12);
}

static void an_operator_may_say_how_many_threads(void **state)
{
    (void)state;
    many_cores();
    bed.p.conf.encode_threads = 3;
    assert_int_equal(jint(told(5), "threads", 0), 3);
}

static void who_does_not_encode_is_told_of_no_threads(void **state)
{
    (void)state;
    many_cores();
    bed_start(&bed, ROLE_MEDIA, "/image/resize", NULL, false);
    assert_int_equal(json_object_size(json_object_get(bed.run->message, "settings")), 0);
}

static struct bed_worker *probing(const char *found)
{
    struct bed_worker *w = at_work(ROLE_MEDIA, "/upload/handle", "input", false);
    AUTO(mem_free) char *text =
        mem_printf("output {\"index\":0,\"same\":{\"input\":0,\"mime\":\"a/b\",\"ext\":\"\",\"meta\":%s}}", found);

    bed_say(w, text);
    return w;
}

static void done_with(struct bed_worker *w)
{
    bed_say(w, "done {\"exec_us\":1}");
    bed_turn(&bed);
    bed_turn(&bed);
}

static void looks_that_open_nothing_wear_a_worker_out_slowly(void **state)
{
    struct bed_worker *first = probing("{}");

    (void)state;
    bed.p.conf.worker_jobs = 2;
    done_with(first);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(probing("{}"), first);
        done_with(first);
    }
    assert_int_equal(bed.gone, 0);
    /* but not for ever: one that lies about it is replaced, too */
    for (int i = 5; i < 32 && !bed.gone; i++)
        done_with(probing("{}"));
    assert_int_equal(bed.gone, 1);
    assert_int_equal(bed.failures, 0);
}

static void looks_that_parse_or_take_long_count_as_jobs(void **state)
{
    (void)state;
    bed.p.conf.worker_jobs = 2;
    done_with(probing("{\"width\":1}"));
    assert_int_equal(bed.gone, 0);
    done_with(probing("{\"width\":1}"));
    assert_int_equal(bed.gone, 1);
    bed.p.conf.worker_jobs = 1;
    struct bed_worker *slow = probing("{}");
    usleep(260000);
    done_with(slow);
    assert_int_equal(bed.gone, 2);
    json_object_set_new(bed.input, "size", json_integer(1 << 20));
    done_with(probing("{}"));
    assert_int_equal(bed.gone, 3);
    assert_int_equal(bed.failures, 0);
}

static void nothing_is_heard_after_the_end(void **state)
{
    struct bed_worker *w = resizing();

    (void)state;
    bed_say(w, "done {\"exec_us\":1}");
    bed_say(w, "output {\"index\":0,\"clone\":{\"input\":0}}");
    bed_turn(&bed);
    assert_int_equal(bed.dones, 1);
    assert_int_equal(bed.outputs, 0);
    assert_int_equal(bed.failures, 0);
    assert_int_equal(bed.gone, 1);
}

static void while_a_file_is_taken_nothing_is_read(void **state)
{
    struct bed_worker *w = resizing();
    int sent = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        AUTO(mem_free) char *name = mem_printf("%d", i);

        bed_write(w, name, "x");
    }
    for (; sent < 100; sent++) {
        AUTO(mem_free) char *text = mem_printf(
            "output {\"index\":%d,\"file\":{\"path\":\"out/%d\",\"name\":\"x\",\"mime\":\"text/plain\",\"input\":0}}", sent, sent);

        if (bed_packet(w->sock, text, strlen(text), NULL, 0) < 0)
            break;
    }
    assert_true(sent >= 2);
    uv_run(&bed.loop, UV_RUN_NOWAIT);
    uv_run(&bed.loop, UV_RUN_NOWAIT);
    assert_true(bed.outputs <= 2); /* they come one by one, as threads come home */
    while (bed.outputs < sent && bed.run)
        bed_turn(&bed);
    assert_int_equal(bed.outputs, sent);
    assert_int_equal(bed.failures, 0);
}

static void a_flood_of_one_lets_others_have_their_turn(void **state)
{
    struct bed_worker *w = resizing();

    (void)state;
    for (int i = 0; i < 40; i++)
        bed_say(w, "progress {\"fraction\":0.25}");
    struct border_run *said = &bed.run->said;
    int64_t calm = said->calm_us;
    uv_run(&bed.loop, UV_RUN_NOWAIT);
    assert_in_range((said->calm_us - calm) / 100000, 1, 17); /* of forty, sixteen in one turn of the loop */
    for (int i = 0; i < 400 && bed_packet(w->sock, "progress {\"fraction\":0.25}", 26, NULL, 0) == 0; i++)
        ;
    for (int i = 0; i < 30 && !bed.failures; i++)
        bed_turn(&bed);
    assert_refused("progress comes too often");
}

static void a_worker_that_does_not_take_its_job_loses_it_and_no_try_is_lost(void **state)
{
    (void)state;
    bed.p.conf.take_ms = 1;
    bed_start(&bed, ROLE_MEDIA, "/image/resize", "input", false);
    struct bed_worker *lazy = bed_working(&bed);
    int64_t id = lazy->id;
    while (bed.run->worker->id == id) {
        usleep(1000);
        bed_turn(&bed);
    }
    bed.p.conf.take_ms = 0;
    struct bed_worker *w = bed_working(&bed);
    assert_non_null(w);
    assert_true(w->id != id);
    assert_int_equal(bed.failures, 0);
    bed_say(w, "taken {}");
    bed_say(w, "done {\"exec_us\":0}");
    bed_turn(&bed);
    assert_int_equal(bed.dones, 1);
    assert_int_equal(bed.failures, 0);
}

static void workers_that_never_take_it_end_in_a_failure(void **state)
{
    (void)state;
    bed.p.conf.take_ms = 1;
    bed_start(&bed, ROLE_MEDIA, "/image/resize", "input", false);
    for (int i = 0; i < 5000 && bed.run; i++) {
        bed_working(&bed);
        usleep(1000);
    }
    assert_int_equal(bed.failures, 1);
    assert_string_equal(bed.failure.msg, "no worker took the job");
}

static void what_takes_something_back_leaves_no_file(void **state)
{
    struct bed_worker *w = at_work(ROLE_TRANSFER, "/s3/store", "input", true);

    (void)state;
    bed_write(w, "0", "x");
    refused(w, "output {\"index\":0,\"file\":{\"path\":\"out/0\",\"name\":\"x\",\"input\":0}}", "only takes something back");
}

static void the_courier_answers_only_what_it_was_asked(void **state)
{
    struct err err;
    char id[ID_LEN + 1];
    struct bed_worker *w = NULL;

    (void)state;
    id_new(id);
    assert_int_equal(pool_post(&bed.p, json_pack("{s:s,s:s}", "id", id, "url", "http://x/"), &err), 0);
    bed_turn(&bed);
    for (int i = 0; i < BED_HELD; i++)
        if (bed.held[i].sock >= 0 && bed.held[i].courier)
            w = &bed.held[i];
    assert_non_null(w);
    AUTO(mem_free) char *answer =
        mem_printf("posted {\"id\":\"%s\",\"status\":200,\"data\":\"ok\",\"error\":null,\"duration_us\":1}", id);
    bed_say(w, "up {}");
    bed_say(w, answer);
    bed_turn(&bed);
    assert_int_equal(bed.posts, 1);
    assert_int_equal(bed.gone, 0);
    bed_say(w, answer);
    bed_turn(&bed);
    assert_int_equal(bed.posts, 1);
    assert_int_equal(bed.gone, 1);
}

static void a_failure_tells_no_path_of_the_server(void **state)
{
    struct bed_worker *w = resizing();
    AUTO(mem_free) char *text = mem_printf("failed {\"code\":%d,\"name\":\"\",\"msg\":\"open %s/out/0: %s/blobs/x\",\"detail\":\"%s\"}",
                                           ERR_INPUT, w->dir, bed.dir, w->dir);

    (void)state;
    bed_say(w, text);
    bed_turn(&bed);
    assert_int_equal(bed.failures, 1);
    assert_string_equal(bed.failure.msg, "open out/0: DATA/blobs/x");
}

static void what_is_kept_open_for_writing_is_copied(void **state)
{
    struct bed_worker *w = resizing();
    AUTO(mem_free) char *path = mem_printf("%s/out/0", w->dir);
    AUTO(fd_close) int fd = -1;

    (void)state;
    bed_write(w, "0", "GOOD");
    if (geteuid() == 0)
        assert_int_equal(chown(path, 65534, 65534), 0);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    bed_say(w, "output {\"index\":0,\"file\":{\"path\":\"out/0\",\"name\":\"x\",\"mime\":\"text/plain\",\"input\":0}}");
    bed_turn(&bed); /* the bed has read the blob and compared */
    assert_int_equal(pwrite(fd, "EVIL", 4, 0), 4);
    assert_int_equal(bed.outputs, 1);
    assert_int_equal(jint(json_object_get(bed.output, "file"), "size", 0), 4);
}

/* Does the pool have this file open? */
static bool is_open(const char *path)
{
    struct stat want, st;
    bool found = false;

    if (stat(path, &want) < 0)
        return false;
    DIR *d = opendir("/proc/self/fd");
    for (const struct dirent *e; d && (e = readdir(d));)
        found |= fstatat(dirfd(d), e->d_name, &st, 0) == 0 && st.st_ino == want.st_ino && st.st_dev == want.st_dev;
    closedir(d);
    return found;
}

static char *grown(const struct bed_worker *w)
{
    char *path = mem_printf("%s/out/0", w->dir);
    AUTO(mem_free) char *data = mem_zalloc(24 << 20);
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_int_equal(write(fd, data, 24 << 20), 24 << 20);
    if (geteuid() == 0)
        assert_int_equal(fchown(fd, 65534, 65534), 0);
    return path;
}

static void wait_until_followed(const char *path)
{
    for (int i = 0; i < 120000 && !is_open(path); i++) {
        uv_run(&bed.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_true(is_open(path));
}

static void a_large_file_of_an_import_is_summed_while_it_comes_and_taken_as_what_it_is_then(void **state)
{
    (void)state;
    bed.p.conf.file_bytes = 32 << 20;
    for (int what = 0; what < 3; what++) {
        struct bed_worker *w = at_work(ROLE_TRANSFER, "/http/import", NULL, false);
        AUTO(mem_free) char *path = grown(w);

        wait_until_followed(path);
        if (what == 1) {
            AUTO(fd_close) int fd = open(path, O_WRONLY);
            assert_int_equal(pwrite(fd, "EVIL", 4, 0), 4);
        }
        if (what == 2) {
            pool_stop(bed.run);
            bed_turn(&bed);
            assert_int_equal(bed.stops, 1);
            continue;
        }
        bed_say(w, "output {\"index\":0,\"file\":{\"path\":\"out/0\",\"name\":\"x\",\"mime\":\"text/plain\","
                   "\"input\":-1}}");
        bed_turn(&bed); /* the bed has compared size and MD5 with the blob */
        if (bed.failures)
            fail_msg("%s", bed.failure.msg);
        assert_int_equal(bed.outputs, what + 1);
        bed_say(w, "done {\"exec_us\":1}");
        bed_turn(&bed);
    }
}

static void what_is_small_or_made_here_is_not_followed(void **state)
{
    struct bed_worker *w = resizing();
    AUTO(mem_free) char *path = grown(w);

    (void)state;
    for (int i = 0; i < 300; i++) {
        uv_run(&bed.loop, UV_RUN_NOWAIT);
        usleep(1000);
        assert_false(is_open(path));
    }
}

/* ---- several jobs that a worker does together ---- */

static struct bed_worker *at_three(void)
{
    bed.mates = 2;
    return resizing();
}

static void jobs_that_are_done_together_are_told_apart(void **state)
{
    struct bed_worker *w = at_three();

    (void)state;
    assert_int_equal(bed.open, 3);
    assert_int_equal(json_array_size(json_object_get(bed.run->message, "mates")), 2);
    bed_write(w, "0.png", "hello");
    bed_say(w, "progress {\"fraction\":0.25}");
    bed_say(w, "progress {\"fraction\":0.5,\"job\":2}");
    bed_say(w, "output {\"index\":0,\"file\":{\"path\":\"out/0.png\",\"name\":\"a.png\",\"input\":0},\"job\":1}");
    bed_say(w, "output {\"index\":0,\"clone\":{\"input\":0},\"job\":2}");
    bed_say(w, "done {\"exec_us\":1,\"job\":1}");
    bed_turn(&bed);
    assert_true(bed.job[0].progress == 0.25 && bed.job[1].progress == 0 && bed.job[2].progress == 0.5);
    assert_int_equal(bed.job[0].outputs, 0);
    assert_int_equal(bed.job[1].outputs, 1);
    assert_int_equal(bed.job[2].outputs, 1);
    assert_int_equal(bed.job[1].dones, 1);
    assert_int_equal(bed.open, 2);
    bed_say(w, "done {\"exec_us\":1}");
    bed_say(w, "done {\"exec_us\":1,\"job\":2}");
    bed_turn(&bed);
    bed_turn(&bed);
    assert_int_equal(bed.dones, 3);
    assert_int_equal(bed.failures, 0);
    bed.mates = 0;
    assert_ptr_equal(resizing(), w); /* which has no others any more */
    bed_say(w, "done {\"exec_us\":1,\"job\":1}");
    assert_refused_of(1, "about a job that it does not have");
}

static void what_is_said_of_a_job_that_is_not_there_or_over_ends_the_others(void **state)
{
    static const char *const texts[][2] = {
        {"progress {\"fraction\":0.5,\"job\":3}", "progress is about a job that it does not have"},
        {"failed {\"code\":3,\"msg\":\"m\",\"job\":7}", "failed is about a job that it does not have"},
        {"done {\"exec_us\":1,\"job\":8}", "done.job is out of range"},
        {"done {\"exec_us\":1,\"job\":-1}", "done.job is out of range"},
        {"output {\"index\":0,\"clone\":{\"input\":0},\"job\":true}", "output.job is no integer"},
        {"output {\"index\":1,\"clone\":{\"input\":0},\"job\":1}", "next index"},
        {"taken {\"job\":1}", "holds a field that is none of it"},
        {"undo {\"token\":{},\"job\":1}", "holds a field that is none of it"},
        {"done {\"exec_us\":1,\"job\":2}", "done comes after the job was over"},
        {"output {\"index\":0,\"clone\":{\"input\":0},\"job\":2}", "output comes after the job was over"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct bed_worker *w = at_three();

        bed_say(w, "done {\"exec_us\":1,\"job\":2}");
        bed_say(w, texts[i][0]);
        assert_refused_of(2, texts[i][1]);
        assert_int_equal(bed.job[0].failures, 1);
        assert_int_equal(bed.job[1].failures, 1);
        assert_int_equal(bed.job[2].failures, 0);
    }
}

static void one_that_fails_leaves_the_others_and_its_worker_ends_with_them(void **state)
{
    struct bed_worker *w = at_three();

    (void)state;
    bed_say(w, "failed {\"code\":3,\"msg\":\"m\"}");
    bed_turn(&bed);
    assert_int_equal(bed.job[0].failures, 1);
    assert_int_equal(bed.open, 2);
    assert_int_equal(bed.gone, 0);
    bed_say(w, "done {\"exec_us\":1,\"job\":1}");
    bed_say(w, "done {\"exec_us\":1,\"job\":2}");
    bed_turn(&bed);
    assert_int_equal(bed.dones, 2);
    assert_int_equal(bed.failures, 1);
    bed_turn(&bed);
    assert_int_equal(bed.gone, 1);
}

static void a_death_fails_those_that_are_not_over(void **state)
{
    struct bed_worker *w = at_three();

    (void)state;
    bed_say(w, "done {\"exec_us\":1}");
    bed_turn(&bed);
    worker_kill(bed.run->worker);
    bed_turn(&bed);
    assert_int_equal(bed.job[0].failures, 0);
    assert_int_equal(bed.job[1].failures, 1);
    assert_int_equal(bed.job[2].failures, 1);
    assert_int_equal(bed.failure.code, ERR_WORKER);
    assert_null(bed.run);
}

static void a_stop_of_one_fails_the_others_and_counts_what_was_killed_once(void **state)
{
    (void)state;
    at_three();
    pool_stop(bed.run->mate);
    bed_turn(&bed);
    assert_int_equal(bed.job[1].stops, 1);
    assert_int_equal(bed.failures, 2);
    at_three();
    for (struct pool_run *r = bed.run; r; r = r->mate)
        pool_stop(r);
    bed.killed = 0;
    bed_turn(&bed);
    assert_int_equal(bed.stops, 4);
    assert_int_equal(bed.killed, 1);
}

#define ASKS "output {\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/png\",\"early\":true,\"asks\":true}}"
#define FOUND "output {\"index\":1,\"same\":{\"input\":0,\"meta\":{\"a\":1}}}"

static struct bed_worker *asking(void)
{
    struct bed_worker *w = at_work(ROLE_MEDIA, "/upload/handle", "input", false);

    bed_say(w, ASKS);
    bed_turn(&bed);
    assert_non_null(bed.asker);
    return w;
}

/* What it is told is for its own eyes: the job's input lies where the probe's does. */
static void a_probe_that_asks_is_given_another_job_and_both_are_told_of(void **state)
{
    struct bed_worker *w = asking();

    (void)state;
    bed_next(&bed, true);
    const struct pool_run *next = bed.run->mate;
    assert_string_equal(jstr_or(json_array_get(json_object_get(next->message, "inputs"), 0), "path", ""), "in/0.png");
    assert_string_equal(jstr_or(next->message, "robot", ""), "/image/resize");
    bed_say(w, "progress {\"fraction\":0.5,\"job\":1}");
    bed_say(w, FOUND);
    bed_say(w, "done {\"exec_us\":1}");
    bed_turn(&bed);
    assert_int_equal(bed.job[0].outputs, 2);
    assert_int_equal(bed.job[0].dones, 1);
    assert_int_equal(bed.job[1].dones, 0);
    bed_say(w, "output {\"index\":0,\"clone\":{\"input\":0},\"job\":1}");
    bed_say(w, "done {\"exec_us\":1,\"job\":1}");
    bed_turn(&bed);
    bed_turn(&bed);
    assert_int_equal(bed.job[1].outputs, 1);
    assert_true(bed.job[1].progress == 0.5);
    assert_int_equal(bed.job[1].dones, 1);
    assert_string_equal(jstr_or(json_object_get(bed.output, "file"), "name", ""), "in.png");
    assert_int_equal(bed.failures, 0);
    assert_ptr_equal(resizing(), w); /* and it goes on to the next */
}

static void a_probe_that_is_given_nothing_goes_on(void **state)
{
    struct bed_worker *w = asking();

    (void)state;
    bed_next(&bed, false);
    bed_say(w, FOUND);
    bed_say(w, "done {\"exec_us\":1}");
    bed_turn(&bed);
    assert_int_equal(bed.dones, 1);
    assert_int_equal(bed.failures, 0);
}

static void what_a_probe_was_given_fails_or_dies_by_itself(void **state)
{
    struct bed_worker *w = asking();

    (void)state;
    bed_next(&bed, true);
    bed_say(w, "failed {\"code\":3,\"msg\":\"m\",\"job\":1}");
    bed_say(w, FOUND);
    bed_say(w, "done {\"exec_us\":1}");
    bed_turn(&bed);
    assert_int_equal(bed.job[1].failures, 1);
    assert_int_equal(bed.job[0].dones, 1);
    bed_turn(&bed);
    assert_int_equal(bed.gone, 1); /* one that failed is not kept */
    w = asking();
    bed_next(&bed, true);
    bed_say(w, FOUND);
    bed_say(w, "done {\"exec_us\":1}");
    bed_turn(&bed);
    pool_stop(bed.run->mate);
    bed_turn(&bed);
    assert_int_equal(bed.job[0].dones, 1);
    assert_int_equal(bed.job[1].stops, 1);
    assert_int_equal(bed.failures, 1);
}

static void a_probe_that_waits_and_speaks_or_asks_unasked_is_ended(void **state)
{
    struct bed_worker *w = asking();

    (void)state;
    bed_say(w, FOUND);
    assert_refused("before what it asked was answered");
    w = asking();
    bed_next(&bed, true);
    bed_say(w, "taken {\"job\":1}");
    assert_refused_of(2, "");
    w = asking();
    pool_stop(bed.run);
    bed_turn(&bed);
    assert_int_equal(bed.stops, 1);
    bed.p.conf.isolate_jobs = true;
    bed.gone = 0;
    refused(at_work(ROLE_MEDIA, "/upload/handle", "input", false), ASKS, "asks what it may not");
}

static void they_have_the_time_of_all_of_them(void **state)
{
    (void)state;
    at_three();
    assert_int_equal(bed.run->timeout_s, 3000);
    assert_int_equal(jint(json_object_get(bed.run->message, "settings"), "timeout_s", 0), 3000);
}

static void a_worker_that_does_not_take_several_loses_them_to_another(void **state)
{
    (void)state;
    bed.mates = 2;
    bed.p.conf.take_ms = 1;
    bed_start(&bed, ROLE_MEDIA, "/image/resize", "input", false);
    struct bed_worker *first = bed_working(&bed);
    int64_t id = first->id;
    for (int i = 0; i < 200 && bed.run->worker->id == id; i++) {
        usleep(1000);
        bed_turn(&bed);
    }
    assert_int_not_equal(bed.run->worker->id, id);
    bed.p.conf.take_ms = 100000;
    struct bed_worker *w = bed_working(&bed);
    assert_non_null(w);
    bed_say(w, "taken {}");
    for (int i = 0; i < 3; i++) {
        AUTO(mem_free) char *text = mem_printf("done {\"exec_us\":1,\"job\":%d}", i);

        bed_say(w, text);
    }
    bed_turn(&bed);
    assert_int_equal(bed.dones, 3);
    assert_int_equal(bed.failures, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_honest_job_is_done_and_what_it_made_is_measured_here),
        TEST(whoever_breaks_a_rule_is_ended_and_its_job_fails_by_that_name),
        TEST(a_second_undo_before_the_first_is_confirmed_is_refused),
        TEST(a_worker_asks_for_the_key_of_the_host_that_its_job_names_and_of_no_other),
        TEST(an_import_has_no_input_to_tell_of),
        TEST(a_secret_setting_reaches_only_the_job_that_names_it),
        TEST(threads_are_twice_the_cores_by_the_jobs_that_can_be_at_work),
        TEST(three_encodes_at_once_get_two_thirds_of_the_cores_each),
        TEST(an_encode_that_is_alone_may_use_all_cores),
        TEST(an_operator_may_say_how_many_threads),
        TEST(who_does_not_encode_is_told_of_no_threads),
        TEST(looks_that_open_nothing_wear_a_worker_out_slowly),
        TEST(looks_that_parse_or_take_long_count_as_jobs),
        TEST(nothing_is_heard_after_the_end),
        TEST(while_a_file_is_taken_nothing_is_read),
        TEST(a_flood_of_one_lets_others_have_their_turn),
        TEST(a_worker_that_does_not_take_its_job_loses_it_and_no_try_is_lost),
        TEST(workers_that_never_take_it_end_in_a_failure),
        TEST(what_takes_something_back_leaves_no_file),
        TEST(the_courier_answers_only_what_it_was_asked),
        TEST(a_failure_tells_no_path_of_the_server),
        TEST(what_is_kept_open_for_writing_is_copied),
        TEST(a_large_file_of_an_import_is_summed_while_it_comes_and_taken_as_what_it_is_then),
        TEST(what_is_small_or_made_here_is_not_followed),
        TEST(jobs_that_are_done_together_are_told_apart),
        TEST(what_is_said_of_a_job_that_is_not_there_or_over_ends_the_others),
        TEST(one_that_fails_leaves_the_others_and_its_worker_ends_with_them),
        TEST(a_death_fails_those_that_are_not_over),
        TEST(a_stop_of_one_fails_the_others_and_counts_what_was_killed_once),
        TEST(a_probe_that_asks_is_given_another_job_and_both_are_told_of),
        TEST(a_probe_that_is_given_nothing_goes_on),
        TEST(what_a_probe_was_given_fails_or_dies_by_itself),
        TEST(a_probe_that_waits_and_speaks_or_asks_unasked_is_ended),
        TEST(they_have_the_time_of_all_of_them),
        TEST(a_worker_that_does_not_take_several_loses_them_to_another),
    };

    json_setup();
    log_setup(LOG_ERROR, false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
