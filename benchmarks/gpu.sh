#!/usr/bin/env bash
# The base-gpu recipe and a grid of the study on one GPU, cut into calls of under ten minutes.
#
#     WHEELS=.whl benchmarks/gpu.sh wheels       where there is a network: what a machine with PyTorch may lack
#     OUT=results WHEELS=.whl benchmarks/gpu.sh  on the GPU; the same command goes on where the last one ended
#     OUT=results benchmarks/gpu.sh base curve   some of the steps: machine base curve card grid
#     OUT=results TINY=1 benchmarks/gpu.sh       the same in minutes on a CPU, to see that it runs through
#
# Everything goes into OUT: machine.txt, runs/, curve.csv, card.md, log/ and done/, a file for each step that is
# finished. FROM names the OUT of an earlier machine, which is copied first. Exit status: 0 all is done, 75 call again.
set -uo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
LIMIT=${LIMIT:-560}                  # seconds of a call
LEAST=20                             # seconds below which no step is begun
BASE_STEPS=${BASE_STEPS:-30000}      # fewer make a base in less time
GRID=${GRID:-study-grpo study-right-heavy study-hold-right study-hold-left}
SEEDS=${SEEDS:-1 2 3}
CURVE_PUZZLES=${CURVE_PUZZLES:-60}
# What python3 of an image with PyTorch, transformers, scipy, statsmodels and numba does not have.
PACKAGES="annotated-types datasets dill multiprocess polars polars-runtime-32 pydantic pydantic-core trl typing-inspection zstandard"

pinned() {  # the versions that constraints.txt has
    for package in $PACKAGES; do grep -i "^${package}==" constraints.txt || echo "$package"; done
}

if [ "${1:-}" = wheels ]; then
    mkdir -p "${WHEELS:?names the folder they go to}"
    # shellcheck disable=SC2046
    $PYTHON -m pip download --quiet --no-deps --only-binary=:all: --python-version "${PYTHON_VERSION:-3.12}" \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 -d "$WHEELS" $(pinned) || exit
    ls -l "$WHEELS" && du -sh "$WHEELS"
    exit
fi

ends=$(($(date +%s) + LIMIT))
: "${OUT:?names the folder of the results}"
mkdir -p "$OUT/done" "$OUT/log"
OUT=$(cd "$OUT" && pwd)
if [ -n "${FROM:-}" ] && [ ! -d "$OUT/runs" ]; then cp -r "$FROM/." "$OUT/"; fi
if [ -n "${WHEELS:-}" ]; then
    site=$(mktemp -d)
    $PYTHON -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$WHEELS"/*.whl || exit
    PYTHONPATH=$site
fi
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1

base=(steps="$BASE_STEPS" save_steps=500 keep_checkpoints=200)
grid=(train.steps=200 train.save_steps=20)
if [ -n "${TINY:-}" ]; then
    GRID="study-grpo study-right-heavy" SEEDS=1 CURVE_PUZZLES=2
    base=(steps=4 save_steps=2 keep_checkpoints=9 traces_per_step=16 warmup_steps=1 compile=false bf16=false
        architecture.hidden_size=32 architecture.intermediate_size=64 architecture.num_hidden_layers=2
        architecture.num_attention_heads=2)
    grid=(train.steps=2 train.save_steps=2 train.prompts_per_step=4 train.samples_per_prompt=4 train.micro_batch=8
        train.max_new_tokens=48 sample.max_new_tokens=48 sample.samples=2
        "task.train={3=54,4=96}" "task.test={3=18}" "task.length={}" "task.skills={}" "task.held_out={}")
fi

step() {  # a name and its command: once, for as long as the call has time
    local name=$1 left
    shift
    [ -e "$OUT/done/$name" ] && return
    left=$((ends - $(date +%s)))
    [ "$left" -lt "$LEAST" ] && return 75
    echo "$(date +%T) $name, $left s left"
    # SIGTERM: a training saves its step in hand and goes on from there.
    timeout --signal=TERM --kill-after=15 $((left - 15)) "$@" >>"$OUT/log/$name" 2>&1
    local status=$?
    [ $status = 0 ] && touch "$OUT/done/$name" && return
    if [ $(($(date +%s) + LEAST)) -ge "$ends" ]; then return 75; fi
    echo "$name failed with $status:" && tail -5 "$OUT/log/$name"
    return 1
}

machine() {
    nvidia-smi 2>/dev/null || echo "no GPU"
    $PYTHON -m pip list 2>/dev/null
    $PYTHON -c 'import torch; print(torch.__version__, torch.cuda.is_available())'
}

wanted=" ${*:-machine base curve card grid} "
model=bundled
run_steps() {
    if [[ $wanted == *" machine "* ]]; then machine >"$OUT/machine.txt"; fi
    if [[ $wanted == *" base "* ]]; then
        step base $PYTHON -m ramify pretrain base-gpu "${base[@]}" --output "$OUT/runs" || return
    fi
    # What there is already of a base that is not finished can be measured too.
    if [[ $wanted == *" curve "* ]] && compgen -G "$OUT/runs/pretrain-base-gpu/checkpoint-*" >/dev/null; then
        step curve $PYTHON benchmarks/card.py --curve "$OUT/runs/pretrain-base-gpu" --puzzles "$CURVE_PUZZLES" \
            --out "$OUT/curve.csv" || return
    fi
    [ -e "$OUT/done/base" ] && model="$OUT/runs/pretrain-base-gpu/model"
    if [[ $wanted == *" card "* ]] && [ -z "${TINY:-}" ]; then
        step card $PYTHON benchmarks/card.py "$model" || return
        cp "$OUT/log/card" "$OUT/card.md"
    fi
    if [[ $wanted == *" grid "* ]]; then
        for seed in $SEEDS; do
            for preset in $GRID; do
                step "$preset-$seed" $PYTHON -m ramify run "$preset" name="$preset-$seed" "seeds=[$seed]" \
                    model="$model" "${grid[@]}" --root "$OUT/runs" || return
            done
        done
    fi
}

run_steps
status=$?
case $status in
    0) echo "all is done: $OUT" ;;
    75) echo "the time is used; the same command goes on" ;;
esac
exit $status
