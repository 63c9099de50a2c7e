"""Promise: the scripts of recipes/data make what the recipes say: units, features, splits, refusals."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.data import cifar10, ecg, files, kws, kws_parts, wfdb

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(19)

# --- Records, written by the words of the WFDB specification ---------------------------------------------------

CODES = {"N": 1, "L": 2, "R": 3, "V": 5, "F": 6, "J": 7, "A": 8, "Q": 13, "~": 14, "+": 28, "/": 12, "!": 31, "e": 34}
Written = list[tuple[int, str]]


def write_record(folder: Path, number: int, signal: np.ndarray, marks: Written, leads: tuple[str, ...]) -> None:
    """Signals int [n, leads] of 200 units a mV with 1024 at 0 mV."""
    n = len(signal)
    header = [f"{number} {len(leads)} 360 {n}"]
    header += [f"{number}.dat 212 200 11 1024 {signal[0, i]} 0 0 {lead}" for i, lead in enumerate(leads)]
    (folder / f"{number}.hea").write_text("\n".join([*header, "# 69 M 1085 1629 x1", ""]))
    flat = signal.reshape(-1) & 0xFFF
    pairs = flat.reshape(-1, 2)
    coded = np.stack([pairs[:, 0] & 255, pairs[:, 0] >> 8 | pairs[:, 1] >> 8 << 4, pairs[:, 1] & 255], axis=1)
    (folder / f"{number}.dat").write_bytes(coded.astype(np.uint8).tobytes())
    words: list[int] = []
    at = 0
    for place, symbol in marks:
        step = place - at
        if step > 1023:
            words += [59 << 10, step >> 16, step & 0xFFFF]
            step = 0
        words.append(CODES[symbol] << 10 | step)
        if symbol == "+":
            text = b"(VT\0"
            words += [63 << 10 | 3, *np.frombuffer(text, "<u2").tolist()]
        if symbol == "~":
            words += [61 << 10 | 3, 62 << 10 | 1, 60 << 10 | 5]
        at = place
    (folder / f"{number}.atr").write_bytes(np.array([*words, 0], "<u2").tobytes())


@pytest.fixture(scope="module")
def mitdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 44 records, short ones, in one of which the lead comes second."""
    folder = tmp_path_factory.mktemp("mitdb")
    for number in (*ecg.DS1, *ecg.TEST):
        signal = RNG.integers(0, 2048, (9_000, 2))
        places = np.cumsum(RNG.integers(200, 420, 20))
        symbols = RNG.choice(list("NNNNLRVFJAQ/e!"), 20)
        marks = [(int(place), str(symbol)) for place, symbol in zip(places, symbols, strict=True)]
        marks = [*marks[:5], (marks[4][0] + 60, "+"), (marks[4][0] + 90, "~"), *marks[5:16], (places[15] + 1500, "N")]
        write_record(folder, number, signal, marks, ("V5", "MLII") if number == 114 else ("MLII", "V1"))
    return folder


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    signal = RNG.integers(-2048, 2048, (500, 2))
    marks = [(30, "N"), (31, "~"), (900, "+"), (5_000, "V"), (70_000, "A"), (70_300, "!")]
    write_record(tmp_path, 100, signal, marks, ("MLII", "V5"))
    header = wfdb.read_header(tmp_path / "100.hea")
    assert (header.rate, header.leads, header.zeros) == (360, ("MLII", "V5"), (1024, 1024))
    np.testing.assert_array_equal(wfdb.read_212(tmp_path / "100.dat", 2), signal)
    beats = [(place, symbol) for place, symbol in marks if symbol not in "~+"]
    assert wfdb.read_marks(tmp_path / "100.atr") == beats


def test_features_are_what_the_page_says(mitdb: Path) -> None:
    """Every number anew, beat by beat, from the signal in mV and the places of the beats in seconds."""
    for number in (114, 208):
        beats = ecg.from_records(mitdb, (number,))
        x = ecg.features(beats)
        lead = 1 if number == 114 else 0
        volts = (wfdb.read_212(mitdb / f"{number}.dat", 2)[:, lead].astype(float) - 1024) / 200
        marks = [(p / 360, p, s) for p, s in wfdb.read_marks(mitdb / f"{number}.atr") if s != "!"]
        assert len(x) == len(marks) - 2
        past: list[float] = []
        for i, (second, place, symbol) in enumerate(marks[1:-1], 1):
            before, after = second - marks[i - 1][0], marks[i + 1][0] - second
            past.append(before)
            usual = float(np.mean(past[-10:]))
            mean = [(volts[place + 2 * k] + volts[place + 2 * k + 1]) / 2 for k in range(-50, 78)]
            np.testing.assert_allclose(x[i - 1, :, 0, 0], np.clip(mean, -3, 3), atol=1e-6)
            rest = [before - 0.8, 2 * (before / usual - 1), 2 * (after / usual - 1)]
            np.testing.assert_allclose(x[i - 1, :, 0, 1:], np.tile(np.clip(rest, -1, 1), (128, 1)), atol=1e-6)
            assert symbol in ecg.SYMBOLS["NSVFQ"[beats.labels[i - 1]]]


