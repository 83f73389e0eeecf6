# Every target of ours links troupe_flags; nobody sets CMAKE_C_FLAGS.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(troupe_flags INTERFACE)
target_compile_definitions(troupe_flags INTERFACE _GNU_SOURCE)
if(TROUPE_BUG)
    target_compile_definitions(troupe_flags INTERFACE TROUPE_BUG=${TROUPE_BUG})
endif()
target_compile_options(troupe_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wcast-align
    -Wpointer-arith -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wnull-dereference
    -Wdouble-promotion -Werror=format-security -Werror=implicit-function-declaration
    $<$<BOOL:${TROUPE_WERROR}>:-Werror>)

# Adds each option that the compiler knows; clang 14 lacks some that gcc 12 has.
function(troupe_options_if_known)
    foreach(OPTION ${ARGN})
        string(MAKE_C_IDENTIFIER "TROUPE_HAS${OPTION}" KNOWN)
        check_c_compiler_flag(${OPTION} ${KNOWN})
        if(${KNOWN})
            target_compile_options(troupe_flags INTERFACE ${OPTION})
        endif()
    endforeach()
endfunction()

function(troupe_link_options_if_known)
    foreach(OPTION ${ARGN})
        string(MAKE_C_IDENTIFIER "TROUPE_LINKS${OPTION}" KNOWN)
        check_linker_flag(C ${OPTION} ${KNOWN})
        if(${KNOWN})
            target_link_options(troupe_flags INTERFACE ${OPTION})
        endif()
    endforeach()
endfunction()

# Calls inside the library go straight to it: no program may put a function of its own in between.
troupe_options_if_known(-fno-semantic-interposition)
troupe_link_options_if_known(-Wl,--as-needed)
if(TROUPE_LTO)
    # The archive is for linkers that know nothing of it.
    troupe_options_if_known(-ffat-lto-objects)
endif()

if(TROUPE_SANITIZE)
    # The sanitizers see what hardening would hide: neither _FORTIFY_SOURCE nor filled variables here.
    target_compile_options(troupe_flags INTERFACE
        -fsanitize=${TROUPE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1)
    target_link_options(troupe_flags INTERFACE -fsanitize=${TROUPE_SANITIZE})
    # gcc takes the sanitizers' own branches for paths on which a pointer is null.
    troupe_options_if_known(-Wno-null-dereference)
    if(TROUPE_SANITIZE MATCHES thread)
        # It warns that ThreadSanitizer does not follow fences. Ours order a store against a load; what is published
        # has a release of its own.
        troupe_options_if_known(-Wno-tsan)
    endif()
elseif(CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$")
    target_compile_options(troupe_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    troupe_options_if_known(
        -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
        -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr
        -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing)
    # What every message passes through does without two of them, which cost a tenth of a hop: it holds no secrets, and
    # gcc's own warnings and the sanitizer builds see to it that nothing is read before it was written. It is also
    # inlined more than elsewhere: most of its functions are shorter than a call.
    set(TROUPE_HOT_OPTIONS "")
    foreach(OPTION -O3 -ftrivial-auto-var-init=uninitialized -fzero-call-used-regs=skip)
        string(MAKE_C_IDENTIFIER "TROUPE_HAS${OPTION}" KNOWN)
        check_c_compiler_flag(${OPTION} ${KNOWN})
        if(${KNOWN})
            list(APPEND TROUPE_HOT_OPTIONS ${OPTION})
        endif()
    endforeach()
    troupe_link_options_if_known(
        -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)
endif()
