# troupe_layer(type SOURCES copy.c json.c DEPENDS base) makes the static library tr_type of this folder's sources.
#
# Each folder of DESIGN is a library of its own, so that a unit test links the layer it tests and
# what lies below, and nothing else. libtroupe is made of the objects of all of them.
function(troupe_layer NAME)
    cmake_parse_arguments(LAYER "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
    add_library(tr_${NAME} STATIC ${LAYER_SOURCES})
    set_target_properties(tr_${NAME} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(tr_${NAME} PUBLIC
        ${PROJECT_SOURCE_DIR}/runtime/include ${PROJECT_SOURCE_DIR}/runtime ${PROJECT_SOURCE_DIR}/registry)
    target_link_libraries(tr_${NAME} PRIVATE troupe_flags PUBLIC ${LAYER_LIBRARIES})
    foreach(LOWER ${LAYER_DEPENDS})
        target_link_libraries(tr_${NAME} PUBLIC tr_${LOWER})
    endforeach()
    set_property(GLOBAL APPEND PROPERTY TROUPE_LAYERS tr_${NAME})
endfunction()
