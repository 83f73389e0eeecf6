/* fuzz_settings - any text as the configuration file of trouped. It is taken, or refused with words
 * that a person can use, and nothing is left behind. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/options.h"
#include "daemon/settings.h"
#include "fuzz/fuzz.h"

static void check_options(const struct settings *settings)
{
    struct options options = {0};
    struct problem problem = {0};

    if (options_build(settings, &options, &problem) == 0) {
        FUZZ_CHECK(options.name[0] != '\0');
    } else {
        FUZZ_CHECK(problem.code != PROBLEM_NONE && problem.text[0] != '\0');
    }
    options_fini(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct settings settings;
    struct problem problem = {0};
    char path[64];
    const int file = memfd_create("trouped.conf", 0);

    FUZZ_CHECK(file >= 0 && write(file, bytes, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    settings_init(&settings);
    if (settings_load_file(&settings, path, true, &problem) == 0) {
        check_options(&settings);
    } else {
        FUZZ_CHECK(problem.code != PROBLEM_NONE && strstr(problem.text, path) != NULL);
    }
    settings_fini(&settings);
    (void)close(file);
    return 0;
}
