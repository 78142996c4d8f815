# Everything is run from this checkout; `make help` lists the targets.
# LANG is also the shell's locale, so it counts only when it is given on make's command line.
export LC_ALL := C.UTF-8
export PYTHONPATH := $(CURDIR)
SHELL := /bin/sh
PYTHON ?= python3
ROOT ?= data
WORKERS ?=
RECIPE ?= $(if $(filter command line,$(origin LANG)),$(LANG))
python := .venv/bin/python
run = $(python) -m pipeline
quoted = '$(subst ','\'',$(1))'
# Given and empty (an unset variable of a script) is handed on, so that it is told: no demo corpus, no run without the index.
given = $(if $(filter-out undefined,$(origin $(1))),$(2) $(call quoted,$($(1))))
options = --root $(call quoted,$(ROOT)) $(call given,SOURCE,--source) $(call given,INDEX,--index) \
  $(if $(WORKERS),--workers $(call quoted,$(WORKERS))) $(if $(LOCAL),--local) $(if $(JSON_LOG),--json-log) $(if $(SET),--set $(call quoted,$(SET)))

SECONDS ?= 600
.PHONY: help corpus plan gc funnel costs test golden explore bench bench-driver bench-small-files bench-scale-dedup quality lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 22
	@echo
	@echo 'make corpus LANG=de [SOURCE="crawl/*.warc.gz"] [INDEX=name] [ROOT=data] [WORKERS=2] [LOCAL=1] [JSON_LOG=1] [SET="near.threshold=0.7 near.keep=longest"]'

corpus: .venv/ready recipe  ## WARC files to a finished corpus; prints its folder: LANG=de [SOURCE=glob] [ROOT=dir] [WORKERS=n]
	@$(run) corpus $(call quoted,$(RECIPE)) $(options)

plan: .venv/ready recipe  ## what `make corpus` would run, why, and what it may cost
	@$(run) plan $(call quoted,$(RECIPE)) $(options)

funnel: .venv/ready recipe  ## the finished corpus's page funnel as a Markdown table; SVG=1 as a picture
	@folder="$$($(run) corpus $(call quoted,$(RECIPE)) $(options))" && $(run) funnel "$$folder" $(if $(SVG),--svg)

costs: .venv/ready recipe  ## what the finished corpus cost, step by step
	@folder="$$($(run) corpus $(call quoted,$(RECIPE)) $(options))" && $(run) costs "$$folder"

gc: .venv/ready  ## list step folders under ROOT that no recorded run needs; YES=1 removes them: [KEEP=n] [PUBLISHED=1]
	@$(run) gc --root $(call quoted,$(ROOT)) $(call given,KEEP,--keep) $(if $(PUBLISHED),--published) $(if $(YES),--yes) $(if $(JSON_LOG),--json-log)

.PHONY: recipe
recipe:
	@test -n $(call quoted,$(RECIPE)) || { echo "say which language on make's command line, for example: make corpus LANG=de" >&2; exit 2; }

test: .venv/ready-dev  ## lint, types and every test
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -m pipeline warm
	$(python) -m pytest $(PYTEST)

golden: .venv/ready-dev  ## write tests/golden_digests.tsv anew; refused where rows changed and the version of the stage did not
	@$(python) -m tests.support.golden

explore: .venv/ready-dev  ## property tests with new examples for SECONDS=600; what fails becomes an explicit example
	@$(python) -m pipeline warm
	@end=$$(($$(date +%s) + $(SECONDS))); while [ $$(date +%s) -lt $$end ]; do \
	  HYPOTHESIS_PROFILE=explore $(python) -m pytest -q -x --timeout $(SECONDS) --hypothesis-seed=random $(PYTEST) || exit 1; \
	done

# Peers that only benchmarks and parity tests need: extras of .venv, and environments of their own where their pins clash
# with ours. One that does not install leaves the reason in its folder, which the benchmark's table then shows.
peers := .venv/ready-peers .venv-peers/ready .venv-peers-dolma/ready .venv-peers-data-juicer/ready .venv-peers-text-dedup/ready
into = { $(1) -m pip install --quiet --disable-pip-version-check -r $< 2> $(2)/failed && rm $(2)/failed || true; } >&2

.venv/ready-peers: tests/requirements-peers-here.txt .venv/ready-dev
	@$(call into,$(python),.venv) && touch $@

.venv-peers/ready: tests/requirements-peers.txt
	@$(PYTHON) -m venv $(@D) >&2 && $(call into,$(@D)/bin/python,$(@D)) && touch $@

.venv-peers-%/ready: tests/requirements-peers-%.txt
	@$(PYTHON) -m venv $(@D) >&2 && $(call into,$(@D)/bin/python,$(@D)) && touch $@

bench_options = $(if $(OUT),--out $(call quoted,$(OUT))) $(if $(WARC),--warc $(call quoted,$(WARC))) $(if $(QUICK),--quick)

bench: .venv/ready-dev $(peers)  ## us and our peers on the same real pages, one table: [OUT=file.json] [WARC=file] [QUICK=1]
	@$(python) -m tests.bench.suite $(bench_options)

bench-scale-dedup: .venv/ready-dev  ## near deduplication of 1, 4 and 16 million generated documents: cost, memory, bytes
	@$(python) -m tests.bench.dedup_scale 1000000 4000000 16000000

bench-driver: .venv/ready-dev  ## the driver alone: a million empty tasks on a store of 20 ms a call; calls, tasks a second, memory
	@$(python) -m tests.bench.driver

bench-small-files: .venv/ready-dev  ## 600 and 10,000 one-document files and the demo crawl: tasks, files, CPU a page
	@$(python) -m tests.bench.small_files

# bench-corpus, -signals, -dedup, -spans, -index, -contamination, -language, -extraction
bench-%: .venv/ready-dev $(peers)
	@$(python) -m tests.bench.suite $(bench_options) $*

quality: .venv/ready-peers  ## what language identification and extraction get right, by language and by page type
	$(python) -m tests.bench.language
	$(python) -m tests.bench.extraction
	$(python) -m tests.bench.structure
	$(python) -m tests.bench.metadata
	$(python) -m tests.bench.downstream

lock:  ## resolve pyproject's dependencies anew into the two lock files
	$(python) -m pip install --quiet pip-tools
	$(python) -m piptools compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --extra dev --output-file requirements-dev.lock pyproject.toml
	$(python) -m piptools compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml

# The environment: made once, made anew when the locked versions change. Its noise goes to stderr: stdout is the answer's.
.venv/ready: requirements.lock
	@echo "making .venv (once; a minute or two)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...")'
	@test -x $(python) || $(PYTHON) -m venv .venv >&2
	@$(python) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock >&2
	@touch $@

.venv/ready-dev: requirements-dev.lock .venv/ready
	@$(python) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.lock >&2
	@touch $@

clean:  ## remove the environment and caches (never ROOT)
	rm -rf .venv .cache .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
