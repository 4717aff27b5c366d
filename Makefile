.DEFAULT_GOAL := help
.PHONY: help run test lint prompts bench dtmf codecs fuzz lossy mutants

ARGS ?=

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1 \t/p' $(MAKEFILE_LIST) | expand -t 12

run: ## build aftercall and start it (ARGS="--config FILE" for a configuration)
	@scripts/run $(ARGS)

test: ## install what the tests need, then run them all (ARGS="clippy test" for some steps)
	@scripts/test $(ARGS)

lint: ## formatting, clippy, documentation, dependencies, shell scripts
	@scripts/lint

prompts: ## speak prompts/texts.toml anew (needs flite, espeak-ng and sox)
	@prompts/make $(ARGS)

bench: ## what a call costs, next to the kernel alone (ARGS="--quick" in two minutes)
	@bench/run $(ARGS)

dtmf: ## the in-band DTMF detector over 5.4 hours of audio (ARGS="-v" names what fails)
	@scripts/dtmf $(ARGS)

codecs: ## our G.722 and Opus heard by the decoders of others, and what they cost
	@scripts/codecs

fuzz: ## hostile input for whatever reads it, a minute each (ARGS="TARGET SECONDS" for one)
	@scripts/fuzz $(ARGS)

lossy: ## calls over a network that loses 30 % (needs root; ARGS="CALLS")
	@scripts/lossy $(ARGS)

mutants: ## mutate core and wire and see which tests notice (needs cargo-mutants)
	@scripts/mutants $(ARGS)
