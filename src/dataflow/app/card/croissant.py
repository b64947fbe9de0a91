"""The Croissant metadata of an output.

Source of the format: https://docs.mlcommons.org/croissant/docs/croissant-spec.html (1.0) and
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html
"""

from __future__ import annotations

from typing import Any

from dataflow.app.card.facts import Facts
from dataflow.app.card.markdown import name_of
from dataflow.app.options.commands.card import CardOptions

ENCODINGS = {
    ".jsonl": "application/jsonlines",
    ".ndjson": "application/jsonlines",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/x-parquet",
}
"""The endings whose rows Croissant can read, and their media types."""

_TYPES = {"text": "sc:Text", "int": "sc:Integer", "float": "sc:Float", "bool": "sc:Boolean"}

_OWN = (
    *("citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "separator", "source", "subField"),
    *("transform", "equivalentProperty", "samplingRate"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _OWN},
}
"""The JSON-LD context that the format asks for."""


def croissant(facts: Facts, options: CardOptions) -> dict[str, Any]:
    """The metadata of an output that is a file, as JSON's own types."""
    record, name = facts.record, name_of(facts, options)
    ending = next((one for one in ENCODINGS if facts.path.name.endswith(one)), None)
    file = {
        "@type": "cr:FileObject",
        "@id": "captions",
        "name": facts.path.name,
        "contentUrl": facts.path.name,
        "contentSize": f"{facts.size} B",
        "encodingFormat": ENCODINGS.get(ending or "", "application/octet-stream"),
        "sha256": facts.sha256,
    }
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": name,
        "description": f"{facts.rows} rows with captions of pictures, made by a machine.",
        "datePublished": str(record.get("ended", ""))[:10] or None,
        "license": options.license,
        "url": options.url,
        "inLanguage": options.language,
        "creator": {"@type": "sc:Organization", "name": options.creator}
        if options.creator
        else None,
        "isBasedOn": options.source,
        "rai:machineAnnotationTools": [f"dataflow {record['dataflow']}", *facts.models],
        "rai:dataAnnotationProtocol": [
            f"{column}: {prompt['text'] or 'the picture alone'}"
            for column, prompt in record["prompts"].items()
        ],
        "rai:dataAnnotationAnalysis": _review(facts),
        "distribution": [file],
    }
    if ending is not None:
        found["recordSet"] = [_record_set(facts)]
    return {key: value for key, value in found.items() if value}


def _review(facts: Facts) -> str | None:
    share = facts.accepted_share
    if share is None:
        return None
    return (
        f"People reviewed {facts.reviewed} captions; {share.value:.3f} stayed as they were (95 % "
        f"interval {share.low:.3f} to {share.high:.3f})."
    )


def _record_set(facts: Facts) -> dict[str, Any]:
    """The rows, with the columns that hold one plain value each."""
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"rows/{name}",
                "name": f"rows/{name}",
                "dataType": _TYPES[kind],
                "source": {"fileObject": {"@id": "captions"}, "extract": {"column": name}},
            }
            for name, kind in facts.columns.items()
            if kind in _TYPES
        ],
    }
