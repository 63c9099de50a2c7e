# dqt-edge with what builds for boards and emulates them. Needs nothing but this checkout:
#   docker build -t dqt-edge .
#   docker run --rm -v "$PWD:/work" dqt-edge try model.tflite
# --build-arg EXTRAS=train,report adds TensorFlow. A board on a port: docker run --device /dev/ttyACM0 ...
FROM debian:bookworm-slim
ARG EXTRAS=data,import,onnx,report
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        gcc libc6-dev gcc-arm-none-eabi qemu-system-arm python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md LICENSE CHANGELOG.md /opt/dqt-edge/
COPY dqt_edge /opt/dqt-edge/dqt_edge
COPY templates /opt/dqt-edge/templates
COPY firmware /opt/dqt-edge/firmware
COPY boards /opt/dqt-edge/boards
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir "/opt/dqt-edge[$EXTRAS]"
ENV PATH="/opt/venv/bin:$PATH"
WORKDIR /work
ENTRYPOINT ["dqt-edge"]
CMD ["--help"]
