# These set up everything on a fresh machine with Python >= 3.11, g++, make and perl:
#   make demo    a trained network through its own RTL, and a report with pictures
#   make test    lint, types, the documentation as a site and the everyday tests
# More of them, for docs/verification.md (docs/testplan.md says what each does):
#   make test-slow, prove, mutate, soak, coverage, verification
# And for those who work on it: make checks, lint, types, docs, bench, boards, pictures, playground, constraints, clean
# EXTRAS=test,train adds PyTorch, without which the tests of training are skipped.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
BIN := $(VENV)/bin
JOBS ?= 2

# Keeps what a command has found, for the page of what was verified.
KEEP := $(BIN)/python docs/site/verification.py

PACKAGES := models hw sim cli fpga

.PHONY: demo help test test-slow checks lint tree types docs bench prove mutate soak coverage verification constraints boards pictures playground clean

demo: $(VENV)/.installed
	$(BIN)/oxnor demo

help:
	@sed -n '/^$$/q; s/^# \?//p' Makefile

test: checks
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow" --junitxml build/tests.xml

# Side by side: types take as long as all else.
checks: $(VENV)/.installed-$(EXTRAS),docs
	$(MAKE) --no-print-directory -j$(JOBS) --output-sync types docs lint

test-slow: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/python -m pytest -n $(JOBS) -m slow --junitxml build/tests-slow.xml

bench: $(VENV)/.installed
	$(BIN)/oxnor tools benchmark

prove: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/oxnor tools prove --json | $(KEEP) proofs

# An hour and a half; it goes on where it was stopped.
mutate: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/oxnor tools mutate --json | $(KEEP) mutations
	@# Its survivors are counted and are no failure; where nothing comes, none is kept, and that is one.
	set +o pipefail; $(BIN)/oxnor tools mutate --seed 2 --sample 20 -o build/again.sqlite --json | $(KEEP) again

# Hostile traffic, a full disk at every write, damaged files, kills.
soak: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/oxnor tools soak -o build/soaks.json --json | $(KEEP) soaks
	PYTHONPATH=tests $(BIN)/python -W ignore tests/helpers/full_disk.py -o build/soaks.json --json | $(KEEP) disk
	PYTHONPATH=tests $(BIN)/python -W ignore tests/helpers/damage.py 1000000 -o build/soaks.json --json | $(KEEP) files
	PYTHONPATH=tests $(BIN)/python -W ignore tests/helpers/kills.py 1000 -o build/soaks.json --json | $(KEEP) kills

