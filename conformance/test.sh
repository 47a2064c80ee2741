#!/usr/bin/env bash
# The one test command: installs what is missing, then checks form, documentation, purity and every test.
#
# Each step has a budget: the seconds that it may take on a machine with two processors and nothing else to do. A
# table at the end tells what each step took, and marks what took longer than its budget. Together they may take 45
# minutes; more is red. Steps share what they build, and the scripts that they call can build it themselves.
set -euo pipefail
cd "$(dirname "$0")/.."

TOTAL_MAX=2700

names=() budgets=() took=()
step_began=0

# step NAME BUDGET: ends the step before and begins another.
step() {
  end_step
  names+=("$1") budgets+=("$2")
  step_began=$SECONDS
  printf '\n== %s (budget: %s s)\n' "$1" "$2"
}

end_step() {
  local step=${#took[@]}
  [ "${#names[@]}" -gt "$step" ] || return 0
  took+=($((SECONDS - step_began)))
  printf '== %s: %s of %s s\n' "${names[step]}" "${took[step]}" "${budgets[step]}"
}

# Tells the table however the run ends.
tell() {
  local status=$? step budget=0 mark total=$SECONDS
  end_step
  printf '\n%-42s %8s %8s\n' step seconds budget
  for step in "${!names[@]}"; do
    mark=""
    [ "${took[step]}" -le "${budgets[step]}" ] || mark="  over its budget"
    printf '%-42s %8s %8s%s\n' "${names[step]}" "${took[step]}" "${budgets[step]}" "$mark"
    budget=$((budget + budgets[step]))
  done
  printf '%-42s %8s %8s\n' "all together" "$total" "$budget"
  if [ "$status" = 0 ] && [ "$total" -gt "$TOTAL_MAX" ]; then
    printf 'FAIL: more than %s s\n' "$TOTAL_MAX"
    status=1
  fi
  exit "$status"
}
trap tell EXIT

target=${CARGO_TARGET_DIR:-target}

step "what the judges need" 120
bash conformance/install.sh

step "form" 150
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

step "documentation" 90
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet

step "the pure part alone" 30
cargo check -p dacapo --no-default-features --locked --quiet

# In one command, so that the server's library is built once for both.
step "the server that is judged, and the simulator" 180
cargo build --release --locked --quiet -p dacapo -p sim

step "building the tests" 240
cargo test --workspace --locked --quiet --no-run

step "tests" 600
# Most interop tests wait for real time to pass, and share that wait; more than a few at once would judge the machine.
# One failure does not hide the next.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * $(nproc)))}"
cargo test --workspace --locked --no-fail-fast

step "a campaign of the simulator" 240
SIM=$target/release/sim SIM_DEBUG=$target/debug/sim bash conformance/campaign.sh

step "fuzzing, a little" 240
SEEDS=$target/debug/seeds bash conformance/fuzz.sh all 3
