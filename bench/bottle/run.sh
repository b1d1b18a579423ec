#!/usr/bin/env bash
# Teaches from the good bottles of the shared data set, then runs its test pictures over the line, once each.
set -euo pipefail
cd "$(dirname "$0")/../.."
datasets=${INSPECTOR_DATASETS:-../shared/datasets}
if [ ! -d "$datasets/bottle/test" ]; then
  echo "$datasets/bottle is not there; set INSPECTOR_DATASETS" >&2
  exit 2
fi
mkdir -p data/bottle
ln -sfn "$(realpath "$datasets/bottle/test")" data/bottle/test
[ -d data/bottle/model/r1 ] || .venv/bin/inspector teach "$datasets/bottle/train/good" --out data/bottle/model/r1
parts=$(find -L data/bottle/test -name '*.jpg' -o -name '*.png' | wc -l)
exec .venv/bin/inspector run --station bench/bottle/station.toml --fast --no-web --parts "$parts" "$@"
