"""Parquet files into a dataset of the Hugging Face hub, all in one commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import MissingPackageError, OutputError, UsageError

_SPLIT = re.compile(r"\w+(?:\.\w+)*")  # as Hugging Face's datasets takes a split's name

_LONGEST = 300  # characters of the library's own words in a message


def check(repo: str) -> None:
    """Make sure, before anything is spent, that the hub knows who we are.

    Args:
        repo: ``"owner/name"``, or ``"name"`` for one's own; ``":split"`` may follow.

    Raises:
        MissingPackageError: `huggingface_hub` is not installed.
        UsageError: the split's name is none, there is no token, or the hub does not take it.
    """
    api, (_, split) = _api(), _parted(repo)
    if not _SPLIT.fullmatch(split):
        raise UsageError(
            f"--push-to-hub {repo}: {split!r} is no name of a split; it has letters, digits, "
            "underscores and dots between them"
        )
    try:
        api.whoami()
    except Exception as error:
        raise UsageError(
            f"--push-to-hub {repo}: the hub does not know you ({_in_words(error)}); set HF_TOKEN "
            "or run: hf auth login"
        ) from error


def push(files: Sequence[Path], repo: str) -> str:
    """Put `files` into `repo` as the shards of one split, ``train`` unless named; its former go.

    The hub shows all of them or, where something fails, what was there before.

    Args:
        files: Parquet files, in order.
        repo: See `check`; a new one is private.

    Returns:
        The dataset's address.

    Raises:
        OutputError: the hub does not take them; the files stay where they are.
    """
    import huggingface_hub as hub

    api, (name, split) = _api(), _parted(repo)
    begin = f"data/{split}-"
    shard = re.compile(re.escape(begin) + r"\d{5,}-of-\d{5,}\.parquet")
    try:
        url = api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        names = [f"{begin}{n:05}-of-{len(files):05}.parquet" for n in range(len(files))]
        there = api.list_repo_files(url.repo_id, repo_type="dataset")
        former = [name for name in there if shard.fullmatch(name) and name not in names]
        api.create_commit(
            url.repo_id,
            repo_type="dataset",
            operations=[
                *(hub.CommitOperationDelete(name) for name in former),
                *(
                    hub.CommitOperationAdd(name, file)
                    for name, file in zip(names, files, strict=True)
                ),
            ],
            commit_message="Captions",
        )
    except Exception as error:
        raise OutputError(
            f"{repo}: the hub did not take the output ({_in_words(error)}); it is whole in "
            f"{files[0]}: run the same command again, and nothing is asked twice"
        ) from error
    return str(url)


def _parted(repo: str) -> tuple[str, str]:
    """The dataset's name and the split's."""
    name, colon, split = repo.partition(":")
    return name, split if colon else "train"


def _in_words(error: Exception) -> str:
    """What the library says, on one line."""
    return " ".join(str(error).split())[:_LONGEST]


def _api() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise MissingPackageError(
            "--push-to-hub needs huggingface_hub: pip install 'dataflow-caption[hf]'"
        ) from None
    return huggingface_hub.HfApi()
