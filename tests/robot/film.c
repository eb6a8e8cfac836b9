#include "film.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SIDE_W 64
#define SIDE_H 8
#define RATE 48000
#define LOUD 3000 /* of 32767: a beep */
#define BRIGHT 40 /* of 255: a flash, perhaps in a part of the picture */

static FILE *film_open(const char *command)
{
    FILE *f = popen(command, "r");

    if (!f)
        abort();
    return f;
}

static void film_close(FILE *f, const char *command)
{
    if (pclose(f)) {
        fprintf(stderr, "%s\n", command);
        abort();
    }
}

/* Eight columns, the lowest bit at the left. */
static int number_of(const uint8_t *gray)
{
    int n = 0;

    for (int bit = 0; bit < 8; bit++)
        n |= (gray[SIDE_H / 2 * SIDE_W + bit * 8 + 4] >= 128) << bit;
    return n;
}

/* Size and times of the frames; is there sound? */
static bool see_times(struct film *f, const char *path)
{
    AUTO(mem_free)
    char *command =
        mem_printf("ffprobe -v error -show_entries "
                   "frame=best_effort_timestamp_time,width,height:stream=codec_type -of "
                   "compact=p=0 '%s'",
                   path);
    FILE *p = film_open(command);
    bool sound = false;
    char line[1000];
    int n = 0;

    while (fgets(line, sizeof line, p)) {
        const char *t = strstr(line, "best_effort_timestamp_time="), *w = strstr(line, "width="),
                   *h = strstr(line, "height=");

        sound |= strstr(line, "codec_type=audio") != NULL;
        if (t && w && h && n < FILM_MOST) {
            f->at[n++] = atof(t + 27);
            f->w = atoi(w + 6);
            f->h = atoi(h + 7);
        }
    }
    film_close(p, command);
    f->frames = n;
    return sound;
}

static void see_frames(struct film *f, FILE *p)
{
    uint8_t gray[SIDE_W * SIDE_H];

    for (int n = 0; n < f->frames; n++) {
        long sum = 0;

        if (fread(gray, 1, sizeof gray, p) != sizeof gray) {
            fprintf(stderr, "%d times, but %d frames\n", f->frames, n);
            abort();
        }
        for (size_t i = 0; i < sizeof gray; i++)
            sum += gray[i];
        f->light[n] = (int)(sum / (long)sizeof gray);
        f->number[n] = number_of(gray);
    }
}

static void see_sound(struct film *f, const char *path)
{
    FILE *p = fopen(path, "r");
    size_t room = RATE * 200;

    f->pcm = mem_alloc(room * sizeof *f->pcm);
    f->samples = p ? (int)fread(f->pcm, sizeof *f->pcm, room, p) : 0;
    f->sound_s = (double)f->samples / RATE;
    fclose(p);
    remove(path);
}

/* Both by one run of the program. */
static void see_all(struct film *f, const char *path, bool sound)
{
    AUTO(mem_free)
    char *pcm = mem_printf("%s.pcm", path),
         *more = mem_printf(
             "-map 0:a:0 -af aresample=%d:async=1:first_pts=0 -ac 1 -f s16le -y '%s'", RATE, pcm),
         *command = mem_printf(
             "ffmpeg -v error -nostdin -copyts -i '%s' -map 0:v:0 -vsync passthrough -vf "
             "scale=%d:%d:flags=area,format=gray -f rawvideo pipe:1 %s",
             path, SIDE_W, SIDE_H, sound ? more : "");
    FILE *p = film_open(command);

    see_frames(f, p);
    film_close(p, command);
    if (sound)
        see_sound(f, pcm);
}

static void find_events(struct film *f)
{
    for (int i = 0; i < f->frames && f->flashes < 100; i++)
        if (f->light[i] >= BRIGHT && (i == 0 || f->light[i - 1] < BRIGHT))
            f->flash[f->flashes++] = f->at[i];
    for (int i = 0, quiet = RATE; i < f->samples && f->beeps < 100; i++) {
        bool loud = abs(f->pcm[i]) >= LOUD;

        if (loud && quiet > RATE / 20)
            f->beep[f->beeps++] = (double)i / RATE;
        quiet = loud ? 0 : quiet + 1;
    }
}

struct film *film_see(const char *path)
{
    struct film *f = mem_zalloc(sizeof *f);

    see_all(f, path, see_times(f, path));
    find_events(f);
    return f;
}

void film_free(struct film *f)
{
    if (f)
        free(f->pcm);
    free(f);
}

double film_loudness(const struct film *f, double from, double to)
{
    double sum = 0;
    int n = 0;

    for (int i = (int)(from * RATE); i < (int)(to * RATE) && i < f->samples; i++, n++)
        sum += (double)f->pcm[i] * f->pcm[i];
    return n ? sqrt(sum / n) / 32767 : 0;
}

const char *film_numbered(const char *size, const char *rate, int first, int frames,
                          const char *more)
{
    static char text[1000];

    snprintf(text, sizeof text,
             "-f lavfi -i "
             "\"color=gray:s=%s:r=%s,format=gray,geq=lum='235*mod(floor((N+%d)/pow(2\\,floor(X*8/"
             "W)))\\,2)'\" -f lavfi -i sine=440:r=48000 "
             "-frames:v %d -shortest %s",
             size, rate, first, frames, more);
    return text;
}

const char *film_flashing(const char *size, const char *rate, double seconds, const char *more)
{
    static char text[1000];

    snprintf(
        text, sizeof text,
        "-f lavfi -i "
        "\"color=black:s=%s:r=%s:d=%g,drawbox=color=white:t=fill:enable='gte(t\\,0.99)*lt(mod(t+0."
        "001\\,1)\\,0.1)'\" -f lavfi -i "
        "\"aevalsrc='0.5*gte(t\\,0.99)*lt(mod(t\\,1)\\,0.1)*sin(2*PI*1000*t)':s=48000:d=%g\" %s",
        size, rate, seconds, seconds, more);
    return text;
}
