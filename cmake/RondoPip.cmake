# rondo_pip_places(RESULT FOLDER): where pip puts what NVIDIA publishes: nvidia/FOLDER in the site-packages of the python3
# on the PATH. Libraries lie there under their run-time names alone (libx.so.9), which a linker does not look for.
function(rondo_pip_places result folder)
  find_program(RONDO_PYTHON3 python3)
  mark_as_advanced(RONDO_PYTHON3)
  set(places "")
  if(RONDO_PYTHON3)
    execute_process(COMMAND "${RONDO_PYTHON3}" -c
      "import site, sys, os
for place in site.getsitepackages() + [site.getusersitepackages()] + sys.path:
    print(os.path.join(place, 'nvidia', '${folder}'))"
      OUTPUT_VARIABLE places ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REPLACE "\n" ";" places "${places}")
  endif()
  set(${result} "${places}" PARENT_SCOPE)
endfunction()
