# The image holds one file: a static binary, so it needs no shell, no libc and no user database.
# The build context is the project; only what the build needs is copied.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src ./src
# glibc, linked statically: the same allocator and resolver behaviour as the ordinary build.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The target is named, so that the flags are for the program alone; it is this machine's own, x86-64 or arm64.
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
 && cargo build --locked --release --target "$target" -p garage \
 && cp "target/$target/release/garage" /garage \
 && mkdir /data && chown 65532:65532 /data

FROM scratch
COPY --from=build /garage /garage
# A folder any user id may own; mount a volume here, or nothing outlives the container.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
ENV GARAGE_DATA_DIR=/data
VOLUME /data
# S3, other homes, web sites, and the admin API with health and metrics.
EXPOSE 3900 3901 3902 3903
HEALTHCHECK --interval=10s --timeout=5s CMD ["/garage", "health", "-q"]
ENTRYPOINT ["/garage"]
CMD ["server"]
