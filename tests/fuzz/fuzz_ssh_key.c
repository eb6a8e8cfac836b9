/* A private key of stored credentials, as it is read for a login by RSA. */
#include "fuzz.h"
#include "transfer/ssh_rsa.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    AUTO(mem_free) char *text = take_rest(&b);
    struct ssh_rsa *open = ssh_rsa_read(text, NULL), *locked = ssh_rsa_read(text, "open sesame");

    /* what is read without a passphrase needs none */
    CHECK(!open || (locked && !ssh_rsa_is_locked(text)));
    ssh_rsa_free(open);
    ssh_rsa_free(locked);
    return 0;
}
