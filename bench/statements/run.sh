#!/bin/sh
# Compares merging 10^2 to 10^6 statements in Rust with the line-by-line way in Julia:
# bench/statements/run.sh, about 7 minutes. The Julia is $JULIA, or the one on the path.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
julia=${JULIA:-julia}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p pcrs-statements --example merge
for lines in 100 1000 10000 100000 1000000; do
    "$julia" --startup-file=no "$here/generate.jl" "$work/unique-$lines.jl" "$lines"
done
"$julia" --startup-file=no "$here/generate.jl" "$work/duplicates.jl" 1000000 0.9
"$julia" --startup-file=no "$here/compare.jl" "$root/target/release/examples/merge" \
    "$work/unique-100.jl" "$work/unique-1000.jl" "$work/unique-10000.jl" \
    "$work/unique-100000.jl" "$work/unique-1000000.jl" "$work/duplicates.jl"
