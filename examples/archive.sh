#!/bin/sh
# For archives: a table of captions and a page to hand round.
#   sh archive.sh PHOTOS TABLE.csv [options of dataflow caption]
set -eu
photos=$1 table=$2
shift 2
dataflow caption "$photos" -o "$table" --csv-safe "$@"
dataflow report "$table" -o "${table%.csv}.html"
