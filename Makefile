# Thin: what there is to do, and the order of it. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PREFIX ?= /usr/local
# Debian's own, since that is the one that the Debian packages of pytest belong to.
PYTHON ?= /usr/bin/python3
PYTEST := $(PYTHON) -m pytest -q -p no:cacheprovider
SHARE := share/martlet
SWIFT_BUILD = swift build -c release $(QUIET)
# SwiftPM does not link again when the linker script alone has changed.
remove-older = if [ Sources/KernelImage/kernel.lds -nt $(1) ]; then rm -f $(1); fi
MODE := $(if $(MMU),--mmu $(MMU))
NOMMU := $(filter none,$(MMU))
PREREQUISITES := build

##@ Use
.PHONY: help run
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The first build shows what it does; later ones say something only when they fail.
run: QUIET := $(if $(wildcard bin/martlet),--quiet)
run: PREREQUISITES := $(if $(NOMMU),nommu,build)
run: build $(if $(NOMMU),root-nommu) ## Boot to a shell, or run one command: CMD='uname -a'; MMU=none for one address space
ifdef CMD
	@bin/martlet run $(MODE) -- sh -c "$$CMD"
else
	@bin/martlet run $(MODE)
endif
export CMD

##@ Build
.PHONY: build build-checked root root-nommu prerequisites prerequisites-test install clean
build: prerequisites ## Build bin/martlet and share/martlet: the kernel, its symbols, the default root
	@$(SWIFT_BUILD) --product martlet >&2
	@$(call remove-older,.build/release/martlet-kernel)
	@$(SWIFT_BUILD) --product martlet-kernel >&2
	@install -D -C -m 755 .build/release/martlet bin/martlet
	@install -D -C -m 755 .build/release/martlet-kernel $(SHARE)/kernel
	@$(MAKE) -s $(SHARE)/kernel.symbols $(SHARE)/root.tar >&2

build-checked: prerequisites ## Build share/martlet/kernel.checked, which MARTLET_KERNEL=checked makes bin/martlet use
	@$(call remove-older,.build-checked/release/martlet-kernel)
	@MARTLET_CHECKED=1 $(SWIFT_BUILD) --scratch-path .build-checked --product martlet-kernel >&2
	@install -D -C -m 755 .build-checked/release/martlet-kernel $(SHARE)/kernel.checked
	@$(MAKE) -s $(SHARE)/kernel.checked.symbols >&2

$(SHARE)/%.symbols: $(SHARE)/% scripts/kernel-symbols $(wildcard scripts/lib/*.py)
	@scripts/kernel-symbols $< $@

root: prerequisites $(SHARE)/root.tar ## Build the default root only
root-nommu: PREREQUISITES := nommu
root-nommu: prerequisites $(SHARE)/root-nommu.tar ## Build the default root of --mmu none, from Debian's sources
$(SHARE)/root.tar: root/build $(wildcard root/lib/*.py) $(shell find root/files -type f)
	@root/build $@ >&2
$(SHARE)/root-nommu.tar: root/build $(wildcard root/lib/*.py root/nommu/*) $(shell find root/files -type f)
	@root/build --mmu none $@ >&2

prerequisites: ## Install missing Debian packages, or print the line that does
	@scripts/prerequisites $(PREREQUISITES)

prerequisites-test:
	@scripts/prerequisites test

install: build ## Install below PREFIX (default /usr/local)
	install -D -m 755 bin/martlet $(DESTDIR)$(PREFIX)/bin/martlet
	install -D -m 755 $(SHARE)/kernel $(DESTDIR)$(PREFIX)/$(SHARE)/kernel
	install -m 644 $(SHARE)/kernel.symbols $(SHARE)/root*.tar $(DESTDIR)$(PREFIX)/$(SHARE)/

clean: ## Remove everything that was built; packages, and what is made of their sources, stay in .build-root
	rm -rf .build .build-checked bin share

##@ Test
.PHONY: test test-long test-swift test-tool test-guest kunit checks lint format docs
test: prerequisites-test ## Everything, shortened to fit into 15 minutes
	@$(MAKE) test-swift
	@$(MAKE) build build-checked root-nommu
	@$(MAKE) kunit
	@$(MAKE) kunit MMU=none
	@MARTLET_KERNEL=checked $(MAKE) kunit
	@$(MAKE) test-tool
	@$(MAKE) test-guest
	@MARTLET_KERNEL=checked $(MAKE) test-guest GUEST="$(GUEST) --martlet-only -k 'storm_ or signal_ or process_ or hammer'"

test-long: ## Everything with the full counts, and stress-ng
	@scripts/prerequisites test-long
	@$(MAKE) test GUEST=--long TOOL=--long

test-swift: ## The hosted tests: swift test
	@swift test

test-tool: ## The tool with a stand-in for the kernel, the default root, the build's scripts, the benchmark's driver; TOOL='pytest options'
	@$(PYTEST) Tests/tool $(TOOL)

test-guest: ## Programs that run on the host and in Martlet; MARTLET_KERNEL=checked, GUEST='pytest options'
	@$(PYTEST) Tests/guest $(GUEST)

kunit: build ## The unit tests inside the kernel; MMU=none, FILTER=suite.test
	@bin/martlet kunit $(MODE) $(FILTER)

checks: ## Check the kernel image's machine code, the sources and the documents
	@scripts/checks

lint: ## Check the formatting of all Swift sources
	@swift format lint --strict --recursive --parallel Sources Tests Package.swift

format: ## Format all Swift sources
	@swift format --in-place --recursive --parallel Sources Tests Package.swift

docs: ## Write what README.md and docs/ take from the sources
	@scripts/generate-docs

##@ Measure
.PHONY: bench
bench: build ## Measure against native: ROWS=regex, ROUNDS=n; PEERS=1 installs gVisor and user-mode Linux too
	@scripts/prerequisites bench$(if $(PEERS),-peers)
	@bench/run $(if $(ROWS),--rows "$$ROWS") $(if $(ROUNDS),--rounds $(ROUNDS))
export ROWS