# What coverage of the RTL is taken of. Not of tests in which a simulation must fail, of which nothing is kept, of those of
# the runner, whose Verilog is no engine's, nor of what differs only outside Verilator. Slow are those whose engines, numbers
# and times are larger than those of everyday ones.
REACHES := (not broken and not finds and not found) or nothing_else
SLOW_COSIM := units programming read_errors rbm spiking device_macro three_states analog
REACHED := PYTHONPATH=tests $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -p helpers.covered.points
# Lines and signals of the emitted Verilog that tests reach, all in Verilator: it goes on where it was stopped, and a test
# whose sources are as they were does not run again. Then branches of Python that the everyday tests take.
coverage: $(VENV)/.installed-$(EXTRAS)
	rm -rf build/coverage-python
	$(REACHED) -m "cosim and not slow" -k "$(REACHES)" tests/sim --ignore tests/sim/test_cosim_runner.py \
	    --deselect tests/sim/test_tiling.py::test_rtl_counts_the_same
	$(REACHED) -m "cosim and slow" -k "($(REACHES)) and not row_reads and not all_digits" $(SLOW_COSIM:%=tests/sim/test_cosim_%.py)
	PYTHONPATH=tests $(BIN)/python tests/helpers/covered/rtl.py --json | $(KEEP) coverage
	$(BIN)/python -m coverage run -m pytest -n $(JOBS) --dist worksteal -m "not slow"
	$(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage json -q -o build/coverage-python/all.json
	$(BIN)/python tests/helpers/covered/python.py build/coverage-python/all.json | $(KEEP) python

# docs/verification.md, from the records beside it.
verification: $(VENV)/.installed
	$(KEEP) tests $(wildcard build/tests*.xml)

# The versions that continuous integration installs of what trained networks and the site depend on: those that are newest
# now. Others are not pinned: an index may drop a version, and nothing would install.
constraints:
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install -q --disable-pip-version-check ".[test,train,docs]"
	build/constraints/bin/python -m pip freeze | sed -n 's/+[a-z0-9.]*$$//; /^\(torch\|mkdocs\|mkdocs-material\|mkdocstrings\|mkdocstrings-python\)==/p' \
	    > .ci/constraints.txt

lint: tree $(VENV)/.installed-$(EXTRAS)
	$(BIN)/ruff check
	cd build/tree && PYTHONPATH=. $(CURDIR)/$(BIN)/lint-imports $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/build/import-linter

# The import hook of an editable install hides the sources from tools that read them: they get the package laid out.
tree:
	rm -rf build/tree && mkdir -p build/tree/oxnor
	ln -s $(CURDIR)/api/* $(PACKAGES:%=$(CURDIR)/%) build/tree/oxnor

types: tree $(VENV)/.installed-$(EXTRAS)
	cd build/tree && MYPYPATH=. $(CURDIR)/$(BIN)/python -m mypy --config-file $(CURDIR)/pyproject.toml \
	    --cache-dir $(CURDIR)/build/mypy -p oxnor

# Bytecode is written as Python imports, not for every file one after the other.
PIP_INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check --no-compile

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e .
	touch $@

# All at once. With more than $(EXTRAS), these are there too.
$(VENV)/.installed-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e ".[$*]"
	touch $(VENV)/.installed $(VENV)/.installed-$(EXTRAS) $@

# The documentation as a site in build/site, with the Python API; warnings are errors.
docs: tree $(VENV)/.installed-$(EXTRAS),docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q -f docs/site/mkdocs.yml

# The pictures of the documents, from the networks and sources as they are.
pictures: $(VENV)/.installed
	$(BIN)/python docs/site/one_neuron.py docs/pictures
	$(BIN)/python docs/site/window.py docs/pictures
	$(BIN)/python docs/site/three_states.py docs/pictures
	$(BIN)/python docs/site/playground_pictures.py docs/pictures
	$(BIN)/oxnor demo --pictures docs/pictures --format svg
	$(BIN)/oxnor device show --plot docs/pictures/device.svg
	$(BIN)/oxnor device show wear-illustration --wear docs/pictures/wear.svg
	$(BIN)/oxnor study spirit --pictures build/pictures
	cp build/pictures/spirit-*.svg docs/pictures
	$(BIN)/oxnor study abstain mnist-tfc --fallback mnist-mlp --pictures build/pictures --format svg
	cp build/pictures/wake-up.svg docs/pictures
	$(BIN)/oxnor study vowels --formants hillenbrand --pictures build/pictures --format svg
	$(BIN)/oxnor study spoken-digits --pictures build/pictures --format svg
	cp build/pictures/vowels-*.svg build/pictures/spoken-digits-*.svg docs/pictures
	$(BIN)/oxnor study pulses --tune --pictures build/pictures --format svg
	cp build/pictures/pulses-*.svg docs/pictures
	$(BIN)/oxnor study dbn --checkpoint build/dbn.npz --resume --pictures build/pictures --format svg
	cp build/pictures/dbn-*.svg docs/pictures
	$(BIN)/oxnor study ternary --laws tanh,linear,mtj --weights ternary,binary --spreads 0.05,0.1,0.2 --seeds 3 --epochs 8 --input-planes 8 --pictures build/pictures --format svg
	cp build/pictures/ternary-*.svg docs/pictures
	for n in mnist-mlp mnist-mlp-robust; do $(BIN)/oxnor sweep $$n -o build/pictures/$$n.sqlite || exit; done
	$(BIN)/oxnor report build/pictures/mnist-mlp.sqlite build/pictures/mnist-mlp-robust.sqlite -o build/pictures/report.html --plots build/pictures
	cp build/pictures/together.svg docs/pictures/tolerance.svg

# The engines of shipped networks as pages run them; needs EXTRAS=playground. A changed Verilog makes them stale.
playground: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/python -m oxnor.sim.playground.shipping

# The reports of docs/boards.md.
boards: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/oxnor fpga build mnist-tfc --board icebreaker --seed 2 -o build/boards/mnist-tfc-icebreaker
	$(BIN)/oxnor fpga build mnist-tfc --board ulx3s-85f --interval 64 -o build/boards/mnist-tfc-ulx3s-85f
	$(BIN)/oxnor fpga build mnist-tfc --board colorlight-i5 -o build/boards/mnist-tfc-colorlight-i5
	$(BIN)/oxnor fpga build mnist-tfc --board tang-nano-9k -o build/boards/mnist-tfc-tang-nano-9k  # of the extra gowin
	$(BIN)/oxnor fpga build mnist-mlp --board ulx3s-85f --freq 75 -o build/boards/mnist-mlp-ulx3s-85f
	$(BIN)/oxnor fpga build mnist-cnn-small --board icebreaker --freq 24 -o build/boards/mnist-cnn-small-icebreaker
	for d in build/boards/*/; do cp $$d/report.json docs/boards/$$(basename $$d).json || exit; done

clean:
	rm -rf build $(VENV)
