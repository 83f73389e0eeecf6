# Every target of ours links troupe_flags; nobody sets CMAKE_C_FLAGS.
add_library(troupe_flags INTERFACE)
target_compile_definitions(troupe_flags INTERFACE _GNU_SOURCE)
target_compile_options(troupe_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wcast-align
    -Wpointer-arith -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wnull-dereference
    -Wdouble-promotion $<$<BOOL:${TROUPE_WERROR}>:-Werror>)
if(TROUPE_SANITIZE)
    target_compile_options(troupe_flags INTERFACE
        -fsanitize=${TROUPE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1)
    target_link_options(troupe_flags INTERFACE -fsanitize=${TROUPE_SANITIZE})
endif()
