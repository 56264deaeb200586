# TensorRT 8.5.3. The image carries it for C++ and for Python 3.8, which is older than the report's oldest Python:
# the same TensorRT comes a second time as its wheel for Python 3.10, with the CUDA 11 libraries that it asks for.
ARG BASE=nvcr.io/nvidia/tensorrt:23.03-py3
FROM ${BASE}

# What `make cpp` needs beside the image's compiler.
RUN apt-get update && apt-get install -y --no-install-recommends cmake libcli11-dev nlohmann-json3-dev libssl-dev && rm -rf /var/lib/apt/lists/*

COPY docker/requirements-trt.txt /tmp/requirements-trt.txt
RUN python3 -m pip install --no-cache-dir uv \
 && UV_PYTHON_INSTALL_DIR=/opt/python uv venv --python 3.10 /opt/venv \
 && uv pip install --no-cache --python /opt/venv/bin/python -r /tmp/requirements-trt.txt \
      tensorrt==8.5.3.1 nvidia-cuda-runtime-cu11==11.8.89 nvidia-cudnn-cu11==8.6.0.163 nvidia-cublas-cu11==11.11.3.6 \
 && chmod -R a+rX /opt/python /opt/venv

ENV PATH=/opt/venv/bin:${PATH} PYTHONPATH=/workspace HOME=/tmp
WORKDIR /workspace
CMD ["bash"]
