# Two commands do everything: `make demo` and `make test`. Each installs what it lacks, and says what it installs.
.PHONY: demo test bench setup fmt clippy doc

demo:
	tools/setup build
	cargo run --profile checked -- demo

test:
	tools/setup test
	tools/run-tests

bench:
	tools/setup bench
	cargo build --release
	python3 tests/bench/recorder.py cpu
	python3 tests/bench/recorder.py latency
	python3 tests/bench/recorder.py memory
	python3 tests/bench/sessions.py
	python3 tests/bench/lag.py
	python3 tests/bench/shape.py bursty
	python3 tests/bench/maximum.py
	python3 tests/bench/spans.py
	python3 tests/bench/dashboard.py
	python3 tests/bench/endurance.py throughput
	python3 tests/bench/endurance.py sweep
	python3 tests/bench/report.py
	python3 tests/bench/compare.py
	python3 tests/bench/rehearsal.py
	cargo bench --workspace

setup:
	tools/setup test

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
