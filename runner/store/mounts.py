"""Which file systems a state must not live on: those of other machines, where locks and fsync may be only for show."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

from runner.errors import CannotCreate

MOUNTINFO: Final = Path("/proc/self/mountinfo")
NETWORK: Final = frozenset(
    """9p acfs afs beegfs ceph cifs coda davfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 prl_fs smb3 smbfs vboxsf
    vmhgfs fuse.blobfuse fuse.blobfuse2 fuse.ceph fuse.davfs fuse.davfs2 fuse.gcsfuse fuse.glusterfs fuse.goofys
    fuse.juicefs fuse.mount-s3 fuse.moosefs fuse.rclone fuse.s3fs fuse.seaweedfs fuse.sshfs fuse.vmhgfs-fuse""".split()  # noqa: SIM905 a list of 37 lines is no better
)
"""Types as the kernel names them; `fuse.` is followed by the program."""


def refuse_network_mount(directory: Path) -> None:
    """Raise `CannotCreate`, with the remedy, where the directory is on a network mount.

    Only Linux tells.
    """
    try:
        mounts = MOUNTINFO.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = file_system_of(mounts, os.path.realpath(directory))
    if kind in NETWORK:
        raise CannotCreate(
            f"{directory} is on a network mount ({kind}), whose locks and syncs cannot be relied on: a request could "
            "be paid twice. Choose a directory on a local disk with --out DIR, and copy the images when it is done. "
            "Nothing was submitted."
        )


def file_system_of(mountinfo: str, path: str) -> str | None:
    """The type of the file system that holds the absolute path, after `man 5 proc_pid_mountinfo`.

    Of several mounts at one place the last one is seen; of nested ones the deepest.
    """
    best, kind = -1, None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if len(fields) < 5 or not types[0]:
            continue
        mount = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        depth = len(PurePosixPath(mount).parts)
        if PurePosixPath(path).is_relative_to(mount) and depth >= best:
            best, kind = depth, types[0]
    return kind
