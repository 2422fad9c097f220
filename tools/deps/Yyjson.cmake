# Makes the target yyjson: the system's library where it is packaged, else a static one that
# tools/deps/build makes.
pkg_check_modules(YYJSON QUIET IMPORTED_TARGET yyjson>=0.8)
add_library(yyjson INTERFACE)
if(YYJSON_FOUND)
  target_link_libraries(yyjson INTERFACE PkgConfig::YYJSON)
else()
  trawl_build_dependency(yyjson root)
  target_include_directories(yyjson SYSTEM INTERFACE "${root}/include")
  target_link_libraries(yyjson INTERFACE "${root}/lib/libyyjson.a")
endif()
