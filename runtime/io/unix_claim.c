#include "io/unix_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/uv_status.h"

/* Each round but the last has met a process that was just giving the path up. */
enum { LOCK_ROUNDS = 8 };

struct reason {
    char *text;
    size_t size;
};

static troupe_status say(const struct reason *why, troupe_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static troupe_status say(const struct reason *why, troupe_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why->text, why->size, format, arguments);
    va_end(arguments);
    return status;
}

/* For a system call that has failed with errno. */
static troupe_status say_errno(const struct reason *why, const char *path)
{
    const int error = errno;

    return say(why, tr_uv_status(-error), "%s: %s", path, strerror(error));
}

/* Whoever may write into the directory may put a socket of his own in the place of ours. */
static troupe_status check_directory(const char *path, const struct reason *why)
{
    char directory[TR_UNIX_PATH_SIZE_MAX + 1];
    struct stat its;
    const size_t size = (size_t)(strrchr(path, '/') - path);

    (void)snprintf(directory, sizeof(directory), "%.*s", size == 0 ? 1 : (int)size, path);
    if (stat(directory, &its) != 0) {
        return say_errno(why, directory);
    }
    if (!S_ISDIR(its.st_mode)) {
        return say(why, TROUPE_E_INVALID, "%s is no directory", directory);
    }
    if (its.st_uid != 0 && its.st_uid != geteuid()) {
        return say(why, TROUPE_E_DENIED,
                   "the directory %s belongs to user %u, and this process is user %u", directory,
                   (unsigned)its.st_uid, (unsigned)geteuid());
    }
    if ((its.st_mode & S_IWOTH) != 0 && (its.st_mode & S_ISVTX) == 0) {
        return say(why, TROUPE_E_DENIED,
                   "everybody may write into the directory %s, which is not sticky", directory);
    }
    return TROUPE_OK;
}

/* Whether the file that was opened is the one that the path names still. */
static bool is_still_there(int file, const char *path)
{
    struct stat opened;
    struct stat named;

    return fstat(file, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

static troupe_status check_lock(int file, const char *path, const struct reason *why)
{
    struct stat its;

    if (fstat(file, &its) != 0) {
        return say_errno(why, path);
    }
    if (!S_ISREG(its.st_mode)) {
        return say(why, TROUPE_E_EXISTS, "%s is there, and is no lock file", path);
    }
    return its.st_uid == geteuid()
               ? TROUPE_OK
               : say(why, TROUPE_E_DENIED, "%s belongs to user %u", path, (unsigned)its.st_uid);
}

/* Locks the file once. TROUPE_E_AGAIN: it was removed meanwhile. */
static troupe_status lock_once(const char *path, int *out, const struct reason *why)
{
    const int file =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
    troupe_status status = TROUPE_OK;

    if (file < 0) {
        return say_errno(why, path);
    }
    status = check_lock(file, path, why);
    if (status == TROUPE_OK && flock(file, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? say(why, TROUPE_E_EXISTS, "another process listens there: it holds %s", path)
                     : say_errno(why, path);
    }
    if (status == TROUPE_OK && !is_still_there(file, path)) {
        status = say(why, TROUPE_E_AGAIN, "%s comes and goes", path);
    }
    if (status != TROUPE_OK) {
        (void)close(file);
        return status;
    }
    *out = file;
    return TROUPE_OK;
}

/* What connecting says: 0 when somebody listens, else an error number. */
static int probe(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (file < 0) {
        return errno;
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(file, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        error = errno;
    }
    (void)close(file);
    return error;
}

/* Removes the socket of a process that is dead; anything else stays. With the lock. */
static troupe_status clear(const char *path, const struct reason *why)
{
    struct stat its;
    int error = 0;

    if (lstat(path, &its) != 0) {
        return errno == ENOENT ? TROUPE_OK : say_errno(why, path);
    }
    if (!S_ISSOCK(its.st_mode)) {
        return say(why, TROUPE_E_EXISTS, "%s is there, and is no socket", path);
    }
    if (its.st_uid != geteuid()) {
        return say(why, TROUPE_E_DENIED, "%s belongs to user %u", path, (unsigned)its.st_uid);
    }
    error = probe(path);
    if (error == 0 || error == EAGAIN) {
        return say(why, TROUPE_E_EXISTS, "another process listens there");
    }
    if (error != ECONNREFUSED) {
        errno = error;
        return say_errno(why, path);
    }
    return unlink(path) == 0 || errno == ENOENT ? TROUPE_OK : say_errno(why, path);
}

troupe_status tr_unix_claim(const char *path, struct tr_unix_claim *claim, char *why,
                            size_t why_size)
{
    const struct reason reason = {why, why_size};
    const char *fault = tr_unix_path_fault(path);
    struct tr_unix_claim made = {.lock = -1};
    troupe_status status = TROUPE_OK;

    if (fault != NULL) {
        return say(&reason, TROUPE_E_INVALID, "%s (%zu bytes): %s", path, strlen(path), fault);
    }
    (void)snprintf(made.lock_path, sizeof(made.lock_path), "%s.lock", path);
    status = check_directory(path, &reason);
    if (status != TROUPE_OK) {
        return status;
    }
    status = TROUPE_E_AGAIN;
    for (unsigned round = 0; round < LOCK_ROUNDS && status == TROUPE_E_AGAIN; round++) {
        status = lock_once(made.lock_path, &made.lock, &reason);
    }
    if (status != TROUPE_OK) {
        return status == TROUPE_E_AGAIN ? TROUPE_E_EXISTS : status;
    }
    status = clear(path, &reason);
    if (status != TROUPE_OK) {
        tr_unix_release(&made);
        return status;
    }
    *claim = made;
    return TROUPE_OK;
}

void tr_unix_release(struct tr_unix_claim *claim)
{
    if (claim->lock < 0) {
        return;
    }
    /* Removed before it is unlocked: who has opened it meanwhile sees that it is gone. */
    (void)unlink(claim->lock_path);
    (void)close(claim->lock);
    claim->lock = -1;
}
