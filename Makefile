# A thin front: the work is in dev/*. `make` builds build/workcell.
.PHONY: all setup demo test chaos soak bench format lint clean

all:
	@dev/build

setup:
	@dev/setup

demo:
	@dev/demo

test:
	@dev/test

chaos:
	@dev/chaos

soak:
	@dev/chaos soak

bench:
	@dev/bench

format:
	@dev/format

lint:
	@dev/lint

clean:
	rm -rf build build-*
