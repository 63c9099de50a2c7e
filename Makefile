# `make` lists the targets. Everything a target needs is installed by `make setup`, which the others call.
.DEFAULT_GOAL := help
.PHONY: help setup setup-latest lock sbom demo test test-page test-all test-load test-boards lint format docs docs-site fuzz fuzz-kernels fuzz-import fuzz-files fuzz-device fuzz-flash hard bad-cable operators zoo bench bench-check bench-peer bench-shapes bench-shapes-check bench-switching code-sizes kernel-cycles compile-matrix clean reference-models

PYTHON := .venv/bin/python
STAMP := .venv/.installed
C_FILES = $(shell git ls-files 'dqt_edge/*.c' 'firmware/*.c' 'firmware/*.h' 'benchmarks/*.c' 'benchmarks/*.h' 'tests/*.c' 'tests/*.h' 'templates/*.h')
SEEDS ?= 200
CASES ?= 10000

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 26

setup: $(STAMP) ## install what is missing: Debian packages (as root) and a .venv by requirements.lock
	@.ci/setup system

$(STAMP): pyproject.toml requirements.lock .ci/setup
	@.ci/setup all
	@touch $@

setup-latest: ## the same with the newest packages that pyproject.toml allows, instead of those of requirements.lock
	@.ci/setup latest
	@touch $(STAMP)

lock: setup ## write requirements.lock again, after a change of pyproject.toml
	@.ci/lock

sbom: setup ## bill of materials, CycloneDX: of the package, or of PROJECT=folder; writes build/sbom.cdx.json
	@mkdir -p build
	$(PYTHON) -m benchmarks.hard.sbom build/sbom.cdx.json $(if $(PROJECT),--project $(PROJECT))

demo: setup ## train on a stream of digits, tune, export, build, run on every device; writes build/demo/report.json and .html
	$(PYTHON) -m benchmarks.demo

test: setup lint ## all checks and tests; what CI runs
	$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadgroup

test-page: setup ## the page of a report in a browser; as root installs chromium and npm, 400 MB, which CI does without
	@command -v chromium >/dev/null || apt-get install -y chromium
	@command -v npm >/dev/null || apt-get install -y npm
	@test -e build/axe/node_modules/axe-core || npm install --prefix build/axe --no-audit --no-fund --silent axe-core@4
	$(PYTHON) -m pytest -q tests/report

test-all: setup lint ## slower: every case of every test, with those that CI leaves out
	DQT_ALL_TESTS=1 DQT_COMPILE_MATRIX=all $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadgroup

test-load: setup ## slow: the tests of CI, or of TESTS=folders, beside 16 processes that take all they can get; as root installs stress-ng
	@command -v stress-ng >/dev/null || apt-get install -y stress-ng
	@setsid stress-ng --quiet --cpu 16 & load=$$!; trap "kill $$load" EXIT; \
		$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadgroup $(TESTS)

test-boards: setup ## slower: every board that people own, on models of their chips; CI takes one of each family
	@command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix build/rp2040js rp2040js@1.4.1 || echo "no npm: rp2040js is left out"
	$(PYTHON) -m pip install --quiet 'labwired>=0.25,<0.26'
	DQT_ALL_TESTS=1 $(PYTHON) -m pytest -q -n 2 --dist loadgroup tests/device/test_chips.py tests/device/test_boards_classify.py \
		tests/device/test_boards_resnet8.py tests/device/test_trigger.py tests/device/test_watchdog.py tests/device/test_interrupted_boot.py tests/device/test_rp2040js.py \
		tests/device/test_labwired.py

lint: $(STAMP) ## ruff, mypy --strict, import rules, clang-format, generated parts of docs/
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	MYPYPATH=docs $(PYTHON) -m mypy docs/generate.py
	$(PYTHON) docs/generate.py --check
	.venv/bin/lint-imports
	.venv/bin/clang-format --dry-run --Werror $(C_FILES)

format: $(STAMP) ## rewrite Python and C to the house style
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	.venv/bin/clang-format -i $(C_FILES)

