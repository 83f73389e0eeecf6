#include "daemon/mask.h"

#include <stdio.h>

#include "pg/conninfo.h"

void mask_conninfo(const char *conninfo, char *out, size_t size)
{
    struct reg_conninfo *parsed = NULL;

    if (reg_conninfo_create(conninfo, &parsed) != TROUPE_OK) {
        (void)snprintf(out, size, "(not a connection string)");
        return;
    }
    (void)snprintf(out, size, "%s", reg_conninfo_printable(parsed));
    reg_conninfo_destroy(parsed);
}

bool mask_has_password(const char *conninfo)
{
    struct reg_conninfo *parsed = NULL;
    bool answer = false;

    if (reg_conninfo_create(conninfo, &parsed) == TROUPE_OK) {
        answer = reg_conninfo_has_secret(parsed);
        reg_conninfo_destroy(parsed);
    }
    return answer;
}
