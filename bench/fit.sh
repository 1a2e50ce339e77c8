#!/usr/bin/env bash
# BG/NBD fitted and scored: ours against R's optim on the same likelihood and the same base, in one run.
#
#   bench/fit.sh [PEOPLE]      a million when not given; needs r-base-core
#
# Ends with 1 when the log-likelihoods differ by more than 1e-6 of their size, or the ratio is below 20.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
people=${1:-1000000}
command -v Rscript >/dev/null || { echo "fit: R is missing: apt-get install r-base-core" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=()
for name in bg_nbd fit histories minimise special; do
  sources+=("$here/src/insights/$name.cc")
done
g++ -std=c++20 -O2 -ffp-contract=off -I"$here/src" -I"$here/tests" -o "$work/fit" "$here/bench/fit.cc" "${sources[@]}" \
  "$here/src/base/check.cc" -lfmt
"$work/fit" make "$people" "$work/base"
"$work/fit" run "$work/base" >"$work/ours"
Rscript --vanilla "$here/bench/fit.R" "$work/base" >"$work/theirs"
value() { sed -n "s/^$2=//p" "$work/$1"; }
echo "BG/NBD, $people customers, $(value ours rows) distinct histories"
printf '%-34s %14s %14s\n' "" segue "R optim"
for row in "fit_s:fit, s of processor" "score_s:score everybody, s" "evaluations:evaluations" "log_likelihood:log-likelihood" \
  "alive:sum of P(alive)" "expected:sum of orders in 90 days"; do
  printf '%-34s %14s %14s\n' "${row#*:}" "$(value ours "${row%%:*}")" "$(value theirs "${row%%:*}")"
done
echo "r alpha a b: $(value ours parameters) and $(value theirs parameters)"
awk -v f="$(value ours fit_s)" -v s="$(value ours score_s)" -v F="$(value theirs fit_s)" -v S="$(value theirs score_s)" \
  -v G="$(value theirs grouped_fit_s)" -v l="$(value ours log_likelihood)" -v L="$(value theirs log_likelihood)" 'BEGIN {
    ratio = (F + S) / (f + s); off = (l - L) / (l < 0 ? -l : l)
    printf "ratio of fit and score: %.1f (at least 20); of the fit alone: %.1f; with R on distinct histories too: %.1f\n",
      ratio, F / f, (G + S) / (f + s)
    printf "relative difference of the log-likelihoods: %.1e (at most 1e-6)\n", off
    exit !(ratio >= 20 && off < 1e-6 && off > -1e-6)
  }'
