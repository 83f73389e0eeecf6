# What base/memory_wrap.c stands in for.
set(TROUPE_WRAPPED malloc calloc realloc aligned_alloc strdup strndup)

# troupe_layer(type SOURCES copy.c json.c DEPENDS base) makes the static library tr_type of this folder's sources.
# HOT: every message passes through it (TROUPE_HOT_OPTIONS in flags.cmake).
#
# Each folder of DESIGN is a library of its own, so that a unit test links the layer it tests and
# what lies below, and nothing else. libtroupe is made of the objects of all of them.
function(troupe_layer NAME)
    cmake_parse_arguments(LAYER "HOT" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
    add_library(tr_${NAME} STATIC ${LAYER_SOURCES})
    if(LAYER_HOT AND TROUPE_HOT_OPTIONS)
        # Of sources, so that they come after those of troupe_flags.
        set_property(SOURCE ${LAYER_SOURCES} APPEND PROPERTY COMPILE_OPTIONS ${TROUPE_HOT_OPTIONS})
    endif()
    set_target_properties(tr_${NAME} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(tr_${NAME} PUBLIC
        ${PROJECT_SOURCE_DIR}/runtime/include ${PROJECT_SOURCE_DIR}/runtime ${PROJECT_SOURCE_DIR}/registry)
    target_link_libraries(tr_${NAME} PRIVATE troupe_flags PUBLIC ${LAYER_LIBRARIES})
    foreach(LOWER ${LAYER_DEPENDS})
        target_link_libraries(tr_${NAME} PUBLIC tr_${LOWER})
    endforeach()
    set_property(GLOBAL APPEND PROPERTY TROUPE_LAYERS tr_${NAME})
endfunction()