def test_no_record_is_in_two_parts_and_only_201_and_202_share_a_patient() -> None:
    parts = [set(part) for part in (ecg.TRAINING, ecg.VALIDATION, ecg.TEST)]
    assert [len(part) for part in parts] == [16, 6, 22]
    assert len(set.union(*parts)) == 44


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_packed_beats_make_the_same_file_as_the_records(mitdb: Path, tmp_path: Path) -> None:
    packed = {}
    for part, records in (("train", ecg.DS1), ("test", ecg.TEST)):
        beats = ecg.from_records(mitdb, records)
        names = ("x", "rr", "y", "rec")
        packed |= {f"{name}_{part}": array for name, array in zip(names, beats, strict=True)}
    np.savez(tmp_path / "beats.npz", **packed)
    made = {}
    for option, source in (("--mitdb", mitdb), ("--beats", tmp_path / "beats.npz")):
        done = run("recipes.data.ecg", option, source, "--out", tmp_path / "made.npz")
        assert done.returncode == 1  # no MIT-BIH
        assert "differs from the data of docs/results.md" in done.stderr
        with np.load(tmp_path / "made.npz") as file:
            made[option] = {name: file[name] for name in file.files}
    assert files.digest(made["--mitdb"]) == files.digest(made["--beats"])
    parts = made["--mitdb"]
    assert parts["x"].shape[1:] == (128, 1, 4)
    assert set(parts["record"].tolist()) == set(ecg.TRAINING)
    assert set(parts["record_val"].tolist()) == set(ecg.VALIDATION)
    assert set(parts["record_test"].tolist()) == set(ecg.TEST)
    for number in (100, 234):
        places = [place for place, symbol in wfdb.read_marks(mitdb / f"{number}.atr") if symbol != "!"]
        seconds = (np.array(places[1:-1]) - places[1]) / 360
        np.testing.assert_allclose(parts["t_test"][parts["record_test"] == number], seconds, atol=1e-9)


def test_a_damaged_or_missing_record_is_named(mitdb: Path, tmp_path: Path) -> None:
    done = run("recipes.data.ecg", "--mitdb", tmp_path, "--out", tmp_path / "e.npz")
    assert done.returncode == 1
    assert "No such file" in done.stderr
    (tmp_path / "100.dat").write_bytes(b"cut")
    (tmp_path / "SHA256SUMS.txt").write_text(f"{hashlib.sha256(b'whole').hexdigest()} 100.dat\n")
    done = run("recipes.data.ecg", "--mitdb", tmp_path, "--out", tmp_path / "e.npz")
    assert "100.dat is damaged" in done.stderr


def test_records_in_pieces_are_refused() -> None:
    with pytest.raises(SystemExit, match="do not follow each other"):
        ecg.in_order(np.array([100, 101, 100]))


# --- CIFAR-10 -------------------------------------------------------------------------------------------------


def test_packed_images_come_back(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (7, 32, 32, 3)).astype(np.uint8)
    red, green, blue = (x[..., i] for i in range(3))
    planes = np.stack([green, red - green, blue - green], axis=1)
    rows = np.diff(planes, axis=-1, prepend=np.uint8(0))
    np.savez(tmp_path / "p.npz", delta=np.diff(rows, axis=-2, prepend=np.uint8(0)), y=np.arange(7))
    found, labels = cifar10.from_packed(tmp_path / "p.npz")
    np.testing.assert_array_equal(found, x)
    np.testing.assert_array_equal(labels, np.arange(7))


def test_the_sum_of_images_asks_for_no_order_but_for_every_label() -> None:
    x, y = RNG.integers(0, 256, (9, 32, 32, 3)).astype(np.uint8), np.arange(9)
    order = RNG.permutation(9)
    assert cifar10.content(((x, y),)) == cifar10.content(((x[order], y[order]),))
    assert cifar10.content(((x, y),)) != cifar10.content(((x, y[order]),))


def test_other_images_are_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        np.savez(tmp_path / f"cifar10_{part}_delta.npz", delta=np.zeros((4, 3, 32, 32), np.uint8), y=np.arange(4))
    done = run("recipes.data.cifar10", "--packed", tmp_path, "--out", tmp_path / "c.npz")
    assert "these are not the images of CIFAR-10" in done.stderr
    assert not (tmp_path / "c.npz").exists()


# --- Speech Commands ------------------------------------------------------------------------------------------


