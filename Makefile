# Every target does its own set-up on a bare Debian machine with the Rust
# toolchain and python3; see scripts/setup for what it installs.
#
#   make run            a server and twenty simulated inspectors (ONCE=1: end after the table)
#   make test           every test, on SQLite and on PostgreSQL
#   make check          static checks only
#   make bench          the figures of docs/benchmarks.md (ONLY=name: one of them)
#   make soak           the long forms of the tests (FIREBREAK_SOAK=rounds)
#   make fmt            format the sources

.PHONY: run test check bench soak fmt

run:
	@scripts/run

test:
	@scripts/test

check:
	@scripts/check

bench:
	@scripts/bench

soak:
	@scripts/soak

fmt:
	cargo fmt --all
