/* What is tested: daemon/settings, options, units, secret and module_check - which source wins, and
 * that every wrong value is refused with the place it came from. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/module_check.h"
#include "daemon/options.h"
#include "daemon/settings.h"
#include "daemon/units.h"

struct fixture {
    char folder[64];
    char file[96];
    struct settings settings;
    struct problem problem;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/troupe-settings.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->file, sizeof(fixture->file), "%s/trouped.conf", fixture->folder);
    settings_init(&fixture->settings);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];

    settings_fini(&fixture->settings);
    for (const char *const *name =
             (const char *const[]){"trouped.conf", "secret", "m.so", "db", "link.so", NULL};
         *name != NULL; name++) {
        (void)snprintf(command, sizeof(command), "%s/%s", fixture->folder, *name);
        (void)unlink(command);
    }
    assert_int_equal(rmdir(fixture->folder), 0);
    free(fixture);
    (void)unsetenv("TROUPE_LEASE_TTL");
    (void)unsetenv("TROUPE_MODULE");
    (void)unsetenv("TROUPE_DB");
    (void)unsetenv("TROUPE_DB_FILE");
    return 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(file, mode), 0);
    assert_int_equal(close(file), 0);
}

/* Loads with these flags after the program's name; the last is NULL. */
static int load(struct fixture *fixture, char **flags)
{
    char *arguments[24] = {(char[]){"trouped"}, (char[]){"--config"}, fixture->file};
    int count = 3;

    while (flags[count - 3] != NULL) {
        arguments[count] = flags[count - 3];
        count++;
    }
    return settings_load(&fixture->settings, count, arguments, &fixture->problem);
}

#define FLAGS(...) ((char *[]){__VA_ARGS__})
#define WORD(text) ((char[]){text})

static void file_beats_default_variable_beats_file_flag_beats_all(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture->file, "heartbeat = 1s\n", 0600);
    assert_int_equal(load(fixture, FLAGS(NULL)), 0);
    assert_string_equal(settings_get(&fixture->settings, SETTING_LEASE_TTL), "5s");
    assert_string_equal(settings_origin(&fixture->settings, SETTING_LEASE_TTL), "default");

    write_file(fixture->file, "# comment\n\nlease_ttl = 6s # why\n", 0600);
    assert_int_equal(load(fixture, FLAGS(NULL)), 0);
    assert_string_equal(settings_get(&fixture->settings, SETTING_LEASE_TTL), "6s");
    assert_non_null(strstr(settings_origin(&fixture->settings, SETTING_LEASE_TTL), "conf:3"));

    (void)setenv("TROUPE_LEASE_TTL", "7s", 1);
    assert_int_equal(load(fixture, FLAGS(NULL)), 0);
    assert_string_equal(settings_get(&fixture->settings, SETTING_LEASE_TTL), "7s");
    assert_string_equal(settings_origin(&fixture->settings, SETTING_LEASE_TTL), "TROUPE_LEASE_TTL");

    assert_int_equal(load(fixture, FLAGS(WORD("--lease-ttl"), WORD("8s"), NULL)), 0);
    assert_string_equal(settings_get(&fixture->settings, SETTING_LEASE_TTL), "8s");
    assert_int_equal(load(fixture, FLAGS(WORD("--lease_ttl=9s"), NULL)), 0);
    assert_string_equal(settings_get(&fixture->settings, SETTING_LEASE_TTL), "9s");
}

static void repeatable_setting_takes_all_of_the_best_source_only(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture->file, "module = a.so\nmodule = b.so\n", 0600);
    assert_int_equal(load(fixture, FLAGS(NULL)), 0);
    assert_int_equal(fixture->settings.all[SETTING_MODULE].values_count, 2);
    (void)setenv("TROUPE_MODULE", "c.so:d.so:e.so", 1);
    assert_int_equal(load(fixture, FLAGS(NULL)), 0);
    assert_int_equal(fixture->settings.all[SETTING_MODULE].values_count, 3);
    assert_int_equal(load(fixture, FLAGS(WORD("--module"), WORD("f.so"), NULL)), 0);
    assert_int_equal(fixture->settings.all[SETTING_MODULE].values_count, 1);
    assert_string_equal(settings_get(&fixture->settings, SETTING_MODULE), "f.so");
}

struct bad_file {
    const char *text;
    const char *words; /* of the problem */
};

static void wrong_line_is_refused_with_its_number(void **state)
{
    static const struct bad_file files[] = {
        {"name = n1\nspeed = 9\n", "trouped.conf:2: unknown setting \"speed\""},
        {"\n\nname n1\n", "trouped.conf:3: expected `key = value`"},
        {"name = 'n1\n", "trouped.conf:1: the quote does not end"},
        {"name = 'n1' n2\n", "trouped.conf:1: nothing may follow the closing quote"},
        {"name = a\nname = b\n", "trouped.conf:2: this setting stands in the file twice"},
        {"= 5\n", "trouped.conf:1: unknown setting \"\""},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        write_file(fixture->file, files[i].text, 0600);
        assert_int_equal(load(fixture, FLAGS(NULL)), EX_CONFIG);
        assert_non_null(strstr(fixture->problem.text, files[i].words));
        settings_fini(&fixture->settings);
        settings_init(&fixture->settings);
    }
}

static void quoted_value_keeps_spaces_and_hashes(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture->file, "db = 'host=/x password=it''s # 1' # a comment\nroles = a b \n",
               0600);
    assert_int_equal(load(fixture, FLAGS(NULL)), 0);
    assert_string_equal(settings_get(&fixture->settings, SETTING_DB), "host=/x password=it's # 1");
    assert_string_equal(settings_get(&fixture->settings, SETTING_ROLES), "a b");
}

static void missing_file_is_a_problem_only_when_it_was_asked_for(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(load(fixture, FLAGS(NULL)), EX_CONFIG);
    assert_non_null(strstr(fixture->problem.text, "trouped.conf"));
}

static void unknown_flag_and_missing_value_are_usage(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(load(fixture, FLAGS(WORD("--speed"), WORD("9"), NULL)), EX_USAGE);
    assert_int_equal(load(fixture, FLAGS(WORD("--name"), NULL)), EX_USAGE);
    assert_int_equal(load(fixture, FLAGS(WORD("n1"), NULL)), EX_USAGE);
}

static void password_on_the_command_line_is_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(load(fixture, FLAGS(WORD("--db"), WORD("host=h password=canary"), NULL)),
                     EX_USAGE);
    assert_null(strstr(fixture->problem.text, "canary"));
    assert_int_equal(load(fixture, FLAGS(WORD("--db"), WORD("postgres://u:canary@h/d"), NULL)),
                     EX_USAGE);
}

static void database_can_come_from_a_file_and_prints_without_its_password(void **state)
{
    struct fixture *fixture = *state;
    char path[96];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)snprintf(path, sizeof(path), "%s/db", fixture->folder);
    write_file(path, "host=h user=u password=canary\n", 0600);
    write_file(fixture->file, "", 0600);
    (void)setenv("TROUPE_DB_FILE", path, 1);
    assert_int_equal(load(fixture, FLAGS(NULL)), 0);
    assert_string_equal(settings_get(&fixture->settings, SETTING_DB),
                        "host=h user=u password=canary");
    settings_print(&fixture->settings, out);
    (void)fclose(out);
    assert_null(strstr(text, "canary"));
    assert_non_null(strstr(text, "# TROUPE_DB_FILE"));
    assert_non_null(strstr(text, "lease_ttl = 5s  # default"));
    free(text);
}

/* Sets one value and answers what options_build says. */
static int build_with(struct fixture *fixture, enum setting_id id, const char *value)
{
    struct options options = {.modules = NULL};
    int status = 0;

    settings_fini(&fixture->settings);
    settings_init(&fixture->settings);
    assert_int_equal(
        settings_put(&fixture->settings, SETTING_NAME, SOURCE_FLAG, "n1", "--name", NULL), 0);
    assert_int_equal(settings_put(&fixture->settings, id, SOURCE_FLAG, value, "--it", NULL), 0);
    status = options_build(&fixture->settings, &options, &fixture->problem);
    if (status == 0) {
        options_fini(&options);
    }
    return status;
}

