# Finds TensorRT's runtime: TENSORRT_INCLUDE_DIR (NvInferRuntime.h) and TENSORRT_LIBRARY (libnvinfer), given or in standard places.
# Sets TensorRT_FOUND and the target TensorRT::nvinfer.
find_path(TENSORRT_INCLUDE_DIR NvInferRuntime.h HINTS ENV TENSORRT_ROOT PATHS /usr/local/tensorrt /opt/tensorrt PATH_SUFFIXES include
          DOC "Folder of NvInferRuntime.h")
find_library(TENSORRT_LIBRARY NAMES nvinfer libnvinfer.so.11 libnvinfer.so.10 libnvinfer.so.8 HINTS ENV TENSORRT_ROOT
             PATHS /usr/local/tensorrt /opt/tensorrt PATH_SUFFIXES lib lib64 DOC "libnvinfer.so")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRT REQUIRED_VARS TENSORRT_LIBRARY TENSORRT_INCLUDE_DIR)

if(TENSORRT_INCLUDE_DIR AND NOT TARGET TensorRT::headers)
  add_library(TensorRT::headers INTERFACE IMPORTED)
  set_target_properties(TensorRT::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TENSORRT_INCLUDE_DIR}")
endif()
if(TensorRT_FOUND AND NOT TARGET TensorRT::nvinfer)
  add_library(TensorRT::nvinfer UNKNOWN IMPORTED)
  set_target_properties(TensorRT::nvinfer PROPERTIES IMPORTED_LOCATION "${TENSORRT_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${TENSORRT_INCLUDE_DIR}")
endif()
