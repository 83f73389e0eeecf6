#include "cli/ca_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "daemon/write_all.h"

int ca_path_make(struct cli *cli, const char *folder, const char *name, struct ca_path *path)
{
    const int size = snprintf(path->text, sizeof(path->text), "%s/%s", folder, name);

    return size > 0 && (size_t)size < sizeof(path->text)
               ? 0
               : problem_set(&cli->problem, PROBLEM_USAGE, "the path \"%.80s...\" is too long",
                             folder);
}

static int present(struct cli *cli, const char *path)
{
    const int status =
        problem_set(&cli->problem, PROBLEM_CONFIG, "\"%.400s\" is there already", path);

    problem_hint(&cli->problem, "--force replaces it");
    return status;
}

int ca_file_refuse_present(struct cli *cli, const struct ca_path *path)
{
    struct stat status;

    return lstat(path->text, &status) == 0 ? present(cli, path->text) : 0;
}

static int system_problem(struct cli *cli, const char *what, const char *path)
{
    return problem_set(&cli->problem, PROBLEM_SYSTEM, "cannot %s \"%.400s\": %s", what, path,
                       strerror(errno));
}

static ssize_t read_all(int file, uint8_t *bytes, size_t capacity)
{
    size_t size = 0;
    ssize_t got = 1;

    while (got > 0 && size < capacity) {
        got = read(file, bytes + size, capacity - size);
        size += got > 0 ? (size_t)got : 0;
    }
    return got < 0 ? -1 : (ssize_t)size;
}

int ca_file_read(struct cli *cli, const struct ca_path *path, struct tr_pem *out)
{
    const int file = open(path->text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct tr_pem pem = {.size = TR_TLS_FILE_SIZE_MAX + 1};
    ssize_t got = -1;
    int status = 0;

    if (file < 0) {
        return system_problem(cli, "read", path->text);
    }
    pem.bytes = malloc(pem.size);
    if (pem.bytes == NULL) {
        (void)close(file);
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    got = read_all(file, pem.bytes, pem.size);
    if (got < 0) {
        status = system_problem(cli, "read", path->text);
    } else if ((size_t)got == pem.size) {
        status = problem_set(&cli->problem, PROBLEM_CONFIG, "\"%.400s\" has more than %u bytes",
                             path->text, TR_TLS_FILE_SIZE_MAX);
    }
    (void)close(file);
    if (status != 0) {
        tr_pem_fini(&pem);
        return status;
    }
    pem.size = (size_t)got;
    *out = pem;
    return 0;
}

/* A rename is on disk once its folder is. */
static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    char *slash = NULL;
    int file = -1;
    bool done = false;

    (void)snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash == NULL) {
        return true;
    }
    slash[1] = '\0';
    file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    done = file >= 0 && fsync(file) == 0;
    if (file >= 0) {
        (void)close(file);
    }
    return done;
}

int ca_file_write(struct cli *cli, const struct ca_path *path, const struct tr_pem *pem,
                  bool replaces)
{
    char beside[PATH_MAX + 16];
    int file = -1;
    int status = 0;
    bool done = false;

    (void)snprintf(beside, sizeof(beside), "%s.XXXXXX", path->text);
    file = mkostemp(beside, O_CLOEXEC); /* of mode 0600 */
    if (file < 0) {
        return system_problem(cli, "write", path->text);
    }
    done = write_all(file, pem->bytes, pem->size) && fsync(file) == 0;
    done = close(file) == 0 && done;
    if (done && replaces) {
        done = rename(beside, path->text) == 0;
    } else if (done) {
        done = link(beside, path->text) == 0; /* which replaces nothing */
    }
    done = done && sync_folder(path->text);
    if (!done) {
        status =
            errno == EEXIST ? present(cli, path->text) : system_problem(cli, "write", path->text);
    }
    (void)unlink(beside);
    return status;
}
