/* bare.c - the least that an upload costs: read the socket, MD5, pwrite. One thread a connection, PORT DIR. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *dir;
static int serial;

static void *serve(void *arg)
{
    int fd = (int)(long)arg;
    char *buf = malloc(256 * 1024), name[300];

    for (;;) {
        size_t have = 0;
        char *end = NULL;
        ssize_t n;

        while (!end && (n = recv(fd, buf + have, 256 * 1024 - 1 - have, 0)) > 0) {
            have += (size_t)n;
            buf[have] = 0;
            end = strstr(buf, "\r\n\r\n");
        }
        if (!end)
            break;
        long long left = atoll(strcasestr(buf, "content-length: ") + 16), at = 0;
        snprintf(name, sizeof name, "%s/%d", dir, __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED));
        int out = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        unsigned char digest[64];
        char *p = end + 4;
        n = (ssize_t)(have - (size_t)(p - buf));
        EVP_DigestInit_ex(md, EVP_md5(), NULL);
        while (left) {
            if (n > 0) {
                EVP_DigestUpdate(md, p, (size_t)n);
                if (pwrite(out, p, (size_t)n, at) != n)
                    exit(1);
                at += n;
                left -= n;
            }
            if (left && (n = recv(fd, p = buf, 256 * 1024, 0)) <= 0)
                exit(1);
        }
        fdatasync(out);
        close(out);
        EVP_DigestFinal_ex(md, digest, NULL);
        EVP_MD_CTX_free(md);
        if (send(fd, "HTTP/1.1 204 No Content\r\n\r\n", 27, MSG_NOSIGNAL) != 27)
            break;
    }
    close(fd);
    free(buf);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    if (argc < 2)
        return 2;
    dir = argv[1];
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 64) < 0)
        return 1;
    getsockname(s, (struct sockaddr *)&a, &len);
    printf("listening on http://127.0.0.1:%d\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t t;
        int fd = accept(s, NULL, NULL);

        if (fd >= 0 && pthread_create(&t, NULL, serve, (void *)(long)fd) == 0)
            pthread_detach(t);
    }
}
