# cmake -DNM=... -DISA=avx2 -DOBJECTS=a.o;b.o -P isa_symbols.cmake: fails on a function that was compiled for one
# instruction set under a name that other code may share. The linker keeps one copy of such a function for the
# whole program, and if it is this one, a machine without the instructions stops with SIGILL.
cmake_minimum_required(VERSION 3.22)

set(failures "")
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND "${NM}" -C --defined-only "${object}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "," symbols "${symbols}")
  string(REPLACE "\n" ";" symbols "${symbols}")
  foreach(symbol IN LISTS symbols)
    # W: a function to be merged with others of its name.
    if(symbol MATCHES " W " AND NOT symbol MATCHES "(::|[(<, ])${ISA}::")
      string(REGEX REPLACE "^.* W " "  " symbol "${symbol}")
      string(APPEND failures "${symbol}\n")
    endif()
  endforeach()
endforeach()
if(failures)
  message(FATAL_ERROR "compiled for ${ISA} outside namespace ${ISA} (inline it by force, give it a type or a "
    "namespace of its own, or keep it out of host/cpu/isa/):\n${failures}")
endif()
