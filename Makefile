# A thin front: the work is in dev/*. `make` builds build/workcell.
.PHONY: all setup demo test transfers chaos soak faults power fuzz fuzz-net sanitize coverage model bench format lint \
	clean

all:
	@dev/build

setup:
	@dev/setup

demo:
	@dev/demo

test:
	@dev/test

transfers: all
	@FULL=1 tests/transfer/run

chaos:
	@dev/chaos

soak:
	@SECONDS_=$${SECONDS_:-1800} dev/chaos

bench:
	@dev/bench

faults:
	@dev/faults

power:
	@dev/power

# TARGETS="form tus" of them, SECONDS_ each
fuzz:
	@SECONDS_=$${SECONDS_:-1800} dev/fuzz $(TARGETS)

fuzz-net:
	@dev/fuzz net

sanitize:
	@dev/sanitize

coverage:
	@dev/coverage

model: all
	@MODEL_HISTORIES=1000000 build/tests/unit/test_model

format:
	@dev/format

lint:
	@dev/lint

clean:
	rm -rf build build-*
