#!/bin/sh
# Train HAPPO on simple spread, or continue the run; compare it with random play; plot the learning curve.
# Usage: sh examples/demo.sh [RUN]
set -eu
run=${1:-runs/demo}

if [ ! -f "$run/config.json" ]; then
    hamlet train happo mpe/simple_spread --preset tuned/mpe --steps "${DEMO_STEPS:-4M}" --out "$run"
else
    status=0
    hamlet resume "$run" || status=$?
    # Status 2: hamlet has printed why it cannot continue the run. It is finished, or another process is training it.
    if [ "$status" -eq 2 ]; then
        echo "to start again from the beginning: rm -r $run" >&2
        hamlet evaluate "$run"
    elif [ "$status" -ne 0 ]; then
        exit "$status"
    fi
fi
python -m hamlet.reports.pictures.curve "$run"
