#!/usr/bin/env bash
# Runs a program for Windows in the Wine that emulators.sh set up: `wine.sh PROGRAM ARG...`.
# `wine.sh --wait` waits until Wine has ended, which is some seconds after its last program.
set -euo pipefail
unset CDPATH
wine=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)/.tools/emulators/wine
export LD_LIBRARY_PATH=$wine/usr/lib/x86_64-linux-gnu WINEPREFIX=$wine/prefix WINEDEBUG=-all
# Neither .NET, nor a browser, nor entries in the user's menus; and findstr.c in the place of Wine's own.
export WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe=d;findstr.exe=n,b'
if [[ ${1-} == --wait ]]; then
    exec "$wine/usr/lib/wine/wineserver" -w
fi
exec "$wine/usr/lib/wine/wine64" "$@"
