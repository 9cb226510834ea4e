# A talk as a Makefile target: runs are made again only when their config changes.
#   make -f examples/slides.mk CONFIGS="deck.yaml mill.yaml" talk.md
# A run's folder is whole or absent, so its trace.json is a safe target.
CONFIGS ?= $(wildcard *.yaml)
RUNS    := $(CONFIGS:%.yaml=made/%)

made/%/trace.json: %.yaml
	denoisecli sample --quiet --force $< -o $(@D)

talk.md: $(RUNS:%=%/trace.json)
	denoisecli slides $(RUNS) -o $@ --title "Out of noise"

.DELETE_ON_ERROR:
