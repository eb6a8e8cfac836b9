#include "http/manners.h"
#include "base/str.h"

#include <stdlib.h>

struct http_manners http_manners;

bool manners_where(char **host, int *port, const char *url)
{
    CURLU *u = curl_url();
    char *name = NULL, *number = NULL;
    bool known = u && !curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) &&
                 !curl_url_get(u, CURLUPART_HOST, &name, 0) &&
                 !curl_url_get(u, CURLUPART_PORT, &number, CURLU_DEFAULT_PORT);

    if (known) {
        *host = mem_strdup(name);
        *port = atoi(number);
    }
    curl_free(name);
    curl_free(number);
    curl_url_cleanup(u);
    return known;
}

int manners_keep(CURL *e, const char *host, int port, struct err *err)
{
    /* curl looks at the time between two buffers: with large ones it is far over the speed before it does */
    if (http_manners.bytes_per_s) {
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    }
    curl_easy_setopt(e, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)http_manners.bytes_per_s);
    curl_easy_setopt(e, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)http_manners.bytes_per_s);
    return http_manners.admit && host ? http_manners.admit(host, port, err) : 0;
}
