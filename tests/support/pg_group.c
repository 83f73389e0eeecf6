#include "support/pg_group.h"

struct pg_server *server;

struct reg_sync *connect_as_admin(void)
{
    char conninfo[PG_CONNINFO_SIZE];

    pg_server_conninfo_as(server, "troupe", "postgres", conninfo);
    return pg_connect(conninfo);
}

int start_server(void **state)
{
    (void)state;
    server = pg_server_start();
    pg_migrate(pg_server_conninfo(server));
    return 0;
}

int stop_server(void **state)
{
    (void)state;
    pg_server_stop(server);
    return 0;
}
