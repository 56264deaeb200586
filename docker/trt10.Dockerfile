# TensorRT 10.11 as NVIDIA ships it, in C++ and in Python 3.12; the report's other packages beside it. No TensorFlow.
ARG BASE=nvcr.io/nvidia/tensorrt:25.06-py3
FROM ${BASE}

# What `make cpp` needs beside the image's compiler.
RUN apt-get update && apt-get install -y --no-install-recommends cmake libcli11-dev nlohmann-json3-dev libssl-dev && rm -rf /var/lib/apt/lists/*

COPY docker/requirements-trt.txt /tmp/requirements-trt.txt
RUN python3 -m venv --system-site-packages /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir -r /tmp/requirements-trt.txt onnxruntime-gpu==1.23.2 \
 && /opt/venv/bin/python -c 'import tensorrt; print(tensorrt.__version__)'

ENV PATH=/opt/venv/bin:${PATH} PYTHONPATH=/workspace HOME=/tmp
WORKDIR /workspace
CMD ["bash"]
