"""Parts of the Speech Commands test set: halves of different speakers, and a stream in which keywords are rare.

A clip's file name tells its speaker, ``022cd682_nohash_0.wav``; no speaker is in two parts. Clips of silence have none:
they are cuts of a few recordings of noise, and are divided clip by clip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .files import fail

Indices = npt.NDArray[np.int64]

KEYWORDS = 10
"""Classes 0..9 are keywords; silence and unknown follow."""
VALIDATION_SHARE = 1 / 3
"""Part of the first half that is kept to choose by."""
SPEAKER = re.compile(r"(?:^|_)([0-9a-f]{8})_nohash_")


def speakers(names: Iterable[str]) -> list[str | None]:
    """Speaker of each clip by its file name, with or without a folder; None for silence."""
    found = (SPEAKER.search(name.rsplit("/", 1)[-1]) for name in names)
    return [match[1] if match else None for match in found]


def halves(names: Iterable[str], seed: int) -> tuple[Indices, Indices, Indices]:
    """Sorted clips to learn by, to choose by, and to judge by: a third, a sixth and a half of all.

    Args:
        names: File names of the clips.
        seed: Of the choice.
    """
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = {}
    for index, speaker in enumerate(speakers(names)):
        groups.setdefault(speaker or f"clip {index}", []).append(index)
    shares = np.array([(1 - VALIDATION_SHARE) / 2, VALIDATION_SHARE / 2, 1 / 2])
    parts: tuple[list[int], ...] = ([], [], [])
    spoken = [group for speaker, group in groups.items() if not speaker.startswith("clip ")]
    silent = [group for speaker, group in groups.items() if speaker.startswith("clip ")]
    for kind in (spoken, silent):  # each divided alone, so that each part has its share of silence
        sizes = np.zeros(3)
        for i in rng.permutation(len(kind)):
            emptiest = int((sizes / shares).argmin())
            parts[emptiest].extend(kind[i])
            sizes[emptiest] += len(kind[i])
    learn, choose, judge = (np.sort(np.array(part, np.int64)) for part in parts)
    return learn, choose, judge


def stream(clips: Indices, keyword: npt.NDArray[np.bool_], seed: int) -> Indices:
    """An order of clips in which two thirds are no keyword, and each keyword has such clips before and behind it.

    No clip occurs twice: all that are no keyword are taken, and half as many keywords at random.

    Args:
        clips: Clips to choose from.
        keyword: For each clip of the set whether it is a keyword.
        seed: Of the choice and of the order.
    """
    rng = np.random.default_rng(seed)
    other, words = rng.permutation(clips[~keyword[clips]]), rng.permutation(clips[keyword[clips]])
    count = len(other) // 2
    if not 0 < count <= len(words):
        fail(
            f"{len(other)} clips without a keyword and {len(words)} with one make no stream", "give the whole test set"
        )
    gaps = np.sort(rng.choice(np.arange(1, len(other)), count, replace=False))
    return np.insert(other, gaps, words[:count])
