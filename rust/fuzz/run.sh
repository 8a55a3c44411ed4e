#!/bin/sh
# Fuzzes the statement scanner: rust/fuzz/run.sh [SECONDS]
# Needs `cargo install cargo-fuzz --locked`; works with a stable compiler, without a sanitizer.
set -eu
cd "$(dirname "$0")"
seconds=${1:-600}
mkdir -p corpus/statements
number=0
while IFS= read -r line; do
    number=$((number + 1))
    printf '%s\n' "$line" > "corpus/statements/seed-$number"
done < ../statements/tests/seeds.txt
export RUSTC_BOOTSTRAP=1
exec nice -n 19 cargo fuzz run --fuzz-dir . -s none statements -- \
    -dict=julia.dict -max_len=512 -timeout=5 -max_total_time="$seconds" \
    -print_final_stats=1
