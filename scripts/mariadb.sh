#!/bin/sh
# Prints the path of a MariaDB server program, installing it from Debian packages when it is missing.
#
#   scripts/mariadb.sh      prints for instance /usr/sbin/mariadbd
#
# Only the package mariadb-server-core is installed: the programs alone, without the package that brings the
# system service, so nothing is started and nothing is left running. The tests start private servers of their own.
# Prints one line on standard error and exits 1 when there is no server and none can be installed.
set -eu

find_server() {
	for dir in $(echo "$PATH" | tr ':' ' ') /usr/sbin /usr/libexec /usr/local/sbin /usr/local/bin; do
		for name in mariadbd mysqld; do
			if [ -x "$dir/$name" ] && "$dir/$name" --no-defaults --version 2>/dev/null | grep -qi mariadb; then
				echo "$dir/$name"
				return 0
			fi
		done
	done
	return 1
}

fail() {
	echo "mariadb.sh: $1; remedy: install the Debian package mariadb-server-core, or set LARS_NO_MARIADB=1 to leave the MySQL tests out" >&2
	exit 1
}

if find_server; then exit 0; fi

command -v apt-get >/dev/null 2>&1 || fail "no mariadbd, and no apt-get to install it with"
as_root=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || fail "no mariadbd, and neither root nor sudo to install it"
	as_root="sudo -n"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}
install() { apt install --no-install-recommends mariadb-server-core; }
# Old package lists are the usual cause of a failed first try.
install || { apt update && install; } || fail "apt-get could not install mariadb-server-core ($(grep '^E:' "$log" | tail -n 1))"

find_server || fail "mariadb-server-core is installed but holds no mariadbd"
