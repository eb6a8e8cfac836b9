#include "http/manners.h"

#include <stdlib.h>

struct http_manners http_manners;

int manners_keep(CURL *e, const char *url, struct err *err)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL;
    int rc = 0;

    /* curl looks at the time between two buffers: with large ones it is far over the speed before it does */
    if (http_manners.bytes_per_s) {
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    }
    curl_easy_setopt(e, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)http_manners.bytes_per_s);
    curl_easy_setopt(e, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)http_manners.bytes_per_s);
    if (http_manners.admit && u && !curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) &&
        !curl_url_get(u, CURLUPART_HOST, &host, 0) && !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
        rc = http_manners.admit(host, atoi(port), err);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return rc;
}
