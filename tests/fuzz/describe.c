/* Prints every Robot with its parameters, and the events of an Assembly: seeds.py makes seeds and dictionaries of them. */
#include "assembly/assembly.h"
#include "robot/robot.h"

#include <stdio.h>

int main(void)
{
    json_t *events = json_array();

    for (int i = (int)EV_CREATED; i <= (int)EV_FILE_ADDED; i++)
        json_array_append_new(events, json_string(event_name((enum event_type)i)));
    AUTO(json_unref) json_t *all = json_pack("{s:o,s:o}", "robots", robots_describe(), "events", events);
    AUTO(mem_free) char *text = json_text(all);
    puts(text);
    return 0;
}
