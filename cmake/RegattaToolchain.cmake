# Compiler, linker and cache settings that hold for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 at -O2 sees overlaps and overruns inside its own std::string that are not there
  # (GCC bugs 105329, 105651). The debug preset keeps watching.
  string(APPEND CMAKE_CXX_FLAGS_RELEASE " -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread")
endif()

add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # GCC 12's std::stable_sort uses std::get_temporary_buffer, which C++17 deprecates; GCC itself is
  # silent about its own headers.
  add_compile_options(-Wno-error=deprecated-declarations)
endif()
# One position-independent mode for libraries and executables, so that all of them can share one
# precompiled header (GCC refuses a header made with -fPIC in a file compiled with -fPIE).
add_compile_options(-fPIC)
add_link_options(-Wl,--as-needed)

find_program(REGATTA_MOLD mold)
if(REGATTA_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_program(REGATTA_CCACHE ccache)
if(REGATTA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # pch_defines/time_macros: without them ccache never hits on a target with a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${REGATTA_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

if(REGATTA_FAULTS)
  add_compile_definitions(REGATTA_FAULTS=1)
endif()

if(REGATTA_SANITIZE)
  # Instrumented code makes GCC 12 see overruns that are not there, and TSan has no model of the fences
  # in Boost.Asio's headers. The debug preset is where a warning is an error.
  add_compile_options(-Wno-error -fsanitize=${REGATTA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${REGATTA_SANITIZE})
  if(REGATTA_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    # libstdc++'s and Boost's virtual bases trip the vptr check across hidden visibility.
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()
if(REGATTA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
