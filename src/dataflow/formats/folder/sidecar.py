"""Sidecars: each picture's caption in a small file of the picture's name beside it.

This is how the trainers of LoRA and diffusion models read captions: ``a.jpg`` and ``a.txt``
(kohya's sd-scripts, OneTrainer, ai-toolkit), ``a.caption`` (kohya's default), or ``a.json`` with a
member ``caption`` (ai-toolkit). A text sidecar is one line unless told otherwise, because kohya
reads the first line only and OneTrainer takes each line for another caption; musubi-tuner and
diffusion-pipe read the whole file.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.core.side_files import open_new
from dataflow.core.text import path_text
from dataflow.formats.base.affixes import NO_AFFIXES, CaptionAffixes
from dataflow.formats.base.reading import wrong_at
from dataflow.formats.folder.sidecar_backup import (
    NO_SIDECAR,
    KnownSidecar,
    SidecarBackup,
    caption_digest,
    digest,
)
from dataflow.formats.folder.sidecar_content import SidecarContent, read_sidecar
from dataflow.formats.patterns.endings import PICTURE_ENDINGS, is_picture

ENDINGS = (".txt", ".caption", ".json")
"""The endings that sidecars usually have, and by which they are looked for."""

NEWLINES = ("space", "keep")
"""What may become of line breaks in a caption: a space each, or they stay."""

EXISTING = ("skip", "append", "prepend", "overwrite")
"""What may be done about a caption that is there already."""

FIELD = "existing"
"""The name of that field where a prompt may speak of it."""

_LONGEST_NAME = 255  # bytes; NAME_MAX of Linux and macOS


def sidecar_ending(name: str) -> str:
    """The ending that a person means by `name`: with its dot, which may be left out.

    Raises:
        UsageError: no file name can end like this, or it is a picture's ending.
    """
    ending = name if name.startswith(".") else f".{name}"
    if len(ending) < 2 or ending != ending.strip() or any(sign in ending for sign in "/\\\0"):
        raise UsageError(f"{name!r} is no ending of a file; give one such as .txt or .caption")
    if is_picture(f"a{ending}"):
        raise UsageError(
            f"{ending} is the ending of a picture, which a sidecar would replace; give another, "
            "such as .txt or .caption"
        )
    return ending


@dataclass(frozen=True, slots=True)
class SidecarChange:
    """What somebody did to a sidecar since it was written.

    Attributes:
        text: The captions that stand in it now, one a line, without affixes and what was there
            before; empty for none, None where they are those that were written.
        is_deleted: Whether the file is gone.
    """

    text: str | None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class SidecarFiles:
    """The sidecars of a folder's pictures.

    Attributes:
        ending: Any, also without its dot; ``.json`` for a JSON object.
        existing: One of `EXISTING`.
        key: The member of a .json sidecar that holds the caption; its other members stay.
        originals: What stood in the sidecars before this run wrote them; None where a caption
            that is there is never changed.
        field: The name of the field in which a row carries the caption that is there already.
        newlines: One of `NEWLINES`, for text sidecars.
        affixes: What stands around each caption in its sidecar.
        root: The folder that the sidecars go to, in the same sub-folders as the pictures; None
            for beside the pictures.
        base: The folder of the pictures, which `root` stands for.
        keeps_changes: Whether a sidecar that somebody changed since a run wrote it stays as it is.

    Raises:
        UsageError: the ending, what is to be done or what becomes of line breaks is none of the
            known.
    """

    ending: str = ".txt"
    existing: str = "skip"
    key: str = "caption"
    originals: SidecarBackup | None = None
    field: str = FIELD
    newlines: str = "space"
    affixes: CaptionAffixes = NO_AFFIXES
    root: str | None = None
    base: str = "."
    keeps_changes: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "ending", sidecar_ending(self.ending))
        if self.existing not in EXISTING:
            raise UsageError(f"{self.existing!r} is none of {', '.join(EXISTING)}")
        if self.newlines not in NEWLINES:
            raise UsageError(f"{self.newlines!r} is none of {', '.join(NEWLINES)}")

    def beside(self, picture: str) -> str:
        """Where the sidecar of the picture at this path is.

        It has the picture's name up to its ending; a name without a picture's ending stays whole,
        so that ``2024.05.17`` and ``2024.05.18`` have one each.
        """
        stem, ending = os.path.splitext(picture)  # noqa: PTH122 (names may be odd)
        has_ending = any(ending.lower().startswith(known) for known in PICTURE_ENDINGS)
        path = (stem if has_ending else picture) + self.ending
        if self.root is None:
            return path
        return os.path.join(self.root, os.path.relpath(path, self.base))  # noqa: PTH118

    def unwritable(self, picture: str) -> InputError | None:
        """Why the picture can have no sidecar, whatever is written; None where it can.

        Its name would be longer than file systems allow, or something that is no file is there.
        """
        path = self.beside(picture)
        size = len(os.fsencode(os.path.basename(path)))  # noqa: PTH119 (names may be odd)
        if size > _LONGEST_NAME:
            return wrong_at(
                path_text(picture),
                f"its sidecar's name would have {size} bytes, and a file's name has at most "
                f"{_LONGEST_NAME}; shorten the picture's name",
            )
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                mode = os.stat(path).st_mode  # noqa: PTH116
        except FileNotFoundError:
            if not os.path.islink(path):  # noqa: PTH114
                return None
            what = "a link to nothing"
        except OSError:
            return None  # reading or writing it says what is wrong
        else:
            if stat.S_ISREG(mode):
                return None
            what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        return wrong_at(
            path_text(picture),
            f"its sidecar {path_text(path)} is {what}; remove or rename that",
        )

    def is_left(self, picture: str) -> bool:
        """Whether the picture has a caption already and is to be left as it is.

        A sidecar that this run wrote is none that was there already; see `originals`.

        Raises:
            InputError: the sidecar is a .json and no JSON object.
        """
        path = self.beside(picture)
        if self.existing != "skip" or not os.path.lexists(path):
            return False
        known, content = self._known(path), self._content
        if known is not None and known.is_same_run:
            return known.original is not None and content.is_caption(path, known.original)
        if not content.is_json and not self.affixes:
            return True
        return content.is_caption(path, read_sidecar(path))

    def text(self, picture: str) -> str:
        """The caption that stood there before this run, without affixes; empty where none was.

        Raises:
            InputError: the sidecar cannot be read, is not UTF-8 or, as .json, holds no text.
        """
        path = self.beside(picture)
        return self._content.text(path, self._before(path))

    def change(self, picture: str) -> SidecarChange | None:
        """What somebody did to the picture's sidecar since a run wrote it; None for nothing.

        A change that this run does not overwrite is none.

        Raises:
            InputError: the sidecar cannot be read, is not UTF-8 or, as .json, holds no text.
        """
        path = self.beside(picture)
        known = self._known(path)
        if known is None or not self._overwrites(known):
            return None
        data = _read_or_none(path)
        if known.is_as_written(data):
            return None
        if data is None:
            return SidecarChange("", is_deleted=True)
        text = self._content.captions(path, data, known.original)
        return SidecarChange(None if caption_digest(text) == known.text else text)

    def take_in(self, picture: str, captions: str | Sequence[str] | None) -> None:
        """Take the sidecar as it stands for written.

        Args:
            picture: Its picture's path.
            captions: What a person left in it; None where the captions are as they were written.

        Raises:
            InputError: the sidecar cannot be read.
            OutputError: that cannot be kept.
        """
        path = self.beside(picture)
        known, data = self._known(path), _read_or_none(path)
        if self.originals is None or known is None:
            return
        if data is None:
            self.originals.keep(path, NO_SIDECAR)
            return
        text = self._content.captions(path, data, known.original)
        now = KnownSidecar(
            known.original,
            digest(data),
            known.given if captions is None else caption_digest(captions),
            caption_digest(text),
            is_whole=not self._content.has_old(path, data, known.original),
        )
        self.originals.keep(path, now)

    def note_absent(self, picture: str) -> None:
        """Keep that a run left the picture without a sidecar: what comes later is a person's.

        Raises:
            OutputError: that cannot be kept.
        """
        path = self.beside(picture)
        if self.originals is not None and not os.path.lexists(path) and self._known(path) is None:
            self.originals.keep(path, NO_SIDECAR)

    def put(self, picture: str, caption: str | Sequence[str]) -> None:
        """Write the picture's caption; whoever reads the sidecar meets the old one or the new.

        A sidecar that holds this caption already stays as it is, and so does one that somebody
        changed since it was written, unless changes are overwritten.

        Args:
            picture: Its path.
            caption: Its caption; several stand one a line.

        Raises:
            OutputError: the sidecar cannot be written.
            InputError: what stands there cannot be read.
        """
        path = self.beside(picture)
        if self.is_left(picture):
            return  # it came while the run was under way
        known, now = self._known(path), _read_or_none(path)
        if known is not None and now is not None and self._stays(known, now, caption):
            return
        before, content = self._before(path), self._content
        is_whole = known is not None and known.is_same_run and known.is_whole
        old = "" if is_whole else content.old(path, before)
        data = content.joined(path, now or before, old, caption)
        if self.root is not None:
            _make_folder(os.path.dirname(path))  # noqa: PTH120 (names may be odd)
        written = KnownSidecar(
            before,
            digest(data),
            caption_digest(caption),
            caption_digest(content.captions(path, data, before)),
            is_whole,
        )
        if self.originals is not None:
            pending = b"" if now is None else digest(now)
            self.originals.keep(path, replace(written, pending=pending))
        _replace(path, data, may_replace=self.existing != "skip" or now is not None)
        if self.originals is not None:
            self.originals.keep(path, written)

    def _stays(self, known: KnownSidecar, now: bytes, caption: str | Sequence[str]) -> bool:
        """Whether a sidecar that a run wrote, and that holds `now`, is not written again."""
        if digest(now) == known.written:
            return known.is_same_run and known.given == caption_digest(caption)
        is_changed = not known.is_as_written(now)
        return is_changed and self.keeps_changes and self._overwrites(known)

    def _overwrites(self, known: KnownSidecar) -> bool:
        """Whether the caption of this run takes the place of what a run wrote."""
        return known.is_same_run or self.existing == "overwrite"

    def close(self) -> None:
        """Let go of the originals' file; the next use opens it again."""
        if self.originals is not None:
            self.originals.close()

    @property
    def _content(self) -> SidecarContent:
        is_json = self.ending.lower() == ".json"
        return SidecarContent(is_json, self.existing, self.key, self.newlines, self.affixes)

    def _known(self, path: str) -> KnownSidecar | None:
        return None if self.originals is None else self.originals.find(path)

    def _before(self, path: str) -> bytes | None:
        known, now = self._known(path), _read_or_none(path)
        if now is None or known is None or not known.is_same_run:
            return now
        return known.original


def _read_or_none(path: str) -> bytes | None:
    return read_sidecar(path) if os.path.lexists(path) else None


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder or ".", exist_ok=True)  # noqa: PTH103 (names may be odd)
    except OSError as error:
        raise OutputError(
            f"{path_text(folder)}: cannot be made ({error.strerror}); check the folder's rights "
            "and the free space"
        ) from error


def _replace(path: str, data: bytes, *, may_replace: bool) -> None:
    folder, name = os.path.split(path)
    # short, for a name may be as long as the file system allows
    short = blake2b(os.fsencode(name), digest_size=12).hexdigest()
    part = os.path.join(folder, f".{short}.part")  # noqa: PTH118 (names may be odd)
    try:
        with open_new(part, "wb") as file:
            file.write(data)
        if may_replace:
            os.replace(part, path)  # noqa: PTH105
        else:
            _link(part, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path_text(path)}: cannot be written ({reason}); check the folder, its rights and "
            "the free space"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)  # noqa: PTH108


def _link(part: str, path: str) -> None:
    """Move `part` to `path` only where nothing is: what came in between is left as it is."""
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:  # a disk without links
        if not os.path.lexists(path):
            os.replace(part, path)  # noqa: PTH105
