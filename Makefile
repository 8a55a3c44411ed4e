# `make demo` and `make test` set up what they need below this folder and change nothing else.
SHELL := /bin/bash

.PHONY: help engine julia demo test cross bench release clean

help:
	@echo "make demo   build a sysimage of a small example, and show what it saves (about 5 minutes)"
	@echo "make test   run all tests on every Julia found, two runs at a time (10 to 40 minutes for each)"
	@echo "make cross  check the Rust code for Windows, macOS and arm64, and run its tests in Wine and qemu (half an hour)"
	@echo "make engine build the Rust library that the package calls"
	@echo "make bench  compare with PackageCompiler and with ourselves (an hour or more; see bench/README.md)"
	@echo "make release URL=..  pack the engine for all systems, for users without Rust (see deps/release/build.sh)"
	@echo "make clean  remove what the above made"

engine:
	@./deps/with_julia.sh deps/build.jl --cargo

julia:
	@./deps/setup_julia.sh --print-path

demo: engine
	@echo "== demo: builds a sysimage of two small packages into .demo and times it (2 to 6 minutes)"
	@./deps/with_julia.sh examples/demo/demo.jl

test: engine
	@echo "== test: the Rust tests, then the Julia tests with real images (10 to 40 minutes for each Julia)"
	cargo test --workspace --profile checks
	@./test/run_on_all_julias.sh

cross:
	@./deps/cross/check.sh

bench: engine
	@echo "== bench: statements, caches, rebuilds, growth, and PackageCompiler if there is one (an hour or more)"
	@./bench/run.sh

release:
	@./deps/release/build.sh $(if $(URL),$(URL),$(error URL= says where the archives will lie))

clean:
	rm -rf target .tools .demo deps/usr release
