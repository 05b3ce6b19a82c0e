#!/bin/sh
# Makes a virtual environment at $1 with $PYTHON, or with the first Python on the PATH that can.
set -eu

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
unable=''
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" -c "$new_enough" 2>/dev/null || continue
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # One that is there is mended, unless its own Python is gone.
        if [ -e "$1/pyvenv.cfg" ] && ! "$1/bin/python" -c "$new_enough" 2>/dev/null; then
            exec "$python" -m venv --clear "$1"
        fi
        exec "$python" -m venv "$1"
    fi
    unable=$python
done

if [ -n "$unable" ]; then
    echo "$unable cannot make virtual environments: its ensurepip is missing. On Debian and Ubuntu: apt install python3-venv" >&2
elif [ -n "${PYTHON:-}" ]; then
    echo "PYTHON=$PYTHON is not a Python 3.11 or newer." >&2
else
    echo "llamactl needs Python 3.11 or newer, and there is none on the PATH. To name one: make PYTHON=/path/to/python3" >&2
fi
exit 1
