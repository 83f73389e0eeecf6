#include "daemon/tls_reload.h"

#include <inttypes.h>
#include <time.h>

#include "daemon/options.h"

enum { DAY_SECONDS = 86400 };

static void log_success(troupe_node *node, const char *path, struct log *log)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(node, &info);
    log_printf(log, TROUPE_LOG_INFO,
               "TLS certificate read again from %s: valid for %" PRId64 " days", path,
               (info.tls_expires - (int64_t)time(NULL)) / DAY_SECONDS);
}

void tls_reload(troupe_node *node, const struct settings *settings, struct log *log)
{
    struct options options = {.tls_cert = NULL};
    troupe_node_info info = {.struct_size = sizeof(info)};
    struct problem problem;
    char error[512] = "";
    int status = options_tls(settings, &options, &problem);

    troupe_node_get_info(node, &info);
    if (status == 0 && options.tls_cert == NULL && info.tls_expires == 0) {
        return;
    }
    if (status == 0 && troupe_node_reload_tls(node, options.tls_cert, options.tls_key,
                                              options.tls_ca, error, sizeof(error)) != TROUPE_OK) {
        status = problem_set(&problem, PROBLEM_CONFIG,
                             "TLS certificate, key and authorities stay as they were");
        problem_detail(&problem, "%s", error);
    }
    if (status != 0) {
        log_problem(log, &problem);
    } else {
        log_success(node, options.tls_cert, log);
    }
}
