#!/bin/sh
# For LoRA trainers: a text file beside each picture, with the trigger word, checked.
#   sh lora.sh PHOTOS "TRIGGER" [options of dataflow caption]
set -eu
photos=$1 trigger=$2
shift 2
dataflow caption "$photos" --sidecar .txt --trigger "$trigger" "$@"
dataflow check "$photos" --sidecar .txt --trigger "$trigger"
