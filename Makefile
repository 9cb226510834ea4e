# make demo   environment, install, and the deck on the built-in model
# make test   environment, install, and the whole test suite
# make quick  what needs no torch and no browser, in a minute
# `make help` lists the rest.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: scripts families matrix installed help setup browser demo test quick fuzz lint format bench dist pythons pocket calm drawer words clean docs

help:
	@echo "make demo    install, then make the default deck on the built-in model and say where it lies"
	@echo "make test    install, then run the whole test suite; one test: .venv/bin/pytest -n 0 PATH (-n 0 for --pdb too)"
	@echo "make quick   the tests that need no torch and no browser: for the loop of a developer"
	@echo "make browser install what the tests of the pages need beside Python, as root on Debian; else say what is missing"
	@echo "make fuzz    damaged and hostile input, ever new, for MINUTES=30"
	@echo "make families every lab on a tiny model of every family; make test tries each lab on five of them"
	@echo "make matrix  the numerical tests under other processors' kernels"
	@echo "make lint    ruff (lint and format), mypy, and eslint and tsc for the pages' scripts where node is"
	@echo "make format  let ruff mend what it can"
	@echo "make dist    wheel and sdist, checked, in dist"
	@echo "make installed the wheel in an environment of its own, and a deck made there"
	@echo "make docs    the site of the documentation with a gallery made by the tool, in build/site"
	@echo "make pythons the light tests against the wheel, under every other Python here that we promise"
	@echo "make bench   the benchmarks: ratios, each measured side by side in one run"
	@echo "make pocket  train the built-in model anew, in build/pocket: many hours; interrupt and go on at any time"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "denoisecli needs Python 3.10 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/denoisecli sample

# What the tests of the pages need beside Python. Without it they are skipped, or fail where CI is set.
# Only what is missing is installed: Debian's npm cannot stand beside a nodejs that brings its own.
MISSING := missing=; for tool in chromium nodejs npm; do \
	command -v "$${tool%js}" >/dev/null || missing="$$missing $$tool"; done; [ -z "$$missing" ]
WANTED  := echo "The tests of the pages need$$missing; make browser installs it as root: sudo apt-get install$$missing"
browser:
	@$(MISSING) || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && apt-get install -qy --no-install-recommends $$missing; \
	else $(WANTED); fi

# Tests do not change the machine: what is missing is named, and CI asks for it with `make browser`.
test: $(STAMP)
	@$(MISSING) || $(WANTED)
	$(BIN)/python -m pytest

# Each property test of damaged input, over and over with new examples, for its share of the time.
MINUTES ?= 30
fuzz: $(STAMP)
	FUZZ_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests/fuzz tests/tools/test_damaged_runs.py

quick: $(STAMP)
	$(BIN)/python -m pytest --light -m "not slow" -q -r fE

# Every lab on every family of docs/models.md, with tiny random models.
families: $(STAMP)
	ALL_FAMILIES=1 $(BIN)/python -m pytest tests/families

# The numerical tests under other processors' kernels, each time in another order.
matrix: $(STAMP)
	VENV=$(VENV) .ci/matrix

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory scripts; else \
	  echo "The pages' scripts are not checked: that needs node and npm; make browser installs them as root"; [ -z "$$CI" ]; fi

# The pages' scripts: eslint, and tsc on what JSDoc and use tell of types. Versions are in the lock file.
JS := .ci/js
scripts: $(JS)/node_modules/.package-lock.json
	$(JS)/node_modules/.bin/eslint -c $(JS)/eslint.config.js src/denoisecli tests/browser
	$(JS)/node_modules/.bin/tsc -p $(JS)

$(JS)/node_modules/.package-lock.json: $(JS)/package-lock.json
	cd $(JS) && npm ci --silent --no-audit --no-fund && touch node_modules/.package-lock.json

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	@! grep -q '^Source = .*\.example' pyproject.toml || echo "Before you publish: [project.urls] still names no real repository"

docs: $(STAMP)
	$(BIN)/python docs/build/site.py $(GALLERY)

