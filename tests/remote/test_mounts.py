"""The mount table tells a network disk from one of this machine."""

from __future__ import annotations

import pytest

from dataflow.remote.mounts import network_disk_of

LINE = "36 35 98:0 / {point} rw,noatime master:1 - {kind} {source} rw"


def table(tmp_path, *mounts):
    path = tmp_path / "mountinfo"
    lines = [LINE.format(point="/", kind="ext4", source="/dev/sda1")]
    lines += [LINE.format(point=point, kind=kind, source="x:/y") for point, kind in mounts]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("nfs", "NFS"), ("nfs4", "NFS"), ("cifs", "SMB"), ("smb3", "SMB"), ("lustre", "Lustre"),
        ("gpfs", "GPFS"), ("beegfs", "BeeGFS"), ("fuse.sshfs", "FUSE (sshfs)"),
        ("fuse.gcsfuse", "FUSE (gcsfuse)"), ("ceph", "CephFS"), ("ext4", None), ("xfs", None),
        ("tmpfs", None), ("fuseblk", None), ("overlay", None),
    ],
)  # fmt: skip
def test_each_kind_of_disk_has_its_name(tmp_path, kind, name):
    assert network_disk_of("/data/out.jsonl", table(tmp_path, ("/data", kind))) == name


def test_the_innermost_and_latest_mount_counts(tmp_path):
    mounts = ("/data", "nfs4"), ("/data/local", "xfs"), ("/data/over", "xfs"), ("/data/over", "nfs")
    there = table(tmp_path, *mounts)
    assert network_disk_of("/data/x", there) == "NFS"
    assert network_disk_of("/data/local/x", there) is None
    assert network_disk_of("/data/over/x", there) == "NFS"
    assert network_disk_of("/database/x", there) is None, "only its name begins alike"


def test_names_with_spaces_are_read(tmp_path):
    there = table(tmp_path, ("/my\\040share", "cifs"))
    assert network_disk_of("/my share/x", there) == "SMB"


@pytest.mark.parametrize("text", ["", "no table\n", "1 2 3 - x\n", "\0\n"])
def test_a_table_that_makes_no_sense_names_no_network_disk(tmp_path, text):
    path = tmp_path / "mountinfo"
    path.write_text(text)
    assert network_disk_of("/data/x", path) is None


def test_without_a_table_every_disk_is_local(tmp_path):
    assert network_disk_of("/data/x", tmp_path / "none") is None
