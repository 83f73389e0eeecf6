# The local runtime. troupe_api_test(link) builds tests/unit/test_link.c with tests/support/actors*.c against the shared
# library and nothing else: what it sees is what users see. troupe_stress_test does the same for tests/stress/stress_<name>.c.
function(troupe_node_program KIND PREFIX NAME)
    add_executable(${PREFIX}_${NAME} ${KIND}/${PREFIX}_${NAME}.c support/actors.c
        support/actors_orders.c)
    target_include_directories(${PREFIX}_${NAME} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(${PREFIX}_${NAME} PRIVATE TROUPE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${PREFIX}_${NAME} PRIVATE troupe troupe_flags PkgConfig::CMOCKA Threads::Threads)
    add_test(NAME ${KIND}.${NAME} COMMAND ${PREFIX}_${NAME})
    set_tests_properties(${KIND}.${NAME} PROPERTIES LABELS ${KIND} TIMEOUT 120)
endfunction()

function(troupe_api_test NAME)
    troupe_node_program(unit test ${NAME})
endfunction()

function(troupe_stress_test NAME)
    troupe_node_program(stress stress ${NAME})
endfunction()

troupe_api_test(actor_link)
troupe_api_test(actor_monitor)
troupe_api_test(call)
troupe_api_test(admin)
target_link_libraries(test_admin PRIVATE PkgConfig::LIBCJSON)
troupe_api_test(admin_look)
target_link_libraries(test_admin_look PRIVATE PkgConfig::LIBCJSON)
troupe_api_test(mailbox)
troupe_api_test(node)
troupe_api_test(timer)
troupe_api_test(actor_life)
troupe_api_test(actor_many)
troupe_api_test(name)
troupe_api_test(group)
troupe_api_test(supervisor)
target_sources(test_supervisor PRIVATE support/supervised.c)

troupe_unit_test(map base)
troupe_prop_test(map base)
troupe_unit_test(wheel core)
troupe_prop_test(wheel core)
troupe_unit_test(relations core)
troupe_prop_test(relations core)

troupe_stress_test(flow)
troupe_stress_test(storm)
troupe_stress_test(group)
# The generator of the tests' chance is a header of the runtime.
target_include_directories(stress_storm PRIVATE ${PROJECT_SOURCE_DIR}/runtime)
troupe_unit_test(pool sync)
troupe_unit_test(inbox sync)
troupe_unit_test(parker sync)
troupe_unit_test(table core)
troupe_prop_test(mailbox sched)
troupe_unit_test(sched sched)
troupe_unit_test(codec dist)
troupe_prop_test(codec dist)
target_sources(prop_codec PRIVATE support/random_value.c)
target_link_libraries(prop_codec PRIVATE m)

# Programs whose allocations fail on demand.
function(troupe_memory_test NAME)
    troupe_unit_test(${NAME} ${ARGN})
    target_sources(test_${NAME} PRIVATE support/failing_alloc.c)
    foreach(FUNCTION malloc calloc realloc aligned_alloc strdup strndup)
        target_link_options(test_${NAME} PRIVATE -Wl,--wrap=${FUNCTION})
    endforeach()
endfunction()

troupe_memory_test(memory sched)
troupe_memory_test(node_memory node pg)

# The test kit, through the shared library.
troupe_api_test(kit)
