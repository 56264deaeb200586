# `make` lists what there is. Each command installs what it needs into .venv by itself, once.
PROFILE ?= quickstart
MODEL ?=
DATA ?=
OUTPUTS ?=
FROM ?=
TO ?=
MINUTES ?=
STRICT ?=
SYSTEM ?=
A ?=
B ?=
PERCENT ?=
AGAINST ?=
PYTHON ?= python3
TESTS ?= tests
# Recipes read these from the environment, so that a name with spaces, quotes or braces is never read as anything but a name.
export PROFILE MODEL DATA OUTPUTS FROM TO MINUTES SYSTEM A B PERCENT AGAINST TESTS

# Everything runs through the environment's own Python: scripts in .venv/bin would not stand a path with spaces.
# An image of docker/ names the Python that it has everything for, and a folder of its own for what is compiled.
PY := $(or $(REPORT_PYTHON),.venv/bin/python)
BUILT := $(or $(REPORT_BUILD),build)/cpp
run := $(if $(REPORT_PYTHON),,@$(PYTHON) .ci/venv.py run)
dev := $(if $(REPORT_PYTHON),,@$(PYTHON) .ci/venv.py dev)
outputs = $(if $(OUTPUTS),--outputs="$$OUTPUTS")
compile = $(PY) -m uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help report new render share compare bench lab cpp test lint format lock clean distclean

help: ## this list
	@echo 'usage: make TARGET [NAME=value …], PYTHON=python3.12 for the Python that .venv is made with'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

report: ## measure everything here and write the report in English and Japanese [PROFILE=mine, of params/, or a YAML file; OUTPUTS=folder FROM=03 TO=05 MINUTES=9 STRICT=1]
	$(run)
	@exec $(PY) -m lib run --profile="$$PROFILE" $(outputs) $(if $(FROM),--from="$$FROM") $(if $(TO),--to="$$TO") $(if $(MINUTES),--minutes="$$MINUTES") $(if $(filter-out 0 no,$(STRICT)),--strict)

new: ## a profile of your own model, to be read and then reported on [MODEL=flowers.onnx DATA=folder with test/CLASS/*, or .npz; PROFILE=file to write]
	@$(if $(MODEL),,echo 'error: MODEL= is missing: an .onnx, a .keras or a SavedModel folder' >&2; exit 2)
	$(run)
	@exec $(PY) -m lib new --model="$$MODEL" --data="$$DATA" $(outputs) $(if $(filter file,$(origin PROFILE)),,--to="$$PROFILE")

render: ## write the pages again from recorded results, measuring nothing [PROFILE= OUTPUTS= SYSTEM=folder of results/ STRICT=1]
	@$(if $(FROM)$(TO),echo 'error: FROM= and TO= belong to make report; render writes every page' >&2; exit 2)
	$(run)
	@exec $(PY) -m lib render --profile="$$PROFILE" $(outputs) $(if $(SYSTEM),--system="$$SYSTEM") $(if $(filter-out 0 no,$(STRICT)),--strict)

share: ## the pages for others: one zip, and the overview as one HTML file, in outputs/PROFILE/share/ [PROFILE= OUTPUTS= SYSTEM=]
	$(run)
	@exec $(PY) -m lib share --profile="$$PROFILE" $(outputs) $(if $(SYSTEM),--system="$$SYSTEM")

compare: ## what differs between two runs beyond its interval; fails, saying 3, where B is worse [A=before B=after, each a folder results/SYSTEM or a profile; TO=page.html PERCENT=10 OUTPUTS=]
	@$(if $(and $(A),$(B)),,echo 'error: A= and B= are missing: two runs, each a folder results/SYSTEM or a profile' >&2; exit 2)
	$(run)
	@exec $(PY) -m lib compare $(outputs) --to="$$TO" --percent="$$PERCENT" -- "$$A" "$$B"

bench: ## time what runs here, and the ways to call it faster, in a few minutes, as tables; fails, saying 3, where something is slower than before [PROFILE= OUTPUTS= MINUTES=2 PERCENT=10 AGAINST=an earlier folder of outputs/PROFILE/bench, or results/SYSTEM]
	$(run)
	@exec $(PY) -m lib bench --profile="$$PROFILE" $(outputs) $(if $(AGAINST),--against="$$AGAINST") $(if $(MINUTES),--minutes="$$MINUTES") $(if $(PERCENT),--percent="$$PERCENT")

lab: ## open the notebooks in JupyterLab [PROFILE= OUTPUTS=]
	$(run)
	@exec $(PY) -m lib lab --profile="$$PROFILE" $(outputs)

cpp: ## the C++ runner, against the TensorRT it finds (else TENSORRT_INCLUDE_DIR= TENSORRT_LIBRARY=) into build/cpp-VERSION/, and its tests
	@cmake -S lib/cpp -B $(BUILT) -U 'TENSORRT_*' $(if $(TENSORRT_INCLUDE_DIR),-DTENSORRT_INCLUDE_DIR="$$TENSORRT_INCLUDE_DIR") $(if $(TENSORRT_LIBRARY),-DTENSORRT_LIBRARY="$$TENSORRT_LIBRARY")
	@cmake --build $(BUILT) --parallel 2
	@ctest --test-dir $(BUILT) --output-on-failure --no-tests=error

test: ## all tests, with a coverage of lib/ of at least 90 % [TESTS=tests/test_cli.py for some]
	$(dev)
	@exec $(PY) -m pytest "$$TESTS" $(if $(filter tests,$(TESTS)),-n 2 --dist loadfile --no-loadscope-reorder --cov=lib --cov-report=term:skip-covered --cov-fail-under=90)

lint: ## ruff over sources and notebooks; notebooks are stored without outputs
	$(dev)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m nbstripout --keep-id --verify notebooks/*.ipynb

format: ## put sources and notebooks into the form that lint wants
	$(dev)
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .
	@$(PY) -m nbstripout --keep-id notebooks/*.ipynb

lock: ## the lock files again from requirements*.in [UPGRADE=--upgrade for newer versions]
	$(dev)
	@$(compile) $(UPGRADE) requirements.in -o requirements.lock
	@$(compile) $(UPGRADE) requirements-dev.in -o requirements-dev.lock

clean: ## remove caches; keeps outputs/ and .venv
	@rm -rf .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	@find lib tests notebooks .ci \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

distclean: clean ## remove caches, .venv and build/; keeps outputs/
	@rm -rf .venv .venv.lock build
