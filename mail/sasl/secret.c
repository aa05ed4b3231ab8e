#include "mail/sasl/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/net/crypto.h"

static bool read_secret(int directory, const char *name, unsigned char secret[SECRET_SIZE])
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    unsigned char bytes[SECRET_SIZE];
    struct stat status;
    bool good;

    if (fd < 0)
        return false;
    good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && read(fd, bytes, SECRET_SIZE) == SECRET_SIZE;
    close(fd);
    if (good)
        memcpy(secret, bytes, SECRET_SIZE);
    return good;
}

/* Whole at once, so that of processes that start together all have the first one's. */
static bool write_secret(int directory, const char *name, const unsigned char secret[SECRET_SIZE])
{
    char temporary[64];
    struct stat owner;
    bool good;
    int fd;

    snprintf(temporary, sizeof temporary, "%.32s.%ld", name, (long)getpid());
    fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    good = fstat(directory, &owner) == 0 && (geteuid() != 0 || fchown(fd, owner.st_uid, owner.st_gid) == 0) &&
           write(fd, secret, SECRET_SIZE) == SECRET_SIZE;
    close(fd);
    if (good && linkat(directory, temporary, directory, name, 0) != 0)
        good = errno == EEXIST;
    unlinkat(directory, temporary, 0);
    return good;
}

bool secret_get(const char *directory_name, const char *name, unsigned char secret[SECRET_SIZE], struct error *error)
{
    int directory = open(directory_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good;

    crypto_random(secret, SECRET_SIZE);
    if (directory < 0)
        return error_set(error, "%s: %s", directory_name, strerror(errno));
    good = read_secret(directory, name, secret) ||
           (write_secret(directory, name, secret) && read_secret(directory, name, secret));
    if (!good)
        error_set(error, "%s/%s: %s", directory_name, name, errno != 0 ? strerror(errno) : "it is damaged");
    close(directory);
    return good;
}
