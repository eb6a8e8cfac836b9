/* damage.h - files that are not what their writer meant, and how bad that is. The rule of all readers that make something of
 * a picture (image_load.strict): what was measured to be all there is decoded, whatever is wrong around it (an end marker, a
 * checksum); of what is cut off or was changed nothing is made up, it is an error. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is the end marker all that the JPEG file fd lacks? False also when it has one, where bytes may follow it. Only without one is
 * more than the file's last two bytes and its markers looked at: every block must then come out of the file and, in a
 * progressive one, in full precision. */
bool damage_jpeg_only_lacks_its_end(int fd);

/* The PNG file fd with right checksums, when wrong ones are all that is wrong: the compressed stream inside has a checksum of
 * its own, which must fit. NULL: nothing to mend, or not only that. The caller frees. */
uint8_t *damage_mend_png(size_t *len, int fd);
