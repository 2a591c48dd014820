"""What goes wrong with a spool by the fault of its caller, and why a file is left alone."""

from __future__ import annotations

from pathlib import Path

from incidentkit.errors import IncidentKitError


class MisuseError(IncidentKitError, ValueError):
    """A call breaks the contract of the spool: a bug in the caller. Nothing was written."""

    @classmethod
    def out_of_bounds(cls, name: str, value: int, least: int, most: int) -> MisuseError:
        """Return the error for *value*, which is not between *least* and *most*."""
        return cls(f"{name} is {value}; a spool takes {least} to {most}.")

    @classmethod
    def no_source(cls, source: str) -> MisuseError:
        """Return the error for a source id that cannot be the name of a file."""
        return cls(f"{source[:200]!r} is no source id: letters, digits, '.', '_' and '-', at most 128, and no '.' or '-' first.")

    @classmethod
    def old_seq(cls, seq: int, last: int) -> MisuseError:
        """Return the error for a unit that is flushed again, or late."""
        return cls(f"seq {seq} is not above the last one, {last}; a unit that is not acknowledged is sent again without a new flush.")

    @classmethod
    def unknown_slot(cls, slot: int) -> MisuseError:
        """Return the error for a slot that holds no sighting."""
        return cls(f"Slot {slot} holds no sighting; flush only what sight() returned and compact() kept.")

    @classmethod
    def wrong_total(cls, slot: int, total: int, taken: int, added: int) -> MisuseError:
        """Return the error for a cumulative total that goes back, or beyond what was added."""
        return cls(f"Slot {slot} cannot be flushed up to {total}: units have {taken} of its {added}. Totals are cumulative.")

    @classmethod
    def outstanding(cls, source: str) -> MisuseError:
        """Return the error for removing what the store may not have."""
        return cls(f"The spool of {source} holds what the store may not have; flush, send and ack it first.")


class RefusedError(Exception):
    """A file is not ours to touch. It stays as it is; the message is for people."""

    @classmethod
    def not_a_file(cls, what: str) -> RefusedError:
        """Return the refusal of a link, a directory, a pipe."""
        return cls(f"{what}, where a regular file should be")

    @classmethod
    def owned_by(cls, user: int) -> RefusedError:
        """Return the refusal of somebody else's file."""
        return cls(f"owned by user {user}, not by the user of this process")

    @classmethod
    def too_large(cls, size: int) -> RefusedError:
        """Return the refusal of a file that no spool can have written."""
        return cls(f"{size} bytes, more than a spool can have")

    @classmethod
    def format(cls, found: bytes, magic: bytes) -> RefusedError:
        """Return the refusal of a file that begins with *found* instead of *magic*, whose last byte is the version."""
        if not found.startswith(magic[:-1]) or len(found) < len(magic): return cls("not a spool")
        return cls(f"format version {found[len(magic) - 1]}; this version of incidentkit reads {magic[-1]}")


def unreadable(path: Path, why: str) -> OSError:
    """Return the error for a log that no longer gives what was read from it before."""
    return OSError(f"{path}: {why or 'a frame changed since it was read'}")
