"""Speech Commands v2, the 12-class test set: its clips, or the same features packed, to the .npz of the DS-CNN figures.

    python -m recipes.data.kws --clips speech_commands_test_set_v0.02/ --out kws_test.npz
    python -m recipes.data.kws --packed kws_sc2_test_mfcc.npz --out kws_test.npz
    python -m recipes.data.kws --packed kws_sc2_test_mfcc.npz --halves 1 --out kws_halves.npz
    python -m recipes.data.kws --packed kws_sc2_test_mfcc.npz --stream 1 --out kws_stream.npz

The clips are those of http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz (CC BY 4.0): a folder
of .wav a class, 16-bit, 16 kHz. ``FEATURES`` says what x_test holds; classes are in the order of MLPerf Tiny's DS-CNN.

The set has no training part. ``--halves SEED`` makes one, for what is added to a finished network: half of the clips
to learn (x, y) and to choose by (x_val, y_val), half to judge by (x_test, y_test). ``--stream SEED`` is the judging
half of the same seed as a stream, a clip a second (t_test). ``kws_parts`` says how both are chosen.
"""

from __future__ import annotations

import argparse
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import kws_parts
from .files import arrays_of, fail, report

FEATURES = """\
x_test [n, 49, 10, 1], float32: MFCC as MLPerf Tiny's DS-CNN takes them. A clip is divided by its largest sample and
padded with zeros to a second. 49 frames of 30 ms, 20 ms apart, periodic Hann window, magnitudes of a DFT of 512; 40
triangles, even in mel from 20 to 4000 Hz; natural logarithm of the sum plus 1e-6; of an orthogonal DCT-II of these, but
for the first coefficient's factor, the first 10."""

CLASSES = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
RATE, FRAME, STEP, BINS = 16_000, 480, 320, 512
MELS, LOW, HIGH, KEPT = 40, 20.0, 4000.0, 10
SUM = "9af7deed845e22e72a8b9598ce1bd496d4b6f2eba7878460cf2901890f88ebce"
"""SHA-256 of the packed arrays; features made anew may differ in the last bits."""

Reals = npt.NDArray[np.float64]


def mel(hertz: Reals | float) -> Reals:
    """Mel of a frequency, as HTK has it."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))


def triangles() -> Reals:
    """Weight of each DFT bin in each mel band, [257, 40]; the bin of 0 Hz is in none."""
    places = mel(np.linspace(0, RATE / 2, BINS // 2 + 1))[:, None]
    edges = np.linspace(float(mel(LOW)), float(mel(HIGH)), MELS + 2)
    rising = (places - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - places) / np.diff(edges)[1:]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0
    return np.asarray(weights)


def mfcc(clip: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Features of a clip of at most a second, float32 [49, 10]."""
    samples = np.zeros(RATE)
    samples[: len(clip)] = clip / max(int(clip.max(initial=0)), 1)
    starts = np.arange(0, RATE - FRAME + 1, STEP)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    frames = samples[starts[:, None] + np.arange(FRAME)] * window
    logs = np.log(np.abs(np.fft.rfft(frames, BINS)) @ triangles() + 1e-6)
    places = (np.arange(MELS) + 0.5) * np.pi / MELS
    return np.asarray(logs @ np.cos(places[:, None] * np.arange(KEPT)) * np.sqrt(2 / MELS), np.float32)


def read_clip(path: Path) -> npt.NDArray[np.int16]:
    """Samples of a .wav file of 16 bits, one channel, 16 kHz."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                fail(f"{path}: it is not mono of 16 bits at {RATE} Hz", "give the clips as they were published")
            return np.frombuffer(file.readframes(RATE), "<i2")
    except (OSError, EOFError, wave.Error) as error:
        fail(f"{path}: {error}", "unpack the archive again")


def from_clips(folder: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
    """Features, labels and file names of all clips, by class and name."""
    found, labels, names = [], [], []
    for index, name in enumerate(CLASSES):
        files = sorted((folder / (f"_{name}_" if index >= 10 else name)).glob("*.wav"))
        if not files:
            fail(f"{folder}: it has no clips of {name!r}", "give the folder that the archive unpacks to")
        found += [mfcc(read_clip(path)) for path in files]
        labels += [index] * len(files)
        names += [path.name for path in files]
    return np.stack(found), np.array(labels, np.uint8), np.array(names)


def main() -> None:
    """Read the arguments, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], epilog=FEATURES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--clips", type=Path, help="folder of the unpacked archive")
    source.add_argument("--packed", type=Path, help="packed features, .npz with mfcc and label")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--halves", type=int, metavar="SEED", help="half to learn and choose by, half to judge by")
    kind.add_argument("--stream", type=int, metavar="SEED", help="the judging half, two thirds of it no keyword")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    given = parser.parse_args()
    if given.clips:
        x, y, names = from_clips(given.clips)
    else:
        arrays = arrays_of(given.packed, ["mfcc", "label", "name"])
        x, y, names = arrays["mfcc"], arrays["label"], arrays["name"].astype(str)
    whole = given.halves is None and given.stream is None
    made: dict[str, npt.NDArray[Any]] = {"classes": np.array(CLASSES)}
    if whole:
        made |= {"x_test": x[..., None], "y_test": y}
    elif given.halves is not None:
        for suffix, part in zip(("", "_val", "_test"), kws_parts.halves(names, given.halves), strict=True):
            made |= {f"x{suffix}": x[part][..., None], f"y{suffix}": y[part]}
    else:
        order = kws_parts.stream(kws_parts.halves(names, given.stream)[2], y < kws_parts.KEYWORDS, given.stream)
        made |= {"x_test": x[order][..., None], "y_test": y[order], "t_test": np.arange(len(order), dtype=np.float64)}
    report(given.out, made, SUM if given.packed and whole else None)


if __name__ == "__main__":
    main()
