# The station's errands. `make run` and `make test` do everything on a fresh machine.

VENV := .venv
PYTHON := $(VENV)/bin/python
RUN_APT := python3-venv libgl1 libglib2.0-0
TEST_APT := chromium fonts-noto-cjk postgresql mosquitto mbpoll libmodbus-dev gcc libc6-dev \
  gcc-avr avr-libc binutils-avr simavr libsimavr-dev libelf-dev avrdude arduino-core-avr
# Node only where the machine has none: a developer's own is as good.
NODE_APT := $(if $(shell command -v node),,nodejs) $(if $(shell command -v npm),,npm)
PLC_MASTERS := tests/firmware_bridge/plc/masters/npm
AVR8JS := tests/firmware/avr8js
NPM_DONE := node_modules/.package-lock.json
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: install install-test run test check bench soak bottle lock clean

install: $(VENV)/.installed

install-test: $(VENV)/.installed-test

# Packages of the system are asked for only where they lack, so that a station without internet can be re-installed.
define need_apt
	@missing=""; for package in $(1); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  echo "installing$$missing"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; \
	fi
endef

$(VENV)/.installed: requirements.txt pyproject.toml
	$(call need_apt,$(RUN_APT))
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install -q --disable-pip-version-check --no-compile --require-hashes -r requirements.txt
	$(PYTHON) -m pip install -q --disable-pip-version-check --no-deps -e .
	# Test data that wheels carry: 20 MB that no station needs.
	rm -rf $(VENV)/lib/python3*/site-packages/onnx/backend/test $(VENV)/lib/python3*/site-packages/numpy/_core/tests
	touch $@

%/$(NPM_DONE): %/package-lock.json
	$(call need_apt,$(NODE_APT))
	npm ci --prefix $* --omit=optional --no-audit --no-fund --silent
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-dev.txt $(PLC_MASTERS)/$(NPM_DONE) $(AVR8JS)/$(NPM_DONE)
	$(call need_apt,$(TEST_APT))
	$(PYTHON) -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

run: install
	$(VENV)/bin/inspector run

# Two processes: half of the time a test waits for a browser, a broker or a belt (decision 0106).
PYTEST := $(PYTHON) -m pytest -n 2 --dist loadfile

test: install-test
	$(PYTEST)

check: install-test
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTEST)

bench: install
	$(VENV)/bin/inspector bench

# Slower campaigns: memory over 50,000 parts (SOAK_PARTS), every fault over many seeds, calibration over 100 draws.
soak: install-test
	$(PYTHON) -m pytest -m soak -o addopts="-q"

# The same line on real parts: teaches from the good pictures, then runs the test pictures of the shared data set.
bottle: install
	bench/bottle/run.sh

lock:
	$(PYTHON) -m pip install -q pip-tools
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --allow-unsafe -o requirements.txt pyproject.toml
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --allow-unsafe --extra dev -o requirements-dev.txt pyproject.toml

clean:
	rm -rf $(VENV) build data .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
