# troupe_embed_sql(OUT_SOURCE migrations FILES a.sql b.sql) turns SQL files into a C table at build time.
#
# It makes generated/pg/<group>_sql.c, whose path OUT_SOURCE is set to, with
#     const struct reg_sql_file reg_sql_<group>[]      name (the file's, without .sql), text, size, SHA-256; in the order given
#     const size_t reg_sql_<group>_count
# and generated/pg/<group>_sql.h, which declares them and an index REG_SQL_<GROUP>_<NAME> for each, so that C code
# which names a file that is not there does not compile. Text goes in as bytes: C17 promises only 4,095
# characters in a string literal. No tool but CMake is needed.
set(TROUPE_EMBED_SQL_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(troupe_embed_sql OUT_SOURCE GROUP)
    cmake_parse_arguments(EMBED "" "" "FILES" ${ARGN})
    set(FOLDER ${CMAKE_CURRENT_BINARY_DIR}/generated/pg)
    add_custom_command(
        OUTPUT ${FOLDER}/${GROUP}_sql.c ${FOLDER}/${GROUP}_sql.h
        COMMAND ${CMAKE_COMMAND} -DGROUP=${GROUP} "-DFILES=${EMBED_FILES}" -DFOLDER=${FOLDER}
                -P ${TROUPE_EMBED_SQL_SCRIPT}
        DEPENDS ${EMBED_FILES} ${TROUPE_EMBED_SQL_SCRIPT}
        COMMENT "Embedding ${GROUP}" VERBATIM)
    set(${OUT_SOURCE} ${FOLDER}/${GROUP}_sql.c PARENT_SCOPE)
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
    return()
endif()

string(TOUPPER ${GROUP} UPPER)
set(ARRAYS "")
set(ROWS "")
set(NAMES "")
set(COUNT 0)
foreach(FILE ${FILES})
    get_filename_component(NAME ${FILE} NAME_WE)
    file(SIZE ${FILE} SIZE)
    file(SHA256 ${FILE} SHA256)
    file(READ ${FILE} HEX HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" HEX "${HEX}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," BYTES "${HEX}")
    string(APPEND ARRAYS "static const unsigned char text_${COUNT}[] = {\n${BYTES}0x00};\n")
    string(APPEND ROWS "    {\"${NAME}\", (const char *)text_${COUNT}, ${SIZE}u,\n     \"${SHA256}\"},\n")
    string(TOUPPER ${NAME} NAME)
    string(APPEND NAMES "    REG_SQL_${UPPER}_${NAME},\n")
    math(EXPR COUNT "${COUNT} + 1")
endforeach()

file(WRITE ${FOLDER}/${GROUP}_sql.h "/* pg/${GROUP}_sql.h - generated from .sql files by cmake/embed_sql.cmake. */
#ifndef REG_PG_${UPPER}_SQL_H
#define REG_PG_${UPPER}_SQL_H

#include \"pg/sql_file.h\"

enum reg_sql_${GROUP}_index {
${NAMES}    REG_SQL_${UPPER}_COUNT
};

extern const struct reg_sql_file reg_sql_${GROUP}[];
extern const size_t reg_sql_${GROUP}_count;

#endif
")
file(WRITE ${FOLDER}/${GROUP}_sql.c "/* Generated from .sql files by cmake/embed_sql.cmake. */
#include \"pg/${GROUP}_sql.h\"

${ARRAYS}
const struct reg_sql_file reg_sql_${GROUP}[] = {
${ROWS}};
const size_t reg_sql_${GROUP}_count = ${COUNT};
")
