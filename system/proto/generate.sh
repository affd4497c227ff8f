#!/bin/sh
# Writes the Go code of the .proto files beside this script into the folder $1.
# Needs protoc (Debian: apt-get install protobuf-compiler); the Go plugin is a
# tool of go.mod.
set -eu
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
command -v protoc >/dev/null || {
	echo "protoc is missing: apt-get install protobuf-compiler" >&2
	exit 1
}
exec protoc --plugin=protoc-gen-go="$(go tool -n protoc-gen-go)" -I . \
	--go_out="$out" --go_opt=paths=source_relative lars.proto qps_test.proto
