PYTHON ?= python

.PHONY: check test update fix wheel full

check:  ## lint and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test:  ## the fast suite
	$(PYTHON) -m pytest

update:  ## write generated files and snapshots anew
	$(PYTHON) -c "import json, gradlint.report as r; print(json.dumps(r.schema(), indent=2))" > gradlint/report/report.schema.json
	$(PYTHON) -m gradlint config --schema > gradlint/config/config.schema.json
	$(PYTHON) -m gradlint fixtures/gradcam/readme_cam.py --output-format json --exit-zero | $(PYTHON) -m gradlint graph - -o docs/readme_cam.svg

fix:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

wheel:
	$(PYTHON) -m build

full:  ## everything, the slow tests too
	$(PYTHON) -m pytest -m ""