docs: $(STAMP) ## write again what docs/ takes from the code: tables, numbers, pages of the Python functions
	$(PYTHON) docs/generate.py

docs-site: $(STAMP) ## the pages of docs/ as a site in build/site, with a check of every link; installs MkDocs into the .venv
	$(PYTHON) -m pip install --quiet 'mkdocs>=1.6,<2'
	$(PYTHON) docs/build_site.py

fuzz: setup ## slower: SEEDS=200 random networks, native and on every QEMU core
	$(PYTHON) -m benchmarks.fuzz --seeds $(SEEDS)

fuzz-kernels: setup ## slow: CASES=10000 random cases of every kernel at every width pair on emulated cores
	$(PYTHON) -m benchmarks.fuzz_kernels --cases $(CASES)

fuzz-import: setup ## slow: SEEDS=200 random Keras networks through TFLite, import, comparison and every QEMU core
	$(PYTHON) -m benchmarks.fuzz_import --seeds $(SEEDS)

fuzz-files: setup ## slow: CASES=10000 damaged files of every format, bytes and values: read, or a typed error
	$(PYTHON) -m benchmarks.fuzz_files --cases $(CASES)

fuzz-device: setup ## CASES=10000 mutated rows of requests to the serial server, natively, with sanitizers
	$(PYTHON) -m benchmarks.fuzz_device --cases $(CASES)

fuzz-flash: setup ## slow: CASES=10000 damaged images on an emulated Cortex-M4: a right answer, a word, or silence
	$(PYTHON) -m benchmarks.damage --cases $(CASES)

hard: setup ## every line of evidence, within an hour; goes on where it was stopped; writes docs/evidence.md
	$(PYTHON) -m benchmarks.hard

bad-cable: setup ## 1,000 inferences through each of ten bad cables on three lines; writes build/bad-cable.json
	$(PYTHON) -m benchmarks.bad_cable

operators: setup ## slow: every operator in every format, on every core; writes docs/results/operators.json
	$(PYTHON) -m benchmarks.operators

zoo: setup ## slow: public networks in every format, on emulated cores; writes docs/results/zoo.json
	$(PYTHON) -m benchmarks.zoo

bench: setup ## instructions, flash and RAM of the MLPerf Tiny topologies; writes build/bench/networks.json
	$(PYTHON) -m benchmarks.networks

bench-peer: setup ## BakeNN, installed from PyPI below build/bench, beside ours; writes build/bench/peer.json
	$(PYTHON) -m benchmarks.peer

bench-shapes: setup ## slow: 121 single layers on every core beside CMSIS-NN and BakeNN; writes docs/results/shapes.json
	$(PYTHON) -m benchmarks.shapes

bench-shapes-check: setup ## the same layers, and fail if a figure grew by more than 1 % over docs/results/shapes.json
	$(PYTHON) -m benchmarks.shapes --check --no-peer

bench-switching: setup ## widths chosen at run time against static images; switching every inference against never
	$(PYTHON) -m benchmarks.switching

bench-check: setup ## the same, and fail if a figure grew by more than 1 % over benchmarks/baseline.json
	$(PYTHON) -m benchmarks.networks --check

compile-matrix: setup ## slower: every kernel of every core with every compiler and set of flags, every board with GCC and clang
	DQT_ALL_TESTS=1 DQT_COMPILE_MATRIX=all $(PYTHON) -m pytest -q -n 2 --dist loadgroup tests/firmware/test_compile_matrix.py \
		tests/firmware/test_board_matrix.py

reference-models: setup ## slower: MLPerf Tiny's four models beside TFLite and on QEMU; DATA=folder, see the file's head
	$(PYTHON) -m benchmarks.reference_models --models $(or $(MODELS),$(DATA)/models) --data $(DATA)

kernel-cycles: setup ## slow: cycles of every kernel on single layers, from which the planner estimates; after a change of kernels
	$(PYTHON) -m benchmarks.kernel_cycles

code-sizes: setup ## measure the code of every board again, after a change of firmware or kernels
	$(PYTHON) -m dqt_edge.project.measure_code

clean: ## remove build products and the .venv
	rm -rf build dist .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .dqt-edge.json
