#!/bin/sh
# HAPPO learns simple spread: train, or go on; judge against random play; draw.   sh examples/demo.sh [RUN]
set -eu
run=${1:-runs/demo}

if [ ! -f "$run/config.json" ]; then
    hamlet train happo mpe/simple_spread --preset tuned/mpe --steps "${DEMO_STEPS:-4M}" --out "$run"
else
    status=0
    hamlet resume "$run" || status=$?
    # 2: refused, with a line that says why. It is finished, or another process trains it.
    if [ "$status" -eq 2 ]; then
        echo "to start anew: rm -r $run" >&2
        hamlet evaluate "$run"
    elif [ "$status" -ne 0 ]; then
        exit "$status"
    fi
fi
python -m hamlet.reports.pictures.curve "$run"
