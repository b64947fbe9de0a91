"""What a user's editor and type checker see of ``import dataflow``.

``make check`` reads this file with mypy and pyright, both strict; nothing runs it. A wrong call has
an ignore, and mypy complains of one that nothing needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

import dataflow
from dataflow import Check, CheckContext, Limits, Prompt, Verdict


def a_folder_is_captioned_estimated_checked_and_fixed() -> None:
    """Each function knows its options and its result."""
    cost = dataflow.estimate("photos", model="gpt-4o", sidecar=".txt")
    assert_type(cost, dataflow.EstimateResult)
    result = dataflow.caption("photos", model="gpt-4o", sidecar=".txt", quiet=True)
    assert_type(result, dataflow.CaptionResult)
    assert_type(result.is_complete, bool)
    assert_type(result.errors, Path | None)
    assert_type(result.summary, dataflow.Summary)
    report = dataflow.check("photos", sidecar=".txt")
    assert_type(report, dataflow.CheckResult)
    assert_type(report.is_sound, bool)
    assert_type(dataflow.fix("photos", sidecar=".txt", model="gpt-4o"), dataflow.FixResult)
    assert_type(dataflow.status("photos"), dataflow.Status)


def wrong_options_are_seen() -> None:
    """A name that is no option, and a value of another type."""
    dataflow.caption("photos", modell="gpt-4o")  # type: ignore[call-overload]
    dataflow.caption("photos", concurrency="many")  # type: ignore[call-overload]
    dataflow.check("photos", max_words="ten")  # type: ignore[arg-type]


def without_digits(text: str, _context: CheckContext) -> Verdict | None:
    """A check of one's own."""
    return Verdict("digits", "it has digits") if any(map(str.isdigit, text)) else None


def the_operators_are_typed(serving: dataflow.AsyncServing) -> None:
    """Servings, prompts, checks, storages."""
    checks: Sequence[Check] = [without_digits]
    prompt = Prompt("caption", question="What is in the picture?", checks=checks)
    assert_type(prompt.name, str)
    assert_type(Limits().max_side, int)
    api = dataflow.APIVLMServing_openai("http://127.0.0.1:8000/v1", model_name="m")
    operator = dataflow.PromptedVQAGenerator(api)
    storage = dataflow.FileStorage("rows.jsonl")
    assert_type(storage.step(), dataflow.FileStorage)
    assert_type(operator.run(storage, input_image_key="image"), str)
    captions = dataflow.ImageCaptionGenerator(api, "You caption pictures.").run(storage)
    assert_type(captions, list[str])
    settings: Any = serving.settings()
    print(settings)