static void wrong_value_is_refused_with_its_origin(void **state)
{
    static const struct {
        enum setting_id id;
        const char *value;
    } wrong[] = {
        {SETTING_NAME, "a b"},
        {SETTING_NAME, "x/y"},
        {SETTING_LISTEN, "127.0.0.1"},
        {SETTING_LISTEN, "127.0.0.1:70000"},
        {SETTING_LISTEN, "::1:99"},
        {SETTING_LISTEN, "0.0.0.0:0"},
        {SETTING_LEASE_TTL, "5"},
        {SETTING_LEASE_TTL, "5 apples"},
        {SETTING_LEASE_TTL, "2h"},
        {SETTING_HEARTBEAT, "4s"},
        {SETTING_WORKERS, "-1"},
        {SETTING_WORKERS, "many"},
        {SETTING_ON_FENCED, "panic"},
        {SETTING_ALLOW_UNSAFE_FSYNC, "maybe"},
        {SETTING_LOG_LEVEL, "loud"},
        {SETTING_LOG_FORMAT, "xml"},
        {SETTING_ADMIN_MODE, "0666"},
        {SETTING_SEND_QUEUE, "1"},
        {SETTING_SEND_QUEUE, "64TiB"},
        {SETTING_SEND_QUEUE_HIGH, "65MiB"},
        {SETTING_SEND_QUEUE_LOW, "17MiB"},
        {SETTING_COMPRESSION, "gzip"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(build_with(fixture, wrong[i].id, wrong[i].value), EX_CONFIG);
        assert_true(strstr(fixture->problem.text, "--it") != NULL ||
                    wrong[i].id == SETTING_HEARTBEAT);
        assert_true(fixture->problem.detail[0] != '\0');
    }
    assert_int_equal(build_with(fixture, SETTING_LISTEN, "[::1]:0"), 0);
    assert_int_equal(build_with(fixture, SETTING_LEASE_TTL, "500"), 0);
    assert_int_equal(build_with(fixture, SETTING_SEND_QUEUE_LOW, "16 MiB"), 0);
}

static void units_are_those_of_postgres(void **state)
{
    uint32_t number = 0;
    uint64_t bytes = 0;
    bool on = false;
    char host[32];
    uint16_t port = 0;

    (void)state;
    assert_true(unit_milliseconds("250ms", &number) && number == 250);
    assert_true(unit_milliseconds("3s", &number) && number == 3000);
    assert_true(unit_milliseconds("2min", &number) && number == 120000);
    assert_true(unit_milliseconds("1 h", &number) && number == 3600000);
    assert_true(unit_milliseconds("9", &number) && number == 9);
    assert_false(unit_milliseconds("5000000000", &number));
    assert_false(unit_milliseconds("99999999h", &number));
    assert_false(unit_milliseconds("-1s", &number));
    assert_false(unit_milliseconds("", &number));
    assert_true(unit_bytes("64MiB", &bytes) && bytes == (uint64_t)64 << 20);
    assert_true(unit_bytes("3 GB", &bytes) && bytes == 3000000000);
    assert_true(unit_bytes("70000", &bytes) && bytes == 70000);
    assert_false(unit_bytes("20000000000GiB", &bytes));
    assert_false(unit_bytes("1mib", &bytes));
    assert_true(unit_bool("YES", &on) && on);
    assert_false(unit_bool("2", &on));
    assert_true(unit_address("db.example:99", host, sizeof(host), &port) && port == 99);
    assert_false(unit_address(":99", host, sizeof(host), &port));
    assert_false(unit_address("[]:99", host, sizeof(host), &port));
}

static void secret_is_long_private_and_plain_or_it_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct secret secret;
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/secret", fixture->folder);
    assert_int_equal(secret_read(path, &secret, &fixture->problem), EX_CONFIG);
    assert_int_equal(secret_read(fixture->folder, &secret, &fixture->problem), EX_CONFIG);
    write_file(path, "0123456789012345678901234567890\n", 0600);
    assert_int_equal(secret_read(path, &secret, &fixture->problem), EX_CONFIG);
    assert_non_null(strstr(fixture->problem.detail, "31 bytes"));
    write_file(path, "01234567890123456789012345678901\n", 0644);
    assert_int_equal(secret_read(path, &secret, &fixture->problem), EX_CONFIG);
    assert_non_null(strstr(fixture->problem.hint, "chmod 600"));
    write_file(path, "01234567890123456789012345678901\n", 0640);
    assert_int_equal(secret_read(path, &secret, &fixture->problem), 0);
    assert_int_equal(secret.size, 32);
}

