# Makes the targets BoringSSL::ssl and BoringSSL::crypto. -DBORINGSSL_ROOT=DIR takes
#   an install            DIR/include/openssl/base.h with DIR/lib/libssl.a and libcrypto.a
#   an AOSP tree          DIR/android-sources.cmake (Debian's android-platform-external-boringssl)
#   an upstream checkout  DIR/CMakeLists.txt with DIR/include/openssl/base.h
# Without it tools/deps/build makes an install, once for all build folders.
include(CheckCSourceCompiles)
find_package(Threads REQUIRED)

set(BORINGSSL_ROOT "" CACHE PATH "BoringSSL: an install, an AOSP tree or an upstream checkout")
if(BORINGSSL_ROOT)
  get_filename_component(root "${BORINGSSL_ROOT}" ABSOLUTE)
else()
  trawl_build_dependency(boringssl root)
endif()

if(EXISTS "${root}/android-sources.cmake")
  set(kind "AOSP tree")
  set(BORINGSSL_SOURCE_DIR "${root}")
  add_subdirectory("${CMAKE_CURRENT_LIST_DIR}/boringssl" boringssl EXCLUDE_FROM_ALL)
  add_library(BoringSSL::ssl ALIAS boringssl_ssl)
  add_library(BoringSSL::crypto ALIAS boringssl_crypto)
  set(BORINGSSL_INCLUDE_DIR "${root}/src/include")
elseif(EXISTS "${root}/CMakeLists.txt" AND EXISTS "${root}/include/openssl/base.h")
  set(kind "upstream checkout")
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  set(CMAKE_C_VISIBILITY_PRESET hidden)
  set(CMAKE_CXX_VISIBILITY_PRESET hidden)
  set(testing ${BUILD_TESTING})
  set(BUILD_TESTING OFF)
  add_subdirectory("${root}" boringssl EXCLUDE_FROM_ALL SYSTEM)
  set(BUILD_TESTING ${testing})
  add_library(BoringSSL::ssl ALIAS ssl)
  add_library(BoringSSL::crypto ALIAS crypto)
  set(BORINGSSL_INCLUDE_DIR "${root}/include")
elseif(EXISTS "${root}/include/openssl/base.h")
  set(kind "install")
  set(BORINGSSL_INCLUDE_DIR "${root}/include")
  foreach(name crypto ssl)
    # By full path, so that no linker search finds OpenSSL's library of the same name.
    find_library(BORINGSSL_${name}_ARCHIVE NAMES lib${name}.a PATHS "${root}"
      PATH_SUFFIXES lib lib64 build build/${name} REQUIRED
      NO_CACHE NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
    add_library(BoringSSL::${name} STATIC IMPORTED)
    set_target_properties(BoringSSL::${name} PROPERTIES
      IMPORTED_LOCATION "${BORINGSSL_${name}_ARCHIVE}"
      IMPORTED_LINK_INTERFACE_LANGUAGES CXX # the archives hold C++
      INTERFACE_INCLUDE_DIRECTORIES "${BORINGSSL_INCLUDE_DIR}")
  endforeach()
  target_link_libraries(BoringSSL::crypto INTERFACE Threads::Threads)
  target_link_libraries(BoringSSL::ssl INTERFACE BoringSSL::crypto)
else()
  message(FATAL_ERROR "No BoringSSL in BORINGSSL_ROOT '${root}'")
endif()

set(CMAKE_REQUIRED_INCLUDES "${BORINGSSL_INCLUDE_DIR}")
check_c_source_compiles("
#include <openssl/base.h>
#if !defined(OPENSSL_IS_BORINGSSL) || BORINGSSL_API_VERSION < 19
#error not BoringSSL, or too old
#endif
int main(void) { return 0; }" BORINGSSL_HEADERS_FIT)
unset(CMAKE_REQUIRED_INCLUDES)
if(NOT BORINGSSL_HEADERS_FIT)
  message(FATAL_ERROR "${BORINGSSL_INCLUDE_DIR} is not BoringSSL, or older than API version 19")
endif()
message(STATUS "BoringSSL: ${kind} at ${root}")
