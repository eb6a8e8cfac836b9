#include "robot/stub.h"
#include "base/clock.h"

int stub_left_s(int64_t *out, const struct robot_job *job, const struct robot_input *in, struct err *err)
{
    int64_t until_s = jint(in->meta, STUB_META, 0), now_s = clock_now_us() / SECOND_US;
    char date[DATE_LEN + 1];

    *out = until_s ? until_s - now_s : -1;
    if (!until_s || until_s > now_s)
        return 0;
    date_format(date, until_s * SECOND_US);
    return robot_fail(job, err, ERR_ROBOT_VALIDATION, "VALIDATION",
                      "'%.100s' is a stub (return_file_stubs) whose address was good until %s: it must be imported "
                      "again",
                      in->name, date);
}
