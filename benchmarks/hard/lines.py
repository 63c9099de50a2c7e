"""Every line of evidence, in the order in which they run."""

from __future__ import annotations

from .line import Line, Reading

_SUITE = "suite.py asked.py case.py parts.py requantise.py suite.c suite.h"
SUITE = tuple(f"benchmarks/hard/{name}" for name in _SUITE.split())


LINES = (
    Line(
        "sanitizers",
        "The C of a product gives the interpreter's answers under every sanitizer, at -O0 and -O3, in 32 bits and on a "
        "big-endian core.",
        "benchmarks.hard.sanitizers",
        tests=(
            "tests/lowering/test_native_kernels.py::test_random_networks_agree_layer_by_layer",
            "tests/benchmarks/test_hard_suite.py::test_the_suite_agrees_under_a_sanitizer",
        ),
        uses=SUITE,
    ),
    Line(
        "mutants",
        "A change of one operator, comparison or constant of the C that a product takes over is noticed.",
        "benchmarks.hard.mutants",
        tests=("tests/benchmarks/test_hard_mutants.py::test_a_mutant_changes_one_place",),
        uses=(*SUITE, "benchmarks/hard/mutator.py", "benchmarks/hard/survivors.py"),
    ),
    Line(
        "requantise",
        "Requantisation is one multiplication, one rounding and one clamp, at every corner.",
        "benchmarks.hard.requantise",
        tests=("tests/firmware/test_product.py::test_codes_at_every_shift",),
        uses=("benchmarks/hard/requantise.c",),
    ),
    Line(
        "proofs",
        "No argument that a contract allows makes requantisation, views, decoding, the dial or the parser of frames "
        "overflow or leave its memory.",
        "benchmarks.hard.proofs",
        tests=("tests/firmware/test_frame.py::test_decoding_is_the_cobs_packages",),
        uses=("benchmarks/hard/proofs.c", "benchmarks/hard/proofs.h"),
    ),
    Line(
        "switches",
        "Widths, exits and second passes that were switched leave no trace: an answer is that of a fresh process.",
        "benchmarks.hard.switches",
        tests=("tests/benchmarks/test_hard_suite.py::test_one_process_says_what_many_say",),
        uses=SUITE,
    ),
    Line(
        "kernels",
        "Every kernel of every core is exact at every width pair, with red zones round tensors and scratch.",
        "benchmarks.fuzz_kernels",
        ("--cases", "4", "--json", "build/hard/kernels.json"),
        tests=("tests/benchmarks/test_kernel_rig.py::test_a_block_of_layers_of_each_kind",),
        reading=Reading(r"^[\d,]+ cases, \d+ differences", r"^.*(?:differs|strays|fault) .*$"),
    ),
    Line(
        "files",
        "Each bad file made by hand is refused by a typed error that names the place, and executes nothing; a damaged "
        "one of any format is read, or refused by a typed error that names it; within 1 s and 1 GiB.",
        "benchmarks.fuzz_files",
        ("--cases", "5000"),
        tests=(
            "tests/test_bad_files.py::test_a_bad_file_is_refused_by_its_place",
            "tests/benchmarks/test_fuzz_files.py::test_every_damaged_file_is_read_or_refused",
        ),
        uses=("benchmarks/bad_files.py", "benchmarks/file_limits.py"),
        reading=Reading(
            r"^(?:\w[\w .-]*: [\d,]+ read, [\d,]+ refused|by hand: .*(?=, \d+ findings$))",
            r"^(?:bad .*|.* [1-9][\d,]* findings)$",
        ),
    ),
    Line(
        "device",
        "No bytes on the line make the device's parser read or write outside its buffers.",
        "benchmarks.fuzz_device",
        ("--cases", "900000"),
        tests=("tests/benchmarks/test_fuzz_device.py::test_no_request_harms_the_server",),
        uses=("benchmarks/native", "benchmarks/corpus"),
        reading=Reading(r"^\d+ cases, .*$", r"^.*(?:ERROR: AddressSanitizer|runtime error|fuzz_device: ).*$"),
    ),
    Line(
        "corpus",
        "The cases that reach every place of the device's parser are answered alike on this computer and on every "
        "emulated core, and random bytes change nothing.",
        "benchmarks.hard.corpus",
        tests=("tests/benchmarks/test_hard_corpus.py::test_a_core_answers_as_the_host",),
        uses=("benchmarks/fuzz_device.py", "benchmarks/corpus"),
    ),
    Line(
        "flash",
        "An image with a flipped bit, or cut off, gives no wrong answer without a word.",
        "benchmarks.damage",
        ("--cases", "2000"),
        tests=(
            "tests/firmware/test_seal.py::test_a_flipped_bit_never_changes_an_answer_without_a_word",
            "tests/firmware/test_seal.py::test_an_image_that_is_cut_off_never_answers",
        ),
        reading=Reading(r"^ *[\d,]+  \w[\w :]*$", r"^ *[\d,]+  WRONG.*$"),
    ),
    Line(
        "generator",
        "An export is the same bytes everywhere, compiles whatever names are given, and says the numbers that it was "
        "made from.",
        "benchmarks.hard.generator",
        tests=(
            "tests/project/test_export.py::test_every_name_of_a_model_compiles",
            "tests/project/test_render.py::test_text_becomes_the_same_text_in_c",
            "tests/project/test_rendered_style.py::test_clang_tidy_finds_nothing",
        ),
        uses=("benchmarks/hard/hostile.py", ".clang-tidy"),
    ),
    Line(
        "supply",
        "What the package is made of is known, locked by SHA-256, licensed, and rebuilt to the byte.",
        "benchmarks.hard.supply",
        tests=("tests/benchmarks/test_hard_supply.py::test_the_lock_file_has_what_the_package_asks_for",),
        uses=("benchmarks/hard/sbom.py", "benchmarks/hard/audit.py", "requirements.lock", ".ci/lock"),
    ),
    Line(
        "interruptions",
        "A save, an import, an export, a build or a session that is killed, finds no room, may not write, or is done "
        "by two at once, leaves the old or the new.",
        "benchmarks.hard.interruptions",
        tests=(
            "tests/benchmarks/test_hard_interruptions.py::test_a_save_that_is_interrupted_is_old_or_new",
            "tests/project/test_export.py::test_an_export_that_is_killed_leaves_the_old_or_the_new_one",
            "tests/cli/test_profile_interrupted.py::test_a_stopped_profile_goes_on",
        ),
        uses=("benchmarks/hard/works.py",),
    ),
)
