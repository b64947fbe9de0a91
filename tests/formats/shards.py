"""Shards of WebDataset, made by tarfile or by webdataset itself."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from PIL import Image


def jpeg(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture like no other of another number."""
    file = io.BytesIO()
    colour = (number * 37 % 256, number * 91 % 256, number * 13 % 256)
    Image.new("RGB", size, colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def write_tar(path: Path, members: list[tuple[str, bytes]], **options) -> Path:
    """A tar archive of these members, in any of Python's layouts."""
    with tarfile.open(path, "w", **options) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = len(data), 1_700_000_000, "someone"
            archive.addfile(info, io.BytesIO(data))
    return path


def members_in(path: Path) -> list[tuple[str, bytes]]:
    """What is in an archive, each file with its contents."""
    with tarfile.open(path) as archive:
        return [(info.name, archive.extractfile(info).read()) for info in archive if info.isreg()]


def write_shards(folder: Path, shards: int, samples: int, ending: str = ".tar") -> Path:
    """A folder of shards as img2dataset writes them, without texts."""
    folder.mkdir(parents=True)
    for shard in range(shards):
        members = []
        for number in range(samples):
            key, place = f"{shard:05}{number:04}", shard * samples + number
            members.append((f"{key}.jpg", jpeg(place)))
            members.append((f"{key}.json", b'{"key": "%s", "price": 1.10}' % key.encode()))
        options = {"compresslevel": 1} if ending.endswith(".gz") else {}
        mode = f"{folder}/{shard:05}{ending}"
        with tarfile.open(mode, "w:gz" if options else "w", **options) as archive:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return folder
