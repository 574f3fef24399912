# Everything is installed inside this folder: .tools (uv, where there is none), .venv, .nox, .demo.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)

# Version and date of the oldest and of the newest Airflow: the first and the last line that is no comment.
OLDEST_AIRFLOW := $(shell awk '/^[0-9]/ {print $$1, $$2; exit}' airflow-versions.txt)
NEWEST_AIRFLOW := $(shell awk '/^[0-9]/ {line = $$1 " " $$2} END {print line}' airflow-versions.txt)

# Where Python keeps no bytecode (images often say so), each of the tests' hundreds of processes would compile Airflow anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet uv

# $(1) the environment's folder, $(2) version and date of Airflow, $(3) what is installed beside it
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with: make PYTHON=/path/to/python3.11")'
	$(UV) venv --quiet --clear --python $(PYTHON) $(1)
	$(UV) pip install --quiet --python $(1) --exclude-newer $(word 2,$(2)) --editable . "apache-airflow==$(word 1,$(2))" $(3)
	@touch $(1)/.complete
endef

.venv/.complete: pyproject.toml Makefile airflow-versions.txt | $(filter .tools/bin/uv,$(UV))
	$(call environment,.venv,$(NEWEST_AIRFLOW),--group test --group people --group engines --group lint --group docs --group matrix)

.venv-oldest/.complete: pyproject.toml Makefile airflow-versions.txt | $(filter .tools/bin/uv,$(UV))
	$(call environment,.venv-oldest,$(OLDEST_AIRFLOW),"pandas<3" --group test --group engines)

.venv-warehouses/.complete: pyproject.toml Makefile airflow-versions.txt | $(filter .tools/bin/uv,$(UV))
	$(call environment,.venv-warehouses,$(NEWEST_AIRFLOW),--group warehouses)

# Tests wait for processes, servers and browsers half of the time, so there are more of them than cores. Tests of one file share what
# they start; tests/conftest.py says in which order the files begin.
SIDE_BY_SIDE := --numprocesses 4 --dist loadfile

# Not a part of the environments: the library that the driver needs may come after them. So each `make test` looks.
has_mariadb = $(1)/bin/python -c "import MySQLdb" 2>/dev/null
with_mariadb = { $(has_mariadb) \
	|| { $(UV) pip install --quiet --python $(1) --exclude-newer $(word 2,$(2)) --group mariadb 2>/dev/null; $(has_mariadb); }; }
no_mariadb = echo "The MariaDB driver does not build here (it needs a C compiler and libmariadb-dev): what needs it is skipped."

.PHONY: mariadb
mariadb: .venv/.complete .venv-oldest/.complete ## the MariaDB driver, where it is missing and can be built
	@$(call with_mariadb,.venv,$(NEWEST_AIRFLOW)) && $(call with_mariadb,.venv-oldest,$(OLDEST_AIRFLOW)) \
		|| $(no_mariadb)

# The oldest Airflow: what is about it, not what is about numbers, answers, drivers, files or other servers; of whole
# Airflows, a killed list and what is kept private. Of the rest, `make test-matrix` runs all on it but the whole Airflows.
NEWEST_ONLY := $(addprefix --ignore=,tests/delivery tests/phones tests/probe tests/simulator tests/torture tests/snapshot/test_snapshot.py \
	$(filter-out %/test_connection.py %/test_octopush.py %/test_redaction.py,$(wildcard tests/hooks/test_*.py)) tests/operators/test_slow_s3.py \
	$(addprefix tests/sources/test_,csv_reader.py engines.py files.py table_formats.py) \
	$(filter-out %/test_killed_list.py %/test_privacy.py,$(wildcard tests/integration/test_*.py) tests/integration/watched))

.PHONY: test
test: lint docs .venv/.complete .venv-oldest/.complete mariadb ## everything: linters, types, architecture, docs, tests on the newest and the oldest Airflow
	.venv/bin/pytest $(SIDE_BY_SIDE)
	.venv-oldest/bin/pytest $(SIDE_BY_SIDE) $(NEWEST_ONLY)

.PHONY: test-warehouses
test-warehouses: .venv-warehouses/.complete ## Snowflake, BigQuery and Databricks by their real hooks; an environment of 1.7 GB
	.venv-warehouses/bin/pytest tests/warehouses

