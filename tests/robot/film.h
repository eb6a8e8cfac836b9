/* film.h - films that can be measured: each frame shows its number, and a flash comes with each
 * beep. And the measuring, by decoding all of what came out. */
#pragma once
#include "clips.h"

enum { FILM_MOST = 4000 };
struct film {
    int frames;            /* that are decoded */
    double at[FILM_MOST];  /* s, when each is shown */
    int number[FILM_MOST]; /* that it shows, 0 to 255 */
    int light[FILM_MOST];  /* mean luminance, 0 to 255 */
    int w, h;
    double sound_s; /* of the decoded sound; 0: none */
    int flashes, beeps;
    double flash[100], beep[100]; /* s, when each begins */
    int16_t *pcm;                 /* of the sound: mono, 48000 a second, from second 0 on */
    int samples;
};
/* The caller frees it by film_free(). Fails the test when it can't be decoded. */
struct film *film_see(const char *path);
void film_free(struct film *f);
DEFINE_AUTO(struct film *, film_free)
/* Loudness of the sound in from <= t < to: root of the mean square, 0 to 1. */
double film_loudness(const struct film *f, double from, double to);

/* Options of the ffmpeg program: frames that show their numbers from `first` on, grey otherwise,
 * and a tone. size: "64x48". */
const char *film_numbered(const char *size, const char *rate, int first, int frames,
                          const char *more);
/* Black and silent but for a flash and a beep, both of 0.1 s, at each whole second from 1 on. */
const char *film_flashing(const char *size, const char *rate, double seconds, const char *more);
