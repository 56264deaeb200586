# TensorFlow: trains, exports and measures SavedModel, ONNX Runtime and TFLite. Python packages as requirements.lock pins them.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/* && useradd --create-home report

# With the CUDA libraries of an NVIDIA GPU. Without one, TENSORFLOW=tensorflow saves three gigabytes. The version is the lock's.
ARG TENSORFLOW=tensorflow[and-cuda]
COPY requirements.lock /tmp/requirements.lock
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock \
 && /opt/venv/bin/pip install --no-cache-dir "${TENSORFLOW}==$(sed -n 's/^tensorflow==\([0-9.]*\).*/\1/p' /tmp/requirements.lock)"

# REPORT_PYTHON: make takes this Python and leaves the .venv of the project alone, which belongs to the machine outside.
ENV PATH=/opt/venv/bin:${PATH} PYTHONPATH=/workspace HOME=/home/report REPORT_PYTHON=/opt/venv/bin/python
USER report
WORKDIR /workspace
CMD ["python", "-m", "lib", "run"]