static void secret_that_is_made_can_be_read_and_is_not_made_twice(void **state)
{
    struct fixture *fixture = *state;
    struct secret first;
    struct secret second;
    char path[96];
    struct stat status;

    (void)snprintf(path, sizeof(path), "%s/secret", fixture->folder);
    assert_int_equal(secret_make(path, &fixture->problem), 0);
    assert_int_equal(secret_read(path, &first, &fixture->problem), 0);
    assert_int_equal(secret_make(path, &fixture->problem), 0);
    assert_int_equal(secret_read(path, &second, &fixture->problem), 0);
    assert_int_equal(first.size, 64);
    assert_memory_equal(first.bytes, second.bytes, 64);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* Opens a module and closes it again; answers the exit status. */
static int try_module(struct fixture *fixture, const char *module, const char *module_dir)
{
    struct module_file file = {.file = -1};
    const int status = module_open(module, module_dir, &file, &fixture->problem);

    module_close(&file);
    return status;
}

static void refuses_module(struct fixture *fixture, const char *module, const char *module_dir,
                           const char *words)
{
    assert_int_equal(try_module(fixture, module, module_dir), EX_CONFIG);
    assert_int_equal(fixture->problem.code, PROBLEM_MODULE);
    if (strstr(fixture->problem.detail, words) == NULL) {
        fail_msg("%s: \"%s\" has no \"%s\"", module, fixture->problem.detail, words);
    }
}

static void module_that_others_can_change_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/m.so", fixture->folder);
    refuses_module(fixture, path, "", "No such file");
    write_file(path, "", 0755);
    assert_int_equal(try_module(fixture, path, ""), 0);
    assert_int_equal(chmod(path, 0775), 0);
    refuses_module(fixture, path, "", "can change it");
    assert_int_equal(chmod(path, 0757), 0);
    refuses_module(fixture, path, "", "can change it");
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(chmod(fixture->folder, 0777), 0);
    refuses_module(fixture, path, "", fixture->folder);
    /* Nor where others may add files, though they could not replace ours. */
    assert_int_equal(chmod(fixture->folder, 01777), 0);
    refuses_module(fixture, path, "", fixture->folder);
    assert_int_equal(chmod(fixture->folder, 0700), 0);
    assert_int_equal(try_module(fixture, path, ""), 0);
}

static void module_of_another_user_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[96];

    if (geteuid() != 0) {
        /* Only root can give a file away; the system's own files are root's and good. */
        refuses_module(fixture, "/bin/sh", "", "[a-z0-9_]+.so");
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/m.so", fixture->folder);
    write_file(path, "", 0755);
    assert_int_equal(chown(path, 65534, 65534), 0);
    refuses_module(fixture, path, "", "neither to root nor");
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(chown(fixture->folder, 65534, 65534), 0);
    refuses_module(fixture, path, "", "neither to root nor");
    assert_int_equal(chown(fixture->folder, 0, 0), 0);
    assert_int_equal(try_module(fixture, path, ""), 0);
}

static void module_has_to_lie_in_the_module_folder(void **state)
{
    struct fixture *fixture = *state;
    struct module_file file = {.file = -1};
    char path[96];
    char inner[96];

    (void)snprintf(path, sizeof(path), "%s/m.so", fixture->folder);
    (void)snprintf(inner, sizeof(inner), "%s/inner", fixture->folder);
    write_file(path, "", 0755);
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(module_open("m", fixture->folder, &file, &fixture->problem), 0);
    assert_string_equal(file.path, path);
    assert_int_equal(strncmp(file.fd_path, "/proc/self/fd/", 14), 0);
    module_close(&file);
    assert_int_equal(try_module(fixture, "m.so", fixture->folder), 0);
    assert_int_equal(try_module(fixture, path, fixture->folder), 0);
    refuses_module(fixture, path, inner, "does not lie in module_dir");
    refuses_module(fixture, "/usr/bin/env.so", fixture->folder, "does not lie in module_dir");
    refuses_module(fixture, "m", "/none/at/all", "No such file");
    assert_int_equal(try_module(fixture, "m", "relative"), EX_CONFIG);
    (void)snprintf(inner, sizeof(inner), "%s/inner/..", fixture->folder);
    refuses_module(fixture, "m", inner, "..");
    (void)snprintf(inner, sizeof(inner), "%s/inner", fixture->folder);
    (void)rmdir(inner);
}

static void module_names_are_plain(void **state)
{
    static const char *const names[] = {"M.so",         "m-1.so", ".so",   ".m.so", "m.so.1",
                                        "m\xc3\xa9.so", "m m.so", "m.so ", "..",    ""};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        refuses_module(fixture, names[i], fixture->folder, "[a-z0-9_]+.so");
    }
}

static void links_to_modules_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[96];
    char link[96];
    char outside[112];

    (void)snprintf(path, sizeof(path), "%s/m.so", fixture->folder);
    (void)snprintf(link, sizeof(link), "%s/link.so", fixture->folder);
    write_file(path, "", 0755);
    assert_int_equal(symlink("m.so", link), 0);
    refuses_module(fixture, "link", fixture->folder, "symbolic link");
    (void)unlink(link);
    (void)snprintf(link, sizeof(link), "%s/linked", fixture->folder);
    assert_int_equal(symlink(fixture->folder, link), 0);
    refuses_module(fixture, "m", link, "symbolic link");
    (void)snprintf(outside, sizeof(outside), "%s/m.so", link);
    assert_int_equal(try_module(fixture, outside, ""), 0); /* its folder is taken as it really is */
    (void)unlink(link);
}

