#!/usr/bin/env bash
# Fuzzes with coverage guidance (libFuzzer) on the stable compiler, without a sanitizer: what is looked for
# are panics, failed assertions, inputs that take for ever, memory without bound.
#
#   conformance/fuzz.sh                  every target, 4 seconds each (what CI runs)
#   conformance/fuzz.sh server 600       one target, ten minutes
#   conformance/fuzz.sh all 60           every target, a minute each
#
# What was found lies in target/fuzz/found/TARGET. Once its cause is mended, the input goes to
# fixtures/fuzz/TARGET, where `cargo test -p fuzz` tries it for ever; one of `server` also as a recording to
# fixtures/inputs (`cargo run -p fuzz --bin seeds -- recording INPUT FILE`). Needs a C++ compiler (g++).
# SEEDS names the program `seeds` if it is built already.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=${1:-all}
secs=${2:-4}
top=$PWD/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

# Counts edges and compares, as cargo-fuzz has them; --target keeps that out of build scripts.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=16 --cfg fuzzing"
cargo build --quiet --locked -p fuzz --bin fuzz --features libfuzzer --profile fuzz --target "$host" --target-dir "$top/build"
fuzzer=$top/build/$host/fuzz/fuzz
unset RUSTFLAGS
seeds=${SEEDS:-}
if [ -z "$seeds" ]; then
  cargo build --quiet --locked -p fuzz --bin seeds
  seeds=${CARGO_TARGET_DIR:-target}/debug/seeds
fi

[ "$wanted" = all ] && mapfile -t targets < <("$seeds" list) || targets=("$wanted")
failed=()
for target in "${targets[@]}"; do
  corpus=$top/corpus/$target found=$top/found/$target
  mkdir -p "$corpus" "$found"
  "$seeds" "$target" "$corpus"
  log=$top/$target.log
  # One input may take ten seconds and the whole process a gigabyte: both are bugs long before.
  if FUZZ_TARGET=$target RUST_BACKTRACE=1 "$fuzzer" "$corpus" -max_total_time="$secs" -timeout=10 -rss_limit_mb=1024 \
    -max_len=16384 -artifact_prefix="$found/" -print_final_stats=1 -verbosity=1 >"$log" 2>&1; then
    printf 'fuzz: %-16s %s\n' "$target" "$(awk '/stat::number_of_executed_units/ {e=$2}
      /cov: / {for (i = 1; i < NF; i++) {if ($i == "cov:") c = $(i+1); if ($i == "corp:") p = $(i+1)}}
      END {printf "%s runs, %s edges, corpus %s", e, c, p}' "$log")"
  else
    printf 'fuzz: %-16s FAILED, see %s\n' "$target" "$log"
    grep -v '^#\|^INFO' "$log" | grep -m 1 -A 12 "panicked at\|ERROR: libFuzzer" || tail -n 20 "$log"
    grep 'Test unit written' "$log" || true
    failed+=("$target")
  fi
done
[ "${#failed[@]}" = 0 ] || { printf 'fuzz: failed: %s\n' "${failed[*]}"; exit 1; }
