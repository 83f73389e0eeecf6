/* What is tested: who may listen at a path of the file system, and what is there before and after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>

#include "io/unix_claim.h"

static char directory[32];
static char path[64];
static char lock_path[80];
static struct tr_unix_claim claim;
static char why[512];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/troupe_claim_XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/n1", directory);
    (void)snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
    claim.lock = -1;
    why[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tr_unix_release(&claim);
    (void)unlink(path);
    (void)unlink(lock_path);
    assert_int_equal(rmdir(directory), 0); /* nothing else was left in it */
    return 0;
}

static troupe_status claim_it(void)
{
    return tr_unix_claim(path, &claim, why, sizeof(why));
}

static void assert_says(const char *words)
{
    if (strstr(why, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, words);
    }
}

/* A socket at the path; of a living process until it is closed. */
static int bind_there(int kind)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int file = socket(AF_UNIX, kind | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(file, (const struct sockaddr *)&address, sizeof(address)), 0);
    if (kind == SOCK_STREAM) {
        assert_int_equal(listen(file, 1), 0);
    }
    return file;
}

static bool is_there(const char *name)
{
    return access(name, F_OK) == 0;
}

static void a_free_path_is_claimed_and_given_up(void **state)
{
    (void)state;
    assert_int_equal(claim_it(), TROUPE_OK);
    assert_true(is_there(lock_path));
    tr_unix_release(&claim);
    assert_false(is_there(lock_path));
    tr_unix_release(&claim); /* nothing is claimed any more */
    assert_int_equal(claim_it(), TROUPE_OK);
}

static void what_a_dead_process_left_is_replaced(void **state)
{
    (void)state;
    (void)close(bind_there(SOCK_STREAM));
    (void)close(open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    assert_int_equal(claim_it(), TROUPE_OK);
    assert_false(is_there(path));
}

static void a_path_is_claimed_once(void **state)
{
    struct tr_unix_claim second = {.lock = -1};

    (void)state;
    assert_int_equal(claim_it(), TROUPE_OK);
    assert_int_equal(tr_unix_claim(path, &second, why, sizeof(why)), TROUPE_E_EXISTS);
    assert_says("another process listens there");
    assert_says(lock_path);
    assert_int_equal(second.lock, -1);
    assert_true(is_there(lock_path));
}

static void who_listens_without_a_lock_is_left_alone(void **state)
{
    const int other = bind_there(SOCK_STREAM);

    (void)state;
    assert_int_equal(claim_it(), TROUPE_E_EXISTS);
    assert_says("another process listens there");
    assert_true(is_there(path));
    assert_false(is_there(lock_path)); /* nothing is left of the try */
    (void)close(other);
    assert_int_equal(claim_it(), TROUPE_OK);
}

/* Connecting to one that takes nobody any more answers neither yes nor no. */
static void who_listens_and_has_a_full_queue_lives(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int other = bind_there(SOCK_STREAM);
    int knocking[8];

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    for (size_t i = 0; i < sizeof(knocking) / sizeof(knocking[0]); i++) {
        knocking[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(knocking[i], (const struct sockaddr *)&address, sizeof(address));
    }
    assert_int_equal(claim_it(), TROUPE_E_EXISTS);
    assert_true(is_there(path));
    for (size_t i = 0; i < sizeof(knocking) / sizeof(knocking[0]); i++) {
        (void)close(knocking[i]);
    }
    (void)close(other);
}

static void what_is_no_socket_stays(void **state)
{
    (void)state;
    (void)close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    assert_int_equal(claim_it(), TROUPE_E_EXISTS);
    assert_says("is no socket");
    assert_true(is_there(path));
    (void)unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(claim_it(), TROUPE_E_EXISTS);
    assert_says("is no socket");
}

static void a_socket_of_another_kind_stays(void **state)
{
    const int other = bind_there(SOCK_DGRAM);

    (void)state;
    assert_int_equal(claim_it(), TROUPE_E_SYSTEM);
    assert_says(path);
    assert_true(is_there(path));
    (void)close(other);
}

static void a_lock_that_is_no_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(lock_path, 0600), 0);
    assert_int_equal(claim_it(), TROUPE_E_EXISTS);
    assert_says("is no lock file");
}

static void the_directory_has_to_be_there_and_to_be_one(void **state)
{
    char where[128];

    (void)state;
    (void)snprintf(where, sizeof(where), "%s/none/n1", directory);
    assert_int_equal(tr_unix_claim(where, &claim, why, sizeof(why)), TROUPE_E_NOT_FOUND);
    assert_says("/none");
    (void)close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    (void)snprintf(where, sizeof(where), "%s/n2", path);
    assert_int_equal(tr_unix_claim(where, &claim, why, sizeof(why)), TROUPE_E_INVALID);
    assert_says("is no directory");
}

static void a_directory_that_all_may_change_is_refused_unless_it_is_sticky(void **state)
{
    (void)state;
    assert_int_equal(chmod(directory, 0777), 0);
    assert_int_equal(claim_it(), TROUPE_E_DENIED);
    assert_says("not sticky");
    assert_false(is_there(lock_path));
    assert_int_equal(chmod(directory, 01777), 0);
    assert_int_equal(claim_it(), TROUPE_OK);
}

/* As another user; only root can play two. */
static void what_belongs_to_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        assert_int_equal(tr_unix_claim("/proc/1/n1", &claim, why, sizeof(why)) == TROUPE_OK, 0);
        return;
    }
    (void)close(bind_there(SOCK_STREAM));
    assert_int_equal(chown(path, 4321, (gid_t)-1), 0);
    assert_int_equal(claim_it(), TROUPE_E_DENIED);
    assert_says("belongs to user 4321");
    assert_true(is_there(path));
    (void)unlink(path);
    (void)close(open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    assert_int_equal(chown(lock_path, 4321, (gid_t)-1), 0);
    assert_int_not_equal(claim_it(), TROUPE_OK); /* in a sticky directory the kernel forbids it */
    (void)unlink(lock_path);
    assert_int_equal(chown(directory, 4321, (gid_t)-1), 0);
    assert_int_equal(claim_it(), TROUPE_E_DENIED);
    assert_says("belongs to user 4321");
    assert_says(directory);
}

static void a_path_that_is_too_long_is_named_with_the_limit(void **state)
{
    char where[200];

    (void)state;
    (void)snprintf(where, sizeof(where), "%s/%0120d", directory, 1);
    assert_int_equal(tr_unix_claim(where, &claim, why, sizeof(why)), TROUPE_E_INVALID);
    assert_says("107 bytes");
    assert_says(where);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_free_path_is_claimed_and_given_up),
        TEST(what_a_dead_process_left_is_replaced),
        TEST(a_path_is_claimed_once),
        TEST(who_listens_without_a_lock_is_left_alone),
        TEST(who_listens_and_has_a_full_queue_lives),
        TEST(what_is_no_socket_stays),
        TEST(a_socket_of_another_kind_stays),
        TEST(a_lock_that_is_no_file_is_refused),
        TEST(the_directory_has_to_be_there_and_to_be_one),
        TEST(a_directory_that_all_may_change_is_refused_unless_it_is_sticky),
        TEST(what_belongs_to_another_user_is_refused),
        TEST(a_path_that_is_too_long_is_named_with_the_limit),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
