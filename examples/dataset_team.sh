#!/bin/sh
# For dataset teams: captions with provenance, checked, with a card to publish.
#   sh dataset_team.sh DATASET OUTPUT LICENCE [options of dataflow caption]
set -eu
dataset=$1 output=$2 licence=$3
shift 3
dataflow caption "$dataset" -o "$output" --provenance "$@"
dataflow check "$output"
dataflow card "$output" -o published --license "$licence" --language en
