"""Promise: a folder of images is read from disk as it is needed, the same way every time, or refused by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dqt_edge.data.images import centred, random_crop, read_all
from dqt_edge.data.load import load_data, require_training
from dqt_edge.data.sources import Variation
from dqt_edge.errors import BadFileError, ToolchainError, UsageError

SHAPE = (8, 8, 3)
RNG = np.random.default_rng(13)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def files(part: Any) -> list[str]:
    return ["/".join(path.parts[-2:]) for path in part.files]


def test_a_plain_folder_is_split_into_disjoint_stratified_parts_and_always_alike(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(20)))
    first, second = load_data(str(tmp_path), 0.25, shape=SHAPE), load_data(str(tmp_path), 0.25, shape=SHAPE)
    assert first.classes == ("cat", "dog")
    assert [len(y) for y in (first.y_train, first.y_val, first.y_test)] == [24, 8, 8]
    assert [np.bincount(y).tolist() for y in (first.y_val, first.y_test)] == [[4, 4], [4, 4]]
    parts = [files(part) for part in (first.train, first.validation, first.test)]
    assert parts == [files(part) for part in (second.train, second.validation, second.test)]
    assert len({name for part in parts for name in part}) == 40
    for part in (first.train, first.validation, first.test):
        assert [name.split("/")[0] for name in files(part)] == [first.classes[y] for y in part.labels]


def test_given_parts_are_kept(tmp_path: Path) -> None:
    touch(tmp_path, *(f"train/{name}/{i}.jpg" for name in "ab" for i in range(10)), "val/b/v.jpg", "test/a/t.JPEG")
    data = load_data(str(tmp_path), shape=SHAPE)
    assert (len(data.y_train), files(data.validation), files(data.test)) == (20, ["b/v.jpg"], ["a/t.JPEG"])
    assert (data.y_val.tolist(), data.y_test.tolist()) == ([1], [0])


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_a_validation_part_has_the_names_that_data_sets_give_it(name: str, tmp_path: Path) -> None:
    touch(tmp_path, *(f"train/{c}/{i}.jpg" for c in "ab" for i in range(10)), f"{name}/b/v.jpg", "test/a/t.jpg")
    data = load_data(str(tmp_path), shape=SHAPE)
    assert (len(data.y_train), files(data.validation), files(data.test)) == (20, ["b/v.jpg"], ["a/t.jpg"])


def test_a_class_may_be_called_valid(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/{i}.png" for name in ("valid", "void") for i in range(9)))
    assert load_data(str(tmp_path), shape=SHAPE).classes == ("valid", "void")


@pytest.mark.parametrize("part", ["val", "test"])
def test_one_given_part_is_the_held_out_one(part: str, tmp_path: Path) -> None:
    touch(tmp_path, *(f"train/{name}/{i}.jpg" for name in "ab" for i in range(10)), f"{part}/b/v.jpg")
    data = load_data(str(tmp_path), 0.2, shape=SHAPE)
    assert [len(data.y_train), len(data.y_val), files(data.test)] == [16, 4, ["b/v.jpg"]]


def test_a_test_folder_alone_cannot_be_trained_on(tmp_path: Path) -> None:
    touch(tmp_path, "test/a/1.png", "test/b/1.png")
    data = load_data(str(tmp_path), shape=SHAPE)
    assert len(data.y_test) == 2
    with pytest.raises(BadFileError, match="nothing to train on"):
        require_training(data)


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/x", ".DS_Store", *(f"{name}/{i}.png" for name in "ab" for i in range(9)), "a/.thumb")
    assert len(load_data(str(tmp_path), shape=SHAPE).y_train) == 12


REFUSED: dict[str, tuple[list[str], str, str]] = {
    "nothing": ([], "it holds 0 classes", ""),
    "one class": (["a/1.png"], "it holds 1 classes", ""),
    "file among classes": (["a/1.png", "b/1.png", "list.txt"], "'list.txt' lies where", ""),
    "empty class": (["a/1.png", "b/.hidden"], "the class has no images", "b"),
    "no image": (["a/1.png", "b/1.png", "b/2.txt"], "it is no image", "b/2.txt"),
    "no train": (["val/a/1.png", "val/b/1.png"], "it holds val/ and no train/", ""),
    "two validation parts": (
        ["train/a/1.png", "val/a/1.png", "validation/a/1.png"], "val/ and validation/ are both there", "",
    ),
    "unknown class": (
        ["train/a/1.png", "train/b/1.png", "val/a/1.png", "val/c/1.png"], "class 'c' has no training images", "val",
    ),
    "too few": (["a/1.png", "b/1.png"], "2 images are too few to split", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_is_no_data_set_is_refused(name: str, tmp_path: Path) -> None:
    names, reason, where = REFUSED[name]
    touch(tmp_path, *names)
    with pytest.raises(BadFileError) as caught:
        load_data(str(tmp_path), shape=SHAPE)
    assert reason in caught.value.what
    assert caught.value.where == str(tmp_path / where)


def test_a_folder_needs_an_image_size(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="training needs one") as caught:
        load_data(str(tmp_path))
    assert "`image_size`" in caught.value.next_step


# --- Pixels -------------------------------------------------------------------------------------------------


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(path, quality=100)
    return path


def read(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(read_all([path], shape, [centred])[0])


def test_images_of_the_right_size_keep_every_pixel(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (9, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read(write(tmp_path / "a.png", pixels), (9, 7, 3)), pixels)


def test_large_images_shrink_to_the_mean_of_what_they_cover(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[::2, ::2] = 200  # a quarter of the pixels; plain bilinear samples would see all or none of them
    found = read(write(tmp_path / "a.png", pixels), SHAPE)
    assert np.abs(found.astype(int) - 50).max() <= 6


def test_of_a_grey_image_with_16_bits_the_upper_ones_count(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0x5A80, np.uint16)).save(tmp_path / "deep.png")
    assert (read(tmp_path / "deep.png", (8, 8, 1)) == 0x5A).all()


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "CMYK"])
def test_images_of_any_kind_become_grey_or_colour(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(path)
    for channels in (1, 3):
        assert np.abs(read(path, (8, 8, channels)).astype(int) - 255).max() <= 1


@pytest.mark.parametrize("size", [(16, 40), (40, 16), (4, 4), (3, 11), (1, 1)])
def test_other_images_are_scaled_and_cut_in_the_middle(size: tuple[int, int], tmp_path: Path) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    side = min(size)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    pixels[top : top + side, left : left + side] = (10, 100, 250)
    found = read(write(tmp_path / "a.png", pixels), (8, 8, 3))
    np.testing.assert_array_equal(found, np.broadcast_to(np.array([10, 100, 250], np.uint8), (8, 8, 3)))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("held", [1, 3])
@pytest.mark.parametrize("wanted", [1, 3])
def test_grey_and_colour_images_mix(suffix: str, held: int, wanted: int, tmp_path: Path) -> None:
    pixels = np.full((8, 8, held), 90, np.uint8)
    found = read(write(tmp_path / f"a{suffix}", pixels), (8, 8, wanted))
    assert found.shape == (8, 8, wanted)
    assert np.abs(found.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff\xe0 cut", b"\x89PNG\r\n\x1a\n cut"])
def test_a_damaged_image_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match="no whole JPEG, PNG, BMP or GIF") as caught:
        read(path, SHAPE)
    assert caught.value.where == str(path)


def test_a_program_without_pillow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ToolchainError) as caught:
        read_all([], SHAPE, [])
    assert "pip install 'dqt-edge[data]'" in caught.value.next_step


def test_a_vanished_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="No such file"):
        read(tmp_path / "gone.jpg", SHAPE)


def test_random_crops_lie_within_the_image_and_keep_area_and_proportion() -> None:
    boxes = []
    for _ in range(400):
        height, width = (int(n) for n in RNG.integers(40, 200, 2))
        top, left, rows, columns = box = random_crop(0.25, RNG.random(30))(height, width, SHAPE)
        assert 0 <= top <= top + rows <= height
        assert 0 <= left <= left + columns <= width
        if box != centred(height, width, SHAPE):
            assert 0.23 < rows * columns / (height * width) <= 1
            assert 0.7 < rows / columns < 1.4
            boxes.append(box)
    assert len(set(boxes)) > 300


def test_a_batch_varies_by_its_key_alone_whoever_reads_which_part(tmp_path: Path) -> None:
    for name in "ab":
        for i in range(10):
            write(tmp_path / name / f"{i}.png", RNG.integers(0, 256, (20 + i, 30, 3)).astype(np.uint8))
    train = load_data(str(tmp_path), shape=SHAPE, crop_area=0.3).train
    indices, variation = np.arange(8)[::-1], Variation(1, flip=True)
    whole = train.varied(indices, variation, (2, 1, 0, 5), slice(0, 8))
    halves = [train.varied(indices, variation, (2, 1, 0, 5), part) for part in (slice(0, 4), slice(4, 8))]
    np.testing.assert_array_equal(whole, np.concatenate(halves))
    assert (whole != train.varied(indices, variation, (2, 1, 0, 6), slice(0, 8))).any()
    assert (whole != train.codes(indices)).any()
    plain = load_data(str(tmp_path), shape=SHAPE).train
    np.testing.assert_array_equal(plain.varied(indices, Variation(), (1,), slice(0, 8)), plain.codes(indices))
