# What `make install` and `make deb` put where. Included last, when every target is known.
# Libraries go to lib/ under any prefix: one build tree serves `make install` and the .deb.
set(CMAKE_INSTALL_LIBDIR lib)
include(GNUInstallDirs)
# Only what is installed or measured is built for users; tests belong to the debug preset.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
add_custom_target(program)
foreach(target regatta eccl eccl_topo eccl_bench eccl_wire_bench flow_bench)
  if(TARGET ${target})
    add_dependencies(program ${target})
  endif()
endforeach()

if(TARGET regatta)
  # The executable is installed where it is declared (src/cli). Completion scripts are its own word.
  install(CODE "
    foreach(pair bash:bash-completion/completions/regatta zsh:zsh/site-functions/_regatta
                 fish:fish/vendor_completions.d/regatta.fish)
      string(REGEX MATCH \"^([a-z]+):(.*)$\" _ \${pair})
      set(script \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share/\${CMAKE_MATCH_2}\")
      get_filename_component(folder \"\${script}\" DIRECTORY)
      file(MAKE_DIRECTORY \"\${folder}\")
      execute_process(COMMAND \"$<TARGET_FILE:regatta>\" completion \${CMAKE_MATCH_1}
                      OUTPUT_FILE \"\${script}\" COMMAND_ERROR_IS_FATAL ANY)
    endforeach()")
endif()
if(TARGET eccl)
  install(TARGETS eccl LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES include/regatta/eccl.h include/regatta/device.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/regatta)
endif()
if(TARGET eccl_topo)
  install(TARGETS eccl_topo LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES include/regatta/eccl_topo.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/regatta)
endif()
if(EXISTS "${CMAKE_SOURCE_DIR}/python/regatta")
  # Debian's python3 looks here; it is the one that sees python3-torch.
  install(DIRECTORY python/regatta DESTINATION lib/python3/dist-packages
          PATTERN "__pycache__" EXCLUDE PATTERN "*_test.py" EXCLUDE)
  # regatta.eccl and regatta.topology look for their libraries beside themselves, as a wheel has
  # them; here they are links to those that C programs use.
  install(CODE "
    set(package \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/python3/dist-packages/regatta/lib\")
    file(MAKE_DIRECTORY \"\${package}\")
    foreach(library libeccl.so.0 libeccl_topo.so.0)
      file(CREATE_LINK \"../../../../../${CMAKE_INSTALL_LIBDIR}/\${library}\"
           \"\${package}/\${library}\" SYMBOLIC)
    endforeach()")
endif()
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME regatta)
set(CPACK_PACKAGE_VENDOR "The Regatta authors")
set(CPACK_PACKAGE_CONTACT "The Regatta authors <regatta@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "AI platform: training, resources, acceleration, pipelines")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_SOURCE_DIR}/dist")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# Needed libraries are read from the executable; torch is what a user may do without.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "python3-torch")
# /etc/ld.so.cache must learn of libeccl.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
include(CPack)
