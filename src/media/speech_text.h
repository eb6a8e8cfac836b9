/* speech_text.h - texts for espeak-ng, from which nothing but speech can come.
 *
 * espeak-ng takes more for commands than a text should give: <audio> names files (and it runs a
 * shell with their names), <voice> names files of voices, control characters and [[...]] steer it.
 * So nothing of a text reaches it that was not looked at: markup is read by libxml2 and written
 * again with the elements and attributes that speech needs. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define SPEECH_TEXT_MAX 100000 /* bytes: two hours of speech */

/* Text as it is to be spoken, in UTF-8 (or else Windows-1252), appended. Errors: ERR_INPUT: nothing
 * in it, too long. */
MUST_CHECK int speech_plain(struct str *out, const char *text, size_t len, struct err *err);
/* SSML, appended as what espeak-ng has of it. Elements that it does not have leave their text; of
 * <audio> its text is spoken, as where the sound can't be had. Errors: as above; no well-formed
 * XML, a document type, pauses of more than ten minutes in all. */
MUST_CHECK int speech_ssml(struct str *out, const char *text, size_t len, struct err *err);
