# regatta_room(<name>
#   [ROOMS <room>...]     the rooms whose headers this one may include, exactly as in docs/design/rooms.md
#   [LIBS <target>...]    third-party libraries, private to this room
#   SOURCES <file>...
#   [TESTS <x_test.cc>...]      unit tests, beside their code; one executable a room
#   [TEST_ROOMS <room>...]      rooms that only the tests need (they must be allowed ones, too)
#   [PLAIN])              no Abseil: the room is loaded into strangers' processes
#
# A room is a static library `regatta_<name>`. It sees its own headers, those of `base` and those of
# the rooms it names, and no others: each room's headers are reached through an include folder of
# its own (build/rooms/<name>/), so an include that the design does not allow is a compile error.
# Dependencies are linked privately: what a room's dependencies include is not passed on.

set(REGATTA_ROOM_TREE "${CMAKE_BINARY_DIR}/rooms")

function(_regatta_room_includes target)
  foreach(room base ${ARGN})
    if(NOT EXISTS "${REGATTA_ROOM_TREE}/${room}/${room}")
      file(MAKE_DIRECTORY "${REGATTA_ROOM_TREE}/${room}")
      file(CREATE_LINK "${CMAKE_SOURCE_DIR}/src/${room}" "${REGATTA_ROOM_TREE}/${room}/${room}" SYMBOLIC)
    endif()
    target_include_directories(${target} PRIVATE "${REGATTA_ROOM_TREE}/${room}")
  endforeach()
endfunction()

# One precompiled header for all rooms that use Abseil, one for the plain ones.
function(_regatta_pch target plain)
  if(REGATTA_FUZZ)
    return()
  endif()
  if(plain)
    set(owner regatta_pch_plain)
  else()
    set(owner regatta_pch)
  endif()
  if(NOT TARGET ${owner})
    file(WRITE "${CMAKE_BINARY_DIR}/${owner}.cc" "")
    add_library(${owner} OBJECT "${CMAKE_BINARY_DIR}/${owner}.cc")
    set(headers <algorithm> <chrono> <cstdint> <cstring> <deque> <functional> <map> <memory>
                <mutex> <optional> <set> <span> <string> <string_view> <thread> <unordered_map>
                <utility> <variant> <vector>)
    if(NOT plain)
      find_package(absl REQUIRED)
      list(APPEND headers <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
                          <absl/strings/str_format.h>)
    endif()
    target_precompile_headers(${owner} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

function(regatta_room name)
  cmake_parse_arguments(ROOM "PLAIN" "" "ROOMS;LIBS;SOURCES;TESTS;TEST_ROOMS;TEST_LIBS" ${ARGN})
  if(ROOM_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "room ${name}: unknown arguments: ${ROOM_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/README.md")
    message(FATAL_ERROR "room ${name} has no README.md")
  endif()
  set(target regatta_${name})
  add_library(${target} STATIC ${ROOM_SOURCES})
  _regatta_room_includes(${target} ${name} ${ROOM_ROOMS})
  target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/include")
  _regatta_pch(${target} "${ROOM_PLAIN}")
  set(deps ${ROOM_ROOMS})
  if(NOT name STREQUAL "base")
    list(PREPEND deps base)
  endif()
  list(TRANSFORM deps PREPEND regatta_)
  set(libs ${ROOM_LIBS} Threads::Threads)
  if(NOT ROOM_PLAIN)
    find_package(absl REQUIRED)
    list(APPEND libs absl::status absl::statusor absl::strings absl::str_format)
  endif()
  target_link_libraries(${target} PRIVATE ${deps} ${libs})
  set_property(GLOBAL APPEND PROPERTY REGATTA_ROOMS ${name})

  if(ROOM_TESTS)
    find_package(GTest REQUIRED)
    include(GoogleTest)
    set(test ${target}_test)
    add_executable(${test} ${ROOM_TESTS})
    _regatta_room_includes(${test} ${name} ${ROOM_ROOMS} ${ROOM_TEST_ROOMS})
    target_include_directories(${test} PRIVATE "${CMAKE_SOURCE_DIR}/include")
    _regatta_pch(${test} "${ROOM_PLAIN}")
    set(test_deps ${ROOM_TEST_ROOMS})
    list(TRANSFORM test_deps PREPEND regatta_)
    target_link_libraries(${test} PRIVATE ${target} ${deps} ${test_deps} ${libs} ${ROOM_TEST_LIBS}
                                          GTest::gmock GTest::gtest_main)
    target_compile_definitions(${test} PRIVATE REGATTA_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                               REGATTA_BINARY_DIR="${CMAKE_BINARY_DIR}")
    gtest_discover_tests(${test} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
                         PROPERTIES TIMEOUT 120 LABELS ${name})
  endif()
endfunction()

# regatta_fuzz(<name> ROOMS <room>... SOURCES <file>... [LIBS ...]): a libFuzzer target, built by the
# `fuzz` preset. Named after the format page it guards: fuzz_<page>.
function(regatta_fuzz name)
  if(NOT REGATTA_FUZZ)
    return()
  endif()
  cmake_parse_arguments(FUZZ "" "" "ROOMS;SOURCES;LIBS" ${ARGN})
  add_executable(fuzz_${name} ${FUZZ_SOURCES})
  _regatta_room_includes(fuzz_${name} ${FUZZ_ROOMS})
  set(deps base ${FUZZ_ROOMS})
  list(TRANSFORM deps PREPEND regatta_)
  target_link_libraries(fuzz_${name} PRIVATE ${deps} ${FUZZ_LIBS} Threads::Threads)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set_property(GLOBAL APPEND PROPERTY REGATTA_FUZZERS fuzz_${name})
endfunction()
