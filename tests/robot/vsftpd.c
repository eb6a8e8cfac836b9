#include "vsftpd.h"
#include "../unit/unit.h"
#include "base/str.h"
#include "sshd.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char config[] =
    "listen=YES\nbackground=NO\nlisten_address=127.0.0.1\nlisten_port=%d\nanonymous_enable=YES\n"
    "local_enable=NO\nwrite_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n"
    "anon_other_write_enable=YES\nanon_world_readable_only=NO\nanon_umask=022\nanon_root=%s/root\n"
    "allow_writeable_chroot=YES\nrun_as_launching_user=YES\nseccomp_sandbox=NO\n"
    "secure_chroot_dir=%s/empty\nsecure_email_list_enable=YES\nemail_password_file=%s/passwords\n"
    "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=NO\nforce_anon_data_ssl=NO\n"
    "require_ssl_reuse=NO\nssl_ciphers=HIGH\nrsa_cert_file=%s/cert.pem\nrsa_private_key_file=%s/"
    "key.pem\n"
    "xferlog_enable=YES\nlog_ftp_protocol=YES\nvsftpd_log_file=%s/"
    "log\nconnect_from_port_20=NO\n%s\n";

char *vsftpd_at(const struct vsftpd *v, const char *name)
{
    return mem_printf("%s/root/%s", v->dir, name);
}

char *vsftpd_ca(const struct vsftpd *v)
{
    AUTO(mem_free) char *path = sshd_at(v->dir, "ca.pem");

    return sshd_read(path);
}

static void make_certificate(const char *dir)
{
    AUTO(mem_free)
    char *command =
        mem_printf("cd %s && exec 2>/dev/null && openssl req -x509 -newkey ec -pkeyopt "
                   "ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "
                   "ca.pem -days 30 -subj /CN=ca && openssl req -newkey ec -pkeyopt "
                   "ec_paramgen_curve:P-256 -nodes -keyout key.pem -out "
                   "cert.csr -subj /CN=localhost && printf 'subjectAltName=IP:127.0.0.1' >ext && "
                   "openssl x509 -req -in cert.csr -CA ca.pem "
                   "-CAkey ca.key -CAcreateserial -days 30 -extfile ext -out cert.pem",
                   dir);

    assert_int_equal(system(command), 0);
}

static bool listens(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    AUTO(fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

void vsftpd_start(struct vsftpd *v, const char *more)
{
    strcpy(v->dir, "/tmp/workcell-ftp-XXXXXX");
    assert_non_null(mkdtemp(v->dir));
    AUTO(mem_free) char *root = sshd_at(v->dir, "root");
    AUTO(mem_free) char *empty = sshd_at(v->dir, "empty");
    AUTO(mem_free) char *passwords = sshd_at(v->dir, "passwords");
    AUTO(mem_free) char *path = sshd_at(v->dir, "conf");
    const char *d = v->dir;

    assert_true(mkdir(root, 0755) == 0 && mkdir(empty, 0755) == 0);
    sshd_write(passwords, "letmein\n", 8);
    make_certificate(d);
    fd_close(sshd_listen(&v->port));
    AUTO(mem_free) char *text = mem_printf(config, v->port, d, d, d, d, d, d, more);
    sshd_write(path, text, strlen(text));
    v->pid = fork();
    if (v->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashed leaves none */
        execl("/usr/sbin/vsftpd", "/usr/sbin/vsftpd", path, NULL);
        _exit(127);
    }
    for (int i = 0; !listens(v->port); i++) {
        assert_true(i < 400 && waitpid(v->pid, NULL, WNOHANG) == 0);
        usleep(50000);
    }
}

void vsftpd_stop(struct vsftpd *v)
{
    AUTO(mem_free) char *command = mem_printf("chmod -R u+rwX %s; rm -rf %s", v->dir, v->dir);

    kill(v->pid, SIGTERM);
    waitpid(v->pid, NULL, 0);
    assert_int_equal(system(command), 0);
}

int vsftpd_logged(const struct vsftpd *v, const char *what)
{
    AUTO(mem_free) char *path = sshd_at(v->dir, "log");
    AUTO(mem_free) char *log = sshd_read(path);
    int n = 0;

    for (char *at = log; at && (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}
