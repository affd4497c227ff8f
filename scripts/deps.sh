#!/usr/bin/env bash
# Installs, on a Debian-like machine, what the tests use beside Go; says in one
# line what is missing and cannot be installed.
set -uo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

need() { # need COMMAND PACKAGE WHAT-FOR
	command -v "$1" >/dev/null && return
	if command -v apt-get >/dev/null && as_root apt-get install -y -qq "$2" >/dev/null 2>&1; then return; fi
	if command -v apt-get >/dev/null && as_root apt-get update -qq >/dev/null 2>&1 &&
		as_root apt-get install -y -qq "$2" >/dev/null 2>&1; then return; fi
	echo "missing: $1 ($3); install it with: apt-get install $2"
}

need cc gcc "the race detector and the C floor are built with it"
need chromium chromium "pages of results are looked at in it"
need protoc protobuf-compiler "the generated Go is compared with its source byte for byte"
[ ! -x scripts/mariadb.sh ] || scripts/mariadb.sh >/dev/null || echo "missing: mariadbd (the MySQL store is tested against it)"
exit 0
