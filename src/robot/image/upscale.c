/* /image/upscale: pictures made larger by a model, by a service that speaks as Stable Diffusion
 * WebUI does. */
#include "transfer/made.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#define INPUT_MAX (INT64_C(32) << 20) /* it is sent as a text, which is in memory */
#define UPSCALER "R-ESRGAN 4x+"

enum upscale_model { REAL_ESRGAN, GFPGAN, CODEFORMER };
struct upscale_opts {
    int model, scale; /* enum upscale_model, a factor */
    bool face_enhance;
    const char *provider;
};
#define T struct upscale_opts
static const struct opt_choice upscale_models[] = {{"nightmareai/real-esrgan", REAL_ESRGAN},
                                                   {"tencentarc/gfpgan", GFPGAN},
                                                   {"sczhou/codeformer", CODEFORMER},
                                                   {0}};
static const struct opt_choice scales[] = {{"2", 2}, {"4", 4}, {0}};

static const struct option options[] = {
    OPT_ENUM(T, model, upscale_models, .def = REAL_ESRGAN,
             .help = "What enlarges: Real-ESRGAN alone, or with GFPGAN or CodeFormer for faces."),
    OPT_ENUM(T, scale, scales, .def = 2, .help = "Factor."),
    OPT_BOOL(T, face_enhance, .help = "Faces are restored (GFPGAN), whatever the model is."),
    OPT_STR(T, provider, .def_str = "auto", .example = "\"replicate\"",
            .idle = "the operator's service does the work",
            .help = "Accepted and ignored: the operator's service does the work."),
    OPT_END,
};

/* The input as base64. The caller frees; NULL with err. */
static char *upscale_read(const struct robot_input *in, struct err *err)
{
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    size_t size = (size_t)in->size, done = 0;
    ssize_t n = 0;

    if (fd < 0) {
        err_errno(err, "open '%s'", in->name);
        return NULL;
    }
    AUTO(mem_free) char *bytes = mem_alloc(size + 1);
    while (done < size && (n = read(fd, bytes + done, size - done)) > 0)
        done += (size_t)n;
    if (done < size) {
        err_errno(err, "read '%s'", in->name);
        return NULL;
    }
    char *text = mem_alloc(size / 3 * 4 + 8);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes, (int)size);
    return text;
}

static json_t *upscale_question(const struct robot_input *in, const T *o, struct err *err)
{
    AUTO(mem_free) char *image = upscale_read(in, err);
    bool gfpgan = o->model == GFPGAN || o->face_enhance, codeformer = o->model == CODEFORMER;

    if (!image)
        return NULL;
    return json_pack("{s:i,s:i,s:s,s:i,s:i,s:f,s:s}", "resize_mode", 0, "upscaling_resize",
                     o->scale, "upscaler_1", UPSCALER, "gfpgan_visibility", gfpgan,
                     "codeformer_visibility", codeformer, "codeformer_weight", 0.5, "image", image);
}

static int upscale_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(ai_done) struct ai a = {0};
    AUTO(made_done) struct made m = {0};

    if (ai_open(&a, job, "upscale", NULL, err) < 0)
        return -1;
    if (in->size == 0 || in->size > INPUT_MAX)
        return err_set(err, ERR_INPUT, "the file '%s' has %lld bytes, and 1 to %lld can be sent",
                       in->name, (long long)in->size, (long long)INPUT_MAX);
    AUTO(json_unref) json_t *body = upscale_question(in, o, err);
    if (!body)
        return -1;
    AUTO(json_unref)
    json_t *answer =
        ai_call(&a,
                &(struct ai_call){
                    .path = "/sdapi/v1/extra-single-image", .body = body, .most = AI_PICTURES_MAX},
                err);
    if (!answer)
        return -1;
    if (!str_given(jstr(answer, "image")))
        return api_odd(&a.api, err, "there is no picture in it");
    if (made_open(&m, job, err) < 0 ||
        ai_base64_to_fd(&a, jstr(answer, "image"), m.fd, made_most(job), err) < 0)
        return -1;
    return made_emit(&m, &a, &(struct made_emit){.what = MADE_PICTURE}, err);
}

const struct robot robot_image_upscale = {
    .name = "/image/upscale",
    .summary = "Enlarge pictures with a model",
    .accepts = "image/",
    .role = ROLE_TRANSFER,
    .keys = AI_KEYS,
    .price_factor = 1,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(upscale_run),
};
