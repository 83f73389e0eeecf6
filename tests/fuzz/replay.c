/* replay.c - runs a fuzz target over the files of a folder: `fuzz_frames CORPUS`. For compilers
 * without libFuzzer, and for the other sanitizers. Each input is also cut short at a few places,
 * since what ends early is what arrives from a network. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long end = 0;

    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(fseek(file, 0, SEEK_END) == 0);
    end = ftell(file);
    FUZZ_CHECK(end >= 0 && fseek(file, 0, SEEK_SET) == 0);
    *size = (size_t)end;
    bytes = malloc(*size > 0 ? *size : 1);
    FUZZ_CHECK(bytes != NULL && fread(bytes, 1, *size, file) == *size);
    (void)fclose(file);
    return bytes;
}

static void replay(const char *path)
{
    size_t size = 0;
    uint8_t *bytes = read_file(path, &size);

    (void)LLVMFuzzerTestOneInput(bytes, size);
    for (size_t part = 1; part < 4; part++) {
        (void)LLVMFuzzerTestOneInput(bytes, size * part / 4);
    }
    free(bytes);
}

int main(int argc, char **argv)
{
    size_t inputs = 0;

    for (int index = 1; index < argc; index++) {
        DIR *folder = opendir(argv[index]);
        const struct dirent *entry = NULL;

        FUZZ_CHECK(folder != NULL);
        while ((entry = readdir(folder)) != NULL) {
            char path[PATH_MAX];

            if (entry->d_name[0] != '.') {
                (void)snprintf(path, sizeof(path), "%s/%s", argv[index], entry->d_name);
                replay(path);
                inputs++;
            }
        }
        (void)closedir(folder);
    }
    (void)printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
