# TensorRT 10.11 as NVIDIA ships it, in C++ and in Python 3.12; the report's other packages beside it. No TensorFlow.
ARG BASE=nvcr.io/nvidia/tensorrt:25.06-py3
FROM ${BASE}

# What pycuda and `make cpp` are built with, as far as the image lacks it.
RUN apt-get update \
 && apt-get install -y --no-install-recommends make g++ python3-dev python3-venv cmake libcli11-dev nlohmann-json3-dev libssl-dev \
 && rm -rf /var/lib/apt/lists/* && useradd --create-home report

# In the versions of the lock.
COPY requirements.lock docker/requirements-trt.txt /tmp/
RUN python3 -m venv --system-site-packages /opt/venv \
 && sed -n 's/^\([a-z0-9].*==[^\\]*\)\\$/\1/p' /tmp/requirements.lock > /tmp/versions.txt \
 && /opt/venv/bin/pip install --no-cache-dir -c /tmp/versions.txt -r /tmp/requirements-trt.txt onnxruntime-gpu==1.23.2 \
 && /opt/venv/bin/python -c 'import tensorrt; print(tensorrt.__version__)'

# REPORT_PYTHON: make takes this Python and leaves the .venv of the project alone, which belongs to the machine outside. The C++ runner
# of each image has a folder of its own too.
ENV PATH=/opt/venv/bin:${PATH} PYTHONPATH=/workspace HOME=/home/report REPORT_PYTHON=/opt/venv/bin/python \
    REPORT_BUILD=build/trt10 REPORT_CPP_RUNNER=/workspace/build/trt10/cpp-{version}/runner
USER report
WORKDIR /workspace
CMD ["bash"]
