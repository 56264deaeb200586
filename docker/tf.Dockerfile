# TensorFlow: trains, exports and measures SavedModel, ONNX Runtime and TFLite. Python packages as requirements.lock pins them.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock \
 && pip install --no-cache-dir 'tensorflow[and-cuda]==2.21.0'

ENV PYTHONPATH=/workspace HOME=/tmp
WORKDIR /workspace
CMD ["python", "-m", "lib", "run"]