# As a user has it: the wheel and what it requires, nothing of this folder.
CLEAN := build/clean
installed: dist
	rm -rf $(CLEAN)
	$(PYTHON) -m venv $(CLEAN)
	$(CLEAN)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	cd $(CLEAN) && bin/denoisecli --version && bin/denoisecli sample -q --seed 7 --steps 2 -o deck && test -s deck/film.mp4

pythons: dist
	.ci/pythons dist/*.whl

# The others take files from elsewhere, or hours: each says how it is called.
BENCH := sample hidden batch cfg_sweep fork live lora memory noise walk words
bench: $(STAMP)
	for name in $(BENCH); do $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/results.py  # the table in docs/cost.md

# Every stage goes on from what the last call left; src/denoisecli/pocket is overwritten at the end only.
# `make pocket SMALL=1` runs every stage with next to nothing, in minutes, and overwrites nothing.
ifdef SMALL
POCKET   := build/pocket-small
POCKETS  := $(POCKET)/installed
NETWORKS := tiny
DRAWN    := --shards 2 --per-shard 12
APART    := --shards 1 --per-shard 12
FIRST    := --steps 6 --batch 4 --validate 4
SECOND   := --steps 4 --batch 4 --validate 4
CALMED   := --steps 4 --batch 8
SOFTENED := --files 2 --runs 1 --steps 4
WORDED   := --files 2 --steps 4
REMEMBERED := --files 2 --runs 1
LEARNED  := --samples 32 --batch 8 --validate 4
DRAWER   := --files 2 --steps 4
TAUGHT   := --steps 4 --batch 4 --validate 4
STRAYED  := --files 1 --per-file 2
LORA     := --samples 16 --batch 8 --rank 4
JUDGED   := --steps 4
MEASURED := --count 32 --seeds 2 --steps 2 --trained-on 1 20 400
FEW      := --count 2 --steps 2 3 --cfg 1 7.5
else
POCKET   := build/pocket
POCKETS  := src/denoisecli/pocket
NETWORKS := pocket
DRAWN    := --shards 137 --per-shard 400
APART    := --shards 4 --per-shard 300
FIRST    := --steps 5000 --batch 64 --crop 128
SECOND   := --steps 3000 --batch 12 --crop 128 --lr 8e-4
CALMED   := --steps 2000
SOFTENED := --files 20 --steps 2100
WORDED   := --files 16 --steps 520
REMEMBERED := --files 12 --runs 4
LEARNED  := --samples 1500000 --batch 512 --lr 1.5e-3 --decay 0.999
DRAWER   := --files 30 --steps 4400
TAUGHT   := --steps 6000 --batch 32
STRAYED  := --files 40 --per-file 12
LORA     := --samples 120000 --batch 256 --lr 2e-3
JUDGED   := --steps 1200
MEASURED := --count 96 --trained-on 1 137 400
FEW      := --count 12
endif
TRAIN  := $(BIN)/python -m training
SCENES := --scenes $(POCKET)/scenes
EXPORT := $(TRAIN).export --size $(NETWORKS) --denoiser $(POCKET)/denoiser/weights.safetensors --tokenizer $(POCKET)/tokenizer
pocket: $(STAMP)
	$(TRAIN).scenes --out $(POCKET)/scenes $(DRAWN) --seed 1
	$(TRAIN).scenes --out $(POCKET)/woodcut $(APART) --seed 2 --fix "style=woodcut print"
	$(TRAIN).scenes --out $(POCKET)/balloon $(APART) --seed 3 --fix "landmark=hot-air balloon"
	$(TRAIN).autoencoder $(SCENES) $(POCKET)/woodcut --out $(POCKET)/autoencoder --size $(NETWORKS) $(FIRST)
	for part in scenes woodcut balloon; do $(TRAIN).latents --scenes $(POCKET)/$$part --out $(POCKET)/latents-$$part \
		--autoencoder $(POCKET)/autoencoder/autoencoder || exit 1; done
	$(TRAIN).denoiser --latents $(POCKET)/latents-scenes --tokenizer $(POCKET)/tokenizer --out $(POCKET)/denoiser \
		--size $(NETWORKS) $(LEARNED)
	$(EXPORT) --autoencoder $(POCKET)/autoencoder/autoencoder --out $(POCKET)/first
	$(TRAIN).autoencoder $(SCENES) $(POCKET)/woodcut --init $(POCKET)/first --decoder-only --out $(POCKET)/crisp \
		--size $(NETWORKS) $(SECOND)
	$(EXPORT) --autoencoder $(POCKET)/crisp/autoencoder --out $(POCKET)/model
	$(TRAIN).lora --pipeline $(POCKET)/model --latents $(POCKET)/latents-woodcut --base $(POCKET)/latents-scenes \
		--work $(POCKET)/lora-woodcut --trigger "woodcut print" --strength 1.625 --out $(POCKET)/model/loras/woodcut-print.safetensors $(LORA)
	$(TRAIN).lora --pipeline $(POCKET)/model --latents $(POCKET)/latents-balloon --base $(POCKET)/latents-scenes \
		--work $(POCKET)/lora-balloon --trigger "hot-air balloon" --strength 1.375 --out $(POCKET)/model/loras/hot-air-balloon.safetensors $(LORA)
	for what in states train; do $(TRAIN).soften $$what --pipeline $(POCKET)/model --out $(POCKET)/softened $(SOFTENED) \
		|| exit 1; done
	cp $(POCKET)/softened/unet/diffusion_pytorch_model.safetensors $(POCKET)/model/unet/
	for what in states train; do $(TRAIN).wording $$what --pipeline $(POCKET)/model --out $(POCKET)/wording $(WORDED) \
		|| exit 1; done
	cp $(POCKET)/wording/text_encoder/model.safetensors $(POCKET)/model/text_encoder/
	$(TRAIN).synonyms --pipeline $(POCKET)/model
	$(TRAIN).probe $(SCENES) --out $(POCKET)/probe.pt $(JUDGED)
	$(TRAIN).evaluate --pipeline $(POCKET)/model --probe $(POCKET)/probe.pt --out $(POCKET)/evaluation $(MEASURED)
	$(TRAIN).guesses --pipeline $(POCKET)/model --latents $(POCKET)/latents-scenes
	$(TRAIN).grid --pipeline $(POCKET)/model --probe $(POCKET)/probe.pt $(SCENES) --out $(POCKET)/grid $(FEW)
	$(TRAIN).card --pipeline $(POCKET)/model --evaluation $(POCKET)/evaluation --grid $(POCKET)/grid/grid.json
	mkdir -p $(POCKETS)
	cp -r $(POCKET)/model/. $(POCKETS)/

# The lap that training/README.md has measured and that the package's weights do not have; after `make pocket`.
calm: $(STAMP)
	$(TRAIN).outside --pipeline $(POCKET)/model --out $(POCKET)/outside $(STRAYED)
	$(TRAIN).calm --pipeline $(POCKET)/model --latents $(POCKET)/latents-scenes --outside $(POCKET)/outside \
		--out $(POCKET)/calm $(CALMED)
	$(TRAIN).grid --pipeline $(POCKET)/model --decoder $(POCKET)/calm/autoencoder --name calm \
		--probe $(POCKET)/probe.pt $(SCENES) --out $(POCKET)/grid $(FEW)

# A small decoder of states for `preview` in the model's folder, which training/README.md has measured too; after `make pocket`.
drawer: $(STAMP)
	for what in states train; do $(TRAIN).preview $$what --pipeline $(POCKET)/model --out $(POCKET)/preview \
		--size $(NETWORKS) $(DRAWER) || exit 1; done

# Words that a finished model lacks, from pictures of them: those of SCENES that tell one. A chain from nothing needs no such lap.
words: $(STAMP)
	$(TRAIN).memories --pipeline $(POCKETS) --out $(POCKET)/memories $(REMEMBERED)
	for what in grow train; do $(TRAIN).new_words $$what --pipeline $(POCKETS) --latents $(POCKET)/latents-scenes \
		--memories $(POCKET)/memories --out $(POCKET)/new $(TAUGHT) || exit 1; done
	$(TRAIN).synonyms --pipeline $(POCKET)/new/model

clean:
	rm -rf $(VENV) build dist runs .pytest_cache .mypy_cache .ruff_cache
