#include "daemon/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/write_all.h"

static int refuse(struct problem *problem, const char *path, const char *why)
{
    const int status =
        problem_set(problem, PROBLEM_SECRET_FILE, "the secret cannot be read from \"%s\"", path);

    problem_detail(problem, "%s", why);
    return status;
}

/* Checks what can be seen without reading: a plain file that others can neither read nor write. */
int secret_check_file(int file, const char *path, struct problem *problem)
{
    struct stat status;

    if (fstat(file, &status) != 0) {
        return refuse(problem, path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse(problem, path, "it is not a regular file");
    }
    if ((status.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
        const int result = refuse(problem, path, "other users can read or change it");

        problem_hint(problem, "chmod 600 %s", path);
        return result;
    }
    return 0;
}

static ssize_t read_all(int file, uint8_t *bytes, size_t capacity)
{
    size_t size = 0;

    while (size < capacity) {
        const ssize_t got = read(file, bytes + size, capacity - size);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    return (ssize_t)size;
}

static int read_checked(int file, const char *path, struct secret *secret, struct problem *problem)
{
    uint8_t bytes[SECRET_SIZE_MAX + 2];
    const ssize_t got = read_all(file, bytes, sizeof(bytes));
    size_t size = got > 0 ? (size_t)got : 0;
    int result = 0;

    if (got < 0) {
        result = refuse(problem, path, strerror(errno));
        goto done;
    }
    if (size > 0 && bytes[size - 1] == '\n') {
        size--;
    }
    if (size < SECRET_SIZE_MIN || size > SECRET_SIZE_MAX) {
        result = refuse(problem, path, "");
        problem_detail(problem, "it holds %zu%s bytes; a secret has %u to %u", size,
                       size > SECRET_SIZE_MAX ? " or more" : "", SECRET_SIZE_MIN, SECRET_SIZE_MAX);
        problem_hint(problem, "make one with: (umask 077; openssl rand -hex 32 > %s)", path);
        goto done;
    }
    memcpy(secret->bytes, bytes, size);
    secret->size = size;

done:
    explicit_bzero(bytes, sizeof(bytes));
    return result;
}

static int read_file(const char *path, bool may_be_missing, struct secret *secret,
                     struct problem *problem)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int result = 0;

    if (file < 0 && errno == ENOENT && may_be_missing) {
        secret->size = 0;
        return 0;
    }
    if (file < 0) {
        return refuse(problem, path, strerror(errno));
    }
    result = secret_check_file(file, path, problem);
    if (result == 0) {
        result = read_checked(file, path, secret, problem);
    }
    (void)close(file);
    return result;
}

int secret_read(const char *path, struct secret *secret, struct problem *problem)
{
    return read_file(path, false, secret, problem);
}

int secret_read_if_there(const char *path, struct secret *secret, struct problem *problem)
{
    return read_file(path, true, secret, problem);
}

int secret_make(const char *path, struct problem *problem)
{
    uint8_t random[32];
    char text[2 * sizeof(random) + 2];
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result = 0;

    if (file < 0 && errno == EEXIST) {
        return 0;
    }
    if (file < 0) {
        return problem_set(problem, PROBLEM_SYSTEM, "cannot create \"%s\": %s", path,
                           strerror(errno));
    }
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        result = problem_set(problem, PROBLEM_SYSTEM, "no random bytes: %s", strerror(errno));
    } else {
        for (size_t i = 0; i < sizeof(random); i++) {
            (void)snprintf(text + 2 * i, 3, "%02x", random[i]);
        }
        text[sizeof(text) - 2] = '\n';
        if (!write_all(file, text, sizeof(text) - 1) || fsync(file) != 0) {
            result = problem_set(problem, PROBLEM_SYSTEM, "cannot write \"%s\": %s", path,
                                 strerror(errno));
        }
    }
    explicit_bzero(random, sizeof(random));
    explicit_bzero(text, sizeof(text));
    (void)close(file);
    if (result != 0) {
        (void)unlink(path);
    }
    return result;
}

void secret_wipe(struct secret *secret)
{
    explicit_bzero(secret, sizeof(*secret));
}
