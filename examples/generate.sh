#!/bin/sh
# Writes the Python and Go code of proto/pulselane/v1 into this folder anew, with Debian's packages:
#   protobuf-compiler protobuf-compiler-grpc protoc-gen-go-1-5 protoc-gen-go-grpc
set -eu
cd "$(dirname "$0")"
protoc -I ../proto --python_out=python --grpc_python_out=python \
  --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" pulselane/v1/telemetry.proto
protoc -I ../proto --go_out=go --go_opt=module=pulselane --go-grpc_out=go --go-grpc_opt=module=pulselane \
  pulselane/v1/telemetry.proto
