#include "pg/pg_script.h"

#include <libpq-fe.h>

int reg_script_send(struct pg_conn *pg, const char *script)
{
    return PQsendQuery(pg, script);
}
