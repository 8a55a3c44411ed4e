#!/usr/bin/env bash
# All benchmarks; see README.md here for what each needs and takes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./statements/run.sh
cargo bench -p pcrs-cache
../deps/with_julia.sh bench/sysimage/rebuild.jl
../deps/with_julia.sh bench/sysimage/growth.jl
../deps/with_julia.sh bench/launchers/check.jl
if [ -n "${PACKAGECOMPILER_ENV:-}" ]; then
    ../deps/with_julia.sh bench/sysimage/compare.jl --packagecompiler="$PACKAGECOMPILER_ENV" \
        --project="$PWD/../examples/demo" --packages=Example,Rainfall \
        --workload="$PWD/../examples/demo/rainfall_workload.jl"
    ../deps/with_julia.sh bench/apps/compare.jl --packagecompiler="$PACKAGECOMPILER_ENV"
else
    echo "skipped: the comparison with PackageCompiler; set PACKAGECOMPILER_ENV to an environment that has it"
fi
