# The local runtime. troupe_api_test(link) builds tests/unit/test_link.c with tests/support/actors.c against the shared
# library and nothing else: what it sees is what users see. troupe_stress_test does the same for tests/stress/stress_<name>.c.
function(troupe_node_program KIND PREFIX NAME)
    add_executable(${PREFIX}_${NAME} ${KIND}/${PREFIX}_${NAME}.c support/actors.c)
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
troupe_api_test(mailbox)
troupe_api_test(node)
troupe_api_test(timer)
troupe_api_test(actor_life)
troupe_api_test(name)
troupe_api_test(supervisor)

troupe_unit_test(map base)
troupe_prop_test(map base)
troupe_unit_test(wheel core)
troupe_prop_test(wheel core)
troupe_unit_test(relations core)
troupe_prop_test(relations core)

troupe_stress_test(flow)
troupe_stress_test(storm)
# The generator of the tests' chance is a header of the runtime.
target_include_directories(stress_storm PRIVATE ${PROJECT_SOURCE_DIR}/runtime)
troupe_unit_test(pool sync)
troupe_unit_test(inbox sync)
troupe_unit_test(parker sync)
troupe_unit_test(table core)
