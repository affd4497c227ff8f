#!/usr/bin/env bash
# Installs, on a Debian-like machine, what the tests use beside Go; says in one
# line what is missing and cannot be installed.
set -uo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# No question may wait for an answer, and another apt-get may be at work.
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >/dev/null 2>&1; }

need() { # need COMMAND PACKAGE WHAT-FOR
	command -v "$1" >/dev/null && return
	# Old package lists are the usual cause of a failed first try.
	if command -v apt-get >/dev/null && { apt install "$2" || { apt update && apt install "$2"; }; }; then return; fi
	echo "missing: $1 ($3), so its tests are skipped or fail; install it with: apt-get install $2"
}

need cc gcc "the race detector and the C floor are built with it"
need chromium chromium "pages of results are looked at in it"
need protoc protobuf-compiler "the generated Go is compared with its source byte for byte"
[ ! -x scripts/mariadb.sh ] || scripts/mariadb.sh >/dev/null || echo "missing: mariadbd (the MySQL store is tested against it)"
exit 0
