"""Estimate, caption, check and fix a folder of pictures, whose captions lie beside them."""

import os

import dataflow

engine = {"api_url": os.environ["API_URL"], "model": os.environ["MODEL"], "quiet": True}
print(dataflow.estimate("photos", sidecar=".txt", **engine))
print(dataflow.caption("photos", sidecar=".txt", **engine))
report = dataflow.check("photos", sidecar=".txt", quiet=True)
print(report)
if not report.is_sound:
    print(dataflow.fix("photos", sidecar=".txt", fix_edits=True, yes=True, **engine))
