/* pg/sql_file.h - an SQL file that was built in (cmake/embed_sql.cmake).
 *
 * Threads: any; constant. Memory: static.
 */
#ifndef REG_PG_SQL_FILE_H
#define REG_PG_SQL_FILE_H

#include <stddef.h>

struct reg_sql_file {
    const char *name; /* the file's, without .sql */
    const char *text; /* ends with a NUL, which size does not count */
    size_t size;
    const char *sha256; /* of the text, as 64 digits */
};

#endif
