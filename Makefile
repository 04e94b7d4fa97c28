# make setup | demo | bench | check | test | docs | soak | crash | sweep-kills | ray-faults | lint | types | guide | compat | wheels | clean     (PYTHON=python3.12 chooses the Python of the environment)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# NATIVE=0 leaves out the native backend and LLVM (173 MB): make demo NATIVE=0, make setup NATIVE=0, make test NATIVE=0.
NATIVE ?= 1
WITHOUT := $(if $(filter 0,$(NATIVE)),native)
# Installed by hand: Ray takes 290 MB, and one machine trains without it. clean-environments tests it in an environment of its own.
BY_HAND := ray
PLUGIN_FILES := $(filter-out $(WITHOUT:%=plugins/%/pyproject.toml) $(BY_HAND:%=plugins/%/pyproject.toml),$(wildcard plugins/*/pyproject.toml))
PYPROJECTS := pyproject.toml $(PLUGIN_FILES)
PLUGINS := $(foreach file,$(PLUGIN_FILES),-e $(dir $(file)))
# The former name of the distribution: its metadata would claim the same package, and its script replaces the new one.
FORGET_FORMER := $(BIN)/python -m pip uninstall --quiet --quiet --yes --disable-pip-version-check graphnet $(WITHOUT:%=graphnet-%)
# Two stamps: an environment for users (with plots), and one with the developers' tools.
USER_READY := $(VENV)/.user-ready$(WITHOUT:%=-without-%)
DEVELOPER_READY := $(VENV)/.developer-ready$(WITHOUT:%=-without-%)

.PHONY: setup demo bench check test fast soak fuzz fuzz-files crash sweep-kills ray-faults plants endurance lint types licences suites before-suites clean-environments guide compat import-time wheels docs docs-links docs-search clean
.NOTPARALLEL:

setup: $(DEVELOPER_READY)

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "graphnet needs Python 3.11 or newer; '$(PYTHON)' was not found. Choose one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "graphnet needs Python 3.11 or newer; %s is %d.%d. Choose another: make PYTHON=/path/to/python3" % (sys.executable, sys.version_info[0], sys.version_info[1]))'
	@"$(PYTHON)" -c 'import ensurepip, venv' || { echo "this Python has no venv module; install the system's package for it (python3-venv)" >&2; exit 1; }
	@echo "setup: creating $(VENV)"
	@"$(PYTHON)" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(USER_READY): $(PYPROJECTS) | $(BIN)/python
	@echo "setup: installing graphnet, its plugins and what they need (numpy, matplotlib, …) into $(VENV): about a minute"
	@$(FORGET_FORMER)
	@$(PIP) -e ".[plot,report]" $(PLUGINS)
	@rm -f $(VENV)/.*-ready*
	@touch $@

$(DEVELOPER_READY): $(PYPROJECTS) requirements.lock | $(BIN)/python
	@echo "setup: installing the packages of requirements.lock into $(VENV) (about a minute)"
	@$(FORGET_FORMER)
	@awk '/^[a-z]/ { kept = !/^llvmlite==/ } /^#/ { kept = 1 } kept || "$(WITHOUT)" == ""' requirements.lock > $(VENV)/requirements.lock
	@if $(PIP) --no-compile --require-hashes -r $(VENV)/requirements.lock; then \
		echo "setup: installing graphnet and its plugins from their folders"; \
		$(PIP) --no-deps --no-build-isolation -e . $(PLUGINS); \
	else \
		echo "setup: WARNING: requirements.lock does not serve this Python or this platform (see pip's message above);" >&2; \
		echo "setup: WARNING: installing the newest versions instead, whose hashes are not checked" >&2; \
		$(PIP) -e ".[test,dev,plot,digits,forecast,data,sweep,keras,report]" $(PLUGINS); \
	fi
	@rm -f $(VENV)/.*-ready*
	@touch $(USER_READY) $@

demo: $(USER_READY)
	@echo "demo: graphnet train examples/japanese_vowels/model.yaml"
	@$(BIN)/graphnet train examples/japanese_vowels/model.yaml
	@echo
	@echo "What to type next:"
	@echo "  source $(BIN)/activate                                  # makes the command graphnet available in this shell"
	@echo "  graphnet show examples/japanese_vowels/model.yaml       # the model that was trained"
	@echo "  graphnet --help                                         # all commands; docs/tutorial.md is the introduction"

# For use while editing: under a minute on two cores (mypy's cache warm; the first run takes half a minute longer).
check: lint types fast

fast: $(DEVELOPER_READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow" $(WITHOUT:%=--ignore=plugins/%)

# Before the suites, which use all cores, two things that wait for the network and for single processes at the same time.
test: before-suites suites

before-suites: | $(BIN)/python
	@$(BIN)/python scripts/together.py "$(MAKE) --no-print-directory lint types licences" "$(MAKE) --no-print-directory clean-environments"

lint: $(DEVELOPER_READY)
	$(BIN)/python -m ruff check .

licences: $(DEVELOPER_READY)
	$(BIN)/python scripts/lock.py --check
	$(BIN)/python scripts/licences.py

types: $(DEVELOPER_READY)
	$(BIN)/python -m mypy

# Tests that find nothing more here than in clean-environments, where the plugin is alone: the conformance of each plugin's
# layers, and the native backend, whose tests need no other plugin (but one file has helpers of graphnet's own tests).
ALONE := $(wildcard plugins/*/tests/test_conformance.py) $(filter-out %/test_inner_axes.py,$(wildcard plugins/native/tests/test_*.py))

# In the order of the files: by default, those with the fewest tests come last, and some of them take longest.
suites: $(DEVELOPER_READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ALONE:%=--ignore=%) $(WITHOUT:%=--ignore=plugins/%) $(BY_HAND:%=--ignore=plugins/%)

# Needs nothing but Python and pip, so that it can run while the developers' environment is set up. Follows the guide, too.
clean-environments: | $(BIN)/python
	$(BIN)/python scripts/clean_environments.py $(WITHOUT:%=--without %)

# Heavy search, of which `make test` runs a short version: random cells and graphs against the reference backend.
# make soak N=20000 (SEED=, KIND=cell or graph, WIDE=1 for up to 70 units and 20 rows, BACKEND=, DEBUG=1 for
# bounds checks in native code). `fuzz` is the former name.
N ?= 2000
soak fuzz: $(DEVELOPER_READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(if $(DEBUG),GRAPHNET_NATIVE_DEBUG=$(DEBUG)) $(BIN)/python -m fuzz -n $(N) $(if $(SEED),--seed $(SEED)) $(if $(KIND),--kind $(KIND)) $(if $(WIDE),--wide) $(if $(BACKEND),--backend $(BACKEND))

# Damaged files of every kind: make fuzz-files N=10000 (SEED=).
fuzz-files: $(DEVELOPER_READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m fuzz_files -n $(N) $(if $(SEED),--seed $(SEED))

# Real trainings of five kinds, killed at random moments until they end, each equal to the bit to one that was not killed:
# make crash N=1000 (SEED=, MODE=python, command or process). The other faults of the lab are part of `make test`: tests/crash.
crash: $(DEVELOPER_READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m crash -n $(N) $(if $(SEED),--seed $(SEED)) $(if $(MODE),--mode $(MODE))

# A sweep that is killed, compared with one that is not: make sweep-kills TRIALS=30 KILLS=3 (JOBS=, SEARCH=tpe, EXECUTOR=ray, SEED=).
TRIALS ?= 30
KILLS ?= 3
sweep-kills: $(DEVELOPER_READY)
	PYTHONPATH=tests $(BIN)/python -m sweeps -n $(TRIALS) --kills $(KILLS) $(if $(JOBS),--jobs $(JOBS)) $(if $(SEARCH),--search $(SEARCH)) $(if $(EXECUTOR),--executor $(EXECUTOR)) $(if $(SEED),--seed $(SEED))

# Trainings on Ray whose processes are killed, stopped and cut off (that needs root), each compared with one that is not disturbed:
# make ray-faults N=50 STOPS=20 PARTITIONS=10 (SEED=). Install Ray first: pip install ./plugins/ray
STOPS ?= 20
PARTITIONS ?= 10
ray-faults: $(DEVELOPER_READY)
	PYTHONPATH=plugins/ray/tests OMP_NUM_THREADS=1 $(BIN)/python -m ray_faults --kills $(if $(filter command,$(origin N)),$(N),50) --stops $(STOPS) --partitions $(PARTITIONS) $(if $(SEED),--seed $(SEED))

# A long training of changing shapes, with its memory and descriptors: make endurance N=100000 (SEED=, BACKEND=).
endurance: $(DEVELOPER_READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m endurance -n $(N) $(if $(SEED),--seed $(SEED)) $(if $(BACKEND),--backend $(BACKEND))

# Numbers that are not finite, planted in trainings: node, step and row must be named. make plants N=200 (SEED=).
plants: $(DEVELOPER_READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m plants -n $(N) $(if $(SEED),--seed $(SEED))

guide: $(DEVELOPER_READY)
	$(BIN)/python scripts/follow_guide.py

# Libraries that are not installed are reported as skipped. make bench QUICK=1 takes less than two minutes.
BENCHMARKS := recurrent sequences import_time compile_time tiny_nodes memory stream latency lenet demo optimizer_step busy checkpoints
bench: $(USER_READY)
	@for name in $(BENCHMARKS); do \
		echo "== benchmarks/$$name.py"; \
		$(BIN)/python benchmarks/$$name.py $(if $(QUICK),--quick) || exit 1; \
		echo; \
	done

# Every supported Python that is installed, with the lowest and the newest numpy; the others are reported as skipped.
compat: $(DEVELOPER_READY)
	$(BIN)/python scripts/compat.py

# What `import graphnet` adds to `import numpy`.
import-time: $(USER_READY)
	$(BIN)/python benchmarks/import_time.py

wheels: $(DEVELOPER_READY)
	$(BIN)/python scripts/build_wheels.py

# The manual as a site: build/docs/index.html. Its packages have a lock and an environment of their own. After the first time
# it needs no network. Warnings are errors, broken links between the pages included; docs-links asks other hosts for the rest.
DOCS_VENV := .venv-docs
DOCS_READY := $(DOCS_VENV)/.ready
SPHINX = JUPYTER_PATH=$(DOCS_VENV)/share/jupyter OMP_NUM_THREADS=1 $(DOCS_VENV)/bin/python -m sphinx --fail-on-warning --keep-going --quiet -j auto -c docs/site

$(DOCS_READY): $(PYPROJECTS) docs/requirements.lock | $(BIN)/python
	@echo "setup: installing the packages of docs/requirements.lock into $(DOCS_VENV) (about a minute)"
	@$(BIN)/python -m venv --clear $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.lock
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . $(PLUGINS)
	@$(DOCS_VENV)/bin/python scripts/licences.py --docs > $(DOCS_VENV)/licences.txt || { cat $(DOCS_VENV)/licences.txt; exit 1; }
	@touch $@

docs: $(DOCS_READY)
	$(SPHINX) -b html . build/docs
	@echo "docs: open build/docs/index.html"

# Types the questions of docs/site/search_questions.yaml into the search of the site, in Chromium.
docs-search: docs
	$(DOCS_VENV)/bin/python docs/site/check_search.py build/docs

# All links inside the site, and those to other hosts; a host that cannot be reached is reported, which is not an error.
docs-links: docs
	-$(filter-out --fail-on-warning,$(SPHINX)) -D nb_execution_mode=off -b linkcheck . build/docs-links
	$(DOCS_VENV)/bin/python docs/site/check_links.py build/docs build/docs-links/output.json

clean:
	rm -rf $(VENV) $(DOCS_VENV) docs/site/api build dist runs .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