.PHONY: test-matrix
test-matrix: .venv/.complete ## unit and Dag tests on every Airflow, pandas and Python of airflow-versions.txt
	.venv/bin/nox --tags matrix

.PHONY: release-check
release-check: .venv/.complete ## sdist and wheel: what is in them, and the demo from each
	.venv/bin/nox --tags release

.PHONY: torture
torture: .venv/.complete ## thousands of seeded runs, and years of nights: TORTURE_SEEDS=20000, TORTURE_YEARS=200, from TORTURE_START=0 on
	TORTURE_SEEDS=$${TORTURE_SEEDS-20000} TORTURE_YEARS=$${TORTURE_YEARS-200} KILLED_STEP=$${KILLED_STEP-1} KILLED_SEEDS=$${KILLED_SEEDS-60} \
	CHANGES_SEEDS=$${CHANGES_SEEDS-300} OPT_OUT_SEEDS=$${OPT_OUT_SEEDS-300} SLOW_STORES=$${SLOW_STORES-60} INTERRUPTIONS=$${INTERRUPTIONS-2000} \
	BREAKER_SEEDS=$${BREAKER_SEEDS-2000} PHONE_CASES=$${PHONE_CASES-15000} NUMBERS_PER_PLAN=$${NUMBERS_PER_PLAN-2500} \
	POSSIBLE_SEEDS=$${POSSIBLE_SEEDS-2000} POSSIBLE_START=$${POSSIBLE_START-$${TORTURE_START-0}} \
	.venv/bin/pytest --numprocesses 2 tests/torture tests/operators/test_changes.py tests/operators/test_missing.py \
		tests/operators/test_opt_outs.py tests/sync/test_interruptions.py tests/delivery/test_breaker.py tests/phones

.PHONY: mutants
mutants: .venv/.complete ## what the tests do not notice: small changes to what decides over contacts, one at a time; takes long
	@$(UV) pip install --quiet --python .venv --exclude-newer $(word 2,$(NEWEST_AIRFLOW)) --group mutants
	.venv/bin/mutmut run
	@.venv/bin/mutmut results
	@.venv/bin/mutmut export-cicd-stats
	@.venv/bin/python -c 'import json; s = json.load(open("mutants/mutmut-cicd-stats.json")); died, total = s["killed"] + s["timeout"], s["total"]; \
		print(f"{died} of {total} died"); exit(died < 0.92 * total)'

.PHONY: benchmark
benchmark: .venv/.complete ## speed and memory, measured and written into docs/performance.md; takes minutes and two idle cores
	@$(UV) pip install --quiet --python .venv --exclude-newer $(word 2,$(NEWEST_AIRFLOW)) --group benchmark
	@$(call with_mariadb,.venv,$(NEWEST_AIRFLOW)) || $(no_mariadb)
	@UV=$(abspath $(UV)) .venv/bin/python -m benchmarks

.PHONY: lint
lint: .venv/.complete ## style, types, and the direction of imports
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/zizmor --offline --quiet --strict-collection .github

.PHONY: docs
docs: .venv/.complete ## the documentation, as a site in docs/_build; a link or a name that leads nowhere is an error
	.venv/bin/sphinx-build --quiet --fail-on-warning --nitpicky --fresh-env docs docs/_build

.PHONY: benchmark-scaling
benchmark-scaling: .venv/.complete ## one table in 1, 2 and 4 parts, and 100 lists, on Celery workers, into docs/scaling.md
	.venv/bin/python -m benchmarks.scaling
	.venv/bin/python -m benchmarks.many_lists

.PHONY: screenshots
screenshots: .venv/.complete ## the pictures in the docs, by the test that sees that the UI works (needs Chromium)
	@mkdir -p docs/images
	SCREENSHOTS=docs/images .venv/bin/pytest tests/integration/watched/test_connection_form.py tests/integration/test_history.py

.PHONY: demo
demo: .venv/.complete ## the nightly Dag on real Airflow, from a messy table to a list
	@.venv/bin/python demo/run.py

.PHONY: airflow
airflow: .venv/.complete ## Airflow's UI with simulator, connections and Dags in place, until Ctrl-C (PORT=8080 SIMULATOR_PORT=8090)
	@.venv/bin/python demo/airflow_ui.py
