"""Asks several questions about each row's picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflow.core.column_types import Columns, ListType
from dataflow.core.errors import BadRowError, UsageError
from dataflow.core.protocols.dataset import Reader, Skipped
from dataflow.core.protocols.operator import OperatorABC
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.protocols.storage import StepFiles, StreamingStorage
from dataflow.core.row import Row
from dataflow.core.side_files import open_new
from dataflow.operators.core_vision.prompted_vqa_generator import PromptedVQAGenerator

_QUESTION, _ANSWER = "question", "answer"


class BatchVQAGenerator(OperatorABC):
    """Answers the list of questions of each row about its picture.

    Args:
        serving: The model.
        system_prompt: Sent as the system message.
    """

    def __init__(
        self, serving: LLMServingABC, system_prompt: str = "You are a helpful assistant."
    ) -> None:
        self._asker = PromptedVQAGenerator(serving, system_prompt)

    def __repr__(self) -> str:
        return repr(self._asker).replace(type(self._asker).__name__, type(self).__name__, 1)

    def run(
        self,
        storage: StreamingStorage,
        input_prompts_key: str,
        input_image_key: str,
        output_key: str,
        **options: Any,
    ) -> list[str]:
        """Answer the storage's current step into its next; see `PromptedVQAGenerator.run`.

        Args:
            storage: A `FileStorage`.
            input_prompts_key: The column with each row's list of questions.
            input_image_key: The column with each row's picture or pictures.
            output_key: The column that is added: a list of answers, null for one that failed.
            options: As those of `PromptedVQAGenerator.run`.

        Raises:
            UsageError: `storage` is no `FileStorage`.
        """
        if not isinstance(storage, StreamingStorage):
            raise UsageError("BatchVQAGenerator needs a FileStorage")
        step = storage.open_step(
            picture_key=input_image_key, columns={output_key: ListType("text")}
        )
        questions = _QuestionStep(storage, step, input_prompts_key, input_image_key)
        self._asker.run(
            questions, None, _QUESTION, input_image_key, None, _ANSWER,
            on_missing_picture="fail", **options,
        )  # fmt: skip
        _join(step, questions, output_key)
        questions.output.unlink()
        storage.step_written()
        return [output_key]


class _QuestionStep(StreamingStorage):
    """A step whose rows are the questions of another's, and whose output is their answers alone."""

    def __init__(
        self, storage: StreamingStorage, step: StepFiles, prompts_key: str, image_key: str
    ) -> None:
        self._storage = storage
        self._step = step
        self.reader = _QuestionReader(step.reader, prompts_key, image_key)
        self.output = step.output.with_name(f"{step.output.name}.answers.jsonl")

    def read(self, output_type: str) -> Any:
        raise NotImplementedError

    def write(self, data: Any) -> Any:
        raise NotImplementedError

    def open_step(
        self, *, picture_key: str, columns: Columns, skip_bad_rows: bool = False
    ) -> StepFiles:
        return replace(
            self._step, reader=self.reader, output=self.output, open_writer=_AnswerWriter
        )

    def step_failed(self) -> None:
        self._storage.step_failed()


class _QuestionReader:
    """Each question of each row as a row of its own."""

    def __init__(self, reader: Reader, prompts_key: str, image_key: str) -> None:
        self._reader, self._prompts_key, self._image_key = reader, prompts_key, image_key
        self.skipped = Skipped()

    def rows(self) -> Iterator[Row]:
        index = 0
        for row in self._reader.rows():
            picture = row.fields.get(self._image_key)
            for question in self.questions(row):
                yield Row(index, {self._image_key: picture, _QUESTION: question}, row.source)
                index += 1

    def questions(self, row: Row) -> Sequence[Any]:
        if self._prompts_key not in row.fields:
            raise BadRowError(row.lacks(self._prompts_key))
        found = row.fields[self._prompts_key]
        found = found.tolist() if hasattr(found, "tolist") else found
        return found if isinstance(found, (list, tuple)) else []

    def count(self) -> None:
        return None

    def column_names(self) -> list[str]:
        return [self._image_key, _QUESTION]

    def folder(self) -> str:
        return self._reader.folder()


class _AnswerWriter:
    """Writes each answer as a line of JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_new(path)

    def write(self, _row: Row, added: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(added[_ANSWER]) + "\n")

    def close(self) -> None:
        self._file.close()

    def commit(self, target: Path) -> None:
        self._path.replace(target)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _join(step: StepFiles, questions: _QuestionStep, output_key: str) -> None:
    """Write the step's rows with their answers, in order."""
    writer = step.open_writer(step.output.with_name(f"{step.output.name}.part"))
    try:
        with questions.output.open(encoding="utf-8") as answers:
            for row in step.reader.rows():
                asked = questions.reader.questions(row)
                writer.write(row, {output_key: [json.loads(next(answers)) for _ in asked]})
        writer.close()
        writer.commit(step.output)
    except BaseException:
        writer.discard()
        raise
