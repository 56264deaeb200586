# TensorRT 8.5.3. The image carries it for C++ and for Python 3.8, which is older than the report's oldest Python:
# the same TensorRT comes a second time as its wheel for Python 3.10, with the CUDA 11 libraries that it asks for.
ARG BASE=nvcr.io/nvidia/tensorrt:23.03-py3
ARG HEADERS=debian:bookworm-slim

# The headers that `make cpp` needs, from a system young enough to have them; they are for any compiler.
FROM ${HEADERS} AS headers
RUN apt-get update && apt-get install -y --no-install-recommends libcli11-dev nlohmann-json3-dev

FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends make g++ libssl-dev && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home report
COPY --from=headers /usr/include/CLI /usr/include/CLI
COPY --from=headers /usr/include/nlohmann /usr/include/nlohmann
COPY --from=headers /usr/share/cmake /usr/share/cmake

# In the versions of the lock. The system's own cmake is 3.16, too old for `make cpp`.
COPY requirements.lock docker/requirements-trt.txt /tmp/
RUN python3 -m pip install --no-cache-dir uv && mkdir -p /opt/python \
 && UV_PYTHON_INSTALL_DIR=/opt/python uv venv --python 3.10 /opt/venv \
 && sed -n 's/^\([a-z0-9].*==[^\\]*\)\\$/\1/p' /tmp/requirements.lock > /tmp/versions.txt \
 && uv pip install --no-cache --python /opt/venv/bin/python -c /tmp/versions.txt -r /tmp/requirements-trt.txt \
      onnxruntime 'cmake>=3.20,<4' \
      tensorrt==8.5.3.1 nvidia-cuda-runtime-cu11==11.8.89 nvidia-cudnn-cu11==8.6.0.163 nvidia-cublas-cu11==11.11.3.6 \
 && chmod -R a+rX /opt/python /opt/venv \
 && /opt/venv/bin/python -c 'import tensorrt; print(tensorrt.__version__)'

# REPORT_PYTHON: make takes this Python and leaves the .venv of the project alone, which belongs to the machine outside. The C++ runner
# of each image has a folder of its own too.
ENV PATH=/opt/venv/bin:${PATH} PYTHONPATH=/workspace HOME=/home/report REPORT_PYTHON=/opt/venv/bin/python \
    REPORT_BUILD=build/trt8 REPORT_CPP_RUNNER=/workspace/build/trt8/cpp-{version}/runner
USER report
WORKDIR /workspace
CMD ["bash"]
