# Runs PROGRAM and compares what it prints with the file EXPECTED.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE PRINTED RESULT_VARIABLE STATUS TIMEOUT 50)
file(READ ${EXPECTED} WANTED)
if(NOT STATUS EQUAL 0)
    message(FATAL_ERROR "exit status ${STATUS}\n${PRINTED}")
endif()
if(NOT PRINTED STREQUAL WANTED)
    message(FATAL_ERROR "what was printed is not ${EXPECTED}:\n${PRINTED}")
endif()
