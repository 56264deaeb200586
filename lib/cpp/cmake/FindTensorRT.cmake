# Finds TensorRT's runtime: TENSORRT_INCLUDE_DIR (NvInferRuntime.h) and TENSORRT_LIBRARY (libnvinfer), given or in standard places; a
# library beside the headers and of their major version comes first.
# Sets TensorRT_FOUND, TensorRT_VERSION of the headers (8.5.3.1) and the target TensorRT::nvinfer.
set(PLACES HINTS ENV TENSORRT_ROOT PATHS /usr/local/tensorrt /opt/tensorrt)
find_path(TENSORRT_INCLUDE_DIR NvInferRuntime.h ${PLACES} PATH_SUFFIXES include DOC "Folder of NvInferRuntime.h")
if(TENSORRT_INCLUDE_DIR AND NOT EXISTS "${TENSORRT_INCLUDE_DIR}/NvInferVersion.h")
  message(FATAL_ERROR "TENSORRT_INCLUDE_DIR=${TENSORRT_INCLUDE_DIR} holds no NvInferVersion.h; give the folder of TensorRT's headers")
endif()
if(TENSORRT_INCLUDE_DIR)
  # The compiler reads them: some versions define these names by others.
  set(ASKED "${CMAKE_CURRENT_BINARY_DIR}/tensorrt_version.cpp")
  file(WRITE "${ASKED}" "#include <NvInferVersion.h>\nNV_TENSORRT_MAJOR NV_TENSORRT_MINOR NV_TENSORRT_PATCH NV_TENSORRT_BUILD\n")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -E -P "-I${TENSORRT_INCLUDE_DIR}" "${ASKED}" OUTPUT_VARIABLE TensorRT_VERSION
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX REPLACE ".*\n" "" TensorRT_VERSION "${TensorRT_VERSION}")
  if(NOT TensorRT_VERSION MATCHES "^[0-9]+ [0-9]+ [0-9]+ [0-9]+$")
    message(FATAL_ERROR "${TENSORRT_INCLUDE_DIR}/NvInferVersion.h tells no version of TensorRT")
  endif()
  string(REPLACE " " "." TensorRT_VERSION "${TensorRT_VERSION}")
  string(REGEX MATCH "^[0-9]+" MAJOR "${TensorRT_VERSION}")
endif()
list(APPEND PLACES PATH_SUFFIXES lib lib64)
find_library(TENSORRT_LIBRARY NAMES libnvinfer.so.${MAJOR} nvinfer HINTS "${TENSORRT_INCLUDE_DIR}/../lib" ${PLACES} DOC "libnvinfer.so")
if(TENSORRT_LIBRARY AND (NOT EXISTS "${TENSORRT_LIBRARY}" OR IS_DIRECTORY "${TENSORRT_LIBRARY}"))
  message(FATAL_ERROR "TENSORRT_LIBRARY=${TENSORRT_LIBRARY} is no file; give the path of libnvinfer.so")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRT REQUIRED_VARS TENSORRT_LIBRARY TENSORRT_INCLUDE_DIR VERSION_VAR TensorRT_VERSION)

if(TENSORRT_INCLUDE_DIR AND NOT TARGET TensorRT::headers)
  add_library(TensorRT::headers INTERFACE IMPORTED)
  set_target_properties(TensorRT::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TENSORRT_INCLUDE_DIR}")
endif()
if(TensorRT_FOUND AND NOT TARGET TensorRT::nvinfer)
  add_library(TensorRT::nvinfer UNKNOWN IMPORTED)
  set_target_properties(TensorRT::nvinfer PROPERTIES IMPORTED_LOCATION "${TENSORRT_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${TENSORRT_INCLUDE_DIR}")
endif()