@pytest.mark.train
def test_features_of_a_clip_are_those_of_tensorflows_operations(tensorflow: Any) -> None:
    """The reference features of MLPerf Tiny are made of these operations with these numbers."""
    tf = tensorflow
    for length in (16_000, 11_000):
        clip = (RNG.normal(0, 3000, length) + 9000 * np.sin(np.arange(length) / 7)).astype(np.int16)
        x = tf.constant(np.pad(clip / clip.max(), (0, 16_000 - length)), tf.float32)
        parts = tf.abs(tf.signal.stft(x, frame_length=480, frame_step=320))
        bands = tf.signal.linear_to_mel_weight_matrix(40, parts.shape[-1], 16_000, 20.0, 4000.0)
        logs = tf.math.log(tf.tensordot(parts, bands, 1) + 1e-6)
        want = tf.signal.mfccs_from_log_mel_spectrograms(logs)[..., :10].numpy()
        np.testing.assert_allclose(kws.mfcc(clip), want, atol=2e-3)
    assert (kws.mfcc(np.zeros(100, np.int16))[:, 0] < -123).all()


def test_clips_become_a_test_set_by_class_and_name(tmp_path: Path) -> None:
    for i, name in enumerate([*kws.CLASSES[:10], "_silence_", "_unknown_"]):
        for j in (1, 0):
            (tmp_path / name).mkdir(exist_ok=True)
            with wave.open(str(tmp_path / name / f"{j}_nohash_0.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                tone = 8000 * np.sin(np.arange(16_000) * (0.02 + 0.02 * i + 0.005 * j))
                file.writeframes(tone.astype("<i2").tobytes())
    done = run("recipes.data.kws", "--clips", tmp_path, "--out", tmp_path / "k.npz")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "k.npz") as made:
        assert made["x_test"].shape == (24, 49, 10, 1)
        np.testing.assert_array_equal(made["y_test"], np.repeat(np.arange(12), 2))
        np.testing.assert_array_equal(
            made["x_test"][2, ..., 0], kws.mfcc(kws.read_clip(tmp_path / "go" / "0_nohash_0.wav"))
        )
    (tmp_path / "go" / "0_nohash_0.wav").write_bytes(b"RIFF")
    done = run("recipes.data.kws", "--clips", tmp_path, "--out", tmp_path / "k.npz")
    assert "0_nohash_0.wav" in done.stderr


def packed_clips(folder: Path) -> Path:
    """A set of 12 classes: 20 speakers say each word and something unknown; silence has no speaker."""
    rng = np.random.default_rng(5)
    names, labels = [], []
    for label, word in enumerate(kws.CLASSES):
        for speaker in range(20):
            said = f"{0xAB000000 + speaker:08x}_nohash_{label % 3}.wav"
            names.append(
                {10: f"_silence_/{1000 + speaker}.wav", 11: f"_unknown_/cat_{said}.wav"}.get(label, f"{word}/{said}")
            )
            labels.append(label)
    features = rng.normal(size=(len(names), 49, 10)).astype(np.float32)
    path = folder / "packed.npz"
    np.savez(path, mfcc=features, label=np.array(labels, np.uint8), name=np.array(names, "S"))
    return path


def test_halves_share_no_speaker_and_no_clip(tmp_path: Path) -> None:
    with np.load(packed_clips(tmp_path)) as file:
        names = file["name"].astype(str)
        labels = file["label"]
    parts = kws_parts.halves(names, 1)
    assert sorted(np.concatenate(parts).tolist()) == list(range(240))
    assert [len(part) for part in parts] == pytest.approx([80, 40, 120], abs=12)  # a speaker has 11 clips
    said_by = [{speaker for speaker in kws_parts.speakers(names[part]) if speaker} for part in parts]
    assert all(said_by)
    assert len(set.union(*said_by)) == sum(map(len, said_by)) == 20
    assert all(10 in labels[part] for part in parts)
    again, other = kws_parts.halves(names, 1), kws_parts.halves(names, 2)
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))
    assert set(parts[2].tolist()) != set(other[2].tolist())


def test_a_stream_is_the_judging_half_with_rare_keywords(tmp_path: Path) -> None:
    packed, made = packed_clips(tmp_path), {}
    for option in ("--halves", "--stream"):
        done = run("recipes.data.kws", "--packed", packed, option, 3, "--out", tmp_path / "made.npz")
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / "made.npz") as file:
            made[option] = {name: file[name] for name in file.files}
    halves, stream = made["--halves"], made["--stream"]
    assert {"x", "y", "x_val", "y_val", "x_test", "y_test"} < set(halves)
    judged = {clip.tobytes() for clip in halves["x_test"]}
    found = {clip.tobytes() for clip in stream["x_test"]}
    assert found < judged
    assert len(found) == len(stream["x_test"])
    keyword = stream["y_test"] < 10
    assert keyword.sum() * 3 == len(keyword)
    assert not keyword[0]
    assert not keyword[-1]
    assert not (keyword[1:] & keyword[:-1]).any()
    np.testing.assert_array_equal(stream["t_test"], np.arange(len(keyword)))


def test_a_stream_needs_clips_of_both_kinds() -> None:
    with pytest.raises(SystemExit, match="make no stream"):
        kws_parts.stream(np.arange(4), np.ones(4, bool), 1)
