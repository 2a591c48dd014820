"""The place of a database file: what may be there, what must not, and with which permissions it is made."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from incidentkit.errors import IncompatibleError, UnavailableError

__all__ = ["file_system_of", "is_network", "prepare"]

#: File systems whose locks do not hold between machines, or lie: SQLite's own documentation warns of them.
_NETWORK: Final = frozenset({
    "9p", "afs", "beegfs", "blobfuse", "blobfuse2", "ceph", "cifs", "coda", "davfs", "davfs2", "gcsfuse", "glusterfs", "goofys",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "pvfs2", "rclone", "s3fs", "smb", "smb2", "smb3", "smbfs", "sshfs",
})


def is_network(kind: str) -> bool:
    """Return True for a file system that is not on this host."""
    return kind.removeprefix("fuse.") in _NETWORK


def file_system_of(path: str, mounts: str) -> str:
    """Return the type of the file system *path* is on, from the text of /proc/mounts; "" when it does not say."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1])
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best):  # the last of equals is mounted over the others
            best, kind = point, fields[2]
    return kind


def prepare(path: str, *, may_create: bool) -> str:
    """
    Return the type of the file system, with the file in place: made 0600, in directories made 0700, when it was missing.

    Raises:
        IncompatibleError: Something that is no file is there, or it is on a network file system.
        UnavailableError: The file is missing and may not, or cannot, be made.
    """
    parent = _nearest(Path(path).parent)
    kind = _kind_of(os.path.realpath(parent))
    if is_network(kind):
        raise IncompatibleError(f"{path} is on a network file system ({kind}), where SQLite's locks do not hold. "
                                "Name a file on a local disk, or use a database server.")
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        if not may_create:
            raise UnavailableError(f"{path} does not exist. open('migrate') makes it.") from None
        _create(path)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be reached ({error.strerror}). Correct {parent}, or name another file.") from error
    else:
        if not stat.S_ISREG(found.st_mode):
            what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise IncompatibleError(f"{path} is {what}. Name a file, such as {path.rstrip('/')}/incidents.db.")
    return kind


def _nearest(directory: Path) -> Path:
    """Return *directory*, or the nearest one above that exists."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory


def _kind_of(directory: str) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file_system_of(directory, Path("/proc/mounts").read_text("utf-8"))
    return ""


def _create(path: str) -> None:
    try:
        for directory in reversed([Path(path).parent, *Path(path).parent.parents]):
            if not directory.exists():
                directory.mkdir(mode=0o700, exist_ok=True)
        # O_EXCL: closing a file that SQLite has open would drop this process's locks on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not Path(path).is_file():
            raise UnavailableError(f"{path} cannot be made: something above it is no directory. Name another file.") from None
    except OSError as error:
        raise UnavailableError(f"{path} cannot be made ({error.strerror}: {error.filename}). Make its directory, writable for user "
                               f"{os.geteuid()}, or name another file.") from error
