#!/bin/sh
# HAPPO learns simple spread: train (or go on), judge against random play, draw.   sh examples/demo.sh [RUN]
set -eu
run=${1:-runs/demo}

if [ ! -f "$run/config.json" ]; then
    hamlet train happo mpe/simple_spread --steps "${DEMO_STEPS:-4M}" --out "$run"
elif hamlet resume "$run"; then
    :
elif [ $? -eq 2 ]; then # refused, with a line that says why: it is finished, or another process trains it
    echo "to start anew: rm -r $run, then the same command" >&2
else
    exit 1
fi
hamlet evaluate "$run"
python -m hamlet.reports.curve "$run"