static void what_is_no_file_is_no_module(void **state)
{
    struct fixture *fixture = *state;
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/m.so", fixture->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    refuses_module(fixture, "m", fixture->folder, "not a regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it must not wait for a writer */
    refuses_module(fixture, "m", fixture->folder, "not a regular file");
    (void)unlink(path);
}

static void without_openat2_the_rules_are_the_same(void **state)
{
    struct fixture *fixture = *state;
    const int folder = open(fixture->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char path[96];
    char link[96];

    (void)snprintf(path, sizeof(path), "%s/m.so", fixture->folder);
    (void)snprintf(link, sizeof(link), "%s/link.so", fixture->folder);
    write_file(path, "", 0755);
    assert_int_equal(symlink("m.so", link), 0);
    for (int without = 0; without < 2; without++) {
        const int file = module_open_beneath(folder, "m.so", without != 0);

        assert_true(file >= 0);
        (void)close(file);
        assert_int_equal(module_open_beneath(folder, "link.so", without != 0), -1);
        assert_int_equal(errno, ELOOP);
        assert_int_equal(module_open_beneath(folder, "../etc/passwd", without != 0), -1);
        assert_int_equal(errno, EXDEV);
    }
    (void)close(folder);
    (void)unlink(link);
}

static void all_modules_of_the_folder_come_in_the_order_of_their_names(void **state)
{
    static const char *const names[] = {"b.so", "a.so", "z_9.so", "README", "a.so.bak"};
    struct fixture *fixture = *state;
    struct module_file *files = NULL;
    size_t count = 0;
    char path[96];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[i]);
        write_file(path, "", 0644);
    }
    assert_int_equal(module_open_all(fixture->folder, &files, &count, &fixture->problem), 0);
    assert_int_equal(count, 3);
    assert_non_null(strstr(files[0].path, "/a.so"));
    assert_non_null(strstr(files[1].path, "/b.so"));
    assert_non_null(strstr(files[2].path, "/z_9.so"));
    while (count > 0) {
        module_close(&files[--count]);
    }
    free(files);
    /* One that may not be loaded is not left out in silence. */
    (void)snprintf(path, sizeof(path), "%s/b.so", fixture->folder);
    assert_int_equal(chmod(path, 0666), 0);
    files = NULL;
    assert_int_equal(module_open_all(fixture->folder, &files, &count, &fixture->problem),
                     EX_CONFIG);
    assert_non_null(strstr(fixture->problem.text, "b.so"));
    while (count > 0) {
        module_close(&files[--count]);
    }
    free(files);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[i]);
        (void)unlink(path);
    }
}

#define SETTINGS_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SETTINGS_TEST(file_beats_default_variable_beats_file_flag_beats_all),
        SETTINGS_TEST(repeatable_setting_takes_all_of_the_best_source_only),
        SETTINGS_TEST(wrong_line_is_refused_with_its_number),
        SETTINGS_TEST(quoted_value_keeps_spaces_and_hashes),
        SETTINGS_TEST(missing_file_is_a_problem_only_when_it_was_asked_for),
        SETTINGS_TEST(unknown_flag_and_missing_value_are_usage),
        SETTINGS_TEST(password_on_the_command_line_is_refused),
        SETTINGS_TEST(database_can_come_from_a_file_and_prints_without_its_password),
        SETTINGS_TEST(wrong_value_is_refused_with_its_origin),
        cmocka_unit_test(units_are_those_of_postgres),
        SETTINGS_TEST(secret_is_long_private_and_plain_or_it_is_refused),
        SETTINGS_TEST(secret_that_is_made_can_be_read_and_is_not_made_twice),
        SETTINGS_TEST(module_that_others_can_change_is_refused),
        SETTINGS_TEST(module_of_another_user_is_refused),
        SETTINGS_TEST(module_has_to_lie_in_the_module_folder),
        SETTINGS_TEST(module_names_are_plain),
        SETTINGS_TEST(links_to_modules_are_refused),
        SETTINGS_TEST(what_is_no_file_is_no_module),
        SETTINGS_TEST(without_openat2_the_rules_are_the_same),
        SETTINGS_TEST(all_modules_of_the_folder_come_in_the_order_of_their_names),
    };

    return cmocka_run_group_tests_name("daemon/settings", tests, NULL, NULL);
}
