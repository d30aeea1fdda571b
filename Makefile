# Two commands are all a newcomer types: `make study` and `make test`. Each works alone on a fresh clone.

VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/study
PYTHON ?= python3

.PHONY: study test check clean

study: $(VENV)/ready ## run the embedded study on local Ray and write its report
	$(BIN)/robust-atp run experiments/embedded.yaml --out $(OUT) --executor ray
	$(BIN)/robust-atp report $(OUT)

test: $(VENV)/ready ## lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

# imagecorruptions asks for the OpenCV build that needs a desktop's libGL; on a bare server the headless one takes
# its place.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "robust-atp needs Python 3.11 or newer, set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -c 'import cv2' 2>/dev/null || \
		$(BIN)/pip install --quiet --constraint constraints.txt --force-reinstall --no-deps opencv-python-headless
	touch $@

clean: ## remove the environment and what was computed
	rm -rf $(VENV) runs
