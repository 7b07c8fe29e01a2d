# Everything sets itself up in .venv; Python 3.11 or newer, make and pip are enough.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
PROJECT := {{cookiecutter.project_slug}}

.PHONY: demo test test-all lint bench screenshots project clean

## The default project, served at http://127.0.0.1:5000
demo: project
	cd .demo/my_flask_app && $(BIN)/uv run flask run

## What has to pass before every commit, in less than ten minutes
test: .venv/ready
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not slow"

## The same, and what takes longer
test-all: test
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m slow

## Style and types, of the template and of the project's folder as it stands there
lint: project
	$(BIN)/uv pip install --quiet --requirements .demo/my_flask_app/pyproject.toml --all-extras
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	cd "$(PROJECT)" && $(BIN)/mypy

## The figures in README.md
bench: .venv/ready
	$(BIN)/python benchmarks/generate.py
	$(BIN)/uv run benchmarks/handler.py
	$(BIN)/uv run benchmarks/audit.py
	$(BIN)/uv run benchmarks/grouping.py
	$(BIN)/uv run benchmarks/logins.py

## Every page of the log and some others as pictures, wide and narrow, light and dark, in .demo/screenshots
screenshots: project
	$(BIN)/uv pip install --quiet --requirements .demo/my_flask_app/pyproject.toml
	$(BIN)/python tests/browser/screenshots.py .demo/my_flask_app $(BIN) .demo/screenshots

clean:
	rm -rf .demo .venv

# What is committed, as a user would get it: a working tree holds caches and databases too.
project: .venv/ready
	rm -rf .demo
	mkdir -p .demo/template
	git archive HEAD | tar -x -C .demo/template
	$(BIN)/cookiecutter .demo/template --no-input --output-dir .demo

.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --group dev
	touch $@
