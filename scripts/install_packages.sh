#!/bin/sh
# Installs what some tests need and Python packages do not bring: pgbouncer, redis-server, Chromium, iproute2, and Debian's
# Postgres, which has citext and ICU. Only as root, where there is apt-get; else it says so, and those tests skip with the reason.
# Never fails. Prints the bin directories of the system's Postgres, parted by colons, for LLAMACTL_TEST_PG_BINS.
set -u

say() { echo "install_packages: $*" >&2; }

servers() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null; }

missing=''
PATH=$PATH:/usr/sbin command -v pgbouncer >/dev/null || missing='pgbouncer'
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v ip >/dev/null || missing="$missing iproute2"
[ -n "$(servers)" ] || missing="$missing postgresql"

install() {
    # Nothing is to be started, nor a cluster made, that nobody asked for.
    settings=/etc/postgresql-common/createcluster.conf
    if [ ! -e "$settings" ]; then
        mkdir -p "${settings%/*}" && echo 'create_main_cluster = false' >"$settings"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq &&
        apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $missing
} >&2

if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "no root or no apt-get, so without: $missing"
    else
        install </dev/null || say "could not install: $missing"
    fi
fi
servers | paste -sd: -
