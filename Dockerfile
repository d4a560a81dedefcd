# The image of sagate, for Linux on x86-64:
#
#   docker build --target cpu  -t sagate:cpu  .      133 MB to pull, 408 MB unpacked
#   docker build --target cuda -t sagate:cuda .      with the CUDA half of libtorch; the driver comes from the machine
#   docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --network host sagate:cpu
#
# The program is built without the lab: no training, calibration, evaluation and study. What the last stages hold is assembled by
# .ci/runtime-tree. .ci/runtime-check makes the same tree in a folder and runs the binary in it with nothing else visible.
# docs/operate/machine.md says how to use it.
#
# BuildKit builds only the stages that the target needs.

# The compiler and Debian 12, whose C library goes into the image.
FROM rust:1.95.0-bookworm AS base
WORKDIR /src
# What .ci/libtorch takes wheels apart with; the compiler, strip, readelf and the certificates are there. No version is pinned: Debian takes
# the older one away with each update, and pip, which only downloads wheels pinned by SHA-256, is not in the image.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*

# libtorch changes with its script only.
FROM base AS libtorch
COPY .ci/wheels.sh .ci/libtorch .ci/
RUN .ci/libtorch

FROM base AS libtorch-cuda
COPY .ci/wheels.sh .ci/libtorch-cuda .ci/
RUN .ci/libtorch-cuda

# All crates that sagate stands on, built from the manifests alone: this layer stays while only sagate's own files change. Empty libraries
# and an empty program stand in for sagate's own; what was built of them is taken away again.
FROM libtorch AS dependencies
ENV CARGO_INCREMENTAL=0
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates/protoseg/Cargo.toml crates/protoseg/
COPY crates/sagate-core/Cargo.toml crates/sagate-core/
COPY crates/sagate-lab/Cargo.toml crates/sagate-lab/
RUN for package in . crates/*; do \
        mkdir "$package/src" && touch "$package/src/lib.rs" && echo 'fn main() {}' >"$package/build.rs" || exit 1; \
    done \
    && echo 'fn main() {}' >src/main.rs \
    && cargo build --release --locked --no-default-features \
    && cargo clean --release --locked --package sagate --package sagate-lab --package sagate-core --package protoseg \
    && rm -r build.rs src crates/*/build.rs crates/*/src

FROM dependencies AS build
COPY build.rs ./
COPY proto proto
COPY crates crates
COPY src src
RUN cargo build --release --locked --no-default-features --bin sagate
ENV SAGATE=target/release/sagate

FROM build AS tree
COPY LICENSE-MIT LICENSE-APACHE ./
COPY .ci/patchelf .ci/runtime-tree .ci/
COPY deploy/image deploy/image
COPY models models

FROM tree AS tree-cpu
RUN .ci/runtime-tree /tree

FROM tree AS tree-cuda
RUN --mount=type=bind,from=libtorch-cuda,source=/src/.libtorch-cuda,target=/src/.libtorch-cuda \
    .ci/runtime-tree /tree --cuda

# What both images are but for their content. Nothing is in it: no shell, no package manager, no other program.
FROM scratch AS image
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="sagate" \
      org.opencontainers.image.description="Segments a medical image with a U-Net, scores how far the answer can be trusted, and gates it" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.documentation="docs/operate/machine.md"
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
# Where sagate.toml is read from.
WORKDIR /etc/sagate
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
# The server on loopback without TLS. With [tls] give `docker run` a --health-cmd with --server https://NAME:50051 --ca FILE.
# The first models are loaded and warmed up within seconds; large ones on few cores may take a minute.
HEALTHCHECK --interval=15s --timeout=6s --start-period=90s --retries=3 CMD ["/usr/bin/sagate", "health"]
ENTRYPOINT ["/usr/bin/sagate"]
CMD ["serve"]

FROM image AS cuda
# Where NVIDIA's container runtime, and the GPU operators of some clouds, put the driver's libcuda. sagate's own libraries come first all the
# same: their place is written into the binary.
ENV LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu:/usr/lib64:/usr/local/nvidia/lib64 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=tree-cuda /tree /

# The last stage is what `docker build .` makes.
FROM image AS cpu
COPY --from=tree-cpu /tree /
