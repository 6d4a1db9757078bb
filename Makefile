# The one list of commands. `make demo` and `make test` do all the set-up themselves on a fresh machine.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
WORKERS ?= 4
RECIPES := lite-base siamese triplet resnet-base resnet-classes resnet-taught resnet vgg-classes vgg vit autoencoder

# Container images often switch compiled modules off; every job and every test that starts a process would
# compile the library again, half of the time that such a process takes to start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo reliability test test-slow test-engines lint bench screenshots measure train report shipped readme clean help

help:            ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

demo: .venv/run  ## environment, embedded gallery, app: ends with one address
	@$(BIN)/python tools/demo.py $(PORT)

test: .venv/dev lint  ## everything that must hold: linters, contracts, pages, browser
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow and not engines"

test-slow: .venv/dev  ## the minutes-long ones: baselines on real photographs, large builds
	@$(BIN)/python -m pytest -m "slow and not engines"

test-engines: .venv-engines/ready  ## search and build on engines beside the product, started here from packages
	@.venv-engines/bin/python -m pytest -n 0 -m engines tests/engines

lint: .venv/dev  ## ruff and the layers of the house
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache >/tmp/lookalike-lint.$$$$ 2>&1 && rm -f /tmp/lookalike-lint.$$$$ || (cat /tmp/lookalike-lint.$$$$; exit 1)

bench: .venv/dev  ## every ratio with its goal, into artifacts/reports/bench.json and docs/bench.md; ONLY=file,file for some
	@$(BIN)/python tools/bench $(if $(ONLY),--only $(ONLY))

measure: .venv/dev  ## measure the builds again, for docs/measured.md
	@$(BIN)/python tools/measure_builds.py $(DATASET)

screenshots: .venv/dev  ## every page, wide and narrow, light and dark, into screenshots/
	@$(BIN)/python tools/screenshots.py

reliability: .venv/dev  ## hostile files, kills and load again, for docs/reliability.md; on a quiet machine
	@$(BIN)/python tools/reliability.py

train: .venv/run  ## every shipped weight again from its recipe (hours; resumes); LOOKALIKE_DATA names the photographs
	@for r in $(RECIPES); do $(BIN)/python -m core train --recipe shipped/$$r --run train-shipped-$$r || exit 1; done
	@$(BIN)/python tools/train_objects.py
	@$(BIN)/python tools/measure_models.py

report: .venv/run  ## the shipped leaderboard again; LOOKALIKE_DATA names the photographs
	@$(BIN)/python tools/make_report.py

shipped: .venv/run  ## embeddings and maps of the embedded gallery that come with the code
	@$(BIN)/python tools/ship_gallery.py

readme: .venv/run  ## write the table of encoders into README.md
	@$(BIN)/python tools/write_readme.py

clean:           ## everything that can be built again
	rm -rf .venv .venv-* artifacts/cache artifacts/runs screenshots

.venv/run: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the packages (once, about two minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@sed -n 's/^# optional: //p' requirements.txt | while read -r package; do \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check $$package </dev/null >/dev/null 2>&1 || \
	  echo "$$package could not be installed; everything that needs it says so, and the rest works without it"; done
	@echo "Compiling the networks for this processor (once, some seconds each)"
	@$(BIN)/python -m core compile >/dev/null 2>&1 || echo "They stay with torch, which is slower"
	@touch $@

.venv/dev: .venv/run tests/requirements.txt tools/browser.sh
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@bash tools/browser.sh
	@touch $@

.venv-engines/ready: .venv/dev tools/engines/setup.sh $(wildcard tools/engines/*.txt tools/engines/apart/*.txt)
	@bash tools/engines/setup.sh
	@touch $@
