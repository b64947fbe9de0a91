# dataflow with llama.cpp, for CPUs and for APIs:
#   docker run --rm -v "$PWD:/data" dataflow-caption caption photos --sidecar .txt
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/dataflow \
    && /opt/dataflow/bin/pip install --no-cache-dir --no-compile ".[llamacpp]"

FROM python:3.13-slim
# llama.cpp's threads
RUN apt-get update \
    && apt-get install --no-install-recommends -y libgomp1=14.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 dataflow
COPY --from=build /opt/dataflow /opt/dataflow
ENV PATH=/opt/dataflow/bin:$PATH
USER 10001
WORKDIR /data
ENTRYPOINT ["dataflow"]
CMD ["--help"]
